/** How the servers are called over TLS: what is trusted, and the client's own certificate. */

import { isIP, isIPv6 } from "node:net";
import * as tls from "node:tls";
import type { Address } from "../client/address.js";
import type { Opened } from "../transport/connection.js";
import { givenSettings, serverNameOf, TlsError, type TlsOptions } from "./options.js";
import { certificatesIn, keyIn, type Source, settingOf } from "./pem.js";
import { problemOf } from "./problems.js";

/** What was read, and what was made of it. */
interface Read {
  readonly ca: Source | undefined;
  readonly certificate: Source | undefined;
  readonly key: Source | undefined;
}

/**
 * Made once for a client: files are read and checked now, not at the first call, and again for each connection. It holds no key
 * that anybody could print.
 */
export class Secure {
  readonly #read: () => Read;
  readonly #serverName: string | undefined;
  #known: Read;
  #context: tls.SecureContext;

  constructor(options: TlsOptions) {
    const ca = settingOf(options, "caFile", "ca", "SESSIOND_CA_FILE");
    const certificate = settingOf(options, "certificateFile", "cert", "SESSIOND_CERTIFICATE_FILE");
    const key = settingOf(options, "keyFile", "key", "SESSIOND_KEY_FILE");
    if (certificate && !key) throw new TlsError("a certificate file needs a key file");
    if (key && !certificate) throw new TlsError("a key file needs a certificate file");
    this.#serverName = serverNameOf(options);
    this.#read = () => ({ ca: ca?.read(), certificate: certificate?.read(), key: key?.read() });
    this.#known = this.#read();
    this.#context = contextOf(this.#known);
  }

  /** Takes over what stands in the files now. What can't be used leaves what held before. */
  #readAgain(): void {
    try {
      const found = this.#read();
      const { ca, certificate, key } = this.#known;
      const isSame = [
        [found.ca, ca],
        [found.certificate, certificate],
        [found.key, key],
      ].every(([one, other]) => one?.text === other?.text);
      if (isSame) return;
      this.#context = contextOf(found);
      this.#known = found;
    } catch (error) {
      if (!(error instanceof TlsError)) throw error;
    }
  }

  /** What the requests name as their authority: the name that the server goes by. */
  authorityOf(address: Address): string {
    const name = this.#serverName;
    if (name === undefined) return address.authority;
    const port = address.authority.slice(address.authority.lastIndexOf(":"));
    return (isIPv6(name) ? `[${name}]` : name) + port;
  }

  connect(address: Address): Opened {
    this.#readAgain();
    const { target } = address;
    const name = this.#serverName ?? ("host" in target ? target.host.toLowerCase() : "");
    const socket = tls.connect({
      ...target,
      secureContext: this.#context,
      // A client asks for names without the dot at their end, and not for IP addresses (RFC 6066).
      servername: isIP(name) ? "" : name.replace(/\.$/, ""),
      checkServerIdentity: (_, certificate) => tls.checkServerIdentity(name, certificate),
      ALPNProtocols: ["h2"],
      // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
      rejectUnauthorized: true,
    });
    socket.setNoDelay(true);
    let isSecure = false;
    socket.once("secureConnect", () => {
      isSecure = true;
    });
    return { socket, explain: (error) => problemOf(error, { name, refused: socket.authorizationError, isSecure }) };
  }
}

/** What addresses with `https://` are called with; `undefined` for plain ones. */
export function secureFor(addresses: readonly Address[], options: TlsOptions | undefined): Secure | undefined {
  const given = givenSettings(options);
  if (addresses[0]?.isSecure) return new Secure(options ?? {});
  // Variables are meant for whatever runs in an environment; what is written beside an address is meant for it.
  if (given.length > 0) {
    const names = given.map((name) => `tls.${name}`).join(", ");
    throw new TlsError(`TLS settings need an https:// address: ${names} beside ${addresses[0]?.text}`);
  }
  return undefined;
}

/** A certificate with those between it and its CA, and its key. */
function pairOf(certificate: Source, key: Source): { cert: string; key: string } {
  const chain = certificatesIn(certificate);
  return { cert: chain.join("\n"), key: keyIn(key, chain[0], certificate) };
}

function contextOf({ ca, certificate, key }: Read): tls.SecureContext {
  const parts: tls.SecureContextOptions = {
    // What the file names is trusted, also if it is a CA that another one signed.
    ...(ca && { ca: certificatesIn(ca), allowPartialTrustChain: true }),
    ...(certificate && key && pairOf(certificate, key)),
  };
  try {
    return tls.createSecureContext({ ...parts, minVersion: "TLSv1.2", maxVersion: "TLSv1.3" });
  } catch (error) {
    // Each part is whole: OpenSSL takes no key that is this weak, say.
    const { reason } = error as { reason?: string };
    throw new TlsError(`the TLS settings can't be used: ${reason ?? "OpenSSL refuses them"}`);
  }
}
