/** The client: everything that the server offers, as promises. */

import { EventEmitter } from "node:events";
import { inspect } from "node:util";
import { decodeStatistics, type Statistics } from "../proto/admin.js";
import * as calls from "../proto/calls.js";
import * as store from "../proto/store.js";
import { type ClientOptions, Core } from "./core.js";
import { SessiondError } from "./errors.js";
import {
  type CallOptions,
  type CreateOptions,
  type DeleteOptions,
  type GetOptions,
  type ReadSession,
  type RotateOptions,
  type Session,
  type SessionChange,
  type SessionWithId,
  type UpdateOptions,
  withSecret,
} from "./session.js";
import { toSession } from "./sessions.js";
import { type Checkpoint, type SessionEvent, type WatchOptions, watch } from "./watch.js";

export interface ListOptions extends CallOptions {
  /** Only the sessions of this principal. */
  readonly principal?: string | undefined;
  /** Only the sessions with these handles, at most 1,000. Not together with `principal`. */
  readonly handles?: readonly string[] | undefined;
  /** Sessions that are fetched at a time: 1 to 1,000. */
  readonly pageSize?: number | undefined;
  /** Read the attributes too. */
  readonly attributes?: boolean | undefined;
}

export interface CountOptions extends CallOptions {
  readonly principal?: string | undefined;
}

/** One of the scopes: a principal, some handles, or everything. */
export type RevokeScope = store.RevokeScope;

export interface LockOptions extends CallOptions {
  /** Milliseconds for which the lock holds: 100 to 60,000. Default: 10,000. */
  readonly lease?: number | undefined;
  /** Milliseconds to wait for a lock that another holds: up to 30,000. The deadline is that much longer. */
  readonly wait?: number | undefined;
  /** Renew this lock instead of taking a new one. */
  readonly lockToken?: string | undefined;
  /** Read the session under the lock. */
  readonly includeSession?: boolean | undefined;
}

/** A lock that was taken. `lockToken` is not enumerable. */
export interface Lock {
  readonly lockToken: string;
  /** When the lease ends by itself. */
  readonly expireTime: Date;
  /** The session as it was once the lock was taken, if it was asked for. */
  readonly session?: Session;
}

export interface HandoffOptions extends CallOptions {
  /** Milliseconds for which the ticket can be redeemed: 1,000 to 300,000. Default: 30,000. */
  readonly lifetime?: number | undefined;
}

/** A ticket. `ticket` is not enumerable. */
export interface Handoff {
  readonly ticket: string;
  readonly expireTime: Date;
}

export interface RedeemOptions extends CallOptions {
  readonly newSessionId?: string | undefined;
}

interface ClientEvents {
  /** A connection to this address is up. */
  connect: [address: string];
  /** The connection to this address was lost. The next call makes a new one. */
  disconnect: [address: string];
}

const ACCESS_TOUCH = 1;
const ACCESS_PEEK = 2;

/** A handle on a sessiond. It connects at the first call and stays connected; make one and share it. */
export class SessiondClient extends EventEmitter<ClientEvents> {
  /** @internal */
  readonly core: Core;

  constructor(options: ClientOptions | string = {}) {
    super();
    // Many stores may share one client.
    this.setMaxListeners(0);
    const core = new Core(typeof options === "string" ? { address: options } : options);
    // Not enumerable, so that a log of the client stays short.
    Object.defineProperty(this, "core", { value: core, enumerable: false });
    this.core = core;
    core.connection.on("connect", (address) => this.emit("connect", address));
    core.connection.on("disconnect", (address) => this.emit("disconnect", address));
  }

  /** The addresses of the server, as they were given. */
  get address(): string {
    return this.core.connection.text;
  }

  get namespace(): string {
    return this.core.namespace || "default";
  }

  /** Makes a session; never overwrites one. */
  async create(options: CreateOptions = {}): Promise<SessionWithId> {
    const request = calls.encodeCreate(this.core.namespaceOf(options), options);
    return this.withId(await this.core.hot(calls.create, request, options));
  }

  /** Reads a session and, unless told otherwise, slides its idle timeout. `null` if there is none. */
  async get(sessionId: string, options: GetOptions = {}): Promise<ReadSession | null> {
    const request = calls.encodeGet(this.core.namespaceOf(options), sessionId, options);
    const rest = { isIdempotent: true, missing: { value: null } };
    const answer = await this.core.hot<calls.GetAnswer | null>(calls.get, request, options, rest);
    if (!answer) return null;
    const { session, notModified } = answer;
    const read = toSession(session, this.core.shapes, !notModified && !options.omitAttributes);
    return notModified ? { ...read, notModified } : read;
  }

