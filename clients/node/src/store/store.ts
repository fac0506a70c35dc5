/**
 * The store of express-session.
 *
 * A session that was loaded is saved update-only, and only the keys that changed are sent: a slow request never revives a
 * session that was logged out, and parallel requests that change different keys both win.
 */

import { inspect } from "node:util";
import { SessiondClient } from "../client/client.js";
import { SessiondError } from "../client/errors.js";
import type { CallOptions, SessionChange, Timeouts } from "../client/session.js";
import { toSessionId } from "../ids.js";
import * as calls from "../proto/calls.js";
import { Encoded, type RawSession } from "../proto/messages.js";
import * as messages from "../proto/store.js";
import { isLeftOut, setOwn } from "../values/index.js";
import { Base } from "./base.js";
import { type Callback, settle } from "./callbacks.js";
import { Codec, type Serializer } from "./codec.js";
import { bounded, type CookieData, cookieData, endOf, lastingPart, timeToLive } from "./expiry.js";
import { Loaded, recall, remember } from "./loaded.js";

/** A session as the framework holds it: a cookie, and whatever the application puts there. */
// biome-ignore lint/suspicious/noExplicitAny: the application's own data; express-session's types have it so
export type SessionData = any;

export interface SessiondStoreOptions {
  /** A client to share. Without one the store makes its own, and closes it in `close()`. */
  readonly client?: SessiondClient | undefined;
  /** The server's address, if no client is given. */
  readonly address?: string | undefined;
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

const DAY = 86_400_000;
/** Listing, counting and clearing look at every session. */
const LONG_DEADLINE = 60_000;
const RECONNECT_PAUSE = 500;
const COOKIE = "cookie";
/** The cookie of a session that was saved without one. */
const NO_COOKIE = null;

export class SessiondStore extends Base {
  readonly client!: SessiondClient;
  private readonly ownsClient: boolean;
  private readonly options!: SessiondStoreOptions;
  private readonly codec!: Codec;
  private readonly callOptions!: CallOptions;
  private reconnecting: NodeJS.Timeout | undefined;

  constructor(options: SessiondStoreOptions = {}) {
    super();
    checkOptions(options);
    this.ownsClient = !options.client;
    const client = options.client ?? new SessiondClient({ address: options.address });
    hide(this, "client", client);
    hide(this, "options", options);
    hide(this, "codec", new Codec(options.serializer));
    hide(this, "callOptions", {
      namespace: options.namespace ?? client.core.namespace,
      deadline: options.deadline,
    });
    client.on("connect", () => this.emit("connect"));
    client.on("disconnect", () => this.onDisconnect());
  }

  /** The session; `null` if there is none. */
  get(sid: string): Promise<SessionData | null>;
  get(sid: string, callback: (error: unknown, session?: SessionData | null) => void): void;
  get(sid: string, callback?: Callback<SessionData | null>): Promise<SessionData | null> | undefined {
    return settle(this.load_(sid), callback);
  }

  /** Saves a session. One that was loaded, or saved before, is only updated: if it was ended meanwhile, nothing is saved and "ended" is emitted. */
  set(sid: string, session: SessionData): Promise<void>;
  set(sid: string, session: SessionData, callback?: (error?: unknown) => void): void;
  set(sid: string, session: SessionData, callback?: Callback): Promise<void> | void {
    return settle(this.save(sid, session), callback);
  }

  /** Ends a session. No slower request brings it back. */
  destroy(sid: string): Promise<void>;
  destroy(sid: string, callback?: (error?: unknown) => void): void;
  destroy(sid: string, callback?: Callback): Promise<void> | void {
    return settle(this.end(sid), callback);
  }

  /** Slides a session; rewrites nothing, unless the cookie's own settings changed. */
  touch(sid: string, session: SessionData): Promise<void>;
  touch(sid: string, session: SessionData, callback?: (error?: unknown) => void): void;
  touch(sid: string, session: SessionData, callback?: Callback): Promise<void> | void {
    return settle(this.slide(sid, session), callback);
  }

