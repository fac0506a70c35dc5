// A small site: sign up, log in and out, devices with "end the others", preferences, messages, forms with CSRF tokens.
import { SessiondStore } from "connect-sessiond";
import { csrf, endOtherSessions, endSession, listSessions, logIn, logOut, principalOf } from "connect-sessiond/express";
import express from "express";
import session from "express-session";
import { button, choice, credentials, field, html, page } from "./pages.mjs";
import { Users } from "./users.mjs";

const HOUR = 60 * 60 * 1000;
const STAY = {
  close: ["Until the browser closes", null],
  hour: ["Until I am away for an hour", HOUR],
  month: ["For 30 days", 30 * 24 * HOUR],
};
const THEMES = [
  ["light", "Light"],
  ["dark", "Dark"],
];
const LANGUAGES = [
  ["en", "English"],
  ["de", "Deutsch"],
  ["fr", "Français"],
];
const isProduction = process.env.NODE_ENV === "production";

export function makeApp(options = {}) {
  const app = express();
  const users = new Users();
  const store = new SessiondStore({ namespace: process.env.SESSIOND_NAMESPACE ?? "express-example", ...options });
  // Behind a proxy that speaks HTTPS, Express must believe its headers: otherwise no secure cookie is sent.
  if (isProduction) app.set("trust proxy", 1);
  app.use(express.urlencoded({ extended: false, limit: "10kb" }));
  app.use(
    session({
      store,
      secret: process.env.SESSION_SECRET ?? "not secret: set SESSION_SECRET beyond your own machine",
      name: isProduction ? "__Host-session" : "session",
      resave: false,
      saveUninitialized: false,
      cookie: { secure: isProduction, httpOnly: true, sameSite: "lax" },
    }),
  );
  app.use(csrf());

  /** Says something on the next page. */
  const say = (req, kind, text) => {
    req.session.messages = [...(req.session.messages ?? []), { kind, text }];
  };
  const show = async (req, res, title, body, status = 200) => {
    const token = await req.csrfToken();
    const messages = req.session.messages ?? [];
    delete req.session.messages;
    const shown = typeof body === "function" ? await body(token) : body;
    res.status(status).send(page({ title, user: principalOf(req), messages, token, body: shown }));
  };
  /** The browser follows at once: the session must be saved by then. */
  const go = (req, res, next, to) => {
    if (!req.session) return res.redirect(303, to);
    req.session.save((error) => (error ? next(error) : res.redirect(303, to)));
  };
  const onlyUsers = (req, res, next) => {
    if (principalOf(req) !== undefined) return next();
    say(req, "error", "Please log in first.");
    go(req, res, next, "/log-in");
  };

  app.get("/", (req, res) => {
    req.session.visits = (req.session.visits ?? 0) + 1;
    const { visits, preferences } = req.session;
    return show(req, res, "Home", html`<p>Visits: ${visits}. Theme: ${preferences?.theme ?? "light"}.</p>`);
  });

  app.get("/sign-up", (req, res) => show(req, res, "Sign up", (token) => credentials("/sign-up", token)));
  app.post("/sign-up", async (req, res, next) => {
    const { name = "", password = "" } = req.body;
    const problem = await users.add(name, password);
    if (problem) {
      say(req, "error", problem);
      return go(req, res, next, "/sign-up");
    }
    await logIn(req, name, { labels: labelsOf(req) });
    say(req, "success", "Welcome!");
    go(req, res, next, "/");
  });

  app.get("/log-in", (req, res) => {
    const stay = choice(
      "stay",
      Object.entries(STAY).map(([value, [label]]) => [value, label]),
      "close",
    );
    return show(req, res, "Log in", (token) =>
      credentials("/log-in", token, html`<label>Stay logged in ${stay}</label>`),
    );
  });
  app.post("/log-in", async (req, res, next) => {
    const { name = "", password = "", stay } = req.body;
    if (!(await users.isRight(name, password))) {
      say(req, "error", "Name or password is wrong.");
      return go(req, res, next, "/log-in");
    }
    const [, maxAge] = Object.hasOwn(STAY, stay) ? STAY[stay] : STAY.close;
    req.session.cookie.maxAge = maxAge;
    await logIn(req, name, { labels: labelsOf(req) });
    say(req, "success", `Hello, ${name}.`);
    go(req, res, next, "/");
  });
  app.post("/log-out", async (req, res) => {
    await logOut(req);
    res.redirect(303, "/");
  });

  app.get("/devices", onlyUsers, (req, res) =>
    show(req, res, "Devices", async (token) => {
      const devices = await listSessions(req);
      const rows = devices.map(
        ({ handle, isCurrent, labels, lastAccessTime }) => html`<li>${labels.device ?? "unknown"},
last active ${lastAccessTime.toISOString()} ${isCurrent ? "(this one)" : button("/devices/end", "End", token, { handle })}</li>`,
      );
      return html`<ul>${rows}</ul>${button("/devices/end-others", "End the others", token)}`;
    }),
  );
  app.post("/devices/end", onlyUsers, async (req, res, next) => {
    const isEnded = await endSession(req, String(req.body.handle));
    say(req, isEnded ? "success" : "error", isEnded ? "Ended." : "There is no such device.");
    go(req, res, next, "/devices");
  });
  app.post("/devices/end-others", onlyUsers, async (req, res, next) => {
    say(req, "success", `Ended: ${await endOtherSessions(req)}.`);
    go(req, res, next, "/devices");
  });

  app.get("/preferences", (req, res) => {
    const { theme, language, compact } = req.session.preferences ?? {};
    return show(
      req,
      res,
      "Preferences",
      (token) => html`<form method="post">${field(token)}
<label>Theme ${choice("theme", THEMES, theme)}</label>
<label>Language ${choice("language", LANGUAGES, language)}</label>
<label>Compact <input type="checkbox" name="compact"${compact && html` checked`}></label>
<button>Save</button></form>`,
    );
  });
  app.post("/preferences", (req, res, next) => {
    const { theme, language, compact } = req.body;
    const known = (options, value) => options.some(([name]) => name === value);
    if (known(THEMES, theme) && known(LANGUAGES, language)) {
      // A change within an object is noticed: only "preferences" is sent.
      req.session.preferences ??= {};
      Object.assign(req.session.preferences, { theme, language, compact: compact === "on" });
      say(req, "success", "Saved.");
    } else say(req, "error", "That can't be chosen.");
    go(req, res, next, "/preferences");
  });

  app.get("/guestbook", (req, res) =>
    show(
      req,
      res,
      "Guestbook",
      (token) =>
        html`<form method="post">${field(token)}<label>Text <input name="text" maxlength="200"></label><button>Sign</button></form>`,
    ),
  );
  app.post("/guestbook", (req, res, next) => {
    if (req.session.hasSigned) say(req, "warning", "You have signed already.");
    else {
      req.session.hasSigned = true;
      say(req, "success", `Thanks for “${String(req.body.text).slice(0, 200)}”.`);
    }
    go(req, res, next, "/guestbook");
  });

  app.use((error, _req, res, next) => {
    if (res.headersSent) return next(error);
    const status = error.statusCode ?? 500;
    if (status >= 500) console.error(error);
    const text = status === 503 ? "The session store can't be reached. Please try again in a moment." : error.message;
    const body = html`<p>${status === 500 ? "Something went wrong." : text}</p>`;
    res.status(status).send(page({ title: `Error ${status}`, user: undefined, messages: [], token: "", body }));
  });
  app.locals.store = store;
  return app;
}

function labelsOf(req) {
  return { device: (req.get("user-agent") ?? "unknown").slice(0, 100) };
}
