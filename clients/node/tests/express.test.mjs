// express-session with the store, and the helpers for Express, over HTTP.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  csrf,
  endAllSessions,
  endOtherSessions,
  endSession,
  handleOf,
  issueHandoff,
  listSessions,
  logIn,
  logOut,
  principalOf,
  redeemHandoff,
  requestHandoff,
  requirePrincipal,
} from "connect-sessiond/express";
import { Server } from "./support/server.mjs";
import { Browser, sharedHooks, site } from "./support/web.mjs";

let server;
const hooks = sharedHooks(after);
before(async () => {
  server = await Server.start(hooks);
});

const account = (app) => {
  app.post("/log-in", async (req, res) => {
    await logIn(req, req.body.user, { data: { since: 1 }, labels: { device: req.body.device ?? "" } });
    res.json({ id: req.session.id });
  });
  app.post("/log-out", async (req, res) => {
    await logOut(req);
    res.json({});
  });
  app.get("/me", (req, res) => {
    const { cookie, ...data } = req.session;
    res.json({ user: principalOf(req) ?? null, data });
  });
  app.post("/set", (req, res) => {
    Object.assign(req.session, req.body);
    res.json({});
  });
};

describe("express-session", () => {
  test("a session goes from request to request", async (t) => {
    const { url } = await site(t, server, {
      routes(app) {
        app.get("/", (req, res) => {
          req.session.views = (req.session.views ?? 0) + 1;
          res.json(req.session.views);
        });
      },
    });
    const browser = new Browser(url);
    for (const views of [1, 2, 3]) assert.equal(await browser.json("/"), views);
    assert.equal(await new Browser(url).json("/"), 1);
  });

  test("regenerate, reload, save and destroy work as express-session has them", async (t) => {
    const { url, store } = await site(t, server, {
      routes(app) {
        account(app);
        app.post("/regenerate", (req, res, next) => {
          const before_ = req.session.id;
          req.session.regenerate((error) => {
            if (error) return next(error);
            req.session.fresh = true;
            res.json(req.session.id !== before_);
          });
        });
        app.post("/reload", (req, res, next) => {
          req.session.junk = 1;
          req.session.reload((error) => (error ? next(error) : res.json(req.session.junk ?? null)));
        });
        app.post("/destroy", (req, res, next) => {
          req.session.destroy((error) => (error ? next(error) : res.json(req.session ?? null)));
        });
      },
    });
    const browser = new Browser(url);
    await browser.post("/set", { a: "1" });
    assert.equal(await (await browser.post("/reload")).json(), null);
    assert.equal(await (await browser.post("/regenerate")).json(), true);
    assert.deepEqual((await browser.json("/me")).data, { fresh: true });
    assert.equal(await store.length(), 1);
    await browser.post("/destroy");
    assert.equal(await store.length(), 0);
  });

  test("a slow request does not undo a log-out", async (t) => {
    let go;
    const gate = new Promise((resolve) => {
      go = resolve;
    });
    let arrived;
    const inside = new Promise((resolve) => {
      arrived = resolve;
    });
    const { url, store } = await site(t, server, {
      routes(app) {
        account(app);
        app.get("/slow", async (req, res) => {
          req.session.slow = true;
          arrived();
          await gate;
          res.json("done");
        });
      },
    });
    const browser = new Browser(url);
    await browser.post("/log-in", { user: "u" });
    const slow = browser.copy().json("/slow");
    await inside;
    await browser.post("/log-out");
    go();
    assert.equal(await slow, "done");
    assert.equal(await store.length(), 0);
    assert.equal((await browser.json("/me")).user, null);
  });

  test("a rolling session slides, and ends when it is left alone", async (t) => {
    const { url } = await site(t, server, {
      session: { cookie: { maxAge: 3_000 }, rolling: true },
      routes: account,
    });
    const browser = new Browser(url);
    await browser.post("/set", { a: "1" });
    for (let round = 0; round < 3; round++) {
      await sleep(1_200);
      assert.deepEqual((await browser.json("/me")).data, { a: "1" });
    }
    await sleep(3_200);
    assert.deepEqual((await browser.json("/me")).data, {});
  });

  test("a damaged or forged cookie is no session", async (t) => {
    const { url } = await site(t, server, { routes: account });
    const browser = new Browser(url);
    await browser.post("/set", { a: "1" });
    const [[name, value]] = [...browser.cookies];
    browser.cookies.set(name, `${value.slice(0, -2)}xx`);
    assert.deepEqual((await browser.json("/me")).data, {});
  });
});

