/** What a store knows of a session that it handed out: later saves are compared with it. */

import { inspect } from "node:util";
import type { Attributes } from "../proto/attributes.js";
import type { CookieData } from "./expiry.js";

/** The parts that are no secret. */
export interface Known {
  handle: string;
  attributes: Attributes;
  idleTimeout: number;
  principal: string;
  createTime: number;
  lastAccessTime: number;
  cookie: CookieData | null;
  isForeign: boolean;
}

export class Loaded {
  /** The ID as the store knows it. */
  readonly #id: string;
  readonly handle: string;
  /** Each attribute, as far as this side knows. */
  attributes: Attributes;
  /** Milliseconds. */
  idleTimeout: number;
  principal: string;
  readonly createTime: number;
  lastAccessTime: number;
  /** The cookie that was handed out or saved; `null` for none. */
  cookie: CookieData | null;
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
    this.cookie = parts.cookie;
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

/** A class whose constructor answers the object that it is given. */
class Given {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: so that a private field comes to stand on this very object
    return object;
  }
}

/**
 * Puts what is known on a session object itself, in a private field: nothing can see it or copies it along. A WeakMap would do
 * the same for five times the work, most of it the garbage collector's.
 */
class Stamp extends Given {
  #loaded: Loaded;

  private constructor(session: object, loaded: Loaded) {
    super(session);
    this.#loaded = loaded;
  }

  static set(session: object, loaded: Loaded): void {
    if (#loaded in session) session.#loaded = loaded;
    else new Stamp(session, loaded);
  }

  static get(session: object): Loaded | undefined {
    return #loaded in session ? session.#loaded : undefined;
  }
}

/** Notes what is known of a session object. */
export function remember(session: object, loaded: Loaded): void {
  Stamp.set(session, loaded);
}

/** What is known of a session object, if it is the one of this ID. */
export function recall(session: object, id?: string): Loaded | undefined {
  const loaded = Stamp.get(session);
  return loaded && (id === undefined || loaded.id === id) ? loaded : undefined;
}
