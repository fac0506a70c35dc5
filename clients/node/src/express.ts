/** Helpers for Express, for behind express-session with a `SessiondStore`. */

export {
  handleOf,
  type LogInOptions,
  logIn,
  logOut,
  principalOf,
  requirePrincipal,
} from "./express/account.js";
export { CsrfError, type CsrfOptions, csrf, csrfToken } from "./express/csrf.js";
export { type Device, endAllSessions, endOtherSessions, endSession, listSessions } from "./express/devices.js";
export {
  HandoffError,
  type IssueHandoffOptions,
  issueHandoff,
  type RedeemHandoffOptions,
  type RequestHandoffOptions,
  redeemHandoff,
  requestHandoff,
} from "./express/handoff.js";
export { type SharedSessionOptions, sharedSession } from "./express/shared.js";
