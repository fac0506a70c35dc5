/**
 * The cookie that other frameworks read: it carries the session's ID as it is, where express-session's own carries a signed one.
 *
 * express-session takes nothing but signed cookies. So it gets one: on the way in the ID is signed with a secret that never
 * leaves this process, and on the way out the signed cookie is replaced by the shared one.
 */

import { createHmac, randomBytes } from "node:crypto";
import type { SessiondStore } from "../store/store.js";
import { type CookieOptions, SessionCookie } from "../web/cookie.js";
import { freshId } from "./request.js";

/** What express-session's options have beside those that the shared cookie decides. */
export interface SharedSessionOptions {
  readonly store: SessiondStore;
  /** The same in every service: see docs/cookies.md. Its name is "session" where it has a domain. */
  readonly cookie?: CookieOptions | undefined;
  /** Options of express-session, such as `unset`. Default: `resave` and `saveUninitialized` are false. */
  readonly [option: string]: unknown;
}

interface Request {
  headers: { cookie?: string | undefined };
}

interface Response {
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of node:http
  writeHead: (...parameters: any[]) => any;
  getHeader(name: string): number | string | readonly string[] | undefined;
  setHeader(name: string, value: readonly string[]): unknown;
}

type Next = (error?: unknown) => void;
// biome-ignore lint/suspicious/noExplicitAny: what Express calls with its own requests and responses
type Middleware = (req: any, res: any, next: any) => void;

/** Options that contradict the shared cookie. */
const DECIDED = ["secret", "name", "key", "genid", "rolling"];

/**
 * express-session with the shared cookie: `app.use(sharedSession(session, { store, cookie: { domain: "shop.example" } }))`.
 *
 * A cookie whose ID the store does not know opens nothing: the visitor gets a new ID, as with express-session's own cookie. The
 * cookie is as `cookie` says for every session, whatever `req.session.cookie` is set to; that still says how long the store
 * keeps a session.
 */
export function sharedSession(
  session: (options: { secret: string } & { [option: string]: unknown }) => unknown,
  options: SharedSessionOptions,
): Middleware {
  const { cookie: cookieOptions = {}, ...given } = options;
  for (const name of DECIDED) {
    if (given[name] !== undefined) throw new TypeError(`${name} can't be set: the shared cookie decides it`);
  }
  const name = cookieOptions.name ?? (cookieOptions.domain === undefined ? undefined : "session");
  const shared = new SessionCookie({ ...cookieOptions, name }, undefined);
  const secret = randomBytes(32).toString("base64url");
  const inner = session({
    resave: false,
    saveUninitialized: false,
    ...given,
    secret,
    name: shared.name,
    genid: freshId,
    // What the browser gets is the shared cookie's to say.
    cookie: { secure: false },
  }) as Middleware;
  return (req: Request, res: Response, next: Next) => {
    // express-session lays its own writeHead around this one, so its cookie is there when this one is called.
    const { writeHead } = res;
    res.writeHead = function (this: unknown, ...parameters: unknown[]) {
      replaceCookies(res, shared, secret);
      return writeHead.apply(this, parameters);
    };
    const received = req.headers.cookie;
    const restore = () => {
      if (received === undefined) delete req.headers.cookie;
      else req.headers.cookie = received;
    };
    const id = shared.read(received);
    req.headers.cookie = id ? `${shared.name}=${encodeURIComponent(signed(id, secret))}` : "";
    try {
      inner(req, res, (error?: unknown) => {
        restore();
        next(error);
      });
    } finally {
      // express-session reads the cookie before it returns; everybody else sees what the browser has sent.
      restore();
    }
  };
}

/** As express-session signs: it is the only one that reads it. */
function signed(id: string, secret: string): string {
  return `s:${id}.${createHmac("sha256", secret).update(id).digest("base64").replace(/=+$/, "")}`;
}

function replaceCookies(res: Response, shared: SessionCookie, secret: string): void {
  const cookies = res.getHeader("set-cookie");
  if (cookies === undefined) return;
  const all = Array.isArray(cookies) ? cookies : [String(cookies)];
  res.setHeader(
    "Set-Cookie",
    all.map((cookie: string) => {
      const id = idOf(cookie, shared.name, secret);
      return id === undefined ? cookie : shared.write(id);
    }),
  );
}

/** The ID in a cookie of express-session's; `undefined` for any other cookie. */
function idOf(cookie: string, name: string, secret: string): string | undefined {
  if (!cookie.startsWith(`${name}=s%3A`)) return undefined;
  const [value = ""] = cookie.slice(name.length + 1).split(";", 1);
  try {
    const text = decodeURIComponent(value);
    const id = text.slice("s:".length, text.lastIndexOf("."));
    return signed(id, secret) === text ? id : undefined;
  } catch {
    // A page may set a cookie of this name to anything.
    return undefined;
  }
}
