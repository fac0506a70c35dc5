/** Between a framework's session and what the server holds: what is sent, and what comes back. Nothing here calls the server. */

import type { SessionChange, Timeouts } from "../client/session.js";
import { Encoded, type RawSession } from "../proto/messages.js";
import { isLeftOut, setOwn } from "../values/index.js";
import { Codec } from "./codec.js";
import { bounded, type CookieData, cookieData, endOf, lastingPart, timeToLive } from "./expiry.js";
import { Loaded } from "./loaded.js";
import type { SessionData, SessiondStoreOptions } from "./options.js";

const DAY = 86_400_000;
const COOKIE = "cookie";
/** The cookie of a session that was saved without one. */
const NO_COOKIE = null;

/** What has to be sent to save a session, and what the server holds then. */
export interface Change {
  readonly change: SessionChange;
  readonly isEmpty: boolean;
  readonly attributes: Map<string, Buffer>;
  readonly cookieEnd: number | undefined;
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
    return { session: data, loaded: knowledge(id, raw, raw.attributes, endOf(cookie), isForeign) };
  }

  /** What has to be sent so that the server holds this session, and what it holds then. */
  changeOf(session: SessionData, loaded: Loaded | undefined): Change {
    const cookie = cookieData(session);
    const set: { [name: string]: Encoded } = {};
    const attributes = new Map<string, Buffer>();
    const before = loaded?.attributes;
    let isCookieSlid = false;
    for (const key of Object.keys(session)) {
      const value = key === COOKIE ? cookie : session[key];
      if (isLeftOut(value) || key === this.hiddenKey || (key === COOKIE && loaded?.isForeign)) continue;
      const [name, bytes] = key === COOKIE ? this.encodeCookie(cookie ?? {}) : this.codec.encode(key, value);
      attributes.set(name, bytes);
      const old = before?.get(name);
      if (old && this.codec.isSame(name, old, bytes)) continue;
      if (old && key === COOKIE && this.isSlid(old, cookie ?? {})) isCookieSlid = true;
      else setOwn(set, name, new Encoded(bytes));
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

  /** What `touch` must send beside the touch itself; nothing if the cookie's settings are those that the server knows. */
  cookieChange(session: SessionData, loaded: Loaded | undefined): SessionChange | undefined {
    const cookie = cookieData(session);
    const idleTimeout = bounded(this.timeToLiveOf(session));
    const old = loaded?.attributes.get(COOKIE);
    const isCookieKnown = loaded?.isForeign || !cookie || (old !== undefined && this.isSlid(old, cookie));
    if (loaded && isCookieKnown && !this.isTimeoutOther(cookie, idleTimeout, loaded)) return undefined;
    const set = isCookieKnown ? undefined : { [COOKIE]: new Encoded(this.encodeCookie(cookie ?? {})[1]) };
    return { set, timeouts: { idleTimeout } };
  }

  /** Milliseconds for which a session lives from now on. */
  timeToLiveOf(session: SessionData): number {
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
}

/** What is known of a session that the server holds. */
export function knowledge(
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
