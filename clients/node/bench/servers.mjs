// The servers that are measured, each in a fresh folder and pinned to core 0.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const sessiond = process.env.SESSIOND_BIN ?? here("../../../target/release/sessiond");

export const fail = (sentence) => {
  console.error(sentence);
  process.exit(2);
};

/** Ends the process with a sentence if something is missing. */
export function checkTools() {
  if (!existsSync(sessiond))
    fail(`No server at ${sessiond}: build it with cargo build --release, or set SESSIOND_BIN.`);
  if (availableParallelism() < 2) fail("Two cores are needed: one for the server, one for the measured process.");
  for (const tool of ["redis-server", "taskset"]) {
    try {
      execFileSync(tool, ["--version"], { stdio: "ignore" });
    } catch {
      fail(`${tool} is not installed: apt-get install redis-server util-linux.`);
    }
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

/** Starts a program on one core. */
export const pinned = (core, command, flags, options) =>
  spawn("taskset", ["-c", String(core), command, ...flags], options);

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

/** Starts a server; its port, and how to end it. */
export async function startServer(kind) {
  const folder = mkdtempSync(join(tmpdir(), "sessiond-bench-"));
  const port = await freePort();
  const [command, flags] = SERVERS[kind](port, folder);
  const server = pinned(0, command, flags, { stdio: "ignore" });
  await reachable(port);
  return {
    port,
    async stop() {
      server.kill("SIGKILL");
      await once(server, "close");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
