// The examples for other frameworks, visited by browsers.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { SessiondClient } from "connect-sessiond/client";
import { createSessions } from "connect-sessiond/web";
import { Server } from "./support/server.mjs";
import { Browser, serve, sharedHooks } from "./support/web.mjs";

const root = new URL("..", import.meta.url).pathname;
const hooks = sharedHooks(after);
let client;
before(async () => {
  const server = await Server.start(hooks);
  process.env.SESSIOND_ADDR = server.address;
  client = new SessiondClient({ address: server.address, deadline: 10_000 });
  hooks.after(() => client.close());
});

/** Views count up, a log-in keeps them under a new cookie, a log-out is final. */
async function visit(url, namespace) {
  const browser = new Browser(url);
  assert.deepEqual(await browser.json("/"), { views: 1 });
  assert.deepEqual(await browser.json("/"), { views: 2 });
  assert.equal(await client.count({ namespace }), 1);
  const old = browser.copy();
  assert.equal((await browser.post("/log-in", { user: "user-42" })).status < 300, true);
  assert.deepEqual(await browser.json("/"), { views: 3 });
  assert.deepEqual(await old.json("/"), { views: 1 }, "the old ID is dead");
  const loggedIn = browser.copy();
  assert.equal((await browser.post("/log-out")).status < 300, true);
  assert.deepEqual(await loggedIn.json("/"), { views: 1 }, "the log-out is final");
}

/** The cookie is Secure where a proxy says that the visitor came over HTTPS. */
async function cookieFollowsProxy(url) {
  const cookieOver = async (protocol) =>
    (await fetch(url, { headers: { "X-Forwarded-Proto": protocol } })).headers.get("Set-Cookie");
  assert.match(await cookieOver("https"), /; Secure/);
  assert.doesNotMatch(await cookieOver("http"), /; Secure/);
}

describe("Fastify", () => {
  let app;
  let url;
  before(async () => {
    const { build } = await import("../examples/fastify.mjs");
    app = await build();
    // Bodies of forms are not looked at.
    app.addContentTypeParser("application/x-www-form-urlencoded", (_request, payload, done) => {
      payload.resume().on("end", () => done(null, {}));
    });
    app.get("/keys", async (request) => ({
      keys: Object.keys(request.session),
      json: JSON.stringify(request.session),
    }));
    app.get("/slow/:key", async (request) => {
      request.session.set(request.params.key, true);
      await new Promise((resolve) => setTimeout(resolve, 30));
      return {};
    });
    url = await app.listen({ port: 0 });
  });
  after(() => app.close());

  test("the example works", () => visit(url, "fastify-example"));

  test("behind a proxy with HTTPS the cookie is Secure", () => cookieFollowsProxy(url));

  test("parallel requests that set different keys both win, and a rolling save rewrites nothing", async () => {
    const browser = new Browser(url);
    await browser.json("/");
    await Promise.all(Array.from({ length: 16 }, (_, n) => browser.copy().json(`/slow/key${n}`)));
    const { keys, json } = await browser.json("/keys");
    for (let n = 0; n < 16; n++) assert.ok(keys.includes(`key${n}`));
    assert.ok(!json.includes("__sessiond"));
    const versions = async () => {
      const found = [];
      for await (const session of client.list({ namespace: "fastify-example" })) found.push(session.version);
      return found.sort();
    };
    const before_ = await versions();
    await browser.json("/keys");
    assert.deepEqual(await versions(), before_);
  });

  test("a slow request does not undo a log-out", async () => {
    const browser = new Browser(url);
    await browser.json("/");
    const count = await client.count({ namespace: "fastify-example" });
    const slow = browser.copy().json("/slow/late");
    await browser.copy().post("/log-out");
    await slow;
    assert.ok((await client.count({ namespace: "fastify-example" })) <= count - 1);
  });
});

test("NestJS", async (t) => {
  const out = mkdtempSync(`${root}.cache-nest-`);
  t.after(() => rmSync(out, { recursive: true, force: true }));
  const tsc = `${root}node_modules/typescript/bin/tsc`;
  const flags =
    "--rootDir . --module node16 --target es2022 --esModuleInterop --experimentalDecorators --emitDecoratorMetadata --strict --skipLibCheck";
  execFileSync(
    process.execPath,
    [tsc, "--ignoreConfig", ...flags.split(" "), "--types", "node", "--outDir", out, "examples/nest.ts"],
    {
      cwd: root,
      stdio: "inherit",
    },
  );
  const { build } = createRequire(import.meta.url)(`${out}/examples/nest.js`);
  const app = await build();
  t.after(() => app.close());
  await app.listen(0);
  await visit(await app.getUrl(), "nest-example");
  await cookieFollowsProxy(await app.getUrl());
});

test("Hono", async (t) => {
  const { app, sessions } = await import("../examples/hono.mjs");
  t.after(() => sessions.close());
  await visit(
    await serve(
      t,
      toNode((request) => app.fetch(request)),
    ),
    "hono-example",
  );
});

