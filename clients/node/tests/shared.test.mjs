// The cookie that Express shares with services of other frameworks.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { SessiondStore } from "connect-sessiond";
import { SessiondClient } from "connect-sessiond/client";
import {
  csrf,
  endOtherSessions,
  listSessions,
  logIn,
  logOut,
  principalOf,
  sharedSession,
} from "connect-sessiond/express";
import express from "express";
import session from "express-session";
import { Server } from "./support/server.mjs";
import { Browser, serve, sharedHooks } from "./support/web.mjs";

let server;
const hooks = sharedHooks(after);
before(async () => {
  server = await Server.start(hooks);
});

let namespaces = 0;

async function shop(t, { cookie = { secure: false }, before: earlier = [] } = {}) {
  const namespace = `shared-${process.pid}-${++namespaces}`;
  const settings = { address: server.address, namespace, deadline: 10_000 };
  const [store, client] = [new SessiondStore(settings), new SessiondClient(settings)];
  t.after(() => {
    store.close();
    client.close();
  });
  const app = express();
  app.use(express.urlencoded({ extended: false }), ...earlier);
  app.use(sharedSession(session, { store, cookie }));
  app.get("/", (req, res) => {
    res.json({ user: principalOf(req) ?? null, cart: req.session.cart ?? null, sent: req.headers.cookie ?? null });
  });
  app.post("/cart", (req, res) => {
    req.session.cart = [...(req.session.cart ?? []), req.body.item];
    res.json(req.session.cart);
  });
  app.post("/log-in", async (req, res) => {
    await logIn(req, req.body.user);
    res.json({});
  });
  app.post("/log-out", async (req, res) => {
    await logOut(req);
    res.json({});
  });
  app.get("/devices", async (req, res) => res.json((await listSessions(req)).map(({ isCurrent }) => isCurrent)));
  app.post("/others", async (req, res) => res.json(await endOtherSessions(req)));
  return { client, app, url: await serve(t, app) };
}

const cookiesOf = (response) => response.headers.getSetCookie();

