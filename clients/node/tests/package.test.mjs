// The package as a stranger gets it: packed, installed in an empty folder, used from ESM, CommonJS and TypeScript.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { freePort, Server, until } from "./support/server.mjs";
import { sharedHooks } from "./support/web.mjs";

const run = promisify(execFile);
const root = new URL("..", import.meta.url).pathname;
const hooks = sharedHooks(after);
let folder;
let server;

before(async () => {
  server = await Server.start(hooks);
  folder = mkdtempSync(join(tmpdir(), "connect-sessiond-"));
  hooks.after(() => rmSync(folder, { recursive: true, force: true }));
  const packed = await run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder], { cwd: root });
  const found = JSON.parse(packed.stdout);
  const [{ filename }] = Array.isArray(found) ? found : Object.values(found);
  writeFileSync(join(folder, "package.json"), '{ "private": true }');
  // Without dependencies there is nothing to fetch; express-session is the application's own choice.
  const flags = ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", join(folder, filename)];
  await run("npm", flags, { cwd: folder });
});

const node = (file, text) => {
  writeFileSync(join(folder, file), text);
  return run(process.execPath, [file], { cwd: folder, env: { ...process.env, SESSIOND_ADDR: server.address } });
};

test("it installs nothing but itself, and runs no script", () => {
  const installed = readdirSync(join(folder, "node_modules")).filter((name) => !name.startsWith("."));
  assert.deepEqual(installed, ["connect-sessiond"]);
  const manifest = JSON.parse(readFileSync(join(folder, "node_modules/connect-sessiond/package.json"), "utf8"));
  assert.equal(manifest.dependencies, undefined);
  for (const script of ["preinstall", "install", "postinstall"]) assert.equal(manifest.scripts[script], undefined);
  const files = readdirSync(join(folder, "node_modules/connect-sessiond"));
  assert.deepEqual(files.sort(), [
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "dist",
    "package.json",
  ]);
});

const USE = `
const store = new SessiondStore({ namespace: "package" });
await store.set("a-session-of-a-package", { cookie: {}, a: 1 });
console.log((await store.get("a-session-of-a-package")).a, store.client instanceof SessiondClient, typeof createSessions, typeof logIn);
`;

test("ES modules", async () => {
  const { stdout } = await node(
    "use.mjs",
    `import { SessiondClient, SessiondStore } from "connect-sessiond";
     import { SessiondStore as OfFastify } from "connect-sessiond/fastify";
     import { createSessions } from "connect-sessiond/web";
     import { logIn } from "connect-sessiond/express";
     import { SessiondClient as Same } from "connect-sessiond/client";
     import { createRequire } from "node:module";
     if (Same !== SessiondClient || createRequire(import.meta.url)("connect-sessiond").SessiondClient !== Same) throw new Error("two copies");
     new OfFastify();${USE}`,
  );
  assert.equal(stdout, "1 true function function\n");
});

test("CommonJS", async () => {
  const { stdout } = await node(
    "use.cjs",
    `const { SessiondClient, SessiondStore } = require("connect-sessiond");
     const { createSessions } = require("connect-sessiond/web");
     const { logIn } = require("connect-sessiond/express");
     (async () => {${USE}})();`,
  );
  assert.equal(stdout, "1 true function function\n");
});

/** Packages that an application would install, from this checkout's own. */
function borrow(...names) {
  for (const name of names) {
    const target = join(folder, "node_modules", name);
    mkdirSync(join(target, ".."), { recursive: true });
    symlinkSync(join(root, "node_modules", name), target);
  }
}

test("TypeScript, by both ways to resolve modules", async () => {
  borrow("@types");
  const program = `
import session from "express-session";
import { SessiondClient, SessiondStore, type Session, SessiondError, TlsError, type TlsOptions } from "connect-sessiond";
import { SessiondStore as OfFastify } from "connect-sessiond/fastify";
import { createSessions } from "connect-sessiond/web";
import { logIn, principalOf } from "connect-sessiond/express";
const client = new SessiondClient();
const middleware = session({ store: new SessiondStore({ client, ttl: 60 }), secret: "x" });
const sessions = createSessions({ client });
const tls: TlsOptions = { ca: Buffer.from(""), cert: "", key: "", serverName: process.env.NAME };
export const secure = () => [new SessiondClient({ tls }), new SessiondStore({ tls }), createSessions({ tls }), TlsError];
export async function use(req: import("express").Request): Promise<string> {
  const found: Session | null = await client.get("x");
  await logIn(req, 42);
  const { data } = await sessions.getSession<{ views?: number }>("");
  data.views = (data.views ?? 0) + 1;
  for await (const event of client.watch()) if (event.kind !== "checkpoint") return event.session.handle;
  return found?.handle ?? principalOf(req) ?? "";
}
export { middleware, OfFastify, SessiondError };
`;
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  for (const [file, module, resolution] of [
    ["use.mts", "node16", "node16"],
    ["use.cts", "node16", "node16"],
    ["bundled.ts", "esnext", "bundler"],
  ]) {
    writeFileSync(
      join(folder, file),
      file.endsWith(".cts")
        ? program
            .replace("import session from", "import session = require")
            .replace('require "express-session"', 'require("express-session")')
        : program,
    );
    const flags = [
      "--ignoreConfig",
      "--noEmit",
      "--strict",
      "--target",
      "es2022",
      "--module",
      module,
      "--moduleResolution",
      resolution,
    ];
    flags.push("--esModuleInterop", "--types", "node", file);
    await run(process.execPath, [tsc, ...flags], { cwd: folder }).catch((error) =>
      assert.fail(`${file}: ${error.stdout}`),
    );
  }
});

test("the quick start of the README works in an empty Express application", async (t) => {
  const [, quickStart] = /<!-- quick start -->\n```js\n([\s\S]*?)```/.exec(
    readFileSync(join(root, "README.md"), "utf8"),
  );
  const port = await freePort();
  // An application of its own: what it installs beside stands in this checkout.
  const app = mkdtempSync(join(tmpdir(), "connect-sessiond-app-"));
  t.after(() => rmSync(app, { recursive: true, force: true }));
  mkdirSync(join(app, "node_modules"));
  cpSync(join(folder, "node_modules/connect-sessiond"), join(app, "node_modules/connect-sessiond"), {
    recursive: true,
  });
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (!name.startsWith(".") && name !== "connect-sessiond")
      symlinkSync(join(root, "node_modules", name), join(app, "node_modules", name));
  }
  writeFileSync(join(app, "app.mjs"), quickStart.replace("3000", String(port)));
  const child = spawn(process.execPath, ["app.mjs"], {
    cwd: app,
    env: { ...process.env, SESSIOND_ADDR: server.address },
    stdio: "inherit",
  });
  t.after(() => child.kill());
  const url = `http://127.0.0.1:${port}/`;
  const first = await until(() => fetch(url).catch(() => undefined), "the application");
  assert.equal(await first.text(), "Views: 1");
  const [cookie, ...attributes] = first.headers.getSetCookie()[0].split("; ");
  assert.equal(await (await fetch(url, { headers: { cookie } })).text(), "Views: 2");
  // Without TLS it works for a newcomer; behind a proxy that ends TLS the cookie is Secure.
  assert.deepEqual(attributes.sort(), ["HttpOnly", "Path=/", "SameSite=Lax"]);
  const proxied = await fetch(url, { headers: { "x-forwarded-proto": "https" } });
  const [, ...strict] = proxied.headers.getSetCookie()[0].split("; ");
  assert.deepEqual(strict.sort(), ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
});