  /** Every session of the namespace, by its handle: the server never knows an ID. */
  all(): Promise<{ [handle: string]: SessionData }>;
  all(callback: (error: unknown, sessions?: { [handle: string]: SessionData } | null) => void): void;
  all(callback?: Callback<{ [handle: string]: SessionData }>): Promise<{ [handle: string]: SessionData }> | undefined {
    return settle(this.listAll(), callback);
  }

  /** How many sessions there are in the namespace. */
  length(): Promise<number>;
  length(callback: (error: unknown, length?: number) => void): void;
  length(callback?: Callback<number>): Promise<number> | undefined {
    return settle(
      this.inWholeNamespace((options) => this.client.count(options)),
      callback,
    );
  }

  /** The handles of the sessions, which `destroyByHandle` takes: the server never knows an ID, so nobody can list them. */
  ids(): Promise<string[]>;
  ids(callback: (error: unknown, handles?: string[]) => void): void;
  ids(callback?: Callback<string[]>): Promise<string[]> | undefined {
    return settle(this.listHandles(), callback);
  }

  /** Ends every session of the namespace. */
  clear(): Promise<void>;
  clear(callback?: (error?: unknown) => void): void;
  clear(callback?: Callback): Promise<void> | void {
    const revoke = async (options: CallOptions) => {
      await this.client.revoke({ wholeNamespace: true }, options);
    };
    return settle(this.inWholeNamespace(revoke), callback);
  }

  /** Ends the session of this handle. */
  async destroyByHandle(handle: string): Promise<void> {
    await this.client.deleteByHandle(handle, this.callOptions);
  }

  /** Called by express-session: makes `req.session` of what was loaded. */
  // biome-ignore lint/suspicious/noExplicitAny: express-session's types have it so
  override createSession(request: any, session: SessionData): any {
    const loaded = recall(session);
    const made = super.createSession?.(request, session);
    if (made && loaded) remember(made, loaded);
    return made;
  }

  /** Ends the connection, if it is the store's own. */
  close(): void {
    clearTimeout(this.reconnecting);
    if (this.ownsClient) this.client.close();
  }

  [inspect.custom](): string {
    return `SessiondStore { address: '${this.client.address}', namespace: '${this.callOptions.namespace || "default"}' }`;
  }

  /** The ID under which the server knows a session. @internal */
  idOf(sid: unknown): string | undefined {
    return toSessionId(typeof sid === "string" && sid !== "" ? (this.options.prefix ?? "") + sid : sid);
  }

  /** What every call of this store is made with. @internal */
  get callSettings(): CallOptions {
    return this.callOptions;
  }

  /** Makes a session object of what the server knows. @internal */
  handOut(id: string, raw: RawSession): SessionData {
    const data: { [key: string]: unknown } = {};
    for (const [name, bytes] of raw.attributes) {
      const [key, value] = this.codec.decode(name, bytes);
      setOwn(data, key, value);
    }
    const isForeign = !raw.attributes.has(COOKIE);
    if (isForeign)
      data[COOKIE] = { originalMaxAge: raw.idleTimeout, expires: new Date(raw.expireTime), httpOnly: true, path: "/" };
    else if (data[COOKIE] === NO_COOKIE) delete data[COOKIE];
    const cookie = data[COOKIE] as CookieData | undefined;
    // Sliding rewrites nothing: if the session was slid after it was saved, the server knows the end.
    if (endOf(cookie) !== undefined && cookie && raw.lastAccessTime > raw.updateTime)
      cookie.expires = new Date(raw.expireTime);
    this.attach(data, this.knowledge(id, raw, raw.attributes, endOf(cookie), isForeign));
    return data;
  }

  /** Notes what is known of a session that is handed out. @internal */
  attach(session: object, loaded: Loaded): void {
    remember(session, loaded);
  }

  /** What is known of a session of this ID. @internal */
  recall(session: object, id: string): Loaded | undefined {
    return recall(session, id);
  }

