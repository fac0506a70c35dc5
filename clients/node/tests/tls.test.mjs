// Calls over TLS, against the real server.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, renameSync, rmSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { SessiondClient, SessiondStore } from "connect-sessiond";
import { SessiondStore as FastifyStore } from "connect-sessiond/fastify";
import { createSessions } from "connect-sessiond/web";
import { makeCertificates } from "./support/certificates.mjs";
import { fakeServer } from "./support/fakes.mjs";
import { freePort, Server, until } from "./support/server.mjs";
import { sharedHooks } from "./support/web.mjs";

const run = promisify(execFile);
const child = new URL("support/child.mjs", import.meta.url).pathname;
const NOWHERE = "no-such-session-0000";
/** Enough for a machine that is busy with other things. */
const deadline = 20_000;

const hooks = sharedHooks(after);
const certificates = makeCertificates(hooks);
const { file, flags, text } = certificates;
const caFile = file("ca.pem");
const own = (name) => ({ caFile, certificateFile: file(`${name}.pem`), keyFile: file(`${name}-key.pem`) });

async function serverOf(t, flags, host = "127.0.0.1") {
  return Server.start(t, { address: `https://${host}:${await freePort()}`, flags });
}

function clientOf(t, address, tls, options) {
  const client = new SessiondClient({ address, tls, deadline, ...options });
  t.after(() => client.close());
  return client;
}

/** sessiond does not start with such a certificate, but one's time may end while it runs. */
const expiredServer = (t) => fakeServer(t, () => {}, 0, { cert: text("expired.pem"), key: text("expired-key.pem") });

const portOf = ({ address }) => address.slice(address.lastIndexOf(":") + 1);

/** A call fails as if the server were not there, and says why, over the fast lane and without. */
async function assertRefused(t, address, tls, words) {
  for (const lane of ["auto", "unary"]) {
    await assert.rejects(clientOf(t, address, tls, { lane }).get(NOWHERE), (error) => {
      assert.equal(error.name, "SessiondError");
      assert.equal(error.reason, "UNAVAILABLE", error.message);
      assert.equal(error.statusCode, 503);
      assert.match(error.message, words);
      return true;
    });
  }
}

let server;
let asking;
before(async () => {
  server = await serverOf(hooks, flags("server"));
  asking = await serverOf(hooks, flags("server", "--tls-client-ca", caFile));
});

for (const lane of ["auto", "unary"]) {
  test(`a session is made, read, changed and ended, lane ${lane}`, async (t) => {
    const client = clientOf(t, server.address, { caFile }, { lane });
    const connected = once(client, "connect");
    const { sessionId } = await client.create({ attributes: { theme: "dark", text: "ü".repeat(50_000) } });
    assert.deepEqual(await connected, [server.address]);
    await client.update(sessionId, { set: { theme: "light" } });
    const { attributes } = await client.get(sessionId);
    assert.equal(attributes.theme, "light");
    assert.equal(attributes.text.length, 50_000);
    const ids = Array.from({ length: 300 }, () => sessionId);
    const versions = await Promise.all(ids.map(async (id) => (await client.touch(id)).version));
    assert.deepEqual(new Set(versions), new Set([2]));
    assert.equal(await client.delete(sessionId), true);
  });
}

test("events come over TLS", async (t) => {
  const client = clientOf(t, server.address, { caFile });
  for await (const event of client.watch({ namespace: "watched" })) {
    if (event.kind === "checkpoint") await client.create({ namespace: "watched" });
    else {
      assert.equal(event.kind, "created");
      break;
    }
  }
});

test("each store calls over TLS", async (t) => {
  const settings = { address: asking.address, tls: own("client"), deadline, namespace: "stores" };
  for (const Store of [SessiondStore, FastifyStore]) {
    const store = new Store(settings);
    t.after(() => store.close());
    await store.set("a-session-of-a-store", { cookie: {}, a: 1 });
    assert.equal((await store.get("a-session-of-a-store")).a, 1);
    await store.destroy("a-session-of-a-store");
  }
  const sessions = createSessions(settings);
  t.after(() => sessions.close());
  const session = await sessions.getSession(null);
  session.data.a = 1;
  const cookie = await session.save();
  assert.equal((await sessions.getSession(cookie.split(";")[0])).data.a, 1);
});

