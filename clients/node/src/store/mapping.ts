/** Between a framework's session and what the server holds: what is sent, and what comes back. Nothing here calls the server. */

import type { SessionChange } from "../client/session.js";
import { Attributes } from "../proto/attributes.js";
import { Encoded, type RawSession } from "../proto/messages.js";
import { Slice } from "../proto/slice.js";
import { isLeftOut, setOwn } from "../values/index.js";
import { Codec } from "./codec.js";
import { bounded, type CookieData, cookieData, endOf, isSameCookie, lastingPart, timeToLive } from "./expiry.js";
import { Loaded } from "./loaded.js";
import type { SessionData, SessiondStoreOptions } from "./options.js";

const DAY = 86_400_000;
const COOKIE = "cookie";
/** The cookie of a session that was saved without one. */
const NO_COOKIE = null;

const NOTHING: ReadonlySet<string> = new Set();

/** What has to be sent to save a session, and what the server holds then. */
export interface Change {
  readonly change: SessionChange;
  readonly isEmpty: boolean;
  readonly attributes: Attributes;
  readonly cookie: CookieData | null;
  readonly isForeign: boolean;
}

export class Mapping {
  private readonly options: SessiondStoreOptions;
  private readonly codec: Codec;
  /** A property that is not the application's. */
  private readonly hiddenKey: string | undefined;

  constructor(options: SessiondStoreOptions, hiddenKey: string | undefined) {
    this.options = options;
    this.codec = new Codec(options.serializer);
    this.hiddenKey = hiddenKey;
  }

  /** A framework's session from what the server knows, and what is known of it. */
  handOut(id: string, raw: RawSession): { session: SessionData; loaded: Loaded } {
    const data = this.codec.decodeAll(raw.attributes);
    const isForeign = data[COOKIE] === undefined;
    if (isForeign) {
      data[COOKIE] = { originalMaxAge: raw.idleTimeout, expires: new Date(raw.expireTime), httpOnly: true, path: "/" };
    } else if (data[COOKIE] === NO_COOKIE) delete data[COOKIE];
    const cookie = data[COOKIE] as CookieData | undefined;
    // Sliding rewrites nothing: if the session was slid after it was saved, the server knows the end.
    if (cookie && raw.lastAccessTime > raw.updateTime && endOf(cookie) !== undefined) {
      cookie.expires = new Date(raw.expireTime);
    }
    // A copy: the application may change the cookie that it gets.
    const known = cookie ? { ...cookie } : NO_COOKIE;
    return { session: data, loaded: knowledge(id, raw, raw.attributes, known, isForeign) };
  }

  /** What has to be sent so that the server holds this session, and what it holds then. */
  changeOf(session: SessionData, loaded: Loaded | undefined, cookie = cookieData(session) ?? NO_COOKIE): Change {
    const set: { [name: string]: Encoded } = {};
    const values = new Map<string, Slice>();
    const before = loaded?.attributes;
    const put = (name: string, bytes: Buffer) => {
      values.set(name, new Slice(bytes));
      setOwn(set, name, new Encoded(bytes));
    };
    let kept = 0;
    for (const key of Object.keys(session)) {
      const value = session[key];
      if (key === COOKIE || key === this.hiddenKey || isLeftOut(value)) continue;
      const name = this.codec.nameOf(key);
      const old = before?.get(name);
      if (old) kept++;
      const bytes = old ? this.codec.encodeUnlessSame(key, value, old) : this.codec.encode(key, value);
      if (bytes) put(name, bytes);
    }
    const isCookieSame = loaded !== undefined && (loaded.isForeign || isSameCookie(loaded.cookie, cookie));
    if (!isCookieSame) put(COOKIE, this.encodeCookie(cookie));
    const remove = before ? this.removed(session, before, kept) : NOTHING;
    const idleTimeout = bounded(this.timeToLiveOf(session, cookie));
    const isTimeoutOther = this.isTimeoutOther(cookie, idleTimeout, loaded);
    const principal = this.principalOf(session, loaded);
    const isSame = values.size === 0 && remove.size === 0;
    const isEmpty = loaded !== undefined && isSame && principal === undefined && !isTimeoutOther;
    const isSlid = isCookieSame && !loaded.isForeign && endOf(cookie) !== endOf(loaded.cookie);
    // The cookie's new end travels with the next change of data.
    if (isSlid && !isEmpty) put(COOKIE, this.encodeCookie(cookie));
    return {
      change: {
        set,
        remove: remove.size > 0 ? [...remove] : undefined,
        clear: !loaded,
        principal,
        timeouts: isTimeoutOther || !loaded ? { idleTimeout } : undefined,
        setLabels: loaded ? undefined : this.options.labels?.(session),
      },
      isEmpty,
      attributes: (before ?? new Attributes()).after(values, remove),
      cookie: cookie && { ...cookie },
      isForeign: loaded?.isForeign ?? false,
    };
  }

