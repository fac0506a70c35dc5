/** Logging in and out, and whose session it is. */

import type { SessionChange } from "../client/session.js";
import * as calls from "../proto/calls.js";
import { isEnded } from "../store/store.js";
import { type Current, currentOf, freshId, replaceSession } from "./request.js";

export interface LogInOptions {
  /** Put into the session in the same step. */
  readonly data?: { readonly [key: string]: unknown } | undefined;
  /** Texts about the client, shown in lists of sessions, such as "device". */
  readonly labels?: { readonly [name: string]: string } | undefined;
  /** Milliseconds for which the old ID can still read, for the parallel requests of one page. Default: 0. */
  readonly grace?: number | undefined;
}

/**
 * Logs a user in: the session gets a new ID (the answer to session fixation), belongs to the user, and keeps its data, all
 * in one atomic step.
 *
 * If the session was ended by another request meanwhile and belonged to a user, it stays ended: SESSION_NOT_FOUND.
 */
export async function logIn(req: object, principal: string | number, options: LogInOptions = {}): Promise<void> {
  const user = String(principal);
  if (user === "") throw new TypeError("principal is empty: name the user that logs in");
  const current = currentOf(req);
  Object.assign(current.session, options.data);
  const parts: SessionChange = { principal: user, setLabels: options.labels };
  const sid = freshId();
  if (current.loaded && (await rotate(req, current, sid, parts, options.grace))) return;
  await create(req, current, sid, parts);
}

/** False if the session is gone and nobody was logged in. */
async function rotate(
  req: object,
  { store, session, id, loaded }: Current,
  sid: string,
  parts: SessionChange,
  grace: number | undefined,
): Promise<boolean> {
  const change = store.changeOf(session, loaded);
  const namespace = store.callSettings.namespace ?? "";
  const newId = store.idOf(sid) as string;
  const setLabels = parts.setLabels ?? change.change.setLabels;
  const request = calls.encodeRotate(namespace, id, {
    newSessionId: newId,
    grace,
    change: { ...change.change, ...parts, setLabels },
  });
  try {
    const answer = await store.client.core.hot(calls.rotate, request, store.callSettings);
    const known = store.saved(session, newId, answer.session, change);
    replaceSession(req, sid, session, known);
    return true;
  } catch (error) {
    if (!isEnded(error) || loaded?.principal) throw error;
    return false;
  }
}

async function create(req: object, { store, session }: Current, sid: string, parts: SessionChange): Promise<void> {
  const change = store.changeOf(session, undefined);
  const newId = store.idOf(sid) as string;
  const request = calls.encodeCreate(store.callSettings.namespace ?? "", {
    sessionId: newId,
    attributes: change.change.set,
    principal: parts.principal,
    labels: parts.setLabels ?? change.change.setLabels,
    timeouts: change.change.timeouts,
  });
  const answer = await store.client.core.hot(calls.create, request, store.callSettings);
  replaceSession(req, sid, session, store.saved(session, newId, answer.session, change));
}

/** Logs out: ends the session for good. */
export async function logOut(req: object): Promise<void> {
  const { store } = currentOf(req);
  const { sessionID } = req as { sessionID: string };
  await store.destroy(sessionID);
  // As express-session's own destroy does.
  delete (req as { session?: unknown }).session;
}

/** The user that the session belongs to; `undefined` while nobody is logged in. */
export function principalOf(req: object): string | undefined {
  const { session } = req as { session?: unknown };
  return session ? currentOf(req).loaded?.principal || undefined : undefined;
}

/** Names the session for its whole life, and is no secret; `undefined` while it is not stored. */
export function handleOf(req: object): string | undefined {
  return currentOf(req).loaded?.handle;
}

/** The user that is logged in, or an error of status 401. */
export function requirePrincipal(req: object): string {
  const principal = principalOf(req);
  if (principal === undefined) throw new NotLoggedIn();
  return principal;
}

class NotLoggedIn extends Error {
  readonly status = 401;
  readonly statusCode = 401;

  constructor() {
    super("nobody is logged in");
    this.name = "NotLoggedIn";
  }
}
