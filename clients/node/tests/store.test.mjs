// The store by its contract: callbacks and promises, update-only, what is sent, when a session ends.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { EventEmitter, once } from "node:events";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { OpaqueValue, SessiondClient, SessiondStore } from "connect-sessiond";
import session from "express-session";
import { Server } from "./support/server.mjs";
import { sharedHooks } from "./support/web.mjs";

let server;
let client;
const hooks = sharedHooks(after);
before(async () => {
  server = await Server.start(hooks);
  client = new SessiondClient({ address: server.address, deadline: 10_000 });
  hooks.after(() => client.close());
});

let stores = 0;
const storeOf = (options) => new SessiondStore({ client, namespace: `store-${++stores}`, ...options });
const HOUR = 3_600_000;
const cookie = (maxAge = HOUR) => ({
  originalMaxAge: maxAge,
  expires: new Date(Date.now() + maxAge),
  httpOnly: true,
  path: "/",
});
const stored = async (store) => {
  const sessions = [];
  for await (const one of client.list({ namespace: store.callSettings.namespace, attributes: true }))
    sessions.push(one);
  return sessions;
};
const called = (run) =>
  new Promise((resolve, reject) => run((error, value) => (error ? reject(error) : resolve(value))));

test("it is a store of express-session", () => {
  const store = storeOf();
  assert.ok(store instanceof session.Store);
  assert.ok(store instanceof EventEmitter);
  assert.doesNotMatch(inspect(store), /codec|mapping|options/);
});

test("a session is set, read and destroyed, by promises and by callbacks", async () => {
  const store = storeOf();
  const data = { cookie: cookie(), user: "u", cart: [1, 2.5, { deep: null }] };
  await store.set("an-id-of-some-length", data);
  assert.deepEqual({ ...(await store.get("an-id-of-some-length")), cookie: undefined }, { ...data, cookie: undefined });
  assert.equal(await store.destroy("an-id-of-some-length"), undefined);
  assert.equal(await store.get("an-id-of-some-length"), null);
  await called((done) => store.set("by-callback-1234567", data, done));
  assert.equal((await called((done) => store.get("by-callback-1234567", done))).user, "u");
  await called((done) => store.touch("by-callback-1234567", data, done));
  assert.equal(await called((done) => store.length(done)), 1);
  await called((done) => store.destroy("by-callback-1234567", done));
  assert.equal(await called((done) => store.get("by-callback-1234567", done)), null);
  assert.equal(store.set("without-callback-12", data) instanceof Promise, true);
});

test("IDs of any kind name sessions of their own", async () => {
  const store = storeOf();
  for (const id of ["1", "123", "ünïcödé", "with spaces and more", "x".repeat(1_000)]) {
    await store.set(id, { cookie: cookie(), id });
    assert.equal((await store.get(id)).id, id);
  }
  assert.equal(await store.length(), 5);
  for (const nobody of ["", "\ud800", undefined]) {
    assert.equal(await store.get(nobody), null);
    await store.destroy(nobody);
    await assert.rejects(store.set(nobody, { cookie: cookie() }), /names no session|can name no session/);
  }
});

test("a loaded session is saved update-only: a slow request never revives one that was logged out", async () => {
  const store = storeOf();
  await store.set("race-race-race-race", { cookie: cookie(), user: "u" });
  const slow = await store.get("race-race-race-race");
  await store.destroy("race-race-race-race");
  slow.late = true;
  const ended = once(store, "ended");
  await store.set("race-race-race-race", slow);
  assert.match((await ended)[0], /^[0-9a-f-]{36}$/);
  assert.equal(await store.get("race-race-race-race"), null);
  await store.touch("race-race-race-race", slow);
  assert.equal(await store.length(), 0);
});

test("a session that was made in this request is not revived either, once it was saved", async () => {
  const store = storeOf();
  const fresh = { cookie: cookie(), n: 1 };
  await store.set("fresh-fresh-fresh-1", fresh);
  await store.destroy("fresh-fresh-fresh-1");
  fresh.n = 2;
  await store.set("fresh-fresh-fresh-1", fresh);
  assert.equal(await store.get("fresh-fresh-fresh-1"), null);
});

