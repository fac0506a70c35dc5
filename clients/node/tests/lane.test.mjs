// The fast lane: what is sent together, what is sent again, and what happens where it is refused.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { SessiondClient, SessiondStore } from "connect-sessiond";
import { answer, details, fakeServer, framed, onMessages, TOUCHED, tagsIn, touchReplies } from "./support/fakes.mjs";
import { freePort, until } from "./support/server.mjs";

const ID = "a-session-of-tests";
const OK = { ":status": 200, "content-type": "application/grpc" };

function clientOf(t, address, options) {
  const client = new SessiondClient({ address, ...options });
  t.after(() => client.close());
  return client;
}

test("calls of one turn travel in one message, over one stream", async (t) => {
  const messages = [];
  const server = await fakeServer(t, (stream) => {
    stream.respond(OK);
    onMessages(stream, (message) => {
      messages.push(tagsIn(message).length);
      stream.write(touchReplies(tagsIn(message)));
    });
  });
  const client = clientOf(t, server.address);
  for (let round = 0; round < 3; round++) {
    await Promise.all(Array.from({ length: 20 }, () => client.touch(ID)));
  }
  assert.deepEqual(messages, [20, 20, 20]);
  assert.deepEqual(server.asked, ["Exchange"]);
});

test("replies in any order, and in pieces, reach their callers", async (t) => {
  const server = await fakeServer(t, (stream) => {
    stream.respond(OK);
    onMessages(stream, async (message) => {
      const replies = tagsIn(message)
        .reverse()
        .map((tag) => Buffer.from([0x0a, 6, 0x08, tag, 0x32, 2, 0x10, 50 + tag]));
      const bytes = framed(Buffer.concat(replies));
      for (let start = 0; start < bytes.length; start += 3) {
        await new Promise((resolve) => stream.write(bytes.subarray(start, start + 3), resolve));
      }
    });
  });
  const client = clientOf(t, server.address);
  const answers = await Promise.all(Array.from({ length: 9 }, () => client.touch(ID)));
  assert.deepEqual(
    answers.map(({ version }) => version),
    [51, 52, 53, 54, 55, 56, 57, 58, 59],
  );
});

test("no more than 1,024 calls are in flight, and the others follow", async (t) => {
  let most = 0;
  let open = 0;
  const server = await fakeServer(t, (stream) => {
    stream.respond(OK);
    onMessages(stream, (message) => {
      // Tags above 127 take two bytes; count calls by their first byte alone.
      const count = tagsIn(message).length;
      open += count;
      most = Math.max(most, open);
    });
  });
  const client = clientOf(t, server.address, { deadline: 3_000 });
  const calls = Array.from({ length: 3_000 }, () => client.touch(ID).catch((error) => error.reason));
  await until(() => open === 1_024, "1,024 calls in flight");
  assert.deepEqual(new Set(await Promise.all(calls)), new Set(["DEADLINE_EXCEEDED"]));
  assert.equal(most, 1_024);
});

for (const [name, refuse] of [
  ["UNIMPLEMENTED", (stream) => answer(stream, undefined, 12)],
  [
    "UNIMPLEMENTED after its headers",
    (stream) => {
      stream.respond(OK, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "12" }));
      stream.end();
    },
  ],
  ["an HTTP answer of a proxy", (stream) => stream.respond({ ":status": 404 }, { endStream: true })],
  ["PERMISSION_DENIED of a proxy", (stream) => answer(stream, undefined, 7)],
]) {
  test(`where the stream is refused by ${name}, calls go one by one`, async (t) => {
    const server = await fakeServer(t, (stream, method) => {
      if (method === "Exchange") refuse(stream);
      else answer(stream, TOUCHED);
    });
    const client = clientOf(t, server.address);
    for (let round = 0; round < 3; round++) assert.equal((await client.touch(ID)).version, 7);
    assert.deepEqual(server.asked, ["Exchange", "TouchSession", "TouchSession", "TouchSession"]);
  });
}

test("the lane is tried again a minute after it was refused", async (t) => {
  let isRefused = true;
  const server = await fakeServer(t, (stream, method) => {
    if (method !== "Exchange") answer(stream, TOUCHED);
    else if (isRefused) answer(stream, undefined, 12);
    else {
      stream.respond(OK);
      onMessages(stream, (message) => stream.write(touchReplies(tagsIn(message))));
    }
  });
  const client = clientOf(t, server.address);
  await client.touch(ID);
  isRefused = false;
  const now = performance.now.bind(performance);
  t.mock.method(performance, "now", () => now() + 60_001);
  await client.touch(ID);
  assert.deepEqual(server.asked, ["Exchange", "TouchSession", "Exchange"]);
});

test("a proxy that holds the stream back is noticed at the first deadline", async (t) => {
  const server = await fakeServer(t, (stream, method) => {
    if (method !== "Exchange") answer(stream, TOUCHED);
  });
  const client = clientOf(t, server.address, { deadline: 200 });
  await assert.rejects(client.touch(ID), { reason: "DEADLINE_EXCEEDED" });
  await until(async () => {
    const touched = await client.touch(ID).catch(() => undefined);
    return touched?.version === 7;
  }, "a unary call");
});