  /** What `touch` must send beside the touch itself; nothing if the cookie's settings are those that the server knows. */
  cookieChange(
    session: SessionData,
    loaded: Loaded | undefined,
    cookie: CookieData | undefined,
  ): SessionChange | undefined {
    const idleTimeout = bounded(this.timeToLiveOf(session, cookie));
    const isCookieKnown = loaded?.isForeign || !cookie || isSameCookie(loaded?.cookie, cookie);
    if (loaded && isCookieKnown && !this.isTimeoutOther(cookie, idleTimeout, loaded)) return undefined;
    const set = isCookieKnown ? undefined : { [COOKIE]: new Encoded(this.encodeCookie(cookie)) };
    return { set, timeouts: { idleTimeout } };
  }

  /** Milliseconds for which a session lives from now on. */
  timeToLiveOf(session: SessionData, cookie: CookieData | null | undefined): number {
    const { ttl } = this.options;
    if (typeof ttl === "function") return ttl(session) * 1000;
    return timeToLive(cookie, ttl === undefined ? DAY : ttl * 1000);
  }

  /** Whether the server's idle timeout must become another one. */
  private isTimeoutOther(
    cookie: CookieData | null | undefined,
    idleTimeout: number,
    loaded: Loaded | undefined,
  ): boolean {
    if (!loaded || loaded.idleTimeout === idleTimeout) return false;
    if (typeof this.options.ttl === "function") return true;
    // Saved in the middle of a request: the framework slides the cookie only at the end.
    const end = endOf(cookie);
    return end === undefined ? !loaded.isForeign : end !== endOf(loaded.cookie);
  }

  /** The names of the attributes that the session has no more. `kept` is how many it still has, without the cookie. */
  private removed(session: SessionData, before: Attributes, kept: number): ReadonlySet<string> {
    const { names } = before;
    if (kept === names.length || (kept === names.length - 1 && before.get(COOKIE))) return NOTHING;
    const keys = Object.keys(session).filter((key) => key !== this.hiddenKey && !isLeftOut(session[key]));
    const present = new Set(keys.map((key) => this.codec.nameOf(key)));
    return new Set(names.filter((name) => name !== COOKIE && !present.has(name)));
  }

  /** The principal to set; `undefined` where it stays. One that another application set is left alone. */
  private principalOf(session: SessionData, loaded: Loaded | undefined): string | undefined {
    const found = this.options.principal?.(session);
    if (found === undefined) return undefined;
    const principal = found === null ? "" : String(found);
    return principal === (loaded?.principal ?? "") ? undefined : principal;
  }

  private encodeCookie(cookie: CookieData | null | undefined): Buffer {
    if (!cookie) return this.codec.encode(COOKIE, NO_COOKIE);
    const end = endOf(cookie);
    const stored = lastingPart(cookie);
    if (end !== undefined) stored.expires = new Date(end);
    return this.codec.encode(COOKIE, stored);
  }
}

/** What is known of a session that the server holds. */
export function knowledge(
  id: string,
  raw: RawSession,
  attributes: Attributes,
  cookie: CookieData | null,
  isForeign: boolean,
): Loaded {
  const { handle, idleTimeout, principal, createTime, lastAccessTime } = raw;
  return new Loaded(id, { handle, attributes, idleTimeout, principal, createTime, lastAccessTime, cookie, isForeign });
}