test("64 parallel requests that each set another key: all are there", async () => {
  const store = storeOf();
  await store.set("parallel-parallel-1", { cookie: cookie(), base: true, gone: 1 });
  await Promise.all(
    Array.from({ length: 64 }, async (_, index) => {
      const mine = await store.get("parallel-parallel-1");
      mine[`key${index}`] = index;
      if (index === 7) delete mine.gone;
      await store.set("parallel-parallel-1", mine);
    }),
  );
  const all = await store.get("parallel-parallel-1");
  for (let index = 0; index < 64; index++) assert.equal(all[`key${index}`], index);
  assert.equal(all.base, true);
  assert.ok(!("gone" in all));
});

test("a change within a value is noticed, and nothing else is sent", async () => {
  const store = storeOf();
  await store.set("nested-nested-nested", { cookie: cookie(), cart: { items: [{ count: 1 }] }, other: "x" });
  const mine = await store.get("nested-nested-nested");
  const other = await store.get("nested-nested-nested");
  mine.cart.items[0].count = 2;
  other.other = "y";
  await store.set("nested-nested-nested", mine);
  await store.set("nested-nested-nested", other);
  const now = await store.get("nested-nested-nested");
  assert.deepEqual([now.cart, now.other], [{ items: [{ count: 2 }] }, "y"]);
});

test("sliding rewrites nothing, and so does saving what did not change", async () => {
  const store = storeOf();
  await store.set("touch-touch-touch-1", { cookie: cookie(), user: "u" });
  const [before_] = await stored(store);
  const mine = await store.get("touch-touch-touch-1");
  await sleep(5);
  mine.cookie = cookie();
  await store.touch("touch-touch-touch-1", mine);
  await store.set("touch-touch-touch-1", mine);
  const [now] = await stored(store);
  assert.equal(now.version, before_.version);
  assert.ok(now.lastAccessTime > before_.lastAccessTime);
  assert.deepEqual((await store.get("touch-touch-touch-1")).cookie.expires, now.expireTime);
});

test("another lifetime of the cookie reaches the store by touch alone", async () => {
  const store = storeOf();
  await store.set("longer-longer-longer", { cookie: cookie() });
  const mine = await store.get("longer-longer-longer");
  mine.cookie = cookie(2 * HOUR);
  await store.touch("longer-longer-longer", mine);
  assert.equal((await stored(store))[0].idleTimeout, 2 * HOUR);
  assert.equal((await store.get("longer-longer-longer")).cookie.originalMaxAge, 2 * HOUR);
});

test("touchAfter and disableTouch spare calls", async () => {
  for (const options of [{ touchAfter: HOUR }, { disableTouch: true }]) {
    const store = storeOf(options);
    await store.set("spare-spare-spare-1", { cookie: cookie() });
    const [before_] = await stored(store);
    await sleep(5);
    await store.touch("spare-spare-spare-1", await store.get("spare-spare-spare-1"));
    assert.deepEqual((await stored(store))[0].lastAccessTime, before_.lastAccessTime);
  }
});

test("a session ends with its cookie, to the millisecond", async () => {
  const store = storeOf();
  const timeouts = async (data) => {
    await store.set("expiry-expiry-expiry", data);
    const [{ idleTimeout }] = await stored(store);
    await store.clear();
    return idleTimeout;
  };
  assert.equal(await timeouts({ cookie: cookie(61_234) }), 61_234);
  assert.equal(await timeouts({ cookie: { originalMaxAge: 61_234 } }), 61_234);
  assert.equal(await timeouts({ cookie: { originalMaxAge: null, expires: null } }), 86_400_000);
  assert.equal(await timeouts({ cookie: { expires: false } }), 86_400_000);
  assert.equal(await timeouts({}), 86_400_000);
  const fixed = await timeouts({
    cookie: { originalMaxAge: HOUR, expires: new Date(Date.now() + 10_000).toISOString() },
  });
  assert.ok(fixed > 9_000 && fixed <= 10_000, `${fixed}`);
  assert.equal(await timeouts({ cookie: cookie(10_000 * 86_400_000) }), 3_650 * 86_400_000);
});

