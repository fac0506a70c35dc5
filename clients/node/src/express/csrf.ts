/** Protection against cross-site request forgery, by tokens that the store keeps: masked, and new with every log-in. */

import { currentOf } from "./request.js";

export interface CsrfOptions {
  /** The header that carries the token. Default: "x-csrf-token". */
  readonly header?: string | undefined;
  /** The field of a form that carries it; a parser of bodies must stand before. Default: "_csrf". */
  readonly field?: string | undefined;
}

/** A request whose token is missing or wrong. */
export class CsrfError extends Error {
  readonly code = "EBADCSRFTOKEN";
  readonly status = 403;
  readonly statusCode = 403;

  constructor() {
    super("the form is too old, or did not come from this site: reload it and try again");
    this.name = "CsrfError";
  }
}

interface Request {
  method?: string | undefined;
  headers: { [name: string]: string | string[] | undefined };
  body?: unknown;
  csrfToken?: () => Promise<string>;
}

type Next = (error?: unknown) => void;

const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/**
 * Middleware for behind express-session: `await req.csrfToken()` answers a token for a form, and a request that changes
 * something is refused with 403 unless it carries one.
 */
export function csrf(options: CsrfOptions = {}): (req: object, res: unknown, next: Next) => void {
  const header = (options.header ?? "x-csrf-token").toLowerCase();
  const field = options.field ?? "_csrf";
  return (req, _res, next) => {
    const request = req as Request;
    request.csrfToken = () => csrfToken(req);
    if (SAFE.has(request.method ?? "")) {
      next();
      return;
    }
    const body = request.body as { [name: string]: unknown } | null | undefined;
    const token = request.headers[header] ?? (typeof body === "object" ? body?.[field] : undefined);
    verify(req, token).then(
      (isValid) => (isValid ? next() : next(new CsrfError())),
      (error) => next(error),
    );
  };
}

/** A token for the session of this request. A session that is not stored yet is stored first. */
export async function csrfToken(req: object): Promise<string> {
  const { store, session, id, loaded } = currentOf(req);
  if (!loaded) {
    // express-session sends the cookie only of a session that holds something.
    session.csrf ??= true;
    await store.set((req as { sessionID: string }).sessionID, session);
  }
  return store.client.issueCsrfToken(id, store.callSettings);
}

async function verify(req: object, token: unknown): Promise<boolean> {
  const { store, id, loaded } = currentOf(req);
  if (!loaded || typeof token !== "string" || token === "") return false;
  try {
    return await store.client.verifyCsrfToken(id, token, store.callSettings);
  } catch (error) {
    if ((error as { reason?: unknown }).reason === "SESSION_NOT_FOUND") return false;
    throw error;
  }
}