  /** Changes a session in one atomic step. Never makes one, unless told to. */
  async update(sessionId: string, change: SessionChange, options: UpdateOptions = {}): Promise<Session> {
    const request = calls.encodeUpdate(this.core.namespaceOf(options), sessionId, change, options);
    return this.bare((await this.core.hot(calls.update, request, options)).session);
  }

  /** Slides the idle timeout; when the session ends if nothing more happens. `null` if there is none. */
  async touch(sessionId: string, options: CallOptions = {}): Promise<{ expireTime: Date; version: number } | null> {
    const request = calls.encodeTouch(this.core.namespaceOf(options), sessionId);
    const rest = { isIdempotent: true, missing: { value: null } };
    const answer = await this.core.hot<calls.TouchAnswer | null>(calls.touch, request, options, rest);
    return answer && { expireTime: new Date(answer.expireTime), version: answer.version };
  }

  /** Gives a session a new ID and keeps everything else; use it at every log-in. */
  async rotate(sessionId: string, options: RotateOptions = {}): Promise<SessionWithId> {
    const request = calls.encodeRotate(this.core.namespaceOf(options), sessionId, options);
    return this.withId(await this.core.hot(calls.rotate, request, options));
  }

  /** Ends a session: no slower request brings it back. False if there was none. */
  delete(sessionId: string, options: DeleteOptions = {}): Promise<boolean> {
    const request = calls.encodeDelete(this.core.namespaceOf(options), { sessionId }, options);
    return this.core.hot(calls.remove, request, options);
  }

  /** Ends the session that has this handle. False if there was none. */
  deleteByHandle(handle: string, options: DeleteOptions = {}): Promise<boolean> {
    const request = calls.encodeDelete(this.core.namespaceOf(options), { handle }, options);
    return this.core.hot(calls.remove, request, options);
  }

  /** Reads up to 1,000 sessions at once; a session or an error for each, in their order. */
  async batchGet(
    sessionIds: readonly string[],
    options: CallOptions & { readonly touch?: boolean | undefined } = {},
  ): Promise<(Session | SessiondError)[]> {
    const access = options.touch === false ? ACCESS_PEEK : ACCESS_TOUCH;
    const request = store.encodeBatchGet(this.core.namespaceOf(options), sessionIds, access);
    const method = "SessionStore/BatchGetSessions";
    const items = await this.core.cold(method, request, store.decodeBatch, options, { isIdempotent: true });
    return items.map((item) =>
      item.session ? toSession(item.session, this.core.shapes, true) : itemError(item.error),
    );
  }

  /** Ends up to 1,000 sessions in one step; whether there was one, or an error, for each. */
  async batchDelete(sessionIds: readonly string[], options: CallOptions = {}): Promise<(boolean | SessiondError)[]> {
    const request = store.encodeBatchDelete(this.core.namespaceOf(options), sessionIds);
    const items = await this.core.cold("SessionStore/BatchDeleteSessions", request, store.decodeBatch, options);
    return items.map((item) => (item.error ? itemError(item.error) : item.deleted));
  }

