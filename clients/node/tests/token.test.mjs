// Tokens: which settings are taken and which refused, and calls against a real server that has access rules.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { inspect, promisify } from "node:util";
import { SessiondClient, SessiondError, SessiondStore, TokenError } from "connect-sessiond";
import { SessiondStore as FastifyStore } from "connect-sessiond/fastify";
import { createSessions } from "connect-sessiond/web";
import { guardedServer } from "./support/access.mjs";
import { answer, details, fakeServer, onMessages, TOUCHED, tagsIn, touchReplies } from "./support/fakes.mjs";
import { until } from "./support/server.mjs";
import { sharedHooks } from "./support/web.mjs";

const run = promisify(execFile);
const child = new URL("support/child.mjs", import.meta.url).pathname;
const NOWHERE = "no-such-session-0000";
/** Enough for a machine that is busy with other things. */
const deadline = 20_000;
const LANES = ["auto", "unary"];

const hooks = sharedHooks(after);
let guarded;
let token;
before(async () => {
  guarded = await guardedServer(hooks, ["shop", "default"]);
  token = await guarded.token();
});

function clientOf(t, options) {
  const client = new SessiondClient({ address: guarded.address, namespace: "shop", deadline, ...options });
  t.after(() => client.close());
  return client;
}

async function assertWorks(client) {
  const { sessionId } = await client.create();
  assert.ok(await client.get(sessionId));
  assert.equal(await client.count({ principal: "nobody" }), 0);
}

function assertNotShown(secret, ...things) {
  for (const thing of things) {
    assert.ok(!inspect(thing, { depth: 10, showHidden: true }).includes(secret), "a token is shown");
  }
}

describe("settings", () => {
  function assertRefused(settings, message) {
    const options = { address: "127.0.0.1:1", ...settings };
    const makers = [
      () => new SessiondClient(options),
      () => new SessiondStore(options),
      () => new FastifyStore(options),
      () => createSessions(options),
    ];
    for (const make of makers) {
      assert.throws(make, (error) => {
        assert.ok(error instanceof TokenError && error instanceof TypeError, String(error));
        assert.equal(error.message, message);
        assertNotShown("secret", error);
        return true;
      });
    }
  }

  const CHARACTERS = "a token is 1 to 256 of the characters ! to ~";
  const BOTH = "a token file and a token are both set; use one";

  test("a file and a token exclude each other, also where one is a variable", () => {
    const file = guarded.write("secret", "one");
    assertRefused({ tokenFile: file, token: "secret" }, BOTH);
    process.env.SESSIOND_TOKEN = "secret";
    assertRefused({ tokenFile: file }, BOTH);
    delete process.env.SESSIOND_TOKEN;
    process.env.SESSIOND_TOKEN_FILE = file;
    assertRefused({ token: "secret" }, BOTH);
    process.env.SESSIOND_TOKEN = "secret";
    assertRefused({}, BOTH);
    delete process.env.SESSIOND_TOKEN;
    delete process.env.SESSIOND_TOKEN_FILE;
  });

  test("a file that can't be used is named, but nothing of it", () => {
    mkdirSync(guarded.file("folder"));
    const named = (file) => `tokenFile ${JSON.stringify(file)}`;
    const [missing, folder] = [guarded.file("missing"), guarded.file("folder")];
    assertRefused({ tokenFile: missing }, `${named(missing)} can't be read: there is no such file`);
    assertRefused({ tokenFile: folder }, `${named(folder)} can't be read: it is a folder`);
    for (const text of ["", " \n\t\n"]) {
      const file = guarded.write(text, "odd");
      assertRefused({ tokenFile: file }, `${named(file)} is empty: write the token into its first line`);
    }
    for (const text of ["two secrets", "\nsecret", "secrét", "secret".repeat(43)]) {
      const file = guarded.write(text, "odd");
      assertRefused({ tokenFile: file }, `${named(file)} holds no token in its first line: ${CHARACTERS}`);
    }
    const ours = "sdt_r4mdn2qk_a-secret-of-more-than-thirty-two-characters";
    assertRefused({ tokenFile: ours }, "tokenFile: a token stands where the path of its file belongs");
  });

  test("a text that is no token is refused", () => {
    for (const text of ["", "two secrets", "secret\n", "secrét"]) {
      assertRefused({ token: text }, `token can't be used: ${CHARACTERS}`);
    }
    assertRefused({ token: 1 }, "token is no text");
    assertRefused({ tokenFile: 1 }, "tokenFile is no text");
    process.env.SESSIOND_TOKEN = "two secrets";
    assertRefused({}, `SESSIOND_TOKEN can't be used: ${CHARACTERS}`);
    delete process.env.SESSIOND_TOKEN;
  });

  test("a client that is given has its token", () => {
    const client = new SessiondClient({ address: "127.0.0.1:1" });
    for (const name of ["token", "tokenFile"]) {
      const message = { message: `client and ${name} exclude each other: give one` };
      assert.throws(() => new SessiondStore({ client, [name]: "secret" }), message);
      assert.throws(() => createSessions({ client, [name]: "secret" }), message);
    }
  });
});

