/** What a store knows of a session that it handed out: later saves are compared with it. */

import { inspect } from "node:util";

/** The parts that are no secret. */
export interface Known {
  handle: string;
  attributes: Map<string, Buffer>;
  idleTimeout: number;
  principal: string;
  createTime: number;
  lastAccessTime: number;
  cookieEnd: number | undefined;
  isForeign: boolean;
}

export class Loaded {
  /** The ID as the store knows it. */
  readonly #id: string;
  readonly handle: string;
  /** The bytes of each attribute, as far as this side knows. */
  attributes: Map<string, Buffer>;
  /** Milliseconds. */
  idleTimeout: number;
  principal: string;
  readonly createTime: number;
  lastAccessTime: number;
  /** The moment at which the cookie ends that was handed out or saved. */
  cookieEnd: number | undefined;
  /** Another kind of client made it: it has no cookie of ours, and gets none. */
  readonly isForeign: boolean;

  constructor(id: string, parts: Known) {
    this.#id = id;
    this.handle = parts.handle;
    this.attributes = parts.attributes;
    this.idleTimeout = parts.idleTimeout;
    this.principal = parts.principal;
    this.createTime = parts.createTime;
    this.lastAccessTime = parts.lastAccessTime;
    this.cookieEnd = parts.cookieEnd;
    this.isForeign = parts.isForeign;
  }

  get id(): string {
    return this.#id;
  }

  /** Frameworks that copy a session's properties, and compare sessions as JSON, must not see it. */
  toJSON(): undefined {
    return undefined;
  }

  [inspect.custom](): string {
    return `Loaded { handle: '${this.handle}' }`;
  }
}

const known = new WeakMap<object, Loaded>();

/** Notes what is known of a session object. */
export function remember(session: object, loaded: Loaded): void {
  known.set(session, loaded);
}

/** What is known of a session object, if it is the one of this ID. */
export function recall(session: object, id?: string): Loaded | undefined {
  const loaded = known.get(session);
  return loaded && (id === undefined || loaded.id === id) ? loaded : undefined;
}
