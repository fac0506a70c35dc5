// Everything that the server offers, against a real server.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { inspect } from "node:util";
import { Double, isStoreAway, OpaqueValue, SessiondClient, SessiondError } from "connect-sessiond";
import { Server, until } from "./support/server.mjs";

let server;
let stop;
before(async () => {
  const hooks = [];
  server = await Server.start({ after: (run) => hooks.push(run) });
  stop = async () => {
    for (const run of hooks) await run();
  };
});
after(() => stop());

const NOWHERE = "no-such-session-0000";

for (const lane of ["auto", "unary"]) {
  describe(`calls on single sessions, lane ${lane}`, () => {
    let client;
    before(() => {
      client = new SessiondClient({ address: server.address, namespace: `calls-${lane}`, lane, deadline: 20_000 });
    });
    after(() => client.close());

    test("a session is made, read, changed, slid, rotated and ended", async () => {
      const made = await client.create({
        attributes: { theme: "dark", cart: [{ sku: "A-1", count: 2 }], since: new Date(0) },
        principal: "user-1",
        labels: { device: "laptop" },
        timeouts: { idleTimeout: 60_000, absoluteTimeout: 3_600_000 },
      });
      assert.equal(made.session.version, 1);
      assert.equal(made.session.attributes, undefined);
      const read = await client.get(made.sessionId);
      assert.deepEqual(read.attributes, { theme: "dark", cart: [{ sku: "A-1", count: 2 }], since: new Date(0) });
      assert.equal(read.principal, "user-1");
      assert.deepEqual(read.labels, { device: "laptop" });
      assert.equal(read.idleTimeout, 60_000);
      assert.equal(read.absoluteExpireTime.getTime() - read.createTime.getTime(), 3_600_000);
      assert.equal(read.handle, made.session.handle);

      const changed = await client.update(made.sessionId, {
        set: { theme: "light", nothing: undefined, ratio: new Double(1) },
        remove: ["cart"],
        principal: "",
        setLabels: { place: "home" },
        removeLabels: ["device"],
        timeouts: { idleTimeout: 90_000 },
      });
      assert.equal(changed.version, 2);
      assert.equal(changed.principal, "");
      assert.deepEqual(changed.labels, { place: "home" });
      assert.equal(changed.idleTimeout, 90_000);
      assert.equal(changed.absoluteExpireTime, undefined);

      const slid = await client.touch(made.sessionId);
      assert.equal(slid.version, 2);
      assert.ok(slid.expireTime > new Date());

      const rotated = await client.rotate(made.sessionId, { change: { principal: "user-2" } });
      assert.notEqual(rotated.sessionId, made.sessionId);
      assert.equal(rotated.session.handle, made.session.handle);
      assert.equal(await client.get(made.sessionId), null);
      const after = await client.get(rotated.sessionId);
      assert.deepEqual(after.attributes, { theme: "light", since: new Date(0), ratio: 1 });

      assert.equal(await client.delete(rotated.sessionId), true);
      assert.equal(await client.delete(rotated.sessionId), false);
      assert.equal(await client.touch(rotated.sessionId), null);
    });

    test("reads can be conditional, without attributes, and without sliding", async () => {
      const { sessionId, session } = await client.create({ attributes: { a: 1 } });
      const same = await client.get(sessionId, { ifVersionNot: 1 });
      assert.equal(same.notModified, true);
      assert.equal(same.attributes, undefined);
      assert.equal((await client.get(sessionId, { omitAttributes: true })).attributes, undefined);
      const slid = await client.get(sessionId);
      const peeked = await client.get(sessionId, { touch: false });
      assert.deepEqual(peeked.lastAccessTime, slid.lastAccessTime);
      assert.ok(slid.lastAccessTime >= session.lastAccessTime);
    });

    test("an older session can be moved here", async () => {
      const createTime = new Date(Date.now() - 3_600_000);
      const lastAccessTime = new Date(Date.now() - 60_000);
      const { session } = await client.create({ createTime, lastAccessTime });
      assert.deepEqual(session.createTime, createTime);
      assert.deepEqual(session.lastAccessTime, lastAccessTime);
    });

    test("upsert makes a session, update does not", async () => {
      const id = `chosen-${lane}-0000000000`;
      await assert.rejects(client.update(id, { set: { a: 1 } }), { reason: "SESSION_NOT_FOUND", grpcCode: 5 });
      assert.equal((await client.update(id, { set: { a: 1 } }, { upsert: true })).version, 1);
      await assert.rejects(client.create({ sessionId: id }), { reason: "SESSION_ID_TAKEN" });
    });

    test("errors are typed by their reason", async () => {
      const { sessionId } = await client.create();
      await assert.rejects(client.update(sessionId, {}, { expectedVersion: 7 }), (error) => {
        assert.ok(error instanceof SessiondError);
        assert.equal(error.reason, "VERSION_MISMATCH");
        assert.equal(error.metadata.current_version, "1");
        assert.equal(error.statusCode, 500);
        assert.ok(!isStoreAway(error));
        return true;
      });
      await assert.rejects(client.get("short"), (error) => {
        assert.equal(error.reason, "INVALID_ARGUMENT");
        assert.equal(error.violations[0].field, "session_id");
        return true;
      });
      await assert.rejects(client.update(sessionId, { set: { big: "x".repeat(300_000) } }), {
        reason: "SESSION_TOO_LARGE",
      });
      await assert.rejects(client.delete(NOWHERE, { allowMissing: false }), { reason: "SESSION_NOT_FOUND" });
      await assert.rejects(client.rotate(NOWHERE), { reason: "SESSION_NOT_FOUND" });
      await assert.rejects(client.update(sessionId, { set: { a: new Set() } }), /attribute "a" holds a Set/);
    });

    test("a rotated ID can read within its grace, and change nothing", async () => {
      const { sessionId } = await client.create();
      await client.rotate(sessionId, { grace: 10_000 });
      assert.ok(await client.get(sessionId));
      await assert.rejects(client.update(sessionId, { set: { a: 1 } }), { reason: "SESSION_ID_RETIRED" });
    });

    test("a large session travels too", async () => {
      const text = "ü".repeat(100_000);
      const { sessionId } = await client.create({ attributes: { text } });
      assert.equal((await client.get(sessionId)).attributes.text, text);
    });

    test("a signal gives a call up", async () => {
      const reason = new Error("enough");
      await assert.rejects(client.get(NOWHERE, { signal: AbortSignal.abort(reason) }), reason);
      const controller = new AbortController();
      const call = client.get(NOWHERE, { signal: controller.signal });
      controller.abort(reason);
      await assert.rejects(call, reason);
      assert.equal(await client.get(NOWHERE), null);
    });

    test("each of many parallel calls gets its own answer", async () => {
      const ids = await Promise.all(
        Array.from({ length: 300 }, async (_, number) => (await client.create({ attributes: { number } })).sessionId),
      );
      const rounds = Array.from({ length: lane === "auto" ? 10 : 2 }, () => ids).flat();
      const sessions = await Promise.all(rounds.map((id) => client.get(id)));
      for (const [index, session] of sessions.entries()) assert.equal(session.attributes.number, index % 300);
    });
  });
}

