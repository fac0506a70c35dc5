// A server with its console, filled with sessions, and operators with a browser.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const SCREENSHOTS = fileURLToPath(new URL("screenshots", import.meta.url));
const PATIENCE = 20_000;

/** The browser of the system; the variable CHROMIUM names another. */
export function openBrowser() {
  const places = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome"];
  const executablePath = places.find((place) => place && existsSync(place));
  if (!executablePath) throw new Error("no chromium was found: install Debian's package chromium, or set CHROMIUM");
  // Root has no sandbox of Chromium's, and /dev/shm is small in containers.
  const args = ["--disable-dev-shm-usage", ...(process.getuid?.() === 0 ? ["--no-sandbox"] : [])];
  return chromium.launch({ executablePath, args });
}

const RULES = `
[caller.ops]
allow = [{ namespaces = ["*"], may = ["operator"] }]

[caller.support]
allow = [{ namespaces = ["shop"], may = ["principals"] }]

[caller.shop]
allow = [{ namespaces = ["*"], may = ["application"] }]
`;

/** sessiond with a console, in a folder of its own. */
export class Server {
  #process;
  #folder = mkdtempSync(join(tmpdir(), "sessiond-console-"));
  #flags;
  /** A token of each caller; none without rules of access. */
  tokens = {};

  static async start({ withRules = false } = {}) {
    const server = new Server();
    server.#flags = [];
    if (withRules) {
      writeFileSync(join(server.#folder, "access.toml"), RULES);
      const file = join(server.#folder, "tokens");
      for (const caller of ["ops", "support", "shop"]) {
        server.tokens[caller] = run(["token", "create", "--access-tokens", file, caller]).match(/sdt_\w+/)[0];
      }
      server.#flags = ["--access-file", join(server.#folder, "access.toml"), "--access-tokens", file];
    }
    await server.launch({ address: "127.0.0.1:0", console: "127.0.0.1:0" });
    return server;
  }

  /** Starts the process; after `kill`, at the same addresses. */
  async launch({ address, console } = this.addresses) {
    const flags = [
      "--listen",
      address,
      "--console-listen",
      console,
      "--data-dir",
      join(this.#folder, "data"),
      ...this.#flags,
    ];
    this.#process = spawn(process.env.SESSIOND_BIN, ["serve", ...flags], {
      stdio: ["ignore", "pipe", "ignore"],
      env: {},
    });
    const banner = {};
    for await (const line of createInterface({ input: this.#process.stdout })) {
      const [, name, value] = line.match(/^ {2}(\w+) +(.*)$/) ?? [];
      banner[name] = value;
      if (name === "durability") break;
    }
    this.addresses = { address: banner.listening, console: new URL(banner.console).host };
    // What it says later must not fill the pipe.
    this.#process.stdout.resume();
  }

  get page() {
    return `http://${this.addresses.console}/`;
  }

  async kill() {
    this.#process.kill("SIGKILL");
    await once(this.#process, "exit");
  }

  async stop() {
    if (this.#process.exitCode === null) {
      this.#process.kill();
      await once(this.#process, "exit");
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Makes a session; returns its ID and its handle. */
  create(namespace, principal, labels = {}) {
    const given = Object.entries(labels).flatMap(([name, value]) => ["--label", `${name}=${value}`]);
    const whose = principal ? ["--principal", principal] : [];
    const args = ["create", "--json", "--addr", this.addresses.address, "--namespace", namespace, ...whose, ...given];
    return JSON.parse(run(args, this.tokens.shop));
  }

  /** Visits the server for some seconds. */
  async load() {
    const load = ["--sessions", "2000", "--rate", "400", "--connections", "2", "--warmup", "0s", "--duration", "12s"];
    const bench = spawn(process.env.SESSIOND_BIN, ["bench", "--addr", this.addresses.address, ...load], {
      stdio: "ignore",
      env: {},
    });
    const [code] = await once(bench, "exit");
    if (code !== 0) throw new Error(`the load ended with the code ${code}`);
  }

  /** The principals of the sessions that are there. */
  users(namespace) {
    const listed = run(
      ["list", "--json", "--all", "--addr", this.addresses.address, "--namespace", namespace],
      this.tokens.ops,
    );
    return JSON.parse(listed)
      .sessions.map(({ principal }) => principal)
      .sort();
  }
}

/** Runs the command line, as a caller with this token. */
function run(args, token) {
  return execFileSync(process.env.SESSIOND_BIN, args, {
    encoding: "utf8",
    env: token ? { SESSIOND_TOKEN: token } : {},
  });
}

/** A page of the console in a browser of its own. All that goes wrong in it is noted. */
export class Operator {
  faults = [];

  static async open(browser, server, options = {}) {
    const operator = new Operator();
    operator.context = await browser.newContext({
      viewport: { width: 1180, height: 760 },
      locale: "en-GB",
      timezoneId: "UTC",
      reducedMotion: "reduce",
      ...options,
    });
    operator.page = await operator.context.newPage();
    operator.page.setDefaultTimeout(PATIENCE);
    operator.page.on("pageerror", (error) => operator.faults.push(String(error)));
    operator.page.on("console", (message) => message.type() === "error" && operator.faults.push(message.text()));
    await operator.prepare?.();
    await operator.page.goto(server.page);
    return operator;
  }

  /** Goes to what stands behind the # of the address. */
  async go(place) {
    await this.page.evaluate((hash) => {
      location.hash = hash;
    }, place);
  }

  async signIn(token) {
    await this.page.getByLabel("Token").fill(token);
    await this.page.keyboard.press("Enter");
  }

  button(name, options) {
    return this.page.getByRole("button", { name, ...options });
  }

  heading(name) {
    return this.page.getByRole("heading", { name, exact: true });
  }

  /** Whether something is wider than the window. */
  isTooWide() {
    return this.page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  }

  async shoot(name) {
    mkdirSync(SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
  }
}