test("a call whose outcome is unknown is not sent again, one that may be twice is", async (t) => {
  let streams = 0;
  const server = await fakeServer(t, (stream) => {
    const isFirst = ++streams === 1;
    stream.respond(OK);
    onMessages(stream, (message) => {
      if (isFirst) server.cut();
      else stream.write(touchReplies(tagsIn(message)));
    });
  });
  const client = clientOf(t, server.address);
  const [touch, update] = await Promise.allSettled([client.touch(ID), client.update(ID, { set: { a: 1 } })]);
  assert.equal(touch.value?.version, 7);
  assert.equal(update.reason?.reason, "UNAVAILABLE");
  assert.match(update.reason.message, new RegExp(`no sessiond answers at ${server.address}`));
});

test("a server that drains has not carried out what it did not answer: another one is asked", async (t) => {
  const first = await fakeServer(t, (stream) => {
    stream.respond(OK, { waitForTrailers: true });
    stream.on("wantTrailers", () => {
      stream.sendTrailers({ "grpc-status": "14", "grpc-status-details-bin": details(14, "NOT_READY") });
    });
    stream.once("data", () => stream.end());
  });
  const second = await fakeServer(t, (stream) => {
    stream.respond(OK);
    // UpdateSessionResponse with a session of version 9.
    onMessages(stream, (message) => {
      const replies = tagsIn(message).map((tag) => Buffer.from([0x0a, 8, 0x08, tag, 0x2a, 4, 0x0a, 2, 0x18, 9]));
      stream.write(framed(Buffer.concat(replies)));
    });
  });
  const client = clientOf(t, `${first.address},${second.address}`);
  assert.equal((await client.update(ID, { set: { a: 1 } })).version, 9);
  assert.deepEqual(first.asked, ["Exchange"]);
  assert.deepEqual(second.asked, ["Exchange"]);
});

test("a reply to another call is an error, and no answer", async (t) => {
  const server = await fakeServer(t, (stream) => {
    stream.respond(OK);
    onMessages(stream, (message) => stream.write(touchReplies(tagsIn(message))));
  });
  const client = clientOf(t, server.address);
  await assert.rejects(client.delete(ID), (error) => {
    assert.equal(error.reason, "UNEXPECTED");
    assert.match(error.message, /a reply to another call/);
    return true;
  });
});

test("malformed messages end the stream, and the next call opens another", async (t) => {
  let streams = 0;
  const server = await fakeServer(t, (stream) => {
    const isFirst = ++streams === 1;
    stream.respond(OK);
    onMessages(stream, (message) => {
      stream.write(isFirst ? framed(Buffer.from([0x0a, 99, 1])) : touchReplies(tagsIn(message)));
    });
  });
  const client = clientOf(t, server.address);
  await assert.rejects(client.delete(ID), { reason: "UNEXPECTED" });
  assert.equal((await client.touch(ID)).version, 7);
});

test("an announced message that is larger than any is not waited for", async (t) => {
  const server = await fakeServer(t, (stream) => {
    stream.respond(OK);
    stream.once("data", () => stream.write(Buffer.from([0, 0xff, 0xff, 0xff, 0xff])));
  });
  const client = clientOf(t, server.address);
  await assert.rejects(client.delete(ID), { reason: "UNAVAILABLE" });
});

test("a damaged session is no session, and the store says so", async (t) => {
  const server = await fakeServer(t, (stream, method) => {
    const more = method === "Exchange" ? {} : { "grpc-status-details-bin": details(15, "SESSION_CORRUPT") };
    answer(stream, undefined, method === "Exchange" ? 12 : 15, more);
  });
  const store = new SessiondStore({ address: server.address });
  t.after(() => store.close());
  const damaged = once(store, "damaged");
  assert.equal(await store.get(ID), null);
  await damaged;
  await assert.rejects(store.client.get(ID), { reason: "SESSION_CORRUPT", message: "the stored session is damaged" });
});

test("the first address that answers is used, and the next one when it is gone", async (t) => {
  const serve = (stream) => {
    stream.respond(OK);
    onMessages(stream, (message) => stream.write(touchReplies(tagsIn(message))));
  };
  const nobody = `127.0.0.1:${await freePort()}`;
  const first = await fakeServer(t, serve);
  const second = await fakeServer(t, serve);
  const client = clientOf(t, `${nobody},${first.address},${second.address}`);
  const connected = [];
  client.on("connect", (address) => connected.push(address));
  await client.touch(ID);
  const lost = once(client, "disconnect");
  first.server.close();
  first.cut();
  await lost;
  await client.touch(ID);
  assert.deepEqual(connected, [first.address, second.address]);
});

test("where nobody answers, the error names each address and why", async (t) => {
  const nobody = `127.0.0.1:${await freePort()}`;
  const client = clientOf(t, `${nobody},unix:/no/such.sock`);
  await assert.rejects(client.get(ID), (error) => {
    assert.equal(error.reason, "UNAVAILABLE");
    assert.equal(error.statusCode, 503);
    assert.match(error.message, /connection refused/);
    assert.match(error.message, /no such socket/);
    return true;
  });
});

test("what takes connections and says nothing is passed over within the deadline", async (t) => {
  const { createServer } = await import("node:net");
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  await once(silent, "listening");
  t.after(() => silent.close());
  const good = await fakeServer(t, (stream) => {
    stream.respond(OK);
    onMessages(stream, (message) => stream.write(touchReplies(tagsIn(message))));
  });
  const client = clientOf(t, `127.0.0.1:${silent.address().port},${good.address}`);
  assert.equal((await client.touch(ID)).version, 7);
});

test("a closed client says so", async () => {
  const client = new SessiondClient("127.0.0.1:1");
  client.close();
  await assert.rejects(client.get(ID), { reason: "CLOSED", message: "the client of 127.0.0.1:1 is closed" });
});
