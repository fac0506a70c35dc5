/** What can go wrong with TLS, in words. */

import { describe } from "../transport/failure.js";

/** OpenSSL's words for certificates that nobody has signed who is trusted. */
const UNTRUSTED = "no CA that is trusted here has signed it";

const CERTIFICATE: { readonly [code: string]: string } = {
  CERT_HAS_EXPIRED: "its time is over",
  CERT_NOT_YET_VALID: "its time has not begun",
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
};

/** How the other side ends a connection that it does not want. */
const ALERTS: readonly (readonly [RegExp, string])[] = [
  [/ALERT_CERTIFICATE_REQUIRED$/, "the server asks for a client certificate"],
  [
    /ALERT_(UNKNOWN_CA|(BAD|UNSUPPORTED)_CERTIFICATE|CERTIFICATE_(EXPIRED|REVOKED|UNKNOWN)|DECRYPT_ERROR|ACCESS_DENIED)$/,
    "the server refuses the client's certificate",
  ],
  [/ALERT_NO_APPLICATION_PROTOCOL$/, "what answers there does not speak HTTP/2"],
  [/^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/, "what answers there does not speak TLS"],
];

/** How far a connection came. */
export interface Progress {
  /** The name that the server's certificate must have. */
  readonly name: string;
  /** What Node.js notes where the server's certificate was not taken. */
  readonly refused: unknown;
  /** Whether the handshake was over on this side. */
  readonly isSecure: boolean;
}

/** Why no connection came about. */
export function problemOf(error: unknown, { name, refused, isSecure }: Progress): string {
  const code = String((error as { code?: unknown } | null)?.code);
  if (refused) {
    const why = code === "ERR_TLS_CERT_ALTNAME_INVALID" ? `it is not for ${name}` : CERTIFICATE[code];
    return `the server's certificate is not valid: ${why ?? describe(error)}`;
  }
  const known = ALERTS.find(([pattern]) => pattern.test(code))?.[1];
  if (known !== undefined) return known;
  // With TLS 1.3 the server looks at the client's certificate last, and what it says of it may be lost with the connection.
  const hint = isSecure ? " after the handshake: it may be that the server asks for another client certificate" : "";
  return describe(error) + hint;
}