  /** What has to be sent so that the server holds this session, and what it holds then. @internal */
  changeOf(session: SessionData, loaded: Loaded | undefined): Change {
    const cookie = cookieData(session);
    const set: { [name: string]: Encoded } = {};
    const attributes = new Map<string, Buffer>();
    const before = loaded?.attributes;
    let isCookieSlid = false;
    for (const key of Object.keys(session)) {
      const value = key === COOKIE ? cookie : session[key];
      if (isLeftOut(value) || this.isHidden(key) || (key === COOKIE && loaded?.isForeign)) continue;
      const [name, bytes] = key === COOKIE ? this.encodeCookie(cookie ?? {}) : this.codec.encode(key, value);
      attributes.set(name, bytes);
      const old = before?.get(name);
      if (old && this.codec.isSame(name, old, bytes)) continue;
      if (old && key === COOKIE && this.isSlid(old, cookie ?? {})) isCookieSlid = true;
      else set[name] = new Encoded(bytes);
    }
    if (!attributes.has(COOKIE) && !loaded?.isForeign) {
      const bytes = this.codec.encode(COOKIE, NO_COOKIE)[1];
      attributes.set(COOKIE, bytes);
      if (!before?.get(COOKIE)?.equals(bytes)) set[COOKIE] = new Encoded(bytes);
    }
    const remove = before ? [...before.keys()].filter((name) => !attributes.has(name)) : [];
    const idleTimeout = bounded(this.timeToLiveOf(session));
    const principal = this.principalOf(session, loaded);
    const isTimeoutOther = this.isTimeoutOther(cookie, idleTimeout, loaded);
    const isEmpty = Object.keys(set).length === 0 && remove.length === 0 && principal === undefined && !isTimeoutOther;
    // The cookie's new end travels with the next change of data.
    const cookieBytes = attributes.get(COOKIE);
    if (isCookieSlid && !isEmpty && cookieBytes) set[COOKIE] = new Encoded(cookieBytes);
    else if (isCookieSlid && before) attributes.set(COOKIE, before.get(COOKIE) as Buffer);
    const timeouts: Timeouts | undefined = isTimeoutOther || !loaded ? { idleTimeout } : undefined;
    return {
      change: {
        set,
        remove,
        clear: !loaded,
        principal,
        timeouts,
        setLabels: loaded ? undefined : this.options.labels?.(session),
      },
      isEmpty: isEmpty && loaded !== undefined,
      attributes,
      cookieEnd: endOf(cookie),
    };
  }

  /** Notes that the server holds a session as it was saved. @internal */
  saved(session: object, id: string, raw: RawSession, change: Change, isForeign: boolean): Loaded {
    const loaded = this.knowledge(id, raw, change.attributes, change.cookieEnd, isForeign);
    this.attach(session, loaded);
    return loaded;
  }

  /** A session was ended while a request still worked with it. @internal */
  noteEnd(loaded: Loaded): void {
    this.emit("ended", loaded.handle);
  }

  /** Properties that are not the application's. */
  protected isHidden(_key: string): boolean {
    return false;
  }

  private async load_(sid: string): Promise<SessionData | null> {
    const id = this.idOf(sid);
    if (id === undefined) return null;
    const request = calls.encodeGet(this.callOptions.namespace ?? "", id, { touch: false });
    const rest = { isIdempotent: true, missing: { value: null } };
    const answer = await this.client.core.hot<calls.GetAnswer | null>(calls.get, request, this.callOptions, rest);
    return answer && this.handOut(id, answer.session);
  }

  private async save(sid: string, session: SessionData): Promise<void> {
    const id = this.idOf(sid);
    if (id === undefined) throw new TypeError("the session ID is empty or not valid Unicode: it can name no session");
    if (this.timeToLiveOf(session) <= 0) return this.end(sid);
    const loaded = this.recall(session, id);
    const change = this.changeOf(session, loaded);
    if (loaded && change.isEmpty) return this.slideLoaded(id, loaded);
    const request = calls.encodeUpdate(this.callOptions.namespace ?? "", id, change.change, { upsert: !loaded });
    try {
      const answer = await this.client.core.hot(calls.update, request, this.callOptions);
      this.saved(session, id, answer.session, change, loaded?.isForeign ?? false);
    } catch (error) {
      if (loaded && isEnded(error)) this.noteEnd(loaded);
      else throw error;
    }
  }

