// The settings of TLS: which are taken and which refused, what the server is asked for, and that keys stay secret.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, test } from "node:test";
import { inspect } from "node:util";
import { SessiondClient, SessiondStore, TlsError } from "connect-sessiond";
import { SessiondStore as FastifyStore } from "connect-sessiond/fastify";
import { createSessions } from "connect-sessiond/web";
import { makeCertificates } from "./support/certificates.mjs";
import { answer, fakeServer, onMessages, TOUCHED, tagsIn, touchReplies } from "./support/fakes.mjs";
import { sharedHooks } from "./support/web.mjs";

const ID = "a-session-of-tests";
const address = "https://127.0.0.1:1";
const { file, text, write, openssl } = makeCertificates(sharedHooks(after));
const pair = { certificateFile: file("client.pem"), keyFile: file("client-key.pem") };
const key = text("client-key.pem");

/** Lines of keys, none of which may be shown. */
const secrets = ["client-key.pem", "stranger-key.pem"].flatMap((name) =>
  text(name)
    .split("\n")
    .filter((line) => line.length > 20 && !line.startsWith("-----")),
);

function assertNoSecret(shown) {
  for (const secret of secrets) assert.ok(!shown.includes(secret), "a key is shown");
}

function assertRefused(tls, message, of = address) {
  const makers = [
    () => new SessiondClient({ address: of, tls }),
    () => new SessiondStore({ address: of, tls }),
    () => new FastifyStore({ address: of, tls }),
    () => createSessions({ address: of, tls }),
  ];
  for (const make of makers) {
    assert.throws(make, (error) => {
      assert.ok(error instanceof TlsError, String(error));
      assert.ok(error instanceof TypeError);
      assert.ok(typeof message === "string" ? error.message === message : message.test(error.message), error.message);
      assertNoSecret(inspect(error, { depth: 10, showHidden: true }));
      return true;
    });
  }
}

/** Sets variables while `run` runs. */
function within(variables, run) {
  Object.assign(process.env, variables);
  try {
    run();
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name];
  }
}

test("the text of a key in place of its file is not repeated", () => {
  const says = /the text of a PEM file stands where its path belongs/;
  assertRefused({ certificateFile: pair.certificateFile, keyFile: key }, says);
  assertRefused({ caFile: key }, says);
  within({ SESSIOND_CA_FILE: key }, () => assertRefused(undefined, says));
});

test("a certificate needs its key, and the other way round", () => {
  const { certificateFile, keyFile } = pair;
  assertRefused({ certificateFile }, /a certificate file needs a key file/);
  assertRefused({ cert: text("client.pem") }, /a certificate file needs a key file/);
  assertRefused({ keyFile }, /a key file needs a certificate file/);
  assertRefused({ key }, /a key file needs a certificate file/);
  within({ SESSIOND_CERTIFICATE_FILE: certificateFile }, () => {
    assertRefused(undefined, /a certificate file needs a key file/);
    new SessiondClient({ address, tls: { keyFile } });
  });
  within({ SESSIOND_KEY_FILE: keyFile }, () => assertRefused(undefined, /a key file needs a certificate file/));
});

test("settings beside a plain address are refused, variables are not", () => {
  const words = "TLS settings need an https:// address: tls.caFile beside 127.0.0.1:1";
  assertRefused({ caFile: file("ca.pem") }, words, "127.0.0.1:1");
  assertRefused({ serverName: "a" }, /TLS settings need an https:\/\/ address/, "unix:/run/s.sock");
  assert.throws(() => new SessiondClient({ tls: { key } }), { message: /tls\.key beside 127\.0\.0\.1:50051/ });
  new SessiondClient({ address: "127.0.0.1:1", tls: {} });
  new SessiondClient({ address: "127.0.0.1:1", tls: { caFile: undefined } });
  within({ SESSIOND_CA_FILE: "/no/such", SESSIOND_KEY_FILE: "/no/such", SESSIOND_SERVER_NAME: "a b" }, () => {
    new SessiondClient("127.0.0.1:1");
  });
});

