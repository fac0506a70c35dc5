// A sessiond process for tests: the real binary, a free port or a Unix socket, its own data folder.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SessiondClient } from "connect-sessiond/client";

const binary = process.env.SESSIOND_BIN;
const START_LIMIT = 60_000;

export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Keeps its address and data folder over `kill` and `start`. */
export class Server {
  #process;
  #log;

  /** An address with `https://` is listened on over TLS; the flags name the certificate. */
  constructor(address, flags = []) {
    this.address = address;
    this.flags = flags;
    this.folder = mkdtempSync(join(tmpdir(), "sessiond-node-"));
    this.#log = join(this.folder, "log");
  }

  /** Starts one, and stops it when the test or file is over. */
  static async start(t, { address, flags } = {}) {
    const server = new Server(address ?? `127.0.0.1:${await freePort()}`, flags);
    t.after(() => server.remove());
    await server.start();
    return server;
  }

  async start() {
    if (!binary || !existsSync(binary)) throw new Error(`No server at ${binary}: set SESSIOND_BIN.`);
    const log = openSync(this.#log, "a");
    // Settings of the surrounding shell must not reach the server under test.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SESSIOND_")));
    const listen = this.address.replace(/^https:/, "tls:");
    const flags = ["serve", "--listen", listen, "--data-dir", join(this.folder, "data"), ...this.flags];
    const before = this.log.length;
    this.#process = spawn(binary, flags, { stdio: ["ignore", log, log], env });
    const end = Date.now() + START_LIMIT;
    if (listen !== this.address || this.flags.includes("--access-file")) return this.#announced(before, end);
    const client = new SessiondClient({ address: this.address });
    try {
      for (;;) {
        if (this.#process.exitCode !== null) throw new Error(`sessiond ended by itself:\n${this.log}`);
        try {
          await client.get("no-such-session-0", { touch: false });
          return;
        } catch (error) {
          if (Date.now() > end) throw new Error(`sessiond did not answer:\n${this.log}`, { cause: error });
          await sleep(20);
        }
      }
    } finally {
      client.close();
    }
  }

  /** Over TLS, or with access rules, only some clients get an answer: the server's own word is waited for. */
  async #announced(before, end) {
    while (!this.log.slice(before).includes("is ready")) {
      if (this.#process.exitCode !== null) throw new Error(`sessiond ended by itself:\n${this.log}`);
      if (Date.now() > end) throw new Error(`sessiond is not ready:\n${this.log}`);
      await sleep(20);
    }
  }

  /** SIGKILL: no chance to write anything. */
  async kill() {
    await this.#end("SIGKILL");
  }

  /** SIGTERM: it drains. */
  async stop() {
    await this.#end("SIGTERM");
  }

  async #end(signal) {
    const running = this.#process;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, "exit");
    running.kill("SIGCONT");
    running.kill(signal);
    await ended;
  }

  /** The process hangs: connections stay open, nothing is answered. */
  async pause() {
    this.#process.kill("SIGSTOP");
    const stat = `/proc/${this.#process.pid}/stat`;
    while (readFileSync(stat, "utf8").split(") ")[1]?.[0] !== "T") await sleep(1);
  }

  resume() {
    this.#process.kill("SIGCONT");
  }

  get log() {
    return readFileSync(this.#log, "utf8");
  }

  async remove() {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Waits until `condition` holds. */
export async function until(condition, what = "the condition", limit = 20_000) {
  const end = Date.now() + limit;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what} did not come about within ${limit} ms`);
    await sleep(5);
  }
}