describe("calls", () => {
  for (const lane of LANES) {
    test(`a token from a file or as text lets in, lane ${lane}`, async (t) => {
      await assertWorks(clientOf(t, { lane, token }));
      await assertWorks(clientOf(t, { lane, tokenFile: guarded.write(`  ${token} \r\nanother line`, "spaced") }));
    });

    test(`without a valid token each call says so, lane ${lane}`, async (t) => {
      for (const wrong of [undefined, "sdt_aaaaaaaa_unknown"]) {
        const client = clientOf(t, { lane, token: wrong });
        const calls = [() => client.get(NOWHERE), () => client.create(), () => client.watch().next()];
        for (const call of calls) {
          await assert.rejects(call, (error) => {
            assert.ok(error instanceof SessiondError);
            assert.deepEqual([error.reason, error.grpcCode, error.statusCode], ["UNAUTHENTICATED", 16, 500]);
            assert.match(error.message, /^127\.0\.0\.1:\d+ does not know the caller: ./);
            assertNotShown("aaaaaaaa", error, client);
            return true;
          });
        }
      }
    });

    test(`what the caller may not do is an error of its own, lane ${lane}`, async (t) => {
      const client = clientOf(t, { lane, token, namespace: "elsewhere" });
      const calls = [() => client.get(NOWHERE), () => client.statistics(), () => client.watch().next()];
      for (const call of calls) {
        await assert.rejects(call, (error) => {
          assert.deepEqual([error.reason, error.grpcCode], ["PERMISSION_DENIED", 7]);
          assert.match(error.message, /does not allow the call: .*shop/);
          return true;
        });
      }
      await assertWorks(clientOf(t, { lane, token }));
    });

    test(`a revoked token ends all, and another in its file is taken at once, lane ${lane}`, async (t) => {
      const first = await guarded.token();
      const file = guarded.write(first, `own-${lane}`);
      const client = clientOf(t, { lane, tokenFile: file });
      await assertWorks(client);
      await guarded.revoke(first);
      await assert.rejects(client.get(NOWHERE), (error) => {
        assert.equal(error.reason, "UNAUTHENTICATED");
        assertNotShown(first, error, client);
        return true;
      });
      guarded.write(await guarded.token(), `own-${lane}`);
      await assertWorks(client);
    });
  }

  test("each store takes a token", async (t) => {
    const file = guarded.write(token, "of-a-store");
    for (const settings of [{ token }, { tokenFile: file }]) {
      const options = { address: guarded.address, namespace: "shop", deadline, ...settings };
      for (const Store of [SessiondStore, FastifyStore]) {
        const store = new Store(options);
        t.after(() => store.close());
        await store.set("a-session-of-a-store", { cookie: {}, a: 1 });
        assert.equal((await store.get("a-session-of-a-store")).a, 1);
        await store.destroy("a-session-of-a-store");
        assertNotShown(token, store);
      }
      const sessions = createSessions(options);
      t.after(() => sessions.close());
      const session = await sessions.getSession(null);
      session.data.a = 1;
      const cookie = await session.save();
      assert.equal((await sessions.getSession(cookie.split(";")[0])).data.a, 1);
      assertNotShown(token, sessions, session);
    }
  });

  test("the environment says it where nothing is set", async () => {
    const file = guarded.write(token, "of-the-environment");
    for (const variables of [{ SESSIOND_TOKEN: token }, { SESSIOND_TOKEN_FILE: file, SESSIOND_TOKEN: "" }]) {
      const { stdout } = await run(process.execPath, [child, "idle", guarded.address], {
        env: { ...process.env, ...variables },
      });
      assert.equal(stdout, "done\n");
    }
  });
});