describe("the other calls", () => {
  let client;
  before(() => {
    client = new SessiondClient({ address: server.address, namespace: "others" });
  });
  after(() => client.close());

  test("sessions are listed and counted by principal, page by page", async () => {
    const principal = "lister";
    for (let number = 0; number < 7; number++) await client.create({ principal, attributes: { number } });
    const found = [];
    for await (const session of client.list({ principal, pageSize: 3, attributes: true }))
      found.push(session.attributes.number);
    // Those of one millisecond stand in any order.
    assert.deepEqual(found.sort(), [0, 1, 2, 3, 4, 5, 6]);
    assert.equal(await client.count({ principal }), 7);
    const { session } = await client.create();
    const named = [];
    for await (const one of client.list({ handles: [session.handle] })) named.push(one.handle);
    assert.deepEqual(named, [session.handle]);
  });

  test("sessions are revoked by principal, by handle, and all", async () => {
    const principal = "leaver";
    const mine = await client.create({ principal });
    const other = await client.create({ principal });
    assert.equal(await client.revoke({ principal, exceptSessionId: mine.sessionId }), 1);
    assert.equal(await client.get(other.sessionId), null);
    assert.equal(await client.revoke({ handles: [mine.session.handle] }), 1);
    await client.create({ namespace: "doomed" });
    assert.equal(await client.revoke({ wholeNamespace: true }, { namespace: "doomed" }), 1);
    await assert.rejects(client.revoke({ principal: "" }), /principal is empty/);
    const last = await client.create();
    assert.equal(await client.deleteByHandle(last.session.handle), true);
  });

  test("batches answer for each item", async () => {
    const a = await client.create({ attributes: { a: 1 } });
    const [found, missing] = await client.batchGet([a.sessionId, NOWHERE], { touch: false });
    assert.deepEqual(found.attributes, { a: 1 });
    assert.equal(missing.reason, "SESSION_NOT_FOUND");
    assert.deepEqual(await client.batchDelete([a.sessionId, NOWHERE]), [true, false]);
  });

  test("a lock excludes, is renewed, and guards an update", async () => {
    const { sessionId } = await client.create({ attributes: { n: 1 } });
    const lock = await client.lock(sessionId, { lease: 5_000, includeSession: true });
    assert.deepEqual(lock.session.attributes, { n: 1 });
    await assert.rejects(client.lock(sessionId), { reason: "LOCK_HELD" });
    const renewed = await client.lock(sessionId, { lease: 10_000, lockToken: lock.lockToken });
    assert.ok(renewed.expireTime > lock.expireTime);
    const waiting = client.lock(sessionId, { wait: 10_000 });
    await client.update(sessionId, { set: { n: 2 } }, { lockToken: lock.lockToken, unlock: true });
    const next = await waiting;
    await assert.rejects(client.update(sessionId, {}, { lockToken: lock.lockToken }), { reason: "LOCK_LOST" });
    assert.equal(await client.unlock(sessionId, next.lockToken), true);
    assert.equal(await client.unlock(sessionId, next.lockToken), false);
  });

  test("a ticket hands a session over, once, to its audience", async () => {
    const { sessionId, session } = await client.create({ attributes: { a: 1 } });
    const { ticket } = await client.issueHandoff(sessionId, "https://shop.example", { lifetime: 5_000 });
    const redeemed = await client.redeemHandoff(ticket, "https://shop.example");
    assert.equal(redeemed.session.handle, session.handle);
    assert.deepEqual(redeemed.session.attributes, { a: 1 });
    assert.notEqual(redeemed.sessionId, sessionId);
    await assert.rejects(client.redeemHandoff(ticket, "https://shop.example"), { reason: "HANDOFF_INVALID" });
  });

  test("tokens against forgery hold for their session alone", async () => {
    const [a, b] = [await client.create(), await client.create()];
    const token = await client.issueCsrfToken(a.sessionId);
    assert.notEqual(await client.issueCsrfToken(a.sessionId), token);
    assert.equal(await client.verifyCsrfToken(a.sessionId, token), true);
    assert.equal(await client.verifyCsrfToken(b.sessionId, token), false);
  });

  test("statistics and a sweep", async () => {
    await client.create({ namespace: "short", timeouts: { idleTimeout: 1 } });
    await client.sweepNow();
    const statistics = await client.statistics();
    assert.ok(statistics.created > 0);
    assert.ok(statistics.startTime < new Date());
    assert.ok(statistics.namespaces.others > 0);
    assert.equal(typeof statistics.resumeToken, "string");
    assert.notEqual(statistics.resumeToken, "");
  });

  test("values of another language come through", async () => {
    const value = new OpaqueValue("python-pickle", Buffer.from([1, 2, 3]));
    const { sessionId } = await client.create({ attributes: { value } });
    const read = (await client.get(sessionId)).attributes.value;
    assert.deepEqual(read, value);
    await client.update(sessionId, { set: { value: read } });
    assert.deepEqual((await client.get(sessionId)).attributes.value, value);
  });

  test("a watch shows what happens, and resumes where it was", async () => {
    const principal = "watched";
    let resumeToken;
    const watching = (async () => {
      for await (const event of client.watch({ principal })) {
        resumeToken = event.resumeToken;
        if (event.kind === "created") return event;
      }
    })();
    await until(() => resumeToken, "the first checkpoint");
    const { sessionId, session } = await client.create({ principal });
    assert.equal((await watching).session.handle, session.handle);
    await client.update(sessionId, { set: { a: 1 } });
    await client.delete(sessionId);
    const kinds = [];
    for await (const event of client.watch({ principal, resumeToken, kinds: ["updated", "deleted"] })) {
      if (event.kind !== "checkpoint") kinds.push(event.kind);
      if (event.kind === "deleted") break;
    }
    assert.deepEqual(kinds, ["updated", "deleted"]);
  });

  test("a watch ends with its signal, and says what is wrong with it", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const watching = (async () => {
      for await (const _ of client.watch({ signal: controller.signal })) controller.abort(reason);
    })();
    await assert.rejects(watching, reason);
    const bad = client.watch({ checkpointInterval: 1 });
    await assert.rejects(bad.next(), { reason: "INVALID_ARGUMENT" });
  });

  test("no secret is seen in logs, JSON or errors", async () => {
    const made = await client.create();
    const { sessionId } = made;
    const lock = await client.lock(sessionId);
    const handoff = await client.issueHandoff(sessionId, "a");
    for (const thing of [made, lock, handoff, client, await client.get(sessionId)]) {
      const shown = `${inspect(thing, { depth: 10 })}${JSON.stringify(thing)}${String(thing)}`;
      for (const secret of [sessionId, lock.lockToken, handoff.ticket]) assert.ok(!shown.includes(secret));
    }
    const secret = "secret secret secret";
    for (const method of ["get", "update", "rotate", "lock"]) {
      const error = await client[method](secret, {}).catch((thrown) => thrown);
      assert.ok(!inspect(error, { depth: 10 }).includes(secret));
    }
  });
});

test("a Unix socket serves too", async (t) => {
  const folder = `/tmp/sessiond-node-${process.pid}.sock`;
  const local = await Server.start(t, { address: `unix:${folder}` });
  const client = new SessiondClient(local.address);
  t.after(() => client.close());
  const { sessionId } = await client.create({ attributes: { a: 1 } });
  assert.deepEqual((await client.get(sessionId)).attributes, { a: 1 });
});

test("exact values", async (t) => {
  const client = new SessiondClient({ address: server.address, values: "exact" });
  t.after(() => client.close());
  const { sessionId } = await client.create({
    attributes: {
      one: new Double(1),
      map: new Map([
        ["2", 1],
        ["1", 2],
      ]),
    },
  });
  const { one, map } = (await client.get(sessionId)).attributes;
  assert.deepEqual(one, new Double(1));
  assert.deepEqual([...map.keys()], ["2", "1"]);
});
