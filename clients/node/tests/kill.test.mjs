// The server is killed under load: every call ends within its deadline, nothing acknowledged is missing, no answer goes astray.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SessiondClient } from "connect-sessiond";
import { logIn, principalOf } from "connect-sessiond/express";
import { Server } from "./support/server.mjs";
import { Browser, site } from "./support/web.mjs";

/** Beyond the deadline of a call, time that a loaded machine may take to run a timer. */
const SLACK = 2_000;

test("calls: each is answered in time with its own answer or a typed error", async (t) => {
  const server = await Server.start(t);
  const client = new SessiondClient({ address: server.address });
  t.after(() => client.close());
  const owners = await Promise.all(
    Array.from({ length: 32 }, async (_, owner) => ({
      owner,
      acknowledged: 0,
      id: (await client.create({ attributes: { owner, count: 0 } })).sessionId,
    })),
  );
  let isOver = false;
  const reasons = new Map();
  let answers = 0;
  const work = owners.map(async (one) => {
    while (!isOver) {
      const start = performance.now();
      const next = one.acknowledged + 1;
      try {
        await client.update(one.id, { set: { count: next } });
        one.acknowledged = next;
        const { attributes } = await client.get(one.id);
        assert.equal(attributes.owner, one.owner, "an answer went to the wrong caller");
        assert.equal(attributes.count, next, "an acknowledged change is missing");
        answers++;
      } catch (error) {
        if (error.name === "AssertionError") throw error;
        assert.equal(error.name, "SessiondError");
        assert.equal(error.statusCode, 503, error.message);
        reasons.set(error.reason, (reasons.get(error.reason) ?? 0) + 1);
        const took = performance.now() - start;
        assert.ok(took < 2 * 1_000 + SLACK, `${took} ms`);
        // Whether this change was carried out is not known.
        const sure = one.acknowledged;
        one.acknowledged = await reread(client, one, () => isOver);
        assert.ok(isOver || one.acknowledged >= sure, "an acknowledged change is missing");
      }
    }
  });
  const kills = async () => {
    for (let round = 0; round < 3; round++) {
      await sleep(400);
      await server.kill();
      await sleep(200);
      await server.start();
    }
    await sleep(400);
    isOver = true;
  };
  await Promise.all([...work, kills()]);
  assert.ok(answers > 100, `${answers} answers`);
  assert.ok(reasons.size > 0, "no call met the kill");
  for (const { id, owner } of owners) assert.equal((await client.get(id)).attributes.owner, owner);
});

/** What the server holds, once it is there again. */
async function reread(client, one, isOver) {
  while (!isOver()) {
    const session = await client.get(one.id).catch(() => undefined);
    if (session) return session.attributes.count;
    await sleep(20);
  }
  return 0;
}

test("Express under 200 requests a second: a session or a clean 503, and nothing acknowledged is missing", async (t) => {
  const server = await Server.start(t);
  const { url } = await site(t, server, {
    store: { deadline: 1_000 },
    routes(app) {
      app.post("/log-in", async (req, res) => {
        await logIn(req, req.body.user);
        res.json({});
      });
      app.post("/count", (req, res, next) => {
        req.session.count = Number(req.body.count);
        req.session.save((error) => (error ? next(error) : res.json({ user: principalOf(req) })));
      });
      app.get("/count", (req, res) => res.json({ user: principalOf(req) ?? null, count: req.session.count ?? null }));
    },
  });
  t.mock.method(console, "error", () => {});
  const DOWN = 1_500; // longer than the deadline, so that requests fail in spite of their repetitions
  const visitors = Array.from({ length: 20 }, (_, n) => ({
    browser: new Browser(url),
    user: `user-${n}`,
    sure: 0,
    tried: 0,
  }));
  for (const { browser, user } of visitors) assert.equal((await browser.post("/log-in", { user })).status, 200);
  const statuses = new Map();
  const request = async (visitor) => {
    const start = performance.now();
    const count = ++visitor.tried;
    const answer = await visitor.browser.post("/count", { count: String(count) });
    const text = await answer.text();
    const took = performance.now() - start;
    assert.ok(took < 2 * 1_000 + SLACK, `${took} ms`);
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    if (answer.status === 200) {
      assert.deepEqual(JSON.parse(text), { user: visitor.user }, "a session of someone else");
      visitor.sure = Math.max(visitor.sure, count);
    } else {
      assert.equal(answer.status, 503);
      assert.match(text, new RegExp(server.address));
    }
  };
  let isOver = false;
  // 20 visitors with ten requests a second each.
  const load = visitors.map(async (visitor) => {
    while (!isOver) {
      await request(visitor);
      await sleep(100);
    }
  });
  const kill = async () => {
    await sleep(1_000);
    await server.kill();
    await sleep(DOWN);
    await server.start();
    await sleep(1_500);
    isOver = true;
  };
  await Promise.all([...load, kill()]);
  assert.ok(statuses.get(200) > 50, `${[...statuses]}`);
  assert.ok(statuses.get(503) > 0, `${[...statuses]}`);
  for (const visitor of visitors) {
    const { user, count } = await visitor.browser.json("/count");
    assert.equal(user, visitor.user);
    assert.ok(count >= visitor.sure, `${count} of ${visitor.sure}`);
  }
});