  private async slide(sid: string, session: SessionData): Promise<void> {
    const id = this.idOf(sid);
    if (id === undefined || this.options.disableTouch) return;
    if (this.timeToLiveOf(session) <= 0) return this.end(sid);
    const loaded = this.recall(session, id);
    const change = this.cookieChange(session, loaded);
    if (!change) return this.slideLoaded(id, loaded as Loaded);
    const request = calls.encodeUpdate(this.callOptions.namespace ?? "", id, change, {});
    try {
      const { session: raw } = await this.client.core.hot(calls.update, request, this.callOptions);
      if (loaded) {
        loaded.idleTimeout = raw.idleTimeout;
        loaded.lastAccessTime = raw.lastAccessTime;
        const cookie = change.set?.[COOKIE] as Encoded | undefined;
        if (cookie) loaded.attributes.set(COOKIE, cookie.bytes);
      }
    } catch (error) {
      if (!isEnded(error)) throw error;
      if (loaded) this.noteEnd(loaded);
    }
  }

  /** What `touch` must send beside the touch itself; nothing if the cookie's settings are those that the server knows. */
  private cookieChange(session: SessionData, loaded: Loaded | undefined): SessionChange | undefined {
    const cookie = cookieData(session);
    const idleTimeout = bounded(this.timeToLiveOf(session));
    const old = loaded?.attributes.get(COOKIE);
    const isCookieKnown = loaded?.isForeign || !cookie || (old !== undefined && this.isSlid(old, cookie));
    if (loaded && isCookieKnown && !this.isTimeoutOther(cookie, idleTimeout, loaded)) return undefined;
    const set = isCookieKnown ? undefined : { [COOKIE]: new Encoded(this.encodeCookie(cookie ?? {})[1]) };
    return { set, timeouts: { idleTimeout } };
  }

  private async slideLoaded(id: string, loaded: Loaded): Promise<void> {
    const { touchAfter = 0 } = this.options;
    const now = Date.now();
    if (touchAfter > 0 && now - loaded.lastAccessTime < touchAfter) return;
    const request = calls.encodeTouch(this.callOptions.namespace ?? "", id);
    const rest = { isIdempotent: true, missing: { value: null } };
    const answer = await this.client.core.hot<calls.TouchAnswer | null>(calls.touch, request, this.callOptions, rest);
    if (answer) loaded.lastAccessTime = now;
    else this.noteEnd(loaded);
  }

  private async end(sid: string): Promise<void> {
    const id = this.idOf(sid);
    if (id === undefined) return;
    const request = calls.encodeDelete(this.callOptions.namespace ?? "", { sessionId: id }, { allowMissing: true });
    // What it answers is not looked at, so twice is the same as once.
    await this.client.core.hot(calls.remove, request, this.callOptions, { isIdempotent: true });
  }

  private async listAll(): Promise<{ [handle: string]: SessionData }> {
    const sessions: { [handle: string]: SessionData } = {};
    for await (const raw of this.pages(true)) {
      const session = this.handOut("", raw);
      sessions[raw.handle] = session;
    }
    return sessions;
  }

  private async listHandles(): Promise<string[]> {
    const handles: string[] = [];
    for await (const raw of this.pages(false)) handles.push(raw.handle);
    return handles;
  }