describe("the server's certificate", () => {
  test("is good for each of its names", async (t) => {
    for (const host of ["127.0.0.1", "localhost", "LocalHost"]) {
      const client = clientOf(t, `https://${host}:${portOf(server)}`, { caFile });
      assert.equal(await client.get(NOWHERE), null);
    }
    for (const serverName of ["sessiond.test", "Sessiond.TEST", "localhost", "::1", "[::1]"]) {
      const client = clientOf(t, server.address, { caFile, serverName });
      assert.equal(await client.get(NOWHERE), null);
    }
  });

  test("is refused for another name, and serverName makes it right", async (t) => {
    await assertRefused(
      t,
      server.address,
      { caFile, serverName: "wrong.test" },
      /server's certificate is not valid: it is not for wrong\.test/,
    );
    const elsewhere = await serverOf(t, flags("server"), "127.0.0.2");
    await assertRefused(
      t,
      elsewhere.address,
      { caFile },
      /server's certificate is not valid: it is not for 127\.0\.0\.2/,
    );
    const client = clientOf(t, elsewhere.address, { caFile, serverName: "sessiond.test" });
    assert.equal(await client.get(NOWHERE), null);
  });

  test("is refused where no CA that is trusted has signed it", async (t) => {
    const words = /server's certificate is not valid: no CA that is trusted here has signed it/;
    await assertRefused(t, server.address, { caFile: file("other-ca.pem") }, words);
    await assertRefused(t, server.address, undefined, words);
  });

  test("is refused when its time is over", async (t) => {
    const expired = await expiredServer(t);
    await assertRefused(t, expired.address, { caFile }, /server's certificate is not valid: its time is over/);
  });

  test("is refused although the environment asks to look away", async (t) => {
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
    t.after(() => {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    });
    await assertRefused(t, server.address, { caFile: file("other-ca.pem") }, /server's certificate is not valid/);
  });

  test("may be signed by a CA of the file that another one signed", async (t) => {
    const { openssl, write } = certificates;
    const request = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const sign = (name, by, extensions) => {
      write(`${name}.ext`, extensions);
      openssl("req", "-new", ...request, "-keyout", `${name}-key.pem`, "-subj", `/CN=${name}`, "-out", `${name}.csr`);
      const issuer = ["-CA", `${by}.pem`, "-CAkey", `${by}-key.pem`, "-CAcreateserial", "-extfile", `${name}.ext`];
      openssl("x509", "-req", "-in", `${name}.csr`, ...issuer, "-days", "30", "-out", `${name}.pem`);
    };
    sign("between", "ca", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n");
    sign("below", "between", "basicConstraints=critical,CA:FALSE\nsubjectAltName=IP:127.0.0.1\n");
    const below = await serverOf(t, flags("below"));
    const client = clientOf(t, below.address, { caFile: file("between.pem") });
    assert.equal(await client.get(NOWHERE), null);
    await assertRefused(t, below.address, { caFile }, /server's certificate is not valid/);
  });

  test("may be replaced by another of the same CA: the client comes back by itself", async (t) => {
    for (const part of ["", "-key"]) copyFileSync(file(`server${part}.pem`), file(`current${part}.pem`));
    const renewed = await serverOf(t, flags("current"));
    const client = clientOf(t, renewed.address, { caFile });
    const { sessionId } = await client.create({ attributes: { a: 1 } });
    for (const part of ["", "-key"]) copyFileSync(file(`renewed${part}.pem`), file(`current${part}.pem`));
    const lost = once(client, "disconnect");
    await renewed.stop();
    await lost;
    await assert.rejects(client.get(sessionId), { reason: "UNAVAILABLE" });
    await renewed.start();
    assert.deepEqual((await client.get(sessionId)).attributes, { a: 1 });
  });
});

describe("a server that asks for a client certificate", () => {
  test("takes one of its CA, from files or as text and bytes", async (t) => {
    const [cert, key] = [text("client.pem"), Buffer.from(text("client-key.pem"))];
    for (const tls of [own("client"), { ca: [text("other-ca.pem"), text("ca.pem")], cert, key }]) {
      for (const lane of ["auto", "unary"]) {
        const client = clientOf(t, asking.address, tls, { lane });
        assert.equal(await client.get(NOWHERE), null);
      }
    }
  });

  test("refuses a client without one", async (t) => {
    await assertRefused(t, asking.address, { caFile }, /asks for (a|another) client certificate/);
  });

  test("refuses one of another CA", async (t) => {
    await assertRefused(t, asking.address, own("stranger"), /client('s)? certificate/);
  });
});

describe("files that change", () => {
  const put = (own, name) => {
    copyFileSync(file(name), file("new"));
    renameSync(file("new"), file(own));
  };
  const putPair = (name) => {
    put("own.pem", `${name}.pem`);
    put("own-key.pem", `${name}-key.pem`);
  };
  const settings = { caFile: file("own-ca.pem"), certificateFile: file("own.pem"), keyFile: file("own-key.pem") };
  /** The server ends, and comes back with another CA of its clients. */
  const restart = async (server, client, ca) => {
    const lost = once(client, "disconnect");
    await server.stop();
    await lost;
    server.flags = flags("server", "--tls-client-ca", file(ca));
    await server.start();
  };
  let changing;
  before(async () => {
    changing = await serverOf(hooks, flags("server", "--tls-client-ca", caFile));
  });

  test("a renewed certificate is shown by the next connection, and the one that is open goes on", async (t) => {
    put("own-ca.pem", "ca.pem");
    putPair("client");
    const client = clientOf(t, changing.address, settings);
    assert.equal(await client.get(NOWHERE), null);
    // This server would not let it in.
    putPair("stranger");
    assert.equal(await client.get(NOWHERE), null);
    await restart(changing, client, "other-ca.pem");
    assert.equal(await client.get(NOWHERE), null);
    putPair("client");
    await restart(changing, client, "ca.pem");
    assert.equal(await client.get(NOWHERE), null);
  });

  test("those that can't be used leave what held before", async (t) => {
    put("own-ca.pem", "ca.pem");
    putPair("client");
    const client = clientOf(t, changing.address, settings);
    assert.equal(await client.get(NOWHERE), null);
    // The certificate has been renewed, and its key not yet.
    put("own.pem", "stranger.pem");
    await restart(changing, client, "ca.pem");
    assert.equal(await client.get(NOWHERE), null);
    rmSync(settings.caFile);
    await restart(changing, client, "ca.pem");
    assert.equal(await client.get(NOWHERE), null);
  });

  test("the next connection trusts whom the CA file names then", async (t) => {
    put("own-ca.pem", "ca.pem");
    putPair("client");
    const client = clientOf(t, changing.address, settings);
    assert.equal(await client.get(NOWHERE), null);
    put("own-ca.pem", "other-ca.pem");
    assert.equal(await client.get(NOWHERE), null);
    await restart(changing, client, "ca.pem");
    await assert.rejects(client.get(NOWHERE), /server's certificate is not valid/);
    put("own-ca.pem", "ca.pem");
    assert.equal(await client.get(NOWHERE), null);
  });
});

describe("several addresses", () => {
  test("the next one is used when the first is gone", async (t) => {
    const [first, second] = [await serverOf(t, flags("server")), await serverOf(t, flags("renewed"))];
    const nobody = `https://127.0.0.1:${await freePort()}`;
    const client = clientOf(t, [nobody, first.address, second.address].join(), { caFile });
    const connected = [];
    client.on("connect", (address) => connected.push(address));
    assert.equal(await client.get(NOWHERE), null);
    const lost = once(client, "disconnect");
    await first.kill();
    await lost;
    assert.equal(await client.get(NOWHERE), null);
    assert.deepEqual(connected, [first.address, second.address]);
  });

  test("one with a wrong certificate is passed over; where all are, each is named", async (t) => {
    const expired = await expiredServer(t);
    const client = clientOf(t, `${expired.address},${server.address}`, { caFile });
    assert.equal(await client.get(NOWHERE), null);
    const both = clientOf(t, `${expired.address},${server.address}`, { caFile, serverName: "wrong.test" });
    await assert.rejects(both.get(NOWHERE), (error) => {
      assert.match(error.message, new RegExp(`${expired.address}: the server's certificate is not valid: its time`));
      assert.match(
        error.message,
        new RegExp(`${server.address}: the server's certificate is not valid: it is not for`),
      );
      return true;
    });
  });
});

test("a server that was restarted is found again, over the fast lane and without", async (t) => {
  const restarted = await serverOf(t, flags("server"));
  for (const lane of ["auto", "unary"]) {
    const client = clientOf(t, restarted.address, { caFile }, { lane });
    const { sessionId } = await client.create();
    const lost = once(client, "disconnect");
    await restarted.kill();
    await lost;
    await restarted.start();
    assert.ok(await client.get(sessionId));
  }
});

describe("TLS on one side only", () => {
  test("a plain client at a port with TLS is told what to write", async (t) => {
    for (const lane of ["auto", "unary"]) {
      const client = clientOf(t, server.address.replace("https://", ""), undefined, { lane });
      await assert.rejects(client.get(NOWHERE), (error) => {
        assert.match(error.message, /this port takes TLS only; write https:\/\/ before the address/);
        return true;
      });
    }
  });

  test("a client with TLS at a plain port is told that it is plain", async (t) => {
    const plain = await Server.start(t);
    await assertRefused(t, `https://${plain.address}`, { caFile }, /what answers there does not speak TLS/);
  });
});

describe("processes", () => {
  const start = (mode, address, env = {}) =>
    run(process.execPath, [child, mode, address], { timeout: 60_000, env: { ...process.env, ...env } });
  const variables = (name) => ({
    SESSIOND_CA_FILE: caFile,
    SESSIOND_CERTIFICATE_FILE: file(`${name}.pem`),
    SESSIOND_KEY_FILE: file(`${name}-key.pem`),
    SESSIOND_SERVER_NAME: "sessiond.test",
  });

  for (const mode of ["idle", "idle-unary"]) {
    test(`the environment says how; an open client does not keep the process alive: ${mode}`, async () => {
      assert.equal((await start(mode, asking.address, variables("client"))).stdout, "done\n");
    });
  }

  test("workers of a cluster make connections of their own", async () => {
    const { stdout } = await start("cluster", asking.address, variables("client"));
    assert.equal(stdout, "primary worker worker worker primary\n");
  });

  test("without a CA file those count that Node.js trusts", async () => {
    assert.equal((await start("idle", server.address, { NODE_EXTRA_CA_CERTS: caFile })).stdout, "done\n");
  });

  test("variables are left aside by plain addresses", async (t) => {
    const plain = await Server.start(t);
    const env = { SESSIOND_CA_FILE: "/no/such/file", SESSIOND_KEY_FILE: "/no/such/key" };
    assert.equal((await start("idle", plain.address, env)).stdout, "done\n");
  });
});

test("nothing is left behind by calls that met no server they trust", async (t) => {
  const client = clientOf(t, server.address, { caFile: file("other-ca.pem") });
  await assert.rejects(client.get(NOWHERE), { reason: "UNAVAILABLE" });
  const sockets = () => process.getActiveResourcesInfo().filter((name) => /TLS|TCPConnect/.test(name)).length;
  await until(() => sockets() === 0, "the end of all sockets");
});
