/**
 * The store of express-session.
 *
 * A session that was loaded is saved update-only, and only the keys that changed are sent: a slow request never revives a
 * session that was logged out, and parallel requests that change different keys both win.
 */

import { inspect } from "node:util";
import { SessiondClient } from "../client/client.js";
import { isStoreAway, SessiondError } from "../client/errors.js";
import type { CallOptions } from "../client/session.js";
import { toSessionId } from "../ids.js";
import * as calls from "../proto/calls.js";
import type { RawSession } from "../proto/messages.js";
import * as messages from "../proto/store.js";
import { Base } from "./base.js";
import { type Callback, settle } from "./callbacks.js";
import { cookieData } from "./expiry.js";
import { type Loaded, recall, remember } from "./loaded.js";
import { type Change, knowledge, Mapping } from "./mapping.js";
import { checkOptions, type SessionData, type SessiondStoreOptions } from "./options.js";

/** Listing, counting and clearing look at every session. */
const LONG_DEADLINE = 60_000;
const RECONNECT_PAUSE = 500;

export class SessiondStore extends Base {
  readonly client!: SessiondClient;
  private readonly ownsClient: boolean;
  private readonly options!: SessiondStoreOptions;
  private readonly mapping!: Mapping;
  private readonly callOptions!: CallOptions;
  private reconnecting: NodeJS.Timeout | undefined;

  constructor(options: SessiondStoreOptions = {}) {
    super();
    checkOptions(options);
    this.ownsClient = !options.client;
    const client = options.client ?? new SessiondClient({ address: options.address });
    hide(this, "client", client);
    hide(this, "options", options);
    hide(this, "mapping", new Mapping(options, this.hiddenKey));
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
    const slid = this.slide(sid, session);
    return settle(callback ? slid.catch((error) => this.forgive(error)) : slid, callback);
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
    const made = super.createSession(request, session);
    if (loaded) remember(made, loaded);
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
    const { session, loaded } = this.mapping.handOut(id, raw);
    this.attach(session, loaded);
    return session;
  }

  /** What has to be sent so that the server holds this session, and what it holds then. @internal */
  changeOf(session: SessionData, loaded: Loaded | undefined): Change {
    return this.mapping.changeOf(session, loaded);
  }

  /** Notes what is known of a session that is handed out. @internal */
  attach(session: object, loaded: Loaded): void {
    remember(session, loaded);
  }

  /** What is known of a session of this ID. @internal */
  recall(session: object, id: string): Loaded | undefined {
    return recall(session, id);
  }

  /** Notes that the server holds a session as it was saved. @internal */
  saved(session: object, id: string, raw: RawSession, change: Change): Loaded {
    const loaded = knowledge(id, raw, change.attributes, change.cookie, change.isForeign);
    this.attach(session, loaded);
    return loaded;
  }

  /** Exchanges a ticket for the session, under an ID of this side's choice; `undefined` if the ticket is not valid. @internal */
  async redeem(
    ticket: string,
    audience: string,
    id: string,
  ): Promise<{ session: SessionData; loaded: Loaded } | undefined> {
    if (ticket === "") return undefined;
    const request = messages.encodeRedeem(this.callOptions.namespace ?? "", ticket, audience, id);
    try {
      const method = "SessionStore/RedeemHandoff";
      const answer = await this.client.core.cold(method, request, calls.readIdAndSession, this.callOptions);
      const session = this.handOut(id, answer.session);
      return { session, loaded: this.recall(session, id) as Loaded };
    } catch (error) {
      if ((error as { reason?: unknown }).reason === "HANDOFF_INVALID") return undefined;
      throw error;
    }
  }

  /** A session was ended while a request still worked with it. @internal */
  noteEnd(loaded: Loaded): void {
    this.emit("ended", loaded.handle);
  }

  /** A property of sessions that is not the application's. @internal */
  protected get hiddenKey(): string | undefined {
    return undefined;
  }

  /**
   * A framework slides a session when its answer is on the way: an error would cut the connection of a visitor who has all that
   * was asked for. The session ends a little earlier, if the visitor does not come back.
   */
  private forgive(error: unknown): void {
    if (!isStoreAway(error)) throw error;
    this.emit("unslid", error);
  }

  private async load_(sid: string): Promise<SessionData | null> {
    const id = this.idOf(sid);
    if (id === undefined) return null;
    const request = calls.encodeGet(this.callOptions.namespace ?? "", id, { touch: false });
    const rest = { isIdempotent: true, missing: { value: null } };
    let answer: calls.GetAnswer | null;
    try {
      answer = await this.client.core.hot<calls.GetAnswer | null>(calls.get, request, this.callOptions, rest);
    } catch (error) {
      if (!(error instanceof SessiondError) || error.reason !== "SESSION_CORRUPT") throw error;
      // The visitor gets a new session rather than errors for ever.
      this.emit("damaged");
      return null;
    }
    return answer && this.handOut(id, answer.session);
  }

  private async save(sid: string, session: SessionData): Promise<void> {
    const id = this.idOf(sid);
    if (id === undefined) throw new TypeError("the session ID is empty or not valid Unicode: it can name no session");
    if (this.mapping.timeToLiveOf(session) <= 0) return this.end(sid);
    const loaded = this.recall(session, id);
    const change = this.mapping.changeOf(session, loaded);
    if (loaded && change.isEmpty) return this.slideLoaded(id, loaded);
    const request = calls.encodeUpdate(this.callOptions.namespace ?? "", id, change.change, { upsert: !loaded });
    try {
      const answer = await this.client.core.hot(calls.update, request, this.callOptions);
      this.saved(session, id, answer.session, change);
    } catch (error) {
      if (loaded && isEnded(error)) this.noteEnd(loaded);
      else throw error;
    }
  }

  private async slide(sid: string, session: SessionData): Promise<void> {
    const id = this.idOf(sid);
    if (id === undefined || this.options.disableTouch) return;
    if (this.mapping.timeToLiveOf(session) <= 0) return this.end(sid);
    const loaded = this.recall(session, id);
    const change = this.mapping.cookieChange(session, loaded);
    if (!change) return this.slideLoaded(id, loaded as Loaded);
    const request = calls.encodeUpdate(this.callOptions.namespace ?? "", id, change, {});
    try {
      const { session: raw } = await this.client.core.hot(calls.update, request, this.callOptions);
      if (loaded) {
        loaded.idleTimeout = raw.idleTimeout;
        loaded.lastAccessTime = raw.lastAccessTime;
        if (change.set) loaded.cookie = { ...cookieData(session) };
      }
    } catch (error) {
      if (!isEnded(error)) throw error;
      if (loaded) this.noteEnd(loaded);
    }
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

/** Whether an error says that the session was ended meanwhile. */
export function isEnded(error: unknown): boolean {
  return (
    error instanceof SessiondError && (error.reason === "SESSION_NOT_FOUND" || error.reason === "SESSION_ID_RETIRED")
  );
}

function hide(store: object, name: string, value: unknown): void {
  Object.defineProperty(store, name, { value, enumerable: false });
}
