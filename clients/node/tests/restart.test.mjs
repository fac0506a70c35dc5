// No call fails when the server is restarted under load with the socket that it had.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SessiondClient } from "connect-sessiond";

const RESTARTS = new URL("../../conformance/restarts", import.meta.url).pathname;
const CALLERS = 16;
/** The deadline of a busy machine. */
const LONG = 60_000;
/** In memory it has nothing to open, so calls meet the server that goes and the one that comes. */
const IN_MEMORY = ["--engine", "memory"];

for (const [lane, flags] of [
  ["auto", []],
  ["unary", []],
  ["auto", IN_MEMORY],
  ["unary", IN_MEMORY],
]) {
  test(`no call fails while the server is restarted: ${[lane, ...flags].join(" ")}`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "sessiond-restart-"));
    t.after(() => rm(folder, { recursive: true }));
    const supervisor = spawn(RESTARTS, [folder, ...flags], { stdio: ["pipe", "pipe", "inherit"] });
    const ended = once(supervisor, "exit");
    const lines = createInterface({ input: supervisor.stdout })[Symbol.asyncIterator]();
    const client = new SessiondClient({ address: (await lines.next()).value, lane, deadline: LONG });
    const counts = new Array(CALLERS).fill(0);
    const failures = [];
    let isOver = false;
    const callers = counts.map(async (_, number) => {
      while (!isOver) {
        await client.create({ attributes: { number } }).catch((error) => failures.push(error));
        counts[number]++;
      }
    });
    const everyCallerGoesOn = async () => {
      const end = performance.now() + LONG;
      const wanted = counts.map((count) => count + 10);
      while (counts.some((count, number) => count < wanted[number])) {
        assert.ok(performance.now() < end, "a caller does not go on");
        await sleep(1);
      }
    };
    try {
      for (let restart = 0; restart < 3; restart++) {
        await everyCallerGoesOn();
        supervisor.stdin.write("\n");
        assert.match((await lines.next()).value, /^\d+$/);
      }
      await everyCallerGoesOn();
    } finally {
      isOver = true;
      await Promise.all(callers);
      await client.close();
      supervisor.stdin.end();
    }
    assert.deepEqual(await ended, [0, null]);
    assert.deepEqual(failures, []);
  });
}
