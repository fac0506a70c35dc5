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
    const { address, tls, tokenFile, token, traceContext } = options;
    const client = options.client ?? new SessiondClient({ address, tls, tokenFile, token, traceContext });
    // A key or a token that stands in the options is nobody's business from now on.
    const kept = { ...options, tls: undefined, token: undefined };
    hide(this, "client", client);
    hide(this, "options", kept);
    hide(this, "mapping", new Mapping(kept, this.hiddenKey));
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
    return settle((resolve, reject) => this.load_(sid, resolve, reject), callback);
  }

  /** Saves a session. One that was loaded, or saved before, is only updated: if it was ended meanwhile, nothing is saved and "ended" is emitted. */
  set(sid: string, session: SessionData): Promise<void>;
  set(sid: string, session: SessionData, callback?: (error?: unknown) => void): void;
  set(sid: string, session: SessionData, callback?: Callback): Promise<void> | void {
    return settle((resolve, reject) => this.save(sid, session, resolve, reject), callback);
  }

  /** Ends a session. No slower request brings it back. */
  destroy(sid: string): Promise<void>;
  destroy(sid: string, callback?: (error?: unknown) => void): void;
  destroy(sid: string, callback?: Callback): Promise<void> | void {
    return settle((resolve, reject) => this.end(sid, resolve, reject), callback);
  }

  /** Slides a session; rewrites nothing, unless the cookie's own settings changed. */
  touch(sid: string, session: SessionData): Promise<void>;
  touch(sid: string, session: SessionData, callback?: (error?: unknown) => void): void;
  touch(sid: string, session: SessionData, callback?: Callback): Promise<void> | void {
    return settle((resolve, reject) => {
      // What is wrong with the session itself is told to both.
      const failed = callback ? (error: unknown) => this.forgive(error, resolve, reject) : reject;
      this.slide(sid, session, resolve, failed);
    }, callback);
  }

  /** Every session of the namespace, by its handle: the server never knows an ID. */
  all(): Promise<{ [handle: string]: SessionData }>;
  all(callback: (error: unknown, sessions?: { [handle: string]: SessionData } | null) => void): void;
  all(callback?: Callback<{ [handle: string]: SessionData }>): Promise<{ [handle: string]: SessionData }> | undefined {
    return settle((resolve, reject) => this.listAll().then(resolve, reject), callback);
  }

  /** How many sessions there are in the namespace. */
  length(): Promise<number>;
  length(callback: (error: unknown, length?: number) => void): void;
  length(callback?: Callback<number>): Promise<number> | undefined {
    return settle(
      (resolve, reject) => this.inWholeNamespace((options) => this.client.count(options)).then(resolve, reject),
      callback,
    );
  }

  /** The handles of the sessions, which `destroyByHandle` takes: the server never knows an ID, so nobody can list them. */
  ids(): Promise<string[]>;
  ids(callback: (error: unknown, handles?: string[]) => void): void;
  ids(callback?: Callback<string[]>): Promise<string[]> | undefined {
    return settle((resolve, reject) => this.listHandles().then(resolve, reject), callback);
  }

  /** Ends every session of the namespace. */
  clear(): Promise<void>;
  clear(callback?: (error?: unknown) => void): void;
  clear(callback?: Callback): Promise<void> | void {
    const revoke = async (options: CallOptions) => {
      await this.client.revoke({ wholeNamespace: true }, options);
    };
    return settle((resolve, reject) => this.inWholeNamespace(revoke).then(resolve, reject), callback);
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
  private forgive(error: unknown, resolve: () => void, reject: (error: unknown) => void): void {
    if (!isStoreAway(error)) {
      reject(error);
      return;
    }
    try {
      this.emit("unslid", error);
    } catch (thrown) {
      reject(thrown);
      return;
    }
    resolve();
  }

  // The calls of every web request use callbacks within: each promise more would cost as much as a part of the call.

  private load_(sid: string, resolve: (session: SessionData | null) => void, reject: (error: unknown) => void): void {
    const id = this.idOf(sid);
    if (id === undefined) {
      resolve(null);
      return;
    }
    const request = calls.encodeGet(this.namespace, id, { touch: false });
    const onAnswer = guarded((answer: calls.GetAnswer | null) => {
      resolve(answer && this.handOut(id, answer.session));
    }, reject);
    const onError = guarded((error: unknown) => {
      if (!(error instanceof SessiondError) || error.reason !== "SESSION_CORRUPT") throw error;
      // The visitor gets a new session rather than errors for ever.
      this.emit("damaged");
      resolve(null);
    }, reject);
    this.client.core.start<calls.GetAnswer | null>(calls.get, request, this.callOptions, READ, onAnswer, onError);
  }

  private save(sid: string, session: SessionData, resolve: () => void, reject: (error: unknown) => void): void {
    const id = this.idOf(sid);
    if (id === undefined) throw new TypeError("the session ID is empty or not valid Unicode: it can name no session");
    const cookie = cookieData(session);
    if (this.mapping.timeToLiveOf(session, cookie) <= 0) {
      this.end(sid, resolve, reject);
      return;
    }
    const loaded = this.recall(session, id);
    const change = this.mapping.changeOf(session, loaded, cookie);
    if (loaded && change.isEmpty) {
      this.slideLoaded(id, loaded, resolve, reject);
      return;
    }
    const request = calls.encodeUpdate(this.namespace, id, change.change, { upsert: !loaded });
    const onAnswer = guarded((answer: calls.UpdateAnswer) => {
      this.saved(session, id, answer.session, change);
      resolve();
    }, reject);
    const onError = guarded((error: unknown) => {
      if (!loaded || !isEnded(error)) throw error;
      this.noteEnd(loaded);
      resolve();
    }, reject);
    this.client.core.start(calls.update, request, this.callOptions, undefined, onAnswer, onError);
  }

  private slide(sid: string, session: SessionData, resolve: () => void, reject: (error: unknown) => void): void {
    const id = this.idOf(sid);
    if (id === undefined || this.options.disableTouch) {
      resolve();
      return;
    }
    const cookie = cookieData(session);
    if (this.mapping.timeToLiveOf(session, cookie) <= 0) {
      this.end(sid, resolve, reject);
      return;
    }
    const loaded = this.recall(session, id);
    const change = this.mapping.cookieChange(session, loaded, cookie);
    if (!change) {
      this.slideLoaded(id, loaded as Loaded, resolve, reject);
      return;
    }
    const request = calls.encodeUpdate(this.namespace, id, change, {});
    const onAnswer = guarded(({ session: raw }: calls.UpdateAnswer) => {
      if (loaded) {
        loaded.idleTimeout = raw.idleTimeout;
        loaded.lastAccessTime = raw.lastAccessTime;
        if (change.set) loaded.cookie = { ...cookie };
      }
      resolve();
    }, reject);
    const onError = guarded((error: unknown) => {
      if (!isEnded(error)) throw error;
      if (loaded) this.noteEnd(loaded);
      resolve();
    }, reject);
    this.client.core.start(calls.update, request, this.callOptions, undefined, onAnswer, onError);
  }

  private slideLoaded(id: string, loaded: Loaded, resolve: () => void, reject: (error: unknown) => void): void {
    const { touchAfter = 0 } = this.options;
    const now = Date.now();
    if (touchAfter > 0 && now - loaded.lastAccessTime < touchAfter) {
      resolve();
      return;
    }
    const request = calls.encodeTouch(this.namespace, id);
    const onAnswer = guarded((answer: calls.TouchAnswer | null) => {
      if (answer) loaded.lastAccessTime = now;
      else this.noteEnd(loaded);
      resolve();
    }, reject);
    this.client.core.start<calls.TouchAnswer | null>(calls.touch, request, this.callOptions, READ, onAnswer, reject);
  }

  private end(sid: string, resolve: () => void, reject: (error: unknown) => void): void {
    const id = this.idOf(sid);
    if (id === undefined) {
      resolve();
      return;
    }
    const request = calls.encodeDelete(this.namespace, { sessionId: id }, { allowMissing: true });
    // What it answers is not looked at, so twice is the same as once.
    this.client.core.start(calls.remove, request, this.callOptions, { isIdempotent: true }, () => resolve(), reject);
  }

  private get namespace(): string {
    return this.callOptions.namespace ?? "";
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

/** A read, or a touch: carried out twice it is the same, and no session is an answer. */
const READ = { isIdempotent: true, missing: { value: null } };

/** What `run` throws, such as a listener of the store, goes to `reject`. */
function guarded<T>(run: (value: T) => void, reject: (error: unknown) => void): (value: T) => void {
  return (value) => {
    try {
      run(value);
    } catch (error) {
      reject(error);
    }
  };
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
