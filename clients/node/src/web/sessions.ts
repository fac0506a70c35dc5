/**
 * Sessions for frameworks that work with the web's own Request and Response: Hono, Next.js, Remix, SvelteKit, Deno-style
 * handlers. Nothing is done behind the application's back: it loads the session from a Cookie header, and sends the
 * Set-Cookie header that saving answers.
 */

import { inspect } from "node:util";
import { SessiondClient } from "../client/client.js";
import { SessiondError } from "../client/errors.js";
import type { CallOptions, SessionChange } from "../client/session.js";
import type { TraceOptions } from "../client/trace.js";
import { toSessionId } from "../ids.js";
import { Attributes } from "../proto/attributes.js";
import * as calls from "../proto/calls.js";
import { Encoded, type RawSession } from "../proto/messages.js";
import { Slice } from "../proto/slice.js";
import { Codec, type Serializer } from "../store/codec.js";
import { checkExclusive } from "../store/options.js";
import type { TlsOptions } from "../tls/options.js";
import type { TokenOptions } from "../token/token.js";
import { isLeftOut, setOwn } from "../values/index.js";
import { type CookieOptions, SessionCookie } from "./cookie.js";

export interface SessionsOptions extends TokenOptions, TraceOptions {
  /** A client to share. Without one the sessions make their own, and close it in `close()`. */
  readonly client?: SessiondClient | undefined;
  /** The server's address, if no client is given. */
  readonly address?: string | undefined;
  /** How addresses with `https://` are called, if no client is given. */
  readonly tls?: TlsOptions | undefined;
  readonly namespace?: string | undefined;
  /** Milliseconds in which a call must be answered, instead of the client's. */
  readonly deadline?: number | undefined;
  /** Seconds after the last request at which a session ends. Default: 86,400. */
  readonly ttl?: number | undefined;
  /** Seconds after its creation at which a session ends however busy it is. Left out: the namespace's default. */
  readonly absoluteTtl?: number | undefined;
  readonly cookie?: CookieOptions | undefined;
  /** Signs the cookie; several secrets to change them, the first one signs. IDs can't be guessed without it either. */
  readonly secret?: string | readonly string[] | undefined;
  readonly serializer?: Serializer | undefined;
}

/** What the sessions of one application share. */
interface Shared {
  readonly client: SessiondClient;
  readonly callOptions: CallOptions;
  readonly timeouts: { idleTimeout: number; absoluteTimeout?: number };
  readonly cookie: SessionCookie;
  readonly codec: Codec;
}

export interface Sessions {
  /** The session that a request's Cookie header names, or a new one that is not stored yet. Counts as activity. */
  getSession<T extends object = SessionValues>(cookieHeader: string | null | undefined): Promise<WebSession<T>>;
  /** Ends the connection, if it is the sessions' own. */
  close(): void;
}

// biome-ignore lint/suspicious/noExplicitAny: the application's own data, unless it names its type
export type SessionValues = { [key: string]: any };

/** Sessions of one application. Make this once, where the server starts. */
export function createSessions(options: SessionsOptions = {}): Sessions {
  checkExclusive(options);
  const { address, tls, tokenFile, token, traceContext } = options;
  const client = options.client ?? new SessiondClient({ address, tls, tokenFile, token, traceContext });
  const seconds = { ttl: options.ttl ?? 86_400, absoluteTtl: options.absoluteTtl };
  for (const [name, value] of Object.entries(seconds)) {
    if (value !== undefined && !(value > 0)) throw new RangeError(`${name} must be a number of seconds above 0`);
  }
  const shared: Shared = {
    client,
    callOptions: { namespace: options.namespace ?? client.core.namespace, deadline: options.deadline },
    timeouts: {
      idleTimeout: seconds.ttl * 1000,
      ...(seconds.absoluteTtl !== undefined && { absoluteTimeout: seconds.absoluteTtl * 1000 }),
    },
    cookie: new SessionCookie(options.cookie ?? {}, options.secret),
    codec: new Codec(options.serializer),
  };
  return {
    getSession: (cookieHeader) => load(shared, cookieHeader),
    close() {
      if (!options.client) client.close();
    },
  };
}

async function load<T extends object>(shared: Shared, header: string | null | undefined): Promise<WebSession<T>> {
  const id = toSessionId(shared.cookie.read(header));
  if (id === undefined) return new WebSession<T>(shared, undefined, undefined);
  const request = calls.encodeGet(shared.callOptions.namespace ?? "", id, { touch: true });
  const rest = { isIdempotent: true, missing: { value: null } };
  const answer = await shared.client.core.hot<calls.GetAnswer | null>(calls.get, request, shared.callOptions, rest);
  return answer ? new WebSession<T>(shared, id, answer.session) : new WebSession<T>(shared, undefined, undefined);
}

/** The session of one request. */
export class WebSession<T extends object = SessionValues> {
  /** The session's data: change it as you like, and `save`. */
  readonly data: T;
  readonly #shared: Shared;
  #id: string | undefined;
  #known: Attributes;
  #raw: RawSession | undefined;

