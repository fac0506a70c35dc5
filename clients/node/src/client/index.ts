export { toSessionId } from "../ids.js";
export type { EncryptionStatistics, Statistics } from "../proto/admin.js";
export { type Pem, TlsError, type TlsOptions } from "../tls/options.js";
export { TokenError, type TokenOptions } from "../token/token.js";
export { Double, Int64, OpaqueValue, Timestamp, UnsupportedValue, type Value } from "../values/types.js";
export { AddressError, DEFAULT_ADDRESS } from "./address.js";
export {
  type CountOptions,
  type Handoff,
  type HandoffOptions,
  type ListOptions,
  type Lock,
  type LockOptions,
  type RedeemOptions,
  type RevokeScope,
  SessiondClient,
} from "./client.js";
export type { ClientOptions } from "./core.js";
export { isStoreAway, type Reason, SessiondError, type Violation } from "./errors.js";
export type {
  Attributes,
  CallOptions,
  CreateOptions,
  DeleteOptions,
  GetOptions,
  ReadSession,
  RotateOptions,
  Session,
  SessionChange,
  SessionWithId,
  Timeouts,
  UpdateOptions,
} from "./session.js";
export type { TraceContext, TraceOptions } from "./trace.js";
export type { Checkpoint, EventKind, SessionEvent, WatchOptions } from "./watch.js";