  private async *pages(attributes: boolean): AsyncGenerator<RawSession, void, undefined> {
    let pageToken = "";
    do {
      const page = await this.inWholeNamespace((options) => {
        const request = messages.encodeList(options.namespace ?? "", { attributes, pageToken, pageSize: 1000 });
        const method = "SessionStore/ListSessions";
        return this.client.core.cold(method, request, messages.decodeList, options, { isIdempotent: true });
      });
      yield* page.sessions;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  private async inWholeNamespace<T>(run: (options: CallOptions) => Promise<T>): Promise<T> {
    if (this.options.prefix) {
      throw new TypeError(
        "sessions with a prefix can't be told from others, as the server never knows an ID: give the store a namespace of its own instead of a prefix",
      );
    }
    return run({ ...this.callOptions, deadline: this.options.deadline ?? LONG_DEADLINE });
  }

  private timeToLiveOf(session: SessionData): number {
    const { ttl } = this.options;
    if (typeof ttl === "function") return ttl(session) * 1000;
    return timeToLive(cookieData(session), ttl === undefined ? DAY : ttl * 1000);
  }

  /** Whether the server's idle timeout must become another one. */
  private isTimeoutOther(cookie: CookieData | undefined, idleTimeout: number, loaded: Loaded | undefined): boolean {
    if (!loaded || loaded.idleTimeout === idleTimeout) return false;
    if (typeof this.options.ttl === "function") return true;
    // Saved in the middle of a request: the framework slides the cookie only at the end.
    const end = endOf(cookie);
    return end === undefined ? !loaded.isForeign : end !== loaded.cookieEnd;
  }

  /** The principal to set; `undefined` where it stays. One that another application set is left alone. */
  private principalOf(session: SessionData, loaded: Loaded | undefined): string | undefined {
    const found = this.options.principal?.(session);
    if (found === undefined) return undefined;
    const principal = found === null ? "" : String(found);
    return principal === (loaded?.principal ?? "") ? undefined : principal;
  }

  private encodeCookie(cookie: CookieData): [string, Buffer] {
    const end = endOf(cookie);
    return this.codec.encode(
      COOKIE,
      end === undefined ? lastingPart(cookie) : { ...lastingPart(cookie), expires: new Date(end) },
    );
  }

  /** Whether a stored cookie differs from this one in nothing but its end. */
  private isSlid(stored: Buffer, cookie: CookieData): boolean {
    const before = this.codec.decode(COOKIE, stored)[1];
    if (typeof before !== "object" || before === null) return false;
    const hadEnd = endOf(before as CookieData) !== undefined;
    if (hadEnd !== (endOf(cookie) !== undefined)) return false;
    const [old, now] = [lastingPart(before as CookieData), lastingPart(cookie)];
    return this.codec.encode(COOKIE, old)[1].equals(this.codec.encode(COOKIE, now)[1]);
  }

  private knowledge(
    id: string,
    raw: RawSession,
    attributes: Map<string, Buffer>,
    cookieEnd: number | undefined,
    isForeign: boolean,
  ): Loaded {
    const { handle, idleTimeout, principal, createTime, lastAccessTime } = raw;
    return new Loaded(id, {
      handle,
      attributes,
      idleTimeout,
      principal,
      createTime,
      lastAccessTime,
      cookieEnd,
      isForeign,
    });
  }

  private onDisconnect(): void {
    if (!this.options.passWhenDisconnected) return;
    this.emit("disconnect");
    const retry = () => {
      // Any call connects; the event follows.
      this.client.get("connection-is-there", { touch: false, ...this.callOptions }).catch(() => {
        this.reconnecting = setTimeout(retry, RECONNECT_PAUSE).unref();
      });
    };
    this.reconnecting = setTimeout(retry, RECONNECT_PAUSE).unref();
  }
}

/** What has to be sent to save a session, and what the server holds then. */
export interface Change {
  readonly change: SessionChange;
  readonly isEmpty: boolean;
  readonly attributes: Map<string, Buffer>;
  readonly cookieEnd: number | undefined;
}

/** Whether an error says that the session was ended meanwhile. */
export function isEnded(error: unknown): boolean {
  return (
    error instanceof SessiondError && (error.reason === "SESSION_NOT_FOUND" || error.reason === "SESSION_ID_RETIRED")
  );
}

function hide(store: object, name: string, value: unknown): void {
  Object.defineProperty(store, name, { value, enumerable: false });
}

const OPTIONS: ReadonlySet<string> = new Set([
  "client",
  "address",
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

function checkOptions(options: SessiondStoreOptions): void {
  for (const name of Object.keys(options)) {
    if (!OPTIONS.has(name))
      throw new TypeError(`SessiondStore has no option "${name}": it knows ${[...OPTIONS].join(", ")}`);
  }
  if (options.client !== undefined && !(options.client instanceof SessiondClient)) {
    throw new TypeError("client is no SessiondClient");
  }
  if (options.client && options.address !== undefined)
    throw new TypeError("client and address exclude each other: give one");
  if (typeof options.ttl === "number" && !(options.ttl > 0))
    throw new RangeError("ttl must be a number of seconds above 0");
}