test("ttl is in seconds, or a function", async () => {
  const fixed = storeOf({ ttl: 7 });
  await fixed.set("ttl-ttl-ttl-ttl-ttl", { cookie: {} });
  assert.equal((await stored(fixed))[0].idleTimeout, 7_000);
  const chosen = storeOf({ ttl: (data) => data.seconds });
  await chosen.set("ttl-ttl-ttl-ttl-ttl", { cookie: cookie(), seconds: 9 });
  assert.equal((await stored(chosen))[0].idleTimeout, 9_000);
});

test("a session whose cookie has ended is gone", async () => {
  const store = storeOf();
  await store.set("ended-ended-ended-1", { cookie: cookie() });
  await store.set("ended-ended-ended-1", { cookie: cookie(-1) });
  assert.equal(await store.get("ended-ended-ended-1"), null);
  await store.set("ended-ended-ended-2", { cookie: cookie(30) });
  await sleep(60);
  assert.equal(await store.get("ended-ended-ended-2"), null);
});

test("a session without a cookie is stored as it is", async () => {
  const store = storeOf();
  await store.set("bare-bare-bare-bare", { foo: "bar" });
  assert.deepEqual(await store.get("bare-bare-bare-bare"), { foo: "bar" });
});

test("all, length, ids and clear know sessions by their handles, never by an ID", async () => {
  const store = storeOf();
  const sids = ["one-one-one-one-one", "two-two-two-two-two"];
  for (const sid of sids) await store.set(sid, { cookie: cookie(), sid });
  const all = await store.all();
  assert.deepEqual(
    Object.values(all)
      .map(({ sid }) => sid)
      .sort(),
    sids,
  );
  const ids = await store.ids();
  assert.deepEqual(ids.sort(), Object.keys(all).sort());
  for (const id of ids) assert.equal(await store.get(id), null);
  assert.equal(await store.length(), 2);
  await store.destroyByHandle(ids[0]);
  assert.equal(await called((done) => store.length(done)), 1);
  await called((done) => store.clear(done));
  assert.equal(await store.length(), 0);
});

test("a prefix separates sessions, and listing says to use a namespace", async () => {
  const namespace = `prefixes-${process.pid}`;
  const [a, b] = [storeOf({ namespace, prefix: "a:" }), storeOf({ namespace, prefix: "b:" })];
  await a.set("same-same-same-same", { cookie: cookie(), of: "a" });
  await b.set("same-same-same-same", { cookie: cookie(), of: "b" });
  assert.equal((await a.get("same-same-same-same")).of, "a");
  for (const method of ["all", "length", "ids", "clear"]) await assert.rejects(a[method](), /namespace of its own/);
});

test("what JSON can't hold comes back as it was", async () => {
  const store = storeOf();
  const data = {
    cookie: cookie(),
    date: new Date(1_234),
    bytes: Buffer.from([0, 255]),
    map: new Map([["k", { v: 1 }]]),
    set: new Set([1]),
    text: "half \ud800 a character",
    huge: 2n ** 70n,
    deep: Array.from({ length: 40 }).reduce((inner) => [inner], "deep"),
    ["key ".repeat(100)]: "long",
    "": "empty",
    "half \udfff": 1,
  };
  await store.set("rich-rich-rich-rich", data);
  const read = await store.get("rich-rich-rich-rich");
  for (const key of Object.keys(data)) if (key !== "cookie") assert.deepEqual(read[key], data[key], key);
  read.map.set("l", 2);
  await store.set("rich-rich-rich-rich", read);
  assert.deepEqual([...(await store.get("rich-rich-rich-rich")).map.keys()], ["k", "l"]);
  await assert.rejects(store.set("rich-rich-rich-rich", { cookie: cookie(), bad: new Map([[1, () => {}]]) }), {
    name: "UnsupportedValue",
    message: `the session's key "bad" holds what can't be stored`,
  });
});

