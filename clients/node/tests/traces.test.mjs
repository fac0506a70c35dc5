// Traces: the server sees the one that the caller's function tells, on both lanes.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { SessiondClient, SessiondStore } from "connect-sessiond";
import { createSessions } from "connect-sessiond/web";
import { Server, until } from "./support/server.mjs";
import { sharedHooks } from "./support/web.mjs";

const cases = JSON.parse(readFileSync(new URL("../../conformance/traces.json", import.meta.url), "utf8"));
const NOWHERE = "no-such-session-0000";
/** Enough for a machine that is busy with other things. */
const deadline = 20_000;

const hooks = sharedHooks(after);
let server;
before(async () => {
  server = await Server.start(hooks, { flags: ["--access-log", "--log-format", "json"] });
});

/** The access lines of a namespace, once there are so many. */
function lines(namespace, count) {
  const written = () => {
    const found = server.log.split("\n").filter((line) => line.includes(`"namespace":"${namespace}"`));
    return found.map((line) => JSON.parse(line)).filter(({ target }) => target === "sessiond::access");
  };
  return until(() => written().length >= count && written(), "the lines");
}

function clientOf(t, options) {
  const client = new SessiondClient({ address: server.address, deadline, ...options });
  t.after(() => client.close());
  return client;
}

for (const [lane, name] of [
  ["auto", "stream"],
  ["unary", "unary"],
]) {
  describe(`on the lane ${name}`, () => {
    for (const [index, { name: title, traceparent, tracestate, trace_id }] of cases.entries()) {
      test(title, async (t) => {
        const namespace = `traces-${name}-${index}`;
        const client = clientOf(t, { namespace, lane, traceContext: () => ({ traceparent, tracestate }) });
        assert.equal(await client.get(NOWHERE), null);
        const [line] = await lines(namespace, 1);
        assert.deepEqual([line.lane, line.trace_id ?? null], [name, trace_id]);
      });
    }

    test("each call carries the trace of where it was made", async (t) => {
      const namespace = `traces-own-${name}`;
      const span = new AsyncLocalStorage();
      const client = clientOf(t, { namespace, lane, traceContext: () => span.getStore() });
      const traceIds = Array.from({ length: 20 }, (_, index) => String(index + 1).padStart(32, "0"));
      const read = (id) => span.run({ traceparent: `00-${id}-00f067aa0ba902b7-01` }, () => client.get(NOWHERE));
      await Promise.all([...traceIds.map(read), client.get(NOWHERE)]);
      const found = (await lines(namespace, 21)).map((line) => line.trace_id ?? "");
      assert.deepEqual(found.sort(), ["", ...traceIds]);
    });

    test("no call fails for a function that fails", async (t) => {
      const traceContext = () => {
        throw new Error("no tracing today");
      };
      const namespace = `traces-failing-${name}`;
      for (const client of [
        clientOf(t, { namespace, lane, traceContext }),
        clientOf(t, { namespace, lane, traceContext: () => {} }),
      ]) {
        assert.equal(await client.get(NOWHERE), null);
      }
      for (const line of await lines(namespace, 2)) assert.equal(line.trace_id, undefined);
    });
  });
}

test("stores and sessions take the function, and no other thing", async (t) => {
  const { traceparent, trace_id } = cases[0];
  const settings = { address: server.address, deadline, traceContext: () => ({ traceparent }) };
  const store = new SessiondStore({ ...settings, namespace: "traces-store" });
  const sessions = createSessions({ ...settings, namespace: "traces-web" });
  t.after(() => {
    store.close();
    sessions.close();
  });
  await store.get(NOWHERE);
  await sessions.getSession(`__Host-session=${NOWHERE}`);
  for (const namespace of ["traces-store", "traces-web"]) {
    assert.equal((await lines(namespace, 1))[0].trace_id, trace_id);
  }
  assert.throws(() => new SessiondClient({ traceContext: "00-1-2-01" }), {
    message: "traceContext must be a function",
  });
  const client = clientOf(t, {});
  assert.throws(() => new SessiondStore({ client, traceContext: () => undefined }), {
    message: "client and traceContext exclude each other: give one",
  });
});