test("Next.js: a route handler", async (t) => {
  const { GET } = await import("../examples/next.mjs");
  t.after(() => globalThis.sessions.close());
  const browser = new Browser(await serve(t, toNode(GET)));
  assert.deepEqual(await browser.json("/"), { views: 1 });
  assert.deepEqual(await browser.json("/"), { views: 2 });
});

/** Serves a handler of the web's Request by Node's own server. */
function toNode(handle) {
  return async (req, res) => {
    const response = await handle(
      new Request(`http://localhost${req.url}`, { method: req.method, headers: req.headers }),
    );
    res.writeHead(response.status, [...response.headers].flat());
    res.end(Buffer.from(await response.arrayBuffer()));
  };
}

describe("the framework-free session", () => {
  const make = (t, options) => {
    const sessions = createSessions({ client, namespace: `web-${Math.random().toString(36).slice(2)}`, ...options });
    t.after(() => sessions.close());
    return sessions;
  };
  const pair = (cookie) => cookie.split(";")[0];

  test("the cookie is strict by default", async (t) => {
    const session = await make(t).getSession(undefined);
    assert.equal(session.isNew, true);
    assert.equal(await session.save(), undefined, "a session without data is not stored");
    session.data.a = 1;
    assert.match(await session.save(), /^__Host-session=[!-~]{16,}; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
    assert.match(await session.destroy(), /^__Host-session=; Max-Age=0; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
  });

  test("only what changed is sent, and an ended session stays ended", async (t) => {
    const sessions = make(t);
    const first = await sessions.getSession(null);
    Object.assign(first.data, { a: 1, b: 1 });
    const cookie = pair(await first.save());
    const [x, y] = [await sessions.getSession(`other=1; ${cookie}`), await sessions.getSession(cookie)];
    x.data.a = 2;
    y.data.b = 2;
    delete y.data.c;
    await Promise.all([x.save(), y.save()]);
    const now = await sessions.getSession(cookie);
    assert.deepEqual({ ...now.data }, { a: 2, b: 2 });
    await now.destroy();
    x.data.a = 3;
    await assert.rejects(x.save(), { reason: "SESSION_NOT_FOUND" });
    assert.equal((await sessions.getSession(cookie)).isNew, true);
  });

  test("a log-in rotates, and tokens hold for the session", async (t) => {
    const sessions = make(t);
    const session = await sessions.getSession(null);
    session.data.cart = ["x"];
    const before_ = pair(await session.save());
    const { handle } = session;
    const after_ = pair(await session.logIn("u", { labels: { device: "phone" } }));
    assert.notEqual(after_, before_);
    assert.equal((await sessions.getSession(before_)).isNew, true);
    const again = await sessions.getSession(after_);
    assert.deepEqual([again.principal, again.handle, { ...again.data }], ["u", handle, { cart: ["x"] }]);
    const token = await again.csrfToken();
    assert.equal(await again.verifyCsrfToken(token), true);
    assert.equal(await again.verifyCsrfToken("no"), false);
    assert.equal(await again.verifyCsrfToken(undefined), false);
  });

  test("a signed cookie can't be forged, and secrets can be changed", async (t) => {
    const [a, b] = ["a".repeat(32), "b".repeat(32)];
    const namespace = `signed-${process.pid}`;
    const session = await make(t, { namespace, secret: a }).getSession(null);
    session.data.a = 1;
    const cookie = pair(await session.save());
    const isNew = async (secret, value) => (await make(t, { namespace, secret }).getSession(value)).isNew;
    assert.equal(await isNew(a, cookie), false);
    assert.equal(await isNew([b, a], cookie), false);
    assert.equal(await isNew(b, cookie), true);
    assert.equal(await isNew(a, `${cookie}x`), true);
    assert.equal(await isNew(a, cookie.split(".")[0]), true);
  });

  test("a lasting cookie is sent with each answer", async (t) => {
    const sessions = make(t, { cookie: { maxAge: 60, sameSite: "Strict" } });
    const session = await sessions.getSession(null);
    session.data.a = 1;
    const cookie = await session.save();
    assert.match(cookie, /; Max-Age=60; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
    assert.equal(await (await sessions.getSession(pair(cookie))).save(), cookie);
  });

  test("settings that would weaken the cookie by accident are refused", () => {
    const bad = (options, reason) => assert.throws(() => createSessions({ client, ...options }), reason);
    bad({ cookie: { name: "__Host-x", secure: false } }, /needs secure/);
    bad({ cookie: { domain: "a.example" } }, /no domain/);
    bad({ cookie: { name: "a b" } }, /no cookie's name/);
    bad({ cookie: { name: "a", path: "/; Domain=evil.example" } }, /cookie.path/);
    bad({ cookie: { name: "a", sameSite: "None", secure: false } }, /needs secure/);
    bad({ secret: "short" }, /32 characters/);
    bad({ secret: [] }, /32 characters/);
    bad({ ttl: 0 }, /ttl/);
    bad({ address: "a:1" }, /exclude each other/);
  });
});
