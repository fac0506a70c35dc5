// Measures sessiond beside Redis from one Node.js process, each server pinned to the same core in turn.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

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

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const sessiond = process.env.SESSIOND_BIN ?? here("../../../target/release/sessiond");
const fail = (sentence) => {
  console.error(sentence);
  process.exit(2);
};
if (!existsSync(sessiond)) fail(`No server at ${sessiond}: build it with cargo build --release, or set SESSIOND_BIN.`);
if (availableParallelism() < 2) fail("Two cores are needed: one for the server, one for the measured process.");
for (const tool of ["redis-server", "taskset"]) {
  try {
    execFileSync(tool, ["--version"], { stdio: "ignore" });
  } catch {
    fail(`${tool} is not installed: apt-get install redis-server util-linux.`);
  }
}

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function reachable(port) {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const isUp = await new Promise((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    if (isUp) return;
    await sleep(20);
  }
}

const pinned = (core, command, flags, options) => spawn("taskset", ["-c", String(core), command, ...flags], options);

const SERVERS = {
  redis: (port, folder) => [
    "redis-server",
    ["--port", port, "--dir", folder, "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"].map(String),
  ],
  sessiond: (port, folder) => [
    sessiond,
    ["serve", "--listen", `127.0.0.1:${port}`, "--data-dir", folder, "--durability", "interval", "--workers", "1"],
  ],
};

/** Runs one workload against a fresh server; what it measured. */
async function measure(kind, workload, inFlight) {
  const folder = mkdtempSync(join(tmpdir(), "sessiond-bench-"));
  const port = await freePort();
  const [command, flags] = SERVERS[kind](port, folder);
  const server = pinned(0, command, flags, { stdio: "ignore" });
  try {
    await reachable(port);
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
    server.kill("SIGKILL");
    await once(server, "close");
    rmSync(folder, { recursive: true, force: true });
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