test("a token is replaced under load, and no call and no watch fails", async (t) => {
  const old = await guarded.token();
  const tokenFile = guarded.write(old);
  const clients = LANES.map((lane) => clientOf(t, { lane, tokenFile }));
  let isOver = false;
  let calls = 0;
  const watching = (async () => {
    for await (const event of clients[0].watch({ kinds: ["created"] })) {
      if (event.session?.labels.last) break;
    }
  })();
  const task = async (client) => {
    const { sessionId } = await client.create();
    while (!isOver) {
      await client.update(sessionId, { set: { count: 1 } });
      await client.get(sessionId);
      calls += 2;
    }
  };
  const tasks = Promise.all(clients.flatMap((client) => Array.from({ length: 8 }, () => task(client))));
  const more = async (number) => {
    const before = calls;
    await Promise.race([tasks, watching, until(() => calls >= before + number, "that calls are made")]);
  };
  await more(200);
  const next = await guarded.token();
  guarded.write(next);
  await more(200);
  await guarded.revoke(old);
  await more(1_000);
  isOver = true;
  await tasks;
  // The stream that was opened with the old token has gone on with the new one.
  await clients[1].create({ labels: { last: "yes" } });
  await watching;
});

test("another token gets another stream, and the one before is ended", async (t) => {
  let valid = "first";
  let ended = 0;
  const refusal = { "grpc-message": "who are you?", "grpc-status-details-bin": details(16, "UNAUTHENTICATED") };
  const fake = await fakeServer(t, (stream, method, headers) => {
    const isKnown = headers.authorization === `Bearer ${valid}`;
    if (method !== "Exchange" || !isKnown) {
      stream.resume();
      answer(stream, isKnown ? TOUCHED : undefined, isKnown ? 0 : 16, isKnown ? {} : refusal);
      return;
    }
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    onMessages(stream, (message) => stream.write(touchReplies(tagsIn(message))));
    stream.on("end", () => {
      ended++;
      stream.end();
    });
  });
  const tokenFile = guarded.write("first", "of-a-fake");
  const client = clientOf(t, { address: fake.address, tokenFile });
  assert.equal((await client.touch(NOWHERE)).version, 7);
  guarded.write("second", "of-a-fake");
  valid = "second";
  // Refused at the opening of a stream: the next call opens it again, and is not made by itself.
  const other = clientOf(t, { address: fake.address, token: "third" });
  await assert.rejects(other.touch(NOWHERE), { reason: "UNAUTHENTICATED" });
  valid = "third";
  assert.equal((await other.touch(NOWHERE)).version, 7);
  valid = "second";
  // The file is looked at after two seconds, without a refusal.
  await until(async () => (await client.touch(NOWHERE)) && ended === 1, "the end of the first stream");
  assert.deepEqual(new Set(fake.asked), new Set(["Exchange"]));
  assert.equal(fake.asked.length, 4);
});