describe("the shared cookie", () => {
  test("it carries the ID as it is, and has its attributes", async (t) => {
    const { client, url } = await shop(t, { cookie: { name: "__Secure-session", domain: "shop.example" } });
    const [cookie, ...more] = cookiesOf(await new Browser(url).post("/cart", { item: "cup" }));
    assert.deepEqual(more, []);
    const [pair, ...attributes] = cookie.split("; ");
    assert.deepEqual(attributes.sort(), ["Domain=shop.example", "HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
    const [name, id] = pair.split("=");
    assert.equal(name, "__Secure-session");
    assert.match(id, /^[\w-]{32}$/);
    assert.deepEqual((await client.get(id)).attributes.cart, ["cup"]);
  });

  test("a session that another service made is taken up, and keeps its ID", async (t) => {
    const { client, url } = await shop(t);
    const attributes = { cart: ["pot"], other: { nested: [1, 2.5, null] } };
    const { sessionId } = await client.create({ attributes, principal: "ada", timeouts: { idleTimeout: 3_600_000 } });
    const browser = new Browser(url);
    browser.cookies.set("session", sessionId);
    assert.deepEqual(await browser.json("/"), { user: "ada", cart: ["pot"], sent: `session=${sessionId}` });
    const answer = await browser.post("/cart", { item: "cup" });
    assert.deepEqual(await answer.json(), ["pot", "cup"]);
    // If a cookie is sent at all, it is the shared one: another would hide it in this browser.
    for (const cookie of cookiesOf(answer)) {
      assert.equal(cookie, `session=${sessionId}; Path=/; HttpOnly; SameSite=Lax`);
    }
    const found = await client.get(sessionId);
    assert.deepEqual(found.attributes, { ...attributes, cart: ["pot", "cup"] });
    assert.equal(found.principal, "ada");
    assert.equal(found.timeouts?.idleTimeout ?? found.idleTimeout, 3_600_000);
  });

  test("a log-in gives a new ID, and a log-out ends the session for every service", async (t) => {
    const { client, url } = await shop(t);
    const browser = new Browser(url);
    await browser.post("/cart", { item: "cup" });
    const old = browser.cookies.get("session");
    const [cookie] = cookiesOf(await browser.post("/log-in", { user: "ada" }));
    const id = browser.cookies.get("session");
    assert.notEqual(id, old);
    assert.equal(cookie, `session=${id}; Path=/; HttpOnly; SameSite=Lax`);
    assert.equal(await client.get(old), null);
    const found = await client.get(id);
    assert.equal(found.principal, "ada");
    assert.deepEqual(found.attributes.cart, ["cup"]);
    // Another service gives the next ID.
    const rotated = await client.rotate(id, {});
    browser.cookies.set("session", rotated.sessionId);
    assert.equal((await browser.json("/")).user, "ada");
    await browser.post("/log-out");
    assert.equal(await client.get(rotated.sessionId), null);
  });

  test("an ID that the store does not know is never taken over", async (t) => {
    const { client, url } = await shop(t);
    for (const chosen of ["chosen-by-an-attacker-0123456789", "short", "%E0%A4%A", "s%3Aabc.def", '"quoted"', ""]) {
      const browser = new Browser(url);
      browser.cookies.set("session", chosen);
      assert.equal((await browser.json("/")).user, null);
      await browser.post("/log-in", { user: "ada" });
      const id = browser.cookies.get("session");
      assert.notEqual(id, chosen);
      assert.equal((await client.get(id)).principal, "ada");
    }
  });

  test("cookies of others, and what a page sees of its own, stay as they are", async (t) => {
    const earlier = (_req, res, next) => {
      res.setHeader("Set-Cookie", ["session-theme=dark", "session=s%3A%E0%A4; Path=/old"]);
      next();
    };
    const { app, url } = await shop(t, { before: [earlier] });
    app.get("/late", (req, res) => {
      req.session.late = true;
      res.cookie("late", "1");
      res.writeHead(200, { "x-more": "1" }).end();
    });
    const answer = await new Browser(url).fetch("/late", {
      headers: { cookie: "theme=dark; session=unknown-0123456789" },
    });
    const cookies = cookiesOf(answer);
    assert.equal(answer.headers.get("x-more"), "1");
    assert.deepEqual(cookies.slice(0, 3), ["session-theme=dark", "session=s%3A%E0%A4; Path=/old", "late=1; Path=/"]);
    assert.match(cookies[3], /^session=[\w-]{32}; Path=\/; HttpOnly; SameSite=Lax$/);
    assert.equal((await new Browser(url).json("/")).sent, null);
  });

  test("forms have tokens, and devices are listed and ended", async (t) => {
    const { app, url } = await shop(t);
    app.get("/token", csrf(), async (req, res) => res.json(await req.csrfToken()));
    app.post("/protected", csrf(), (_req, res) => res.json("taken"));
    app.use((error, _req, res, _next) => res.status(error.statusCode ?? 500).json(error.message));
    const [laptop, phone] = [new Browser(url), new Browser(url)];
    for (const browser of [laptop, phone]) await browser.post("/log-in", { user: "ada" });
    assert.deepEqual(await laptop.json("/devices"), [false, true]);
    assert.equal(await (await laptop.post("/others")).json(), 1);
    assert.equal((await phone.json("/")).user, null);
    const token = await laptop.json("/token");
    assert.equal(await (await laptop.post("/protected", { _csrf: token })).json(), "taken");
    assert.equal((await laptop.post("/protected", {})).status, 403);
  });

  test("settings that contradict it are refused by name", (t) => {
    const store = new SessiondStore({ address: server.address });
    t.after(() => store.close());
    for (const name of ["secret", "name", "genid", "rolling"]) {
      const make = () => sharedSession(session, { store, cookie: { secure: false }, [name]: true });
      assert.throws(make, { name: "TypeError", message: new RegExp(`^${name} can't be set`) });
    }
    const hosted = () => sharedSession(session, { store, cookie: { name: "__Host-session", domain: "shop.example" } });
    assert.throws(hosted, { name: "TypeError", message: /no domain/ });
  });
});