test("a file that can't be read is refused by its name", () => {
  const missing = file("missing.pem");
  assertRefused({ caFile: missing }, `tls.caFile "${missing}" can't be read: there is no such file`);
  assertRefused({ ...pair, certificateFile: missing }, /tls\.certificateFile ".*missing\.pem" can't be read/);
  assertRefused({ ...pair, keyFile: missing }, /tls\.keyFile ".*missing\.pem" can't be read/);
  mkdirSync(file("folder"));
  assertRefused({ caFile: file("folder") }, /folder" can't be read: it is a folder/);
  assertRefused({ caFile: "" }, /tls\.caFile "" can't be read/);
  assertRefused({ caFile: null }, /tls\.caFile is no path of a file/);
  for (const [variable, more] of [
    ["SESSIOND_CA_FILE", {}],
    ["SESSIOND_CERTIFICATE_FILE", { SESSIOND_KEY_FILE: pair.keyFile }],
    ["SESSIOND_KEY_FILE", { SESSIOND_CERTIFICATE_FILE: pair.certificateFile }],
  ]) {
    within({ ...more, [variable]: missing }, () =>
      assertRefused(undefined, `${variable} "${missing}" can't be read: there is no such file`),
    );
  }
});

test("what holds no certificate or key is refused by its name", () => {
  const empty = write("empty.pem", "");
  assertRefused({ caFile: empty }, `tls.caFile "${empty}" holds no certificate`);
  assertRefused({ ...pair, certificateFile: empty }, `tls.certificateFile "${empty}" holds no certificate`);
  assertRefused({ ...pair, keyFile: empty }, `tls.keyFile "${empty}" holds no private key`);
  assertRefused({ caFile: pair.keyFile }, /client-key\.pem" holds no certificate/);
  assertRefused({ ...pair, keyFile: pair.certificateFile }, /client\.pem" holds no private key/);
  assertRefused({ ca: "" }, "tls.ca holds no certificate");
  assertRefused({ ca: [] }, "tls.ca holds no certificate");
  assertRefused({ ca: 7 }, "tls.ca is neither text nor bytes");
  assertRefused({ cert: key, key }, "tls.cert holds no certificate");
  assertRefused({ cert: text("client.pem"), key: Buffer.from("") }, "tls.key holds no private key");
});

test("what is damaged is refused by its name", () => {
  const ca = text("ca.pem");
  const cut = (pem) => pem.replace(/\n[^\n]+\n(-----END)/, "\n$1");
  const damaged = write("damaged.pem", ca + cut(ca));
  assertRefused({ caFile: damaged }, `tls.caFile "${damaged}" holds a damaged certificate`);
  const damagedKey = write("damaged-key.pem", cut(key));
  assertRefused({ ...pair, keyFile: damagedKey }, `tls.keyFile "${damagedKey}" holds a damaged private key`);
  openssl("pkcs8", "-topk8", "-in", "client-key.pem", "-out", "locked-key.pem", "-passout", "pass:secret");
  assertRefused({ ...pair, keyFile: file("locked-key.pem") }, /locked-key\.pem" holds a private key under a password/);
});

test("a key of another certificate is refused by its name", () => {
  const keyFile = file("stranger-key.pem");
  const words = `tls.keyFile "${keyFile}" does not belong to the certificate of tls.certificateFile "${pair.certificateFile}"`;
  assertRefused({ ...pair, keyFile }, words);
  assertRefused(
    { cert: text("client.pem"), key: text("stranger-key.pem") },
    "tls.key does not belong to the certificate of tls.cert",
  );
});

test("a key and its chain may stand in one file, and a key in the forms of other tools", () => {
  const both = write("both.pem", `A text before.\n${text("client.pem")}${text("ca.pem")}${key}`);
  new SessiondClient({ address, tls: { certificateFile: both, keyFile: both } });
  openssl("ec", "-in", "client-key.pem", "-out", "sec1-key.pem");
  new SessiondClient({ address, tls: { ...pair, keyFile: file("sec1-key.pem") } });
});

test("settings that mean nothing, or two things, are refused", () => {
  assertRefused({ cafile: "x" }, /tls has no option "cafile": it knows caFile/);
  assertRefused({ rejectUnauthorized: false }, /no option "rejectUnauthorized"/);
  assertRefused({ cafile: "x" }, /no option "cafile"/, "127.0.0.1:1");
  assertRefused(true, /tls is no object/);
  assertRefused({ caFile: file("ca.pem"), ca: text("ca.pem") }, "tls.ca and tls.caFile exclude each other: give one");
  for (const serverName of ["", "a b", "https://a", "a:1", "[a]", "fe80::1%eth0", 7]) {
    assertRefused({ serverName }, `tls.serverName ${JSON.stringify(serverName)} is no name of a host`);
  }
  within({ SESSIOND_SERVER_NAME: "a b" }, () =>
    assertRefused(undefined, 'SESSIOND_SERVER_NAME "a b" is no name of a host'),
  );
  const client = new SessiondClient(address);
  for (const Store of [SessiondStore, FastifyStore]) {
    assert.throws(() => new Store({ client, tls: {} }), /client and tls exclude each other/);
  }
  assert.throws(() => createSessions({ client, tls: {} }), /client and tls exclude each other/);
});

test("what is set goes before the environment, and an empty variable counts as unset", () => {
  within({ SESSIOND_CA_FILE: "/no/such", SESSIOND_SERVER_NAME: "a b" }, () => {
    new SessiondClient({ address, tls: { caFile: file("ca.pem"), serverName: "a" } });
    new SessiondClient({ address, tls: { ca: text("ca.pem"), serverName: "a" } });
  });
  within(
    { SESSIOND_CA_FILE: "", SESSIOND_CERTIFICATE_FILE: "", SESSIOND_KEY_FILE: "", SESSIOND_SERVER_NAME: "" },
    () => {
      new SessiondClient(address);
    },
  );
});

for (const version of ["TLSv1.2", "TLSv1.3"]) {
  test(`requests name https and the host, or the server's name, over ${version}`, async (t) => {
    const asked = [];
    const server = await fakeServer(
      t,
      (stream, method, headers) => {
        asked.push([stream.session.socket.servername, headers[":scheme"], headers[":authority"]]);
        if (method !== "Exchange") return answer(stream, TOUCHED);
        stream.respond({ ":status": 200, "content-type": "application/grpc" });
        onMessages(stream, (message) => stream.write(touchReplies(tagsIn(message))));
      },
      0,
      { cert: text("server.pem"), key: text("server-key.pem"), minVersion: version, maxVersion: version },
    );
    const port = server.address.split(":").pop();
    for (const [host, serverName] of [
      ["127.0.0.1"],
      ["localhost"],
      ["127.0.0.1", "sessiond.test"],
      ["127.0.0.1", "::1"],
    ]) {
      for (const lane of ["auto", "unary"]) {
        const tls = { caFile: file("ca.pem"), serverName };
        const client = new SessiondClient({ address: `https://${host}:${port}`, tls, lane, deadline: 20_000 });
        t.after(() => client.close());
        assert.equal((await client.touch(ID)).version, 7);
      }
    }
    const twice = (...row) => [row, row];
    assert.deepEqual(asked, [
      ...twice(false, "https", `127.0.0.1:${port}`),
      ...twice("localhost", "https", `localhost:${port}`),
      ...twice("sessiond.test", "https", `sessiond.test:${port}`),
      ...twice(false, "https", `[::1]:${port}`),
    ]);
  });
}

test("no key is seen in what is printed", () => {
  const tls = { cert: text("client.pem"), key };
  const store = new SessiondStore({ address, tls });
  const things = [
    new SessiondClient({ address, tls }),
    new SessiondClient({ address, tls: pair }),
    store,
    store.client,
    new FastifyStore({ address, tls }),
    createSessions({ address, tls }),
  ];
  for (const thing of things) {
    for (const customInspect of [true, false]) {
      assertNoSecret(inspect(thing, { depth: 20, showHidden: true, customInspect, maxStringLength: null }));
    }
    assertNoSecret(`${JSON.stringify(thing)}${String(thing)}`);
  }
});
