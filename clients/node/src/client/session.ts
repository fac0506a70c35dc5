/** What the store knows of a session, and what clients ask of it. */

import type { Value } from "../values/index.js";

/** What the store knows of one visitor. It never holds the session ID. */
export interface Session {
  /** Names the session for its whole life, across rotation of its ID. Not a secret. */
  readonly handle: string;
  readonly namespace: string;
  /** 1 at creation; grows by one with every change of data. */
  readonly version: number;
  /** The data; `undefined` where an answer leaves it out. */
  readonly attributes?: { [name: string]: Value };
  /** The user that the session belongs to; empty while nobody is logged in. */
  readonly principal: string;
  /** Short texts about the client, to be shown in lists. */
  readonly labels: { readonly [name: string]: string };
  readonly createTime: Date;
  /** The last read with touch, touch, update or rotation. */
  readonly lastAccessTime: Date;
  /** The last change of data. */
  readonly updateTime: Date;
  /** The session ends so many milliseconds after its last access. */
  readonly idleTimeout: number;
  /** The moment at which the session ends however busy it is. */
  readonly absoluteExpireTime?: Date;
  /** When the session ends if nothing more happens. */
  readonly expireTime: Date;
  /** Only the session's ID opens its attributes (policy `sealed`): lists and events have none of them. Absent if it is not sealed. */
  readonly sealed?: true;
}

/** A session that was read. */
export interface ReadSession extends Session {
  /** The version is the one of `ifVersionNot`: the attributes were not sent again. */
  readonly notModified?: boolean;
}

/** How long a session lives; what is left out has the default of the namespace. */
export interface Timeouts {
  /** Ends the session so many milliseconds after its last access. */
  readonly idleTimeout?: number | undefined;
  /** Ends it so many milliseconds after its creation. */
  readonly absoluteTimeout?: number | undefined;
  /** Ends it at this moment. Not together with `absoluteTimeout`. */
  readonly absoluteExpireTime?: Date | undefined;
}

export type Attributes = { readonly [name: string]: unknown };

/** A change, carried out as one atomic step. What it does not name stays as it is. */
export interface SessionChange {
  /** Attributes to set, each as a whole. `undefined` is not set. */
  readonly set?: Attributes | undefined;
  /** Attributes to remove. */
  readonly remove?: readonly string[] | undefined;
  /** Removes every attribute first: the change replaces the whole data. */
  readonly clear?: boolean | undefined;
  /** The user that the session belongs to; the empty text for nobody. */
  readonly principal?: string | undefined;
  readonly setLabels?: { readonly [name: string]: string } | undefined;
  readonly removeLabels?: readonly string[] | undefined;
  /** Replaces both timeouts. */
  readonly timeouts?: Timeouts | undefined;
}

/** What every call takes. */
export interface CallOptions {
  /** The namespace, instead of the client's. */
  readonly namespace?: string | undefined;
  /** Milliseconds in which the call must be answered, instead of the client's. */
  readonly deadline?: number | undefined;
  /** Gives the call up. It may have been carried out. */
  readonly signal?: AbortSignal | undefined;
}

export interface CreateOptions extends CallOptions {
  /** An ID that a framework must choose. Left out, and better so, the server mints one. */
  readonly sessionId?: string | undefined;
  readonly attributes?: Attributes | undefined;
  readonly principal?: string | undefined;
  readonly labels?: { readonly [name: string]: string } | undefined;
  readonly timeouts?: Timeouts | undefined;
  /** When the session was made, if that was earlier, such as in the store that it is moved from. */
  readonly createTime?: Date | undefined;
  /** When the visitor was last active. */
  readonly lastAccessTime?: Date | undefined;
}

export interface GetOptions extends CallOptions {
  /** Whether the read slides the idle timeout; true unless said otherwise. */
  readonly touch?: boolean | undefined;
  /** If the session has this version, its attributes are not sent again. */
  readonly ifVersionNot?: number | undefined;
  /** Leave the attributes out of the answer. */
  readonly omitAttributes?: boolean | undefined;
}

export interface UpdateOptions extends CallOptions {
  /** Carried out only if the session has this version. */
  readonly expectedVersion?: number | undefined;
  /** Make the session if there is none. It can revive a session that was ended meanwhile. */
  readonly upsert?: boolean | undefined;
  /** Carried out only while this lock holds. */
  readonly lockToken?: string | undefined;
  /** Release the lock in the same step. */
  readonly unlock?: boolean | undefined;
}

export interface RotateOptions extends CallOptions {
  /** The next ID, where a framework must choose it. */
  readonly newSessionId?: string | undefined;
  /** Milliseconds for which the old ID can still read, at most 60,000. */
  readonly grace?: number | undefined;
  /** A change in the same atomic step. */
  readonly change?: SessionChange | undefined;
  readonly expectedVersion?: number | undefined;
}

export interface DeleteOptions extends CallOptions {
  /** No error if there is no such session: answer false. True unless said otherwise. */
  readonly allowMissing?: boolean | undefined;
}

/** A session with its secret. `sessionId` is not enumerable, so that no log shows it by accident. */
export interface SessionWithId {
  /** The secret for the visitor's cookie. */
  readonly sessionId: string;
  readonly session: Session;
}

/** Adds a property that neither `util.inspect` nor `JSON.stringify` shows. */
export function withSecret<T extends object, K extends string>(
  value: T,
  name: K,
  secret: string,
): T & { readonly [name in K]: string } {
  return Object.defineProperty(value, name, { value: secret, enumerable: false }) as T & {
    readonly [name in K]: string;
  };
}