describe("accounts", () => {
  test("a log-in rotates the ID, keeps the data and sets the user, in one step", async (t) => {
    const { url, store, namespace } = await site(t, server, { routes: account });
    const browser = new Browser(url);
    await browser.post("/set", { cart: "full" });
    const old = browser.copy();
    const { handle } = (await store.client.list({ namespace }).next()).value;
    await browser.post("/log-in", { user: "u", device: "laptop" });
    assert.deepEqual(await browser.json("/me"), { user: "u", data: { cart: "full", since: 1 } });
    assert.deepEqual(await old.json("/me"), { user: null, data: {} });
    const { value: session } = await store.client.list({ namespace }).next();
    assert.equal(session.handle, handle);
    assert.equal(session.principal, "u");
    assert.deepEqual(session.labels, { device: "laptop" });
    assert.equal(await store.length(), 1);
  });

  test("a visitor without a session logs in too, and out for good", async (t) => {
    const { url, store } = await site(t, server, { routes: account });
    const browser = new Browser(url);
    await browser.post("/log-in", { user: "u" });
    assert.equal((await browser.json("/me")).user, "u");
    await browser.post("/log-out");
    assert.equal((await browser.json("/me")).user, null);
    assert.equal(await store.length(), 0);
  });

  test("with secure: auto a log-in over HTTPS is Secure, though the visitor came without", async (t) => {
    const { url, store } = await site(t, server, {
      session: { cookie: { secure: "auto", sameSite: "lax" } },
      routes(app) {
        app.set("trust proxy", "loopback");
        account(app);
      },
    });
    const attributes = (answer) => answer.headers.getSetCookie()[0].split("; ").slice(1).sort();
    const browser = new Browser(url);
    assert.deepEqual(attributes(await browser.post("/set", { a: "1" })), ["HttpOnly", "Path=/", "SameSite=Lax"]);
    const https = { "x-forwarded-proto": "https" };
    const strict = ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"];
    assert.deepEqual(attributes(await browser.post("/log-in", { user: "u" }, https)), strict);
    assert.deepEqual(attributes(await new Browser(url).post("/log-in", { user: "u" }, https)), strict);
    assert.deepEqual((await browser.json("/me")).data, { a: "1", since: 1 });
    for (const session of Object.values(await store.all())) assert.equal(session.cookie.secure, true);
  });

  test("a session that was logged out meanwhile is not logged in again", async (t) => {
    const { url, store } = await site(t, server, {
      routes(app) {
        account(app);
        app.post("/late", async (req, res) => {
          await store.clear();
          const error = await logIn(req, "other").catch((thrown) => thrown);
          res.json(error?.reason ?? null);
        });
      },
    });
    const browser = new Browser(url);
    await browser.post("/set", { a: "1" });
    assert.equal(await (await browser.copy().post("/late")).json(), null, "nobody was logged in: a new session");
    await browser.post("/log-in", { user: "u" });
    assert.equal(await (await browser.copy().post("/late")).json(), "SESSION_NOT_FOUND");
  });

  test("devices are listed and ended", async (t) => {
    const { url } = await site(t, server, {
      routes(app) {
        account(app);
        app.get("/devices", async (req, res) => res.json(await listSessions(req)));
        app.post("/end", async (req, res) => res.json(await endSession(req, req.body.handle)));
        app.post("/end-others", async (req, res) => res.json(await endOtherSessions(req)));
        app.post("/end-all", async (req, res) => res.json(await endAllSessions(req)));
        app.get("/handle", (req, res) => res.json(handleOf(req)));
        app.get("/private", (req, res) => res.json(requirePrincipal(req)));
      },
    });
    const [laptop, phone, tablet, stranger] = Array.from({ length: 4 }, () => new Browser(url));
    assert.deepEqual(await laptop.json("/devices"), []);
    assert.equal((await laptop.fetch("/private")).status, 401);
    await laptop.post("/log-in", { user: "u", device: "laptop" });
    await phone.post("/log-in", { user: "u", device: "phone" });
    await tablet.post("/log-in", { user: "u", device: "tablet" });
    await stranger.post("/log-in", { user: "x" });
    assert.equal(await laptop.json("/private"), "u");
    const devices = await laptop.json("/devices");
    assert.deepEqual(devices.map(({ labels }) => labels.device).sort(), ["laptop", "phone", "tablet"]);
    assert.deepEqual(
      devices.filter(({ isCurrent }) => isCurrent).map(({ labels }) => labels.device),
      ["laptop"],
    );
    const foreign = await stranger.json("/handle");
    assert.equal(await (await laptop.post("/end", { handle: foreign })).json(), false);
    const { handle } = devices.find(({ labels }) => labels.device === "phone");
    assert.equal(await (await laptop.post("/end", { handle })).json(), true);
    assert.equal((await phone.json("/me")).user, null);
    assert.equal(await (await laptop.post("/end-others")).json(), 1);
    assert.equal((await tablet.json("/me")).user, null);
    assert.equal((await stranger.json("/me")).user, "x");
    assert.equal(await (await laptop.post("/end-all")).json(), 1);
    assert.equal((await laptop.json("/me")).user, null);
  });
});