  /** @internal */
  constructor(shared: Shared, id: string | undefined, raw: RawSession | undefined) {
    this.#shared = shared;
    this.#id = id;
    this.#raw = raw;
    this.#known = raw?.attributes ?? new Attributes();
    this.data = shared.codec.decodeAll(this.#known) as T;
  }

  /** Whether it is not stored yet. */
  get isNew(): boolean {
    return this.#id === undefined;
  }

  /** The user that the session belongs to; `undefined` while nobody is logged in. */
  get principal(): string | undefined {
    return this.#raw?.principal || undefined;
  }

  /** Names the session for its whole life, and is no secret; `undefined` while it is not stored. */
  get handle(): string | undefined {
    return this.#raw?.handle;
  }

  /**
   * Stores what changed; the Set-Cookie header to send, if one is needed. A new session without data is not stored. A session
   * that was ended meanwhile stays ended: SESSION_NOT_FOUND.
   */
  async save(): Promise<string | undefined> {
    const { client, callOptions, cookie } = this.#shared;
    const { change, attributes, isEmpty } = this.#change();
    if (this.#id === undefined) return isEmpty ? undefined : this.#create({});
    if (!isEmpty) {
      const request = calls.encodeUpdate(callOptions.namespace ?? "", this.#id, change, {});
      const { session } = await client.core.hot(calls.update, request, callOptions);
      this.#raw = session;
      this.#known = attributes;
    }
    return cookie.isLasting ? cookie.write(this.#id) : undefined;
  }

  /** Logs a user in, in one step with what changed: a new ID, the same data. The Set-Cookie header to send. */
  async logIn(
    principal: string | number,
    options: { readonly labels?: { readonly [name: string]: string } | undefined } = {},
  ): Promise<string> {
    const user = String(principal);
    if (user === "") throw new TypeError("principal is empty: name the user that logs in");
    const parts: SessionChange = { principal: user, setLabels: options.labels };
    if (this.#id === undefined) return this.#create(parts);
    const { client, callOptions, cookie } = this.#shared;
    const { change, attributes } = this.#change();
    const request = calls.encodeRotate(callOptions.namespace ?? "", this.#id, { change: { ...change, ...parts } });
    try {
      const answer = await client.core.hot(calls.rotate, request, callOptions);
      this.#id = answer.sessionId;
      this.#raw = answer.session;
      this.#known = attributes;
      return cookie.write(answer.sessionId);
    } catch (error) {
      // The data of a visitor who is just logging in goes into a new session; one that was logged out stays so.
      if (!(error instanceof SessiondError) || error.reason !== "SESSION_NOT_FOUND" || this.principal) throw error;
      return this.#create(parts);
    }
  }

  /** Logs out: ends the session for good. The Set-Cookie header to send. */
  async destroy(): Promise<string> {
    const { client, callOptions, cookie } = this.#shared;
    if (this.#id !== undefined) await client.delete(this.#id, callOptions);
    this.#id = undefined;
    this.#raw = undefined;
    this.#known = new Attributes();
    for (const key of Object.keys(this.data)) delete (this.data as SessionValues)[key];
    return cookie.clear();
  }

  /** A token against cross-site request forgery. The session must be stored: `save` first. */
  async csrfToken(): Promise<string> {
    if (this.#id === undefined) throw new TypeError("a session that is not stored has no token: save it first");
    return this.#shared.client.issueCsrfToken(this.#id, this.#shared.callOptions);
  }

  /** Whether a token was issued for this session. */
  async verifyCsrfToken(token: unknown): Promise<boolean> {
    if (this.#id === undefined || typeof token !== "string" || token === "") return false;
    return this.#shared.client.verifyCsrfToken(this.#id, token, this.#shared.callOptions);
  }

  [inspect.custom](): string {
    return `WebSession { handle: ${this.handle ?? "none"} }`;
  }

  #change(): { change: SessionChange; attributes: Attributes; isEmpty: boolean } {
    const { codec } = this.#shared;
    const set: { [name: string]: Encoded } = {};
    const values = new Map<string, Slice>();
    const present = new Set<string>();
    for (const [key, value] of Object.entries(this.data)) {
      if (isLeftOut(value)) continue;
      const name = codec.nameOf(key);
      present.add(name);
      const before = this.#known.get(name);
      const bytes = before ? codec.encodeUnlessSame(key, value, before) : codec.encode(key, value);
      if (!bytes) continue;
      setOwn(set, name, new Encoded(bytes));
      values.set(name, new Slice(bytes));
    }
    const remove = this.#known.names.filter((name) => !present.has(name));
    const attributes = this.#known.after(values, new Set(remove));
    return { change: { set, remove }, attributes, isEmpty: values.size === 0 && remove.length === 0 };
  }

  async #create(parts: SessionChange): Promise<string> {
    const { client, callOptions, cookie, timeouts } = this.#shared;
    // Whatever is known is of a session that is gone.
    this.#known = new Attributes();
    const { change, attributes } = this.#change();
    const { principal, setLabels: labels } = parts;
    const request = calls.encodeCreate(callOptions.namespace ?? "", {
      attributes: change.set,
      principal,
      labels,
      timeouts,
    });
    const answer = await client.core.hot(calls.create, request, callOptions);
    this.#id = answer.sessionId;
    this.#raw = answer.session;
    this.#known = attributes;
    return cookie.write(answer.sessionId);
  }
}