test("values of other languages stay as they are", async () => {
  const store = storeOf();
  const { namespace } = store.callSettings;
  const opaque = new OpaqueValue("python-pickle", Buffer.from([1, 2]));
  const made = await client.create({
    namespace,
    attributes: { opaque, big: 2n ** 60n, theme: "dark" },
    timeouts: { idleTimeout: HOUR },
  });
  const mine = await store.get(made.sessionId);
  assert.equal(mine.cookie.originalMaxAge, HOUR);
  assert.doesNotThrow(() => JSON.stringify(mine));
  mine.theme = "light";
  // However long the request takes, the session's own timeouts stay.
  await sleep(1_100);
  await store.set(made.sessionId, mine);
  const { attributes, idleTimeout } = await client.get(made.sessionId, { namespace });
  assert.deepEqual(attributes, { opaque, big: 2n ** 60n, theme: "light" });
  assert.equal(idleTimeout, HOUR);
});

test("a serializer of the application's own", async () => {
  const serializer = {
    encoding: "base64-json",
    stringify: (v) => btoa(JSON.stringify(v)),
    parse: (s) => JSON.parse(atob(s)),
  };
  const store = storeOf({ serializer });
  await store.set("serial-serial-serial", { cookie: cookie(), user: { name: "u" } });
  assert.deepEqual((await store.get("serial-serial-serial")).user, { name: "u" });
  const [{ attributes }] = await stored(store);
  assert.equal(attributes.user.encoding, "base64-json");
  assert.throws(() => storeOf({ serializer: { ...serializer, encoding: "Not A Name" } }), { name: "UnsupportedValue" });
});

test("the principal and labels come from the session", async () => {
  const store = storeOf({ principal: (data) => data.passport?.user ?? null, labels: () => ({ device: "tests" }) });
  const data = { cookie: cookie() };
  await store.set("mine-mine-mine-mine", data);
  assert.equal((await stored(store))[0].principal, "");
  data.passport = { user: 42 };
  await store.set("mine-mine-mine-mine", data);
  const [now] = await stored(store);
  assert.equal(now.principal, "42");
  assert.deepEqual(now.labels, { device: "tests" });
  delete data.passport;
  await store.set("mine-mine-mine-mine", data);
  assert.equal((await stored(store))[0].principal, "");
});

test("callbacks keep their asynchronous context, and what they throw is an uncaught exception", async () => {
  const store = storeOf();
  const context = new AsyncLocalStorage();
  const seen = await Promise.all(
    [1, 2, 3].map((n) =>
      context.run(n, () => called((done) => store.get("nobody-nobody-nobody", () => done(null, context.getStore())))),
    ),
  );
  assert.deepEqual(seen, [1, 2, 3]);
});

test("options that mean nothing are refused", () => {
  assert.throws(() => new SessiondStore({ nmespace: "x" }), /no option "nmespace"/);
  assert.throws(() => new SessiondStore({ client: {} }), /client is no SessiondClient/);
  assert.throws(() => new SessiondStore({ client, address: "a:1" }), /exclude each other/);
  assert.throws(() => new SessiondStore({ ttl: -1 }), /ttl must be/);
});

test("a session that can't be slid does not fail the request whose answer is on the way", async (t) => {
  const store = new SessiondStore({ address: "127.0.0.1:1" });
  t.after(() => store.close());
  const unslid = once(store, "unslid");
  await called((done) => store.touch("away-away-away-away", { cookie: cookie() }, done));
  assert.equal((await unslid)[0].reason, "UNAVAILABLE");
  await assert.rejects(store.touch("away-away-away-away", { cookie: cookie() }), { reason: "UNAVAILABLE" });
});

test("connect and disconnect", async (t) => {
  const own = await Server.start(t);
  const store = new SessiondStore({ address: own.address, passWhenDisconnected: true });
  t.after(() => store.close());
  const connected = once(store, "connect");
  await store.get("connect-connect-conn");
  await connected;
  const disconnected = once(store, "disconnect");
  await own.kill();
  await disconnected;
  const again = once(store, "connect");
  await own.start();
  await again;
});
