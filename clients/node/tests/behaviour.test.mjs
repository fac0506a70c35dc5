// The behaviour cases that all clients share, over the fast lane and one by one, against the real server.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { Core } from "../dist/client/core.js";
import { Run, Unmet } from "./support/behaviour.mjs";
import { Server } from "./support/server.mjs";

const folder = new URL("../../conformance/", import.meta.url).pathname;
const cases = readdirSync(`${folder}cases`).flatMap((name) =>
  JSON.parse(readFileSync(`${folder}cases/${name}`, "utf8")),
);
/** The cases that Node.js can't meet, and why. */
const exceptions = {};

const server = await Server.start({ after }, { flags: ["--config", `${folder}server.toml`] });

function core(lane) {
  const made = new Core({ address: server.address, deadline: 20_000, lane });
  after(() => made.close());
  return made;
}

test("there are cases, and few exceptions", () => {
  assert.ok(cases.length > 50);
  assert.ok(Object.keys(exceptions).length * 20 < cases.length);
});

for (const lane of ["auto", "unary"]) {
  describe(lane, { concurrency: 8 }, () => {
    const shared = core(lane);
    for (const [number, { name, steps }] of cases.entries()) {
      test(name, { skip: exceptions[name] }, () => new Run(shared, { namespace: `${lane}-${number}` }).all(steps));
    }
  });
}

test("the runner finds faults", async () => {
  const run = new Run(core("auto"), { namespace: "faults", earlier: "2026-01-01T00:00:00Z" });
  for (const [wanted, found] of [
    [{ a: 1 }, {}],
    [{ a: 1 }, { a: 2 }],
    [{ a: "1" }, { a: 1 }],
    [{ a: { $present: true } }, {}],
    [{ a: { $absent: true } }, { a: false }],
    [
      { a: 1, $only: true },
      { a: 1, b: 2 },
    ],
    [[1], [1, 2]],
    [[{ a: 1 }], [{ a: 2 }]],
    [{ $not: 1 }, 1],
    [{ $contains: 1 }, [2]],
    // biome-ignore-start lint/suspicious/noTemplateCurlyInString: these are the variables of the cases
    [{ $near: "${earlier}", within: "1s" }, "2026-01-01T00:00:02Z"],
    [{ $after: "${earlier}" }, "2026-01-01T00:00:00.000Z"],
    ["${earlier+1s}", "2026-01-01T00:00:00Z"],
    ["${unknown}", "${unknown}"],
    // biome-ignore-end lint/suspicious/noTemplateCurlyInString: as above
  ]) {
    assert.throws(() => run.match(wanted, found, "answer"), Unmet, JSON.stringify(wanted));
  }
  for (const step of [
    { call: "GetSession", request: { sessionId: "no-such-session-0" } },
    { call: "CreateSession", error: "SESSION_NOT_FOUND" },
    { call: "GetSession", request: { sessionId: "short" }, error: "SESSION_NOT_FOUND" },
    {
      call: "GetSession",
      request: { sessionId: "short" },
      error: { reason: "INVALID_ARGUMENT", fields: ["namespace"] },
    },
    { call: "CreateSession", save: { a: "session.nothing" } },
    { unknown: "step" },
  ]) {
    await assert.rejects(run.step(step), Unmet, JSON.stringify(step));
  }
});
