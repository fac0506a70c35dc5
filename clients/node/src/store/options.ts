/** The settings of a store. */

import { SessiondClient } from "../client/client.js";
import type { TraceOptions } from "../client/trace.js";
import type { TlsOptions } from "../tls/options.js";
import type { TokenOptions } from "../token/token.js";
import type { Serializer } from "./codec.js";

/** A session as the framework holds it: a cookie, and whatever the application puts there. */
// biome-ignore lint/suspicious/noExplicitAny: the application's own data; express-session's types have it so
export type SessionData = any;

export interface SessiondStoreOptions extends TokenOptions, TraceOptions {
  /** A client to share. Without one the store makes its own, and closes it in `close()`. */
  readonly client?: SessiondClient | undefined;
  /** The server's address, if no client is given. */
  readonly address?: string | undefined;
  /** How addresses with `https://` are called, if no client is given. */
  readonly tls?: TlsOptions | undefined;
  /** The namespace. Give each application its own. */
  readonly namespace?: string | undefined;
  /** Milliseconds in which a call must be answered, instead of the client's. */
  readonly deadline?: number | undefined;
  /** Goes before each ID. Prefer a namespace: with a prefix, `all`, `length`, `ids` and `clear` are refused. */
  readonly prefix?: string | undefined;
  /** Seconds for which a session lives whose cookie has no end, or a function that answers the seconds. Default: 86,400. */
  readonly ttl?: number | ((session: SessionData) => number) | undefined;
  /** `touch` does nothing: only saving slides a session. */
  readonly disableTouch?: boolean | undefined;
  /** Milliseconds within which a session is not slid again. Default: 0, every time. */
  readonly touchAfter?: number | undefined;
  /** Writes values in a way of the application's own; other languages then can't read them. */
  readonly serializer?: Serializer | undefined;
  /** The user that a session belongs to, from its data; `undefined` leaves it alone. */
  readonly principal?: ((session: SessionData) => string | number | null | undefined) | undefined;
  /** Texts about the client, noted when a session is made. */
  readonly labels?: ((session: SessionData) => { readonly [name: string]: string } | undefined) | undefined;
  /** While the store can't be reached, let requests go on without a session, as express-session does on "disconnect", instead of answering 503. */
  readonly passWhenDisconnected?: boolean | undefined;
}

const OPTIONS: ReadonlySet<string> = new Set([
  "client",
  "address",
  "tls",
  "tokenFile",
  "token",
  "traceContext",
  "namespace",
  "deadline",
  "prefix",
  "ttl",
  "disableTouch",
  "touchAfter",
  "serializer",
  "principal",
  "labels",
  "passWhenDisconnected",
]);

/** Refuses options that mean nothing, now rather than at the first request. */
export function checkOptions(options: SessiondStoreOptions): void {
  for (const name of Object.keys(options)) {
    if (!OPTIONS.has(name))
      throw new TypeError(`SessiondStore has no option "${name}": it knows ${[...OPTIONS].join(", ")}`);
  }
  if (options.client !== undefined && !(options.client instanceof SessiondClient)) {
    throw new TypeError("client is no SessiondClient");
  }
  checkExclusive(options);
  if (typeof options.ttl === "number" && !(options.ttl > 0))
    throw new RangeError("ttl must be a number of seconds above 0");
}

/** A client that is given has its address and what belongs to it. */
export function checkExclusive(
  options: Pick<SessiondStoreOptions, "client" | "address" | "tls" | "tokenFile" | "token" | "traceContext">,
): void {
  for (const name of ["address", "tls", "tokenFile", "token", "traceContext"] as const) {
    if (options.client && options[name] !== undefined)
      throw new TypeError(`client and ${name} exclude each other: give one`);
  }
}
