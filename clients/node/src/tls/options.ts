/** The settings of TLS. All clients have the same four with the same variables: `clients/conformance` has the rules. */

import { isIP } from "node:net";

/** PEM as it stands in a file. */
export type Pem = string | Uint8Array;

/**
 * How addresses with `https://` are called. Files are read when the client is made, and again for each connection: a renewed
 * certificate is used from the next one on, while one that is open goes on.
 */
export interface TlsOptions {
  /**
   * A PEM file: the only certificates that may have signed the server's. Default: SESSIOND_CA_FILE, or the CAs that Node.js
   * trusts, which are its own list unless it was told otherwise (`NODE_EXTRA_CA_CERTS`, `--use-openssl-ca`, `--use-system-ca`).
   */
  readonly caFile?: string | undefined;
  /** A PEM file: this client's certificate and those between it and its CA, for servers that ask for one. Default: SESSIOND_CERTIFICATE_FILE. */
  readonly certificateFile?: string | undefined;
  /** A PEM file: the private key of the certificate. Default: SESSIOND_KEY_FILE. */
  readonly keyFile?: string | undefined;
  /** The name that the server's certificate must have, in place of the host of the address. Default: SESSIOND_SERVER_NAME. */
  readonly serverName?: string | undefined;
  /** In place of `caFile`: what stands in it. */
  readonly ca?: Pem | readonly Pem[] | undefined;
  /** In place of `certificateFile`: what stands in it. */
  readonly cert?: Pem | undefined;
  /** In place of `keyFile`: what stands in it. */
  readonly key?: Pem | undefined;
}

/** A setting of TLS that can't be used. Its texts never hold anything of a key. */
export class TlsError extends TypeError {
  constructor(message: string) {
    super(message);
    this.name = "TlsError";
  }
}

const OPTIONS: ReadonlySet<string> = new Set([
  "caFile",
  "certificateFile",
  "keyFile",
  "serverName",
  "ca",
  "cert",
  "key",
]);

/** The settings that were given. A name that means nothing is refused: whoever misspells one believes to be safe. */
export function givenSettings(options: TlsOptions | undefined): string[] {
  if (options === undefined) return [];
  if (typeof options !== "object" || options === null) throw new TlsError("tls is no object of settings");
  for (const name of Object.keys(options)) {
    if (!OPTIONS.has(name)) throw new TlsError(`tls has no option "${name}": it knows ${[...OPTIONS].join(", ")}`);
  }
  return Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [name]));
}

/** The server's name as it is compared: in lower case, an IPv6 address without its brackets. */
export function serverNameOf(options: TlsOptions): string | undefined {
  const name = options.serverName ?? (process.env.SESSIOND_SERVER_NAME || undefined);
  if (name === undefined) return undefined;
  const from = options.serverName === undefined ? "SESSIOND_SERVER_NAME" : "tls.serverName";
  const bare = typeof name === "string" ? name.replace(/^\[(.*:.*)\]$/, "$1") : "";
  const isName = /^[A-Za-z0-9\-._]+$/.test(bare) || (isIP(bare) !== 0 && !bare.includes("%"));
  if (!isName) throw new TlsError(`${from} ${JSON.stringify(name)} is no name of a host`);
  return bare.toLowerCase();
}