test("forms need a token of their own session", async (t) => {
  const { url } = await site(t, server, {
    routes(app) {
      app.use(csrf());
      account(app);
      app.get("/form", async (req, res) => res.json(await req.csrfToken()));
    },
  });
  const browser = new Browser(url);
  assert.equal((await browser.post("/set", { a: "1" })).status, 403);
  const token = await browser.json("/form");
  assert.equal((await browser.post("/set", { a: "1", _csrf: token })).status, 200);
  assert.equal((await browser.post("/set", { a: "2" }, { "x-csrf-token": token })).status, 200);
  assert.equal((await browser.post("/set", { a: "3", _csrf: `${token}x` })).status, 403);
  assert.equal((await browser.post("/set", { a: "3" })).status, 403);
  const other = new Browser(url);
  await other.json("/form");
  assert.equal((await other.post("/set", { a: "1", _csrf: token })).status, 403);
  await browser.post("/log-in", { user: "u", _csrf: token });
  assert.equal((await browser.post("/set", { a: "3", _csrf: token })).status, 403, "a log-in renews the tokens");
});

test("single sign-on: two domains, one session", async (t) => {
  const namespace = `sso-${process.pid}`;
  const shop = "https://shop.example";
  let returnTo;
  const source = await site(t, server, {
    store: { namespace },
    routes(app) {
      account(app);
      app.get("/handoff", (req, res, next) => {
        issueHandoff({ audiences: { [shop]: returnTo } })(req, res, (error) =>
          error ? next(error) : res.json("log in first"),
        );
      });
    },
  });
  const target = await site(t, server, {
    store: { namespace },
    routes(app) {
      account(app);
      app.get("/sign-on", (req, res, next) => {
        requestHandoff({ from: `${source.url}/handoff`, audience: shop })(req, res, next);
      });
      app.get("/return", redeemHandoff({ audience: shop, next: "/me" }));
    },
  });
  returnTo = `${target.url}/return`;
  const [atSource, atTarget] = [new Browser(source.url), new Browser(target.url)];
  const begin = async () => (await atTarget.fetch("/sign-on")).headers.get("location");
  assert.equal(await atSource.json(await begin()), "log in first");
  await atSource.post("/set", { cart: "full" });
  await atSource.post("/log-in", { user: "u" });
  const ticketed = (await atSource.fetch(await begin())).headers.get("location");
  assert.equal((await new Browser(target.url).fetch(ticketed)).status, 403, "another browser can't use it");
  const landed = await atTarget.fetch(ticketed);
  assert.equal(landed.status, 303);
  assert.equal(landed.headers.get("cache-control"), "no-store");
  assert.deepEqual(await atTarget.json("/me"), { user: "u", data: { cart: "full", since: 1 } });
  assert.equal((await atTarget.fetch(ticketed)).status, 403, "once");
  await atTarget.post("/set", { cart: "empty" });
  assert.equal((await atSource.json("/me")).data.cart, "empty");
  await atTarget.post("/log-out");
  assert.equal((await atSource.json("/me")).user, null);
  const evil = `${source.url}/handoff?audience=https://evil.example&state=x`;
  assert.equal((await atSource.fetch(evil)).status, 400);
});

test("while the server is away, requests get a 503 that names it, and go on by themselves afterwards", async (t) => {
  const own = await Server.start(t);
  const { url } = await site(t, own, { store: { deadline: 1_000 }, routes: account });
  const browser = new Browser(url);
  await browser.post("/set", { a: "1" });
  await own.kill();
  const start = Date.now();
  const response = await browser.fetch("/me");
  assert.ok(Date.now() - start < 6_000);
  assert.equal(response.status, 503);
  assert.match(await response.text(), new RegExp(`no sessiond answers at ${own.address}`));
  await own.start();
  assert.deepEqual((await browser.json("/me")).data, { a: "1" });
  await own.pause();
  t.after(() => own.resume());
  assert.equal((await browser.fetch("/me")).status, 503);
  own.resume();
  await sleep(50);
  assert.deepEqual((await browser.json("/me")).data, { a: "1" });
});
