// How the client behaves in a process: it lets it end, survives forks, and leaves no promise behind.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Server } from "./support/server.mjs";
import { sharedHooks } from "./support/web.mjs";

const run = promisify(execFile);
const child = new URL("support/child.mjs", import.meta.url).pathname;
const hooks = sharedHooks(after);
let server;
before(async () => {
  server = await Server.start(hooks);
});

const start = (mode, address = server.address) => run(process.execPath, [child, mode, address], { timeout: 20_000 });

for (const mode of ["idle", "idle-unary"]) {
  test(`an open client does not keep the process alive: ${mode}`, async () => {
    assert.equal((await start(mode)).stdout, "done\n");
  });
}

test("a call in flight does", async (t) => {
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  await once(silent, "listening");
  t.after(() => silent.close());
  assert.equal((await start("waiting", `127.0.0.1:${silent.address().port}`)).stdout, "DEADLINE_EXCEEDED\n");
});

test("workers of a cluster make connections of their own", async () => {
  assert.equal((await start("cluster")).stdout, "primary worker worker worker primary\n");
});

test("nobody answers: every promise is handled by its caller alone", async () => {
  const { stderr } = await start("waiting", "127.0.0.1:1");
  assert.equal(stderr, "");
});
