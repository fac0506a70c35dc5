/** When a framework's session ends: what its cookie says, as an idle timeout of the store. */

/** The longest timeout that the server takes is 3,660 days. */
const LONGEST = 3_650 * 86_400_000;

/**
 * Between the moment at which a framework slides a cookie's end and the one at which it saves, a loaded machine lets some time
 * pass: up to a second, or a hundredth of the lifetime, the timeout stays the same.
 */
const SLID_WITHIN = 1_000;

/** A cookie as sessions hold it. */
export interface CookieData {
  originalMaxAge?: unknown;
  maxAge?: unknown;
  expires?: unknown;
  [name: string]: unknown;
}

/** What `sess.cookie` holds: the frameworks' cookies show it by `toJSON`. */
export function cookieData(session: object): CookieData | undefined {
  const { cookie } = session as { cookie?: unknown };
  if (typeof cookie !== "object" || cookie === null) return undefined;
  const { toJSON } = cookie as { toJSON?: unknown };
  return (typeof toJSON === "function" ? toJSON.call(cookie) : cookie) as CookieData;
}

/** The moment at which the cookie ends, in milliseconds; `undefined` if it ends with the browser. */
export function endOf(cookie: CookieData | null | undefined): number | undefined {
  const expires = cookie?.expires;
  if (expires === undefined || expires === null || expires === false) return undefined;
  const moment = (expires instanceof Date ? expires : new Date(expires as string | number)).getTime();
  return Number.isNaN(moment) ? undefined : moment;
}

/** Milliseconds for which a session lives from now on; nothing or less if it has ended. `lasting` is for cookies without an end. */
export function timeToLive(cookie: CookieData | null | undefined, lasting: number): number {
  const end = endOf(cookie);
  const original = numeric(cookie?.originalMaxAge) ?? numeric(cookie?.maxAge);
  if (end === undefined) return original ?? lasting;
  const left = end - Date.now();
  // A sliding session keeps one timeout, although some time has passed since the framework slid it.
  if (original !== undefined && left > 0 && left <= original) {
    if (original - left <= Math.min(SLID_WITHIN, original / 100)) return original;
  }
  return left;
}

export function bounded(millis: number): number {
  return Math.min(Math.max(Math.floor(millis), 1), LONGEST);
}

function numeric(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** Parts of a cookie that say when it ends: they change with every request. */
const ENDS: ReadonlySet<string> = new Set(["expires", "originalExpires"]);

/** The cookie without what changes with every request. */
export function lastingPart(cookie: CookieData): CookieData {
  const lasting: CookieData = {};
  for (const name of Object.keys(cookie)) {
    if (!ENDS.has(name) && cookie[name] !== undefined) lasting[name] = cookie[name];
  }
  return lasting;
}

/** Whether two cookies differ in nothing but their ends. */
export function isSameCookie(a: CookieData | null | undefined, b: CookieData | null | undefined): boolean {
  if (!a || !b) return a === b;
  if ((endOf(a) === undefined) !== (endOf(b) === undefined)) return false;
  return hasAllOf(a, b) && hasAllOf(b, a);
}

function hasAllOf(a: CookieData, b: CookieData): boolean {
  for (const name of Object.keys(b)) {
    const value = b[name];
    if (ENDS.has(name) || value === undefined || value === a[name]) continue;
    // A value that is no simple one, as an application may have put there.
    if (typeof value !== "object" || JSON.stringify(value) !== JSON.stringify(a[name])) return false;
  }
  return true;
}
