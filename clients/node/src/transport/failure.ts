/** Why a call has no answer, which decides whether it may be repeated. */

import { Code, type Status } from "../client/errors.js";
import type { Charge } from "../client/retry-budget.js";

interface Told {
  readonly status: Status;
  readonly address: string;
  /** What a repetition costs; none if the failure was noticed here, and no server has answered. */
  readonly charge?: Charge;
}

export type Failure =
  /** The server, or a proxy, answered with an error. */
  | (Told & { readonly kind: "answered" })
  /** It was not carried out. */
  | (Told & { readonly kind: "notCarriedOut" })
  /** It may have been carried out. */
  | (Told & { readonly kind: "unknown" })
  /** The stream of the fast lane can't be used; the call was not carried out. */
  | { readonly kind: "refused" };

export function unavailable(message: string): Status {
  return { code: Code.UNAVAILABLE, message };
}

/** An error of the system or of HTTP/2 in words, on one line. */
export function describe(error: unknown): string {
  const { code, message, reason } = (error ?? {}) as { code?: unknown; message?: unknown; reason?: unknown };
  // What OpenSSL calls the message names a line of its own source.
  if (typeof code === "string" && code.startsWith("ERR_SSL_")) return `TLS failed: ${reason ?? code}`;
  const known = typeof code === "string" ? WORDS[code] : undefined;
  return known ?? (typeof message === "string" && message !== "" ? message : "the connection was lost");
}

const WORDS: { readonly [code: string]: string } = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was closed",
  ENOENT: "no such socket",
  ENOTFOUND: "the host name is not known",
  EAI_AGAIN: "the host name could not be looked up",
  EHOSTUNREACH: "the host can't be reached",
  ENETUNREACH: "the network can't be reached",
  ETIMEDOUT: "the connection timed out",
  EACCES: "the socket may not be opened",
  ERR_HTTP2_ERROR: "what answers there does not speak HTTP/2",
};
