/** The cookie that carries a session's ID: strict by default, and signed where a secret is given. */

import { createHmac, timingSafeEqual } from "node:crypto";

export interface CookieOptions {
  /** Default: "__Host-session", or "session" where `secure` is false. */
  readonly name?: string | undefined;
  /** Seconds for which the browser keeps the cookie. Left out: until it is closed. */
  readonly maxAge?: number | undefined;
  readonly domain?: string | undefined;
  /** Default: "/". */
  readonly path?: string | undefined;
  /** Sent over HTTPS only. Default: true. */
  readonly secure?: boolean | undefined;
  /** Hidden from scripts. Default: true. */
  readonly httpOnly?: boolean | undefined;
  /** Default: "Lax". */
  readonly sameSite?: "Strict" | "Lax" | "None" | undefined;
}

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const ATTRIBUTE = /^[^\p{Cc};]+$/u;

export class SessionCookie {
  readonly name: string;
  /** Whether the browser keeps it for a time, which each answer starts again. */
  readonly isLasting: boolean;
  private readonly attributes: string;
  private readonly lifetime: string;
  private readonly secrets: readonly string[];

  constructor(options: CookieOptions, secret: string | readonly string[] | undefined) {
    const { domain, path = "/", secure = true, httpOnly = true, sameSite = "Lax", maxAge } = options;
    this.name = options.name ?? (secure ? "__Host-session" : "session");
    if (!NAME.test(this.name))
      throw new TypeError(`cookie.name "${this.name}" holds a character that no cookie's name has`);
    if (this.name.startsWith("__Host-") && (!secure || domain !== undefined || path !== "/")) {
      throw new TypeError(`cookie.name "${this.name}" needs secure, the path "/", and no domain`);
    }
    if (this.name.startsWith("__Secure-") && !secure) throw new TypeError(`cookie.name "${this.name}" needs secure`);
    if (sameSite === "None" && !secure) throw new TypeError('cookie.sameSite "None" needs secure');
    if (maxAge !== undefined && !(maxAge > 0))
      throw new RangeError("cookie.maxAge must be a number of seconds above 0");
    for (const [name, value] of Object.entries({ domain, path })) {
      if (value !== undefined && !ATTRIBUTE.test(value))
        throw new TypeError(`cookie.${name} holds a character that it can't`);
    }
    this.isLasting = maxAge !== undefined;
    this.lifetime = maxAge === undefined ? "" : `; Max-Age=${Math.floor(maxAge)}`;
    this.attributes =
      `; Path=${path}` +
      (domain === undefined ? "" : `; Domain=${domain}`) +
      (httpOnly ? "; HttpOnly" : "") +
      (secure ? "; Secure" : "") +
      `; SameSite=${sameSite}`;
    this.secrets = secret === undefined ? [] : typeof secret === "string" ? [secret] : secret;
    if (secret !== undefined && (this.secrets.length === 0 || this.secrets.some((one) => one.length < 32))) {
      throw new TypeError("secret must have 32 characters or more");
    }
  }

  /** The ID that a request's Cookie header carries. */
  read(header: string | null | undefined): string | undefined {
    for (const pair of header?.split(";") ?? []) {
      const equals = pair.indexOf("=");
      if (equals > 0 && pair.slice(0, equals).trim() === this.name) return this.verified(pair.slice(equals + 1).trim());
    }
    return undefined;
  }

  /** The value of a Set-Cookie header. */
  write(id: string): string {
    const [secret] = this.secrets;
    const value = secret === undefined ? id : `${id}.${sign(id, secret)}`;
    return `${this.name}=${value}${this.lifetime}${this.attributes}`;
  }

  /** The value of a Set-Cookie header that removes the cookie. */
  clear(): string {
    return `${this.name}=; Max-Age=0${this.attributes}`;
  }

  private verified(value: string): string | undefined {
    if (this.secrets.length === 0) return value;
    const dot = value.lastIndexOf(".");
    if (dot < 0) return undefined;
    const id = value.slice(0, dot);
    const given = Buffer.from(value.slice(dot + 1));
    const isGenuine = this.secrets.some((secret) => {
      const expected = Buffer.from(sign(id, secret));
      return expected.length === given.length && timingSafeEqual(expected, given);
    });
    return isGenuine ? id : undefined;
  }
}

function sign(id: string, secret: string): string {
  return createHmac("sha256", secret).update(id).digest("base64url");
}
