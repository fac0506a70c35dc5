// Certificates for tests of TLS: those that all clients have, and what Node.js has to be asked beside.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const generate = new URL("../../../conformance/tls/generate", import.meta.url).pathname;

/** A folder of certificates until the tests are over; `file(name)` and `text(name)` are one of them. */
export function makeCertificates(t) {
  const folder = mkdtempSync(join(tmpdir(), "sessiond-tls-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  execFileSync(generate, [folder]);
  const file = (name) => join(folder, name);
  return {
    file,
    text: (name) => readFileSync(file(name), "utf8"),
    write(name, text) {
      writeFileSync(file(name), text);
      return file(name);
    },
    /** The flags of a server with this certificate. */
    flags: (name, ...more) => ["--tls-certificate", file(`${name}.pem`), "--tls-key", file(`${name}-key.pem`), ...more],
    openssl: (...command) => execFileSync("openssl", command, { cwd: folder, stdio: "pipe", encoding: "utf8" }),
  };
}