  /** The live sessions, newest first, fetched page by page as the loop goes on. Never with an ID. */
  async *list(options: ListOptions = {}): AsyncGenerator<Session, void, undefined> {
    let pageToken = "";
    do {
      const request = store.encodeList(this.core.namespaceOf(options), { ...options, pageToken });
      const method = "SessionStore/ListSessions";
      const page = await this.core.cold(method, request, store.decodeList, options, { isIdempotent: true });
      for (const session of page.sessions) yield toSession(session, this.core.shapes, options.attributes === true);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** Counts the live sessions. Give it a longer deadline where there are many: about a second for thirty thousand. */
  count(options: CountOptions = {}): Promise<number> {
    const request = store.encodeCount(this.core.namespaceOf(options), options.principal ?? "");
    return this.core.cold("SessionStore/CountSessions", request, store.decodeNumber, options, { isIdempotent: true });
  }

  /** Ends many sessions; how many there were. A slower request can't bring one back. */
  async revoke(scope: RevokeScope, options: CallOptions = {}): Promise<number> {
    if ("principal" in scope && scope.principal === "")
      throw new TypeError("principal is empty: name whose sessions end");
    const request = store.encodeRevoke(this.core.namespaceOf(options), scope);
    return await this.core.cold("SessionStore/RevokeSessions", request, store.decodeNumber, options);
  }

  /** What happens to sessions, as it happens. Goes on by itself after the connection was lost. */
  watch(options: WatchOptions = {}): AsyncGenerator<SessionEvent | Checkpoint, void, undefined> {
    return watch(this.core.connection, options.namespace ?? this.core.namespace, options, this.core.shapes);
  }

  /** Takes or renews an exclusive lease on a session. */
  async lock(sessionId: string, options: LockOptions = {}): Promise<Lock> {
    const request = store.encodeLock(this.core.namespaceOf(options), sessionId, options);
    const deadline = options.deadline ?? this.core.deadline + (options.wait ?? 0);
    const answer = await this.core.cold("SessionStore/LockSession", request, store.decodeSecret, {
      ...options,
      deadline,
    });
    const lock = {
      expireTime: new Date(answer.expireTime),
      ...(answer.session && { session: toSession(answer.session, this.core.shapes, true) }),
    };
    return withSecret(lock, "lockToken", answer.secret);
  }

  /** Releases a lease. False if it had ended. */
  unlock(sessionId: string, lockToken: string, options: CallOptions = {}): Promise<boolean> {
    const request = store.encodeNamed(this.core.namespaceOf(options), sessionId, lockToken);
    return this.core.cold("SessionStore/UnlockSession", request, store.decodeBool, options);
  }

  /** Issues a one-time ticket by which another domain gets its own ID of the same session. */
  async issueHandoff(sessionId: string, audience: string, options: HandoffOptions = {}): Promise<Handoff> {
    const namespace = this.core.namespaceOf(options);
    const request = store.encodeNamed(namespace, sessionId, audience, options.lifetime);
    const answer = await this.core.cold("SessionStore/IssueHandoff", request, store.decodeSecret, options);
    return withSecret({ expireTime: new Date(answer.expireTime) }, "ticket", answer.secret);
  }

  /** Exchanges a ticket for an ID of the session, with its attributes. */
  async redeemHandoff(ticket: string, audience: string, options: RedeemOptions = {}): Promise<SessionWithId> {
    const namespace = this.core.namespaceOf(options);
    const request = store.encodeRedeem(namespace, ticket, audience, options.newSessionId ?? "");
    const answer = await this.core.cold("SessionStore/RedeemHandoff", request, calls.readIdAndSession, options);
    return withSecret({ session: toSession(answer.session, this.core.shapes, true) }, "sessionId", answer.sessionId);
  }

  /** Issues a token against cross-site request forgery; it looks different each time. */
  issueCsrfToken(sessionId: string, options: CallOptions = {}): Promise<string> {
    const request = store.encodeNamed(this.core.namespaceOf(options), sessionId);
    const rest = { isIdempotent: true };
    return this.core.cold("SessionStore/IssueCsrfToken", request, store.decodeText, options, rest);
  }

  /** Whether a token was issued for this session under this ID. */
  verifyCsrfToken(sessionId: string, token: string, options: CallOptions = {}): Promise<boolean> {
    const request = store.encodeNamed(this.core.namespaceOf(options), sessionId, token);
    const rest = { isIdempotent: true };
    return this.core.cold("SessionStore/VerifyCsrfToken", request, store.decodeBool, options, rest);
  }

  /** What the server holds and does. */
  statistics(options: CallOptions = {}): Promise<Statistics> {
    return this.core.cold("Admin/GetStatistics", Buffer.alloc(0), decodeStatistics, options, { isIdempotent: true });
  }

  /** Removes every session that has expired by now, at once; how many. */
  sweepNow(options: CallOptions = {}): Promise<number> {
    return this.core.cold("Admin/SweepNow", Buffer.alloc(0), store.decodeNumber, options);
  }

  /** Ends the connection. Calls in flight fail, as do later ones. */
  close(): void {
    this.core.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  [inspect.custom](): string {
    return `SessiondClient { address: '${this.address}', namespace: '${this.namespace}' }`;
  }

  private withId(answer: calls.CreateAnswer): SessionWithId {
    return withSecret({ session: this.bare(answer.session) }, "sessionId", answer.sessionId);
  }

  /** A session of an answer that leaves the attributes out. */
  private bare(session: calls.CreateAnswer["session"]): Session {
    return toSession(session, this.core.shapes, false);
  }
}

function itemError(error: store.ItemError | undefined): SessiondError {
  const message = error?.message.replace(/\p{Cc}/gu, " ") || "the session could not be read";
  return new SessiondError(error?.reason || "UNEXPECTED", message);
}
