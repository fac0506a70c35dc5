// The retry budget: what a server has to bear that answers, but with UNAVAILABLE.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SessiondClient } from "connect-sessiond";
import { answer, details, fakeServer, framed, onMessages, TOUCHED, tagsIn } from "./support/fakes.mjs";
import { freePort } from "./support/server.mjs";

const ID = "a-session-of-tests";
const UNAVAILABLE = 14;
const RESERVE = 1_000;
const CALLS = 2_000;
const DEADLINE = 300_000;

function clientOf(t, address, options) {
  const client = new SessiondClient({ address, deadline: DEADLINE, ...options });
  t.after(() => client.close());
  return client;
}

/** Makes so many calls at the same time, all of which fail long before their deadline. */
async function allFail(client, calls) {
  const start = performance.now();
  const outcomes = await Promise.allSettled(Array.from({ length: calls }, () => client.touch(ID)));
  assert.deepEqual(new Set(outcomes.map((outcome) => outcome.reason?.grpcCode)), new Set([UNAVAILABLE]));
  assert.ok(performance.now() - start < DEADLINE / 10);
}

test("repetitions of all calls together are bounded, and allowed again after calls that succeed", async (t) => {
  let isAvailable = false;
  const server = await fakeServer(t, (stream) => {
    stream.resume();
    if (isAvailable) answer(stream, TOUCHED);
    else answer(stream, undefined, UNAVAILABLE);
  });
  const seen = () => server.asked.splice(0).length;
  const client = clientOf(t, server.address, { lane: "unary" });
  await allFail(client, CALLS);
  assert.equal(seen(), CALLS + RESERVE);
  await allFail(client, 10);
  assert.equal(seen(), 10);

  isAvailable = true;
  for (let call = 0; call < 100; call++) await client.touch(ID);
  isAvailable = false;
  seen();
  await allFail(client, 30);
  assert.equal(seen(), 30 + 10);
});

test("an answer of a proxy takes a token too", async (t) => {
  const proxy = await fakeServer(t, (stream) => stream.respond({ ":status": 503 }, { endStream: true }));
  await allFail(clientOf(t, proxy.address, { lane: "unary" }), CALLS);
  assert.equal(proxy.asked.length, CALLS + RESERVE);
});

test("in the fast lane each reply takes a token, and the end of the stream one for all its calls", async (t) => {
  const calls = 100;
  let replies = 0;
  let endsAfter = 2;
  const server = await fakeServer(t, (stream) => {
    if (server.asked.length <= endsAfter) {
      stream.resume();
      answer(stream, undefined, UNAVAILABLE);
      return;
    }
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    onMessages(stream, (message) => {
      const tags = tagsIn(message);
      replies += tags.length;
      // A reply to each: an error of the code 14.
      stream.write(framed(Buffer.concat(tags.map((tag) => Buffer.from([0x0a, 6, 0x08, tag, 0x12, 2, 0x08, 14])))));
    });
  });
  const client = clientOf(t, server.address);
  await allFail(client, calls);
  assert.equal(replies, RESERVE - endsAfter + calls);

  // Nothing is left: a stream that ends fails all calls on it. The first call finds out that the connection is lost.
  server.cut();
  endsAfter = Number.POSITIVE_INFINITY;
  server.asked.length = 0;
  await allFail(client, 1);
  assert.equal(server.asked.length, 1);
  await allFail(client, calls);
  assert.equal(server.asked.length, 2);
});

test("a server that starts takes nothing from the budget", async (t) => {
  const notReady = { "grpc-status-details-bin": details(UNAVAILABLE, "NOT_READY") };
  const server = await fakeServer(t, (stream) => {
    stream.resume();
    if (server.asked.length > 2 * CALLS) answer(stream, TOUCHED);
    else answer(stream, undefined, UNAVAILABLE, notReady);
  });
  const client = clientOf(t, server.address, { lane: "unary" });
  await Promise.all(Array.from({ length: CALLS }, () => client.touch(ID)));
  assert.equal(server.asked.length, 3 * CALLS);
});

test("the absence of a server takes nothing from the budget", async (t) => {
  const port = await freePort();
  const client = clientOf(t, `127.0.0.1:${port}`, { lane: "unary" });
  const calls = Array.from({ length: CALLS }, () => client.touch(ID, { deadline: 300 }));
  for (const outcome of await Promise.allSettled(calls)) assert.equal(outcome.status, "rejected");
  const server = await fakeServer(t, (stream) => answer(stream, undefined, UNAVAILABLE), port);
  await allFail(client, CALLS);
  assert.equal(server.asked.length, CALLS + RESERVE);
});
