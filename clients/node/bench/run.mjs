// Measures sessiond beside Redis from one Node.js process, each server pinned to the same core in turn.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { checkTools, fail, here, pinned, startServer } from "./servers.mjs";

const HELP = `Usage: npm run bench -- [--seconds N] [--rounds N]

Measures connect-sessiond beside connect-redis with node-redis. The servers are pinned to core 0, the measured process to
core 1; both promise that a crash loses at most the last second. Each figure is the median of the rounds, in which the two
take turns.

  --seconds N  how long each measurement takes; default 5
  --rounds N   how often each is repeated; default 3

  get      store.get: load a session of about 500 bytes
  web      nine requests in ten load and slide the session, one loads, changes and saves it
  express  a whole Express request: load, one change, save; 50 connections

SESSIOND_BIN names the server; build it with cargo build --release. redis-server must be installed.`;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit();
}
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);

checkTools();

/** Runs one workload against a fresh server; what it measured. */
async function measure(kind, workload, inFlight) {
  const { port, stop } = await startServer(kind);
  try {
    const settings = JSON.stringify({ kind, workload, inFlight, seconds, port });
    const worker = pinned(1, process.execPath, [here("worker.mjs"), settings], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    worker.stdout.setEncoding("utf8").on("data", async (text) => {
      output += text;
    });
    if (workload === "express") {
      while (!output.includes("\n")) await sleep(10);
      const load = pinned(0, process.execPath, [here("load.mjs"), output.trim(), String(inFlight), String(seconds)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let result = "";
      load.stdout.setEncoding("utf8").on("data", (text) => {
        result += text;
      });
      await once(load, "close");
      worker.kill();
      return JSON.parse(result);
    }
    const [code] = await once(worker, "close");
    if (code !== 0) fail(`The measurement of ${kind} failed.`);
    return JSON.parse(output);
  } finally {
    await stop();
  }
}

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

const CASES = [
  ["get", 1],
  ["get", 32],
  ["web", 1],
  ["web", 32],
  ["express", 50],
];
const row = (...cells) => console.log(cells.map((cell, index) => String(cell).padStart(index < 1 ? 8 : 12)).join(""));
row("what", "in flight", "store", "per second", "p50 µs", "p99 µs", "CPU µs");
for (const [workload, inFlight] of CASES) {
  const measured = { redis: [], sessiond: [] };
  for (let round = 0; round < rounds; round++) {
    // Whoever goes first in one round goes second in the next.
    const order = round % 2 === 0 ? ["redis", "sessiond"] : ["sessiond", "redis"];
    for (const kind of order) measured[kind].push(await measure(kind, workload, inFlight));
  }
  const figure = (kind, name) => median(measured[kind].map((one) => one[name]));
  for (const kind of ["redis", "sessiond"]) {
    const cpu = workload === "express" ? "" : figure(kind, "cpu").toFixed(1);
    const numbers = ["perSecond", "p50", "p99"].map((name) => Math.round(figure(kind, name)));
    row(workload, inFlight, kind, ...numbers, cpu);
  }
  const ratio = (name) => (figure("sessiond", name) / figure("redis", name)).toFixed(2);
  row(
    workload,
    inFlight,
    "ratio",
    ratio("perSecond"),
    ratio("p50"),
    ratio("p99"),
    workload === "express" ? "" : ratio("cpu"),
  );
}
