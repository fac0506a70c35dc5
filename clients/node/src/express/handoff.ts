/**
 * Single sign-on between domains: both get the same session, each under an ID of its own. Logging out on one ends both.
 *
 * The domain that wants the session sends the visitor to the other (`requestHandoff`), which issues a ticket and sends the
 * visitor back (`issueHandoff`), where the ticket is exchanged (`redeemHandoff`). A random state goes the whole way, so that
 * nobody can be led into a session of someone else.
 */

import { randomBytes, timingSafeEqual } from "node:crypto";
import { principalOf } from "./account.js";
import { currentOf, freshId, replaceSession } from "./request.js";

interface Request {
  query?: unknown;
}

interface Response {
  redirect(status: number, url: string): unknown;
  setHeader(name: string, value: string): unknown;
}

type Next = (error?: unknown) => void;
type Handler = (req: Request & object, res: Response, next: Next) => void;

const STATE = "handoffState";

/** A hand-off that is not valid. */
export class HandoffError extends Error {
  readonly status: number;
  readonly statusCode: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "HandoffError";
    this.status = status;
    this.statusCode = status;
  }
}

export interface RequestHandoffOptions {
  /** The page of the other domain that runs `issueHandoff`. */
  readonly from: string;
  /** Who this domain is, such as "https://shop.example". */
  readonly audience: string;
}

/** Sends the visitor to the domain where the session is. */
export function requestHandoff(options: RequestHandoffOptions): Handler {
  const from = new URL(options.from);
  return handler(async (req, res) => {
    const { session } = currentOf(req);
    const state = randomBytes(24).toString("base64url");
    session[STATE] = state;
    redirect(res, from, { audience: options.audience, state });
  });
}

export interface IssueHandoffOptions {
  /** The domains that may have the session, each with its page that runs `redeemHandoff`. */
  readonly audiences: { readonly [audience: string]: string };
  /** Milliseconds for which a ticket can be redeemed: 1,000 to 300,000. Default: 30,000. */
  readonly lifetime?: number | undefined;
}

/** Issues a ticket to a domain of the list. While nobody is logged in, the next handler runs: the place of a log-in page. */
export function issueHandoff(options: IssueHandoffOptions): Handler {
  const audiences = new Map(Object.entries(options.audiences).map(([name, url]) => [name, new URL(url)]));
  return handler(async (req, res, next) => {
    const audience = parameter(req, "audience");
    const page = audiences.get(audience);
    if (!page) throw new HandoffError(400, "this domain does not hand sessions to that audience");
    if (principalOf(req) === undefined) return next();
    const { store, id } = currentOf(req);
    const settings = { ...store.callSettings, lifetime: options.lifetime };
    const { ticket } = await store.client.issueHandoff(id, audience, settings);
    redirect(res, page, { ticket, state: parameter(req, "state") });
  });
}

export interface RedeemHandoffOptions {
  /** Who this domain is: to the letter as in `requestHandoff`. */
  readonly audience: string;
  /** Where the visitor goes then. Default: "/". */
  readonly next?: string | undefined;
}

/** Exchanges the ticket for the session. */
export function redeemHandoff(options: RedeemHandoffOptions): Handler {
  return handler(async (req, res) => {
    const { store, session, loaded } = currentOf(req);
    const state = session[STATE];
    if (typeof state !== "string" || !isSame(state, parameter(req, "state"))) {
      throw new HandoffError(403, "the hand-off was not begun in this browser: begin it again");
    }
    const oldId = (req as { sessionID?: string }).sessionID as string;
    const sid = freshId();
    const id = store.idOf(sid) as string;
    const redeemed = await store.redeem(parameter(req, "ticket"), options.audience, id);
    if (!redeemed) throw new HandoffError(403, "the ticket is used or too old: begin the hand-off again");
    // The visitor's session so far belongs to nobody any more.
    if (loaded) await store.destroy(oldId);
    replaceSession(req, sid, { ...redeemed.session, cookie: session.cookie }, redeemed.loaded);
    redirect(res, options.next ?? "/", {});
  });
}

function handler(run: (req: Request & object, res: Response, next: Next) => Promise<void>): Handler {
  return (req, res, next) => {
    run(req, res, next).catch(next);
  };
}

function parameter(req: Request, name: string): string {
  const value = (req.query as { [name: string]: unknown } | undefined)?.[name];
  return typeof value === "string" ? value : "";
}

function isSame(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Keeps what the URL carries from caches and from other sites. */
function redirect(res: Response, to: URL | string, parameters: { [name: string]: string }): void {
  let target = String(to);
  if (to instanceof URL) {
    const url = new URL(to);
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    target = url.href;
  }
  res.setHeader("Cache-Control", "no-store");
  res.setHeader("Referrer-Policy", "no-referrer");
  res.redirect(303, target);
}
