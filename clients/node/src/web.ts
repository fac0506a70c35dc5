/** A framework-free session for handlers of the web's own Request and Response. */

export type { CookieOptions } from "./web/cookie.js";
export { createSessions, type Sessions, type SessionsOptions, type SessionValues, WebSession } from "./web/sessions.js";
