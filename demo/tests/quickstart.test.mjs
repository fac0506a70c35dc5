// The quick starts of docs/quickstart, each in an empty folder.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url));
const PAGES = join(CHECKOUT, "docs/quickstart");
const PATIENCE = 120_000;

/** The lines of a program, but for comments and those that only close what others have opened. */
const linesOf = (code) => code.split("\n").filter((line) => /[^\s(){}[\];,]/.test(line) && !/^\s*\/\//.test(line));

let server;
let address;
let folder;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "sessiond-quickstart-"));
  address = `127.0.0.1:${await freePort()}`;
  server = spawn(process.env.SESSIOND_BIN, ["serve", "--listen", address, "--data-dir", join(folder, "data")], {
    stdio: "ignore",
  });
});

after(async () => {
  // Until it has ended it writes to its folder.
  if (server?.kill()) await once(server, "exit");
  rmSync(folder, { recursive: true, force: true });
});

/**
 * The page's programs are written and run as they stand there, on a free port. What it installs is replaced by `install`, which
 * uses what is built already.
 */
async function follow(name, install, { behindProxy = false } = {}) {
  const page = readFileSync(join(PAGES, `${name}.md`), "utf8");
  const blocks = [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({ language, text }));
  const shell = blocks.filter(({ language }) => language === "sh");
  const files = blocks.filter(({ language }) => language !== "sh");
  assert.equal(shell.length, 2, "one block installs, and one runs");
  const home = join(folder, name);
  mkdirSync(home);
  const port = await freePort();
  for (const { language, text } of files) {
    const [, file] = /^(?:#|\/\/|<!--) (\S+)/.exec(text);
    const [, code] = /^.*\n([\s\S]*)$/.exec(text);
    if (language !== "xml") {
      const lines = linesOf(code);
      assert.ok(lines.length <= 20, `${file} has ${lines.length} lines of code`);
    }
    mkdirSync(dirname(join(home, file)), { recursive: true });
    writeFileSync(join(home, file), code.replaceAll("8000", port));
  }
  await install(home, shell[0].text);
  await visit(home, shell[1].text.replaceAll("8000", port), port, { behindProxy });
}

const environment = () => ({ ...process.env, CHECKOUT, SESSIOND_ADDR: address });

function run(home, commands) {
  const done = spawnSync("bash", ["-euc", commands], { cwd: home, env: environment(), encoding: "utf8" });
  assert.equal(done.status, 0, `${commands}\n${done.stdout}\n${done.stderr}`);
}

/** What the cookie of an answer is, and its attributes, which each framework writes in letters of its own. */
function cookieOf(response) {
  const [pair, ...attributes] = response.headers.getSetCookie()[0].split("; ");
  return [pair, ...attributes.map((attribute) => attribute.toLowerCase())];
}

/** Starts the site, and visits it three times; `behindProxy`, once more as a proxy does that ends TLS. */
async function visit(home, commands, port, { behindProxy }) {
  const site = spawn("bash", ["-euc", commands], { cwd: home, env: environment(), detached: true });
  let said = "";
  for (const stream of [site.stdout, site.stderr]) stream.on("data", (text) => (said += text));
  try {
    const first = await answer(site, port, () => said);
    const [cookie, ...attributes] = cookieOf(first);
    for (const attribute of ["httponly", "path=/", "samesite=lax"])
      assert.ok(attributes.includes(attribute), attribute);
    const seen = [await first.text()];
    for (let visits = 2; visits <= 3; visits++) {
      seen.push(await (await fetch(`http://127.0.0.1:${port}/`, { headers: { cookie } })).text());
    }
    assert.deepEqual(seen, ["visit 1", "visit 2", "visit 3"], said);
    if (behindProxy) {
      const proxied = await fetch(`http://127.0.0.1:${port}/`, { headers: { "x-forwarded-proto": "https" } });
      assert.ok(cookieOf(proxied).includes("secure"));
    }
  } finally {
    process.kill(-site.pid, "SIGKILL");
  }
}

async function answer(site, port, said) {
  const deadline = Date.now() + PATIENCE;
  while (Date.now() < deadline && site.exitCode === null) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/`);
      // A busy machine may need more than the second that a call has.
      if (response.status === 200) return response;
    } catch {
      // It does not listen yet.
    }
    await sleep(100);
  }
  throw new Error(`the site does not answer: ${said()}`);
}

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

describe("quick starts", () => {
  test("Django", () =>
    follow("django", (home) => {
      const ours = [join(CHECKOUT, "clients/python/.venv"), join(CHECKOUT, "demo/.venv")].find(existsSync);
      symlinkSync(ours, join(home, ".venv"));
    }));

  test("Express", () => {
    const install = (home) => symlinkSync(join(CHECKOUT, "demo/node_modules"), join(home, "node_modules"));
    return follow("express", install, { behindProxy: true });
  });

  test("Go", () => follow("go", run));

  test("Spring Boot", () => follow("spring", () => {}, { behindProxy: true }));

  test("axum", () => {
    // It is the example that the tests of sessiond-axum build and visit.
    const [, program] = /```rust\n\/\/ src\/main.rs\n([\s\S]*?)```/.exec(readFileSync(join(PAGES, "axum.md"), "utf8"));
    const example = readFileSync(join(CHECKOUT, "clients/rust-axum/examples/quick_start.rs"), "utf8");
    assert.equal(example.replace(/^\/\/!.*\n\n/, ""), program);
    assert.ok(linesOf(program).length <= 20);
  });
});
