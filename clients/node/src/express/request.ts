/** The session of a request, as the helpers see it. */

import { randomBytes } from "node:crypto";
import { cookieData } from "../store/expiry.js";
import type { Loaded } from "../store/loaded.js";
import { remember } from "../store/loaded.js";
import type { SessionData } from "../store/options.js";
import { SessiondStore } from "../store/store.js";

/** A request that went through express-session. */
export interface SessionRequest {
  session?: SessionData;
  sessionID?: string;
  sessionStore?: unknown;
}

/** What the helpers need of a request. */
export interface Current {
  readonly store: SessiondStore;
  readonly session: SessionData;
  /** The ID as the server knows it. */
  readonly id: string;
  /** What is known of the session; `undefined` while it is not stored. */
  readonly loaded: Loaded | undefined;
}

export function currentOf(req: object): Current {
  const { session, sessionID, sessionStore } = req as SessionRequest;
  if (!(sessionStore instanceof SessiondStore)) {
    throw new TypeError("the request has no session of a SessiondStore: put express-session with one before this");
  }
  if (!session) throw new TypeError("the request has no session: it was ended earlier in this request");
  const id = sessionStore.idOf(sessionID);
  if (id === undefined) throw new TypeError("the request's session has no ID");
  return { store: sessionStore, session, id, loaded: sessionStore.recall(session, id) };
}

/** An ID like those of express-session: 192 random bits. */
export function freshId(): string {
  return randomBytes(24).toString("base64url");
}

/** Gives the request another session, or the same under another ID. */
export function replaceSession(req: object, sid: string, session: SessionData, loaded: Loaded): void {
  const { sessionStore } = req as { sessionStore: SessiondStore };
  const cookie = { ...cookieData(session) };
  // With `secure: "auto"` the request that began the session has decided, perhaps one without TLS. For a new ID this one does.
  sessionStore.generate(req);
  if ((req as { session: SessionData }).session.cookie?.secure) cookie.secure = true;
  (req as SessionRequest).sessionID = sid;
  const made = sessionStore.createSession(req, { ...session, cookie });
  remember(made, loaded);
}
