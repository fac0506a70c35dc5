// The Express site of the demo. What all sites have in common comes as environment variables: see demo/README.md.
import { SessiondStore } from "connect-sessiond";
import {
  csrf,
  endAllSessions,
  endOtherSessions,
  endSession,
  handleOf,
  listSessions,
  logIn,
  logOut,
  principalOf,
  sharedSession,
} from "connect-sessiond/express";
import express from "express";
import session from "express-session";
import { devicesPage, homePage, unavailablePage } from "./pages.mjs";
import { deviceOf } from "./user-agent.mjs";

const USERS = new Map([
  ["ada", "Ada Lovelace"],
  ["grace", "Grace Hopper"],
  ["alan", "Alan Turing"],
]);
const PRODUCTS = ["Teapot", "Cup", "Green tea"];
const { DEMO_NAME: site, DEMO_PORT: port, DEMO_DOMAIN: domain, DEMO_PORTAL: portal, DEMO_FORUM: forum } = process.env;
const sites = process.env.DEMO_SITES.split(" ").map((pair) => pair.split("="));
const common = { site, sites, portal, forum };

// A laptop that builds something meanwhile is no outage: calls may take 5 s at all sites of the demo.
const store = new SessiondStore({ ttl: 24 * 60 * 60, deadline: 5_000 });
const app = express();
app.disable("x-powered-by");
app.use(express.urlencoded({ extended: false, limit: "10kb" }));
// The shared session: the cookie and the timeout are those of docs/cookies.md. On the Internet leave `secure` out, and name
// the cookie "__Secure-session"; the demo has no TLS.
app.use(sharedSession(session, { store, cookie: { name: "session", domain, secure: false } }));
app.use(csrf());

/** The browser follows at once: the session must be saved by then. */
const go = (req, res, next, to) => {
  if (!req.session) return res.redirect(303, to);
  req.session.save((error) => (error ? next(error) : res.redirect(303, to)));
};
const membersOnly = (req, res, next) => (principalOf(req) === undefined ? res.redirect(303, "/") : next());

app.use((_req, res, next) => {
  res.set("Cache-Control", "no-store");
  next();
});

app.get("/", async (req, res) => {
  const devices = await listSessions(req);
  const page = {
    principal: principalOf(req),
    name: req.session.user?.name ?? principalOf(req),
    device: devices.find(({ isCurrent }) => isCurrent),
    cart: req.session.cart ?? [],
    users: USERS,
    products: PRODUCTS,
    token: await req.csrfToken(),
    // A new visitor's session is stored along with its token.
    handle: handleOf(req),
  };
  res.send(homePage(common, page));
});

app.post("/log-in", async (req, res, next) => {
  const { user } = req.body;
  if (USERS.has(user) && principalOf(req) === undefined) {
    const labels = { device: deviceOf(req.get("user-agent")), site };
    await logIn(req, user, { data: { user: { name: USERS.get(user) } }, labels, grace: 10_000 });
  }
  go(req, res, next, "/");
});

app.post("/log-out", async (req, res) => {
  await logOut(req);
  res.redirect(303, "/");
});

app.post("/cart", (req, res, next) => {
  const { product } = req.body;
  if (PRODUCTS.includes(product)) req.session.cart = [...(req.session.cart ?? []), { product, site }];
  go(req, res, next, "/");
});

app.get("/devices", membersOnly, async (req, res) => {
  res.send(devicesPage(common, { devices: await listSessions(req), token: await req.csrfToken() }));
});

app.post("/devices/end", membersOnly, async (req, res) => {
  await endSession(req, String(req.body.handle));
  res.redirect(303, "/devices");
});

app.post("/devices/end-others", membersOnly, async (req, res) => {
  await endOtherSessions(req);
  res.redirect(303, "/devices");
});

app.post("/devices/end-all", membersOnly, async (req, res) => {
  await endAllSessions(req);
  res.redirect(303, "/");
});

// Hands the session to the forum, which is on another domain: a ticket for it alone, good once and for 30 s.
app.get("/handoff", membersOnly, async (req, res) => {
  if (!forum) return res.redirect(303, "/");
  const { ticket } = await store.client.issueHandoff(req.sessionID, forum, store.callSettings);
  const query = new URLSearchParams({ ticket, state: String(req.query.state ?? "") });
  res.set("Referrer-Policy", "no-referrer").redirect(303, `${forum}/return?${query}`);
});

app.use((error, _req, res, next) => {
  if (res.headersSent) return next(error);
  const status = error.statusCode ?? 500;
  if (status === 503) res.set("Retry-After", "1").status(503).send(unavailablePage(common));
  else
    res
      .status(status)
      .type("text")
      .send(status === 500 ? "Something went wrong." : error.message);
});

app.listen(Number(port), "127.0.0.1");
