/** What can go wrong. */

import { Reader } from "../proto/reader.js";

/** The reasons of the contract, and those of this side: UNAVAILABLE, DEADLINE_EXCEEDED, CLOSED, TOO_MANY_CALLS, UNEXPECTED. */
export type Reason =
  | "INVALID_ARGUMENT"
  | "SESSION_NOT_FOUND"
  | "SESSION_ID_TAKEN"
  | "VERSION_MISMATCH"
  | "SESSION_ID_RETIRED"
  | "SESSION_TOO_LARGE"
  | "TOO_MANY_REQUESTS"
  | "SESSION_LIMIT_REACHED"
  | "LOCK_HELD"
  | "LOCK_LOST"
  | "HANDOFF_INVALID"
  | "EVENTS_GONE"
  | "WATCHER_TOO_SLOW"
  | "STORAGE_FULL"
  | "DEADLINE_EXCEEDED"
  | "NOT_READY"
  | "UNAUTHENTICATED"
  | "PERMISSION_DENIED"
  | "SESSION_CORRUPT"
  | "BATCH_TOO_LARGE"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "CLOSED"
  | "TOO_MANY_CALLS"
  | "UNEXPECTED"
  // A newer server may know more.
  | (string & {});

/** gRPC's codes. */
export const Code = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** How a call ended: a status of gRPC, as it came or as this side made it. */
export interface Status {
  readonly code: number;
  readonly message: string;
  /** An encoded google.rpc.Status. */
  readonly details?: Buffer | undefined;
}

/** A field of a request that is out of its bounds. */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

/** Why a call failed. Its texts never hold a session ID or another secret. */
export class SessiondError extends Error {
  /** What happened, for programs: a reason of the contract. */
  readonly reason: Reason;
  /** gRPC's code. */
  readonly grpcCode: number;
  /** The server, or those that were tried. */
  readonly address: string;
  /** Fields that are out of their bounds. */
  readonly violations: readonly Violation[];
  /** What the server says besides, such as "current_version". */
  readonly metadata: { readonly [name: string]: string };
  /** For web frameworks: 503 where the store can't be used now, 500 otherwise. */
  readonly statusCode: number;

  constructor(reason: Reason, message: string, rest: ErrorParts = {}) {
    super(message);
    this.name = "SessiondError";
    this.reason = reason;
    this.grpcCode = rest.grpcCode ?? Code.UNKNOWN;
    this.address = rest.address ?? "";
    this.violations = rest.violations ?? [];
    this.metadata = rest.metadata ?? {};
    this.statusCode = AWAY.has(reason) ? 503 : 500;
  }

  /** The same as `statusCode`, under the name that Koa and http-errors use. */
  get status(): number {
    return this.statusCode;
  }
}

interface ErrorParts {
  readonly grpcCode?: number;
  readonly address?: string;
  readonly violations?: readonly Violation[];
  readonly metadata?: { readonly [name: string]: string };
}

/** The store can't be used at the moment. */
const AWAY: ReadonlySet<string> = new Set([
  "UNAVAILABLE",
  "NOT_READY",
  "DEADLINE_EXCEEDED",
  "TOO_MANY_REQUESTS",
  "TOO_MANY_CALLS",
  "STORAGE_FULL",
  "CLOSED",
]);

/** Whether an error says that the store can't be used at the moment. */
export function isStoreAway(error: unknown): error is SessiondError {
  return error instanceof SessiondError && error.statusCode === 503;
}

const TEXTS: { readonly [reason: string]: (address: string, message: string) => string } = {
  SESSION_NOT_FOUND: () => "no such session: it is unknown, expired or deleted",
  SESSION_ID_TAKEN: () => "the session ID is taken",
  VERSION_MISMATCH: () => "the session was changed meanwhile",
  SESSION_ID_RETIRED: () => "the session ID was replaced by a rotation and can no longer change the session",
  SESSION_TOO_LARGE: (_, message) => `the session would become too large: ${message}`,
  SESSION_LIMIT_REACHED: () => "the principal or the namespace has as many sessions as are allowed",
  LOCK_HELD: () => "the session is locked by another",
  LOCK_LOST: () => "the lock was lost: nothing was changed",
  HANDOFF_INVALID: () => "the ticket is not valid: it is unknown, used, too old, or for another audience",
  EVENTS_GONE: () => "the events after the resume token are no longer kept: list the sessions and watch from now on",
  WATCHER_TOO_SLOW: (address) => `events were not read fast enough, and sessiond at ${address} ended the stream`,
  TOO_MANY_REQUESTS: (address) => `sessiond at ${address} has too many requests in flight`,
  STORAGE_FULL: (address) => `sessiond at ${address} is short of disk space and takes no new data`,
  UNAUTHENTICATED: (address, message) => `${address} does not know the caller: ${message}`,
  PERMISSION_DENIED: (address, message) => `${address} does not allow the call: ${message}`,
  NOT_READY: (address) => `sessiond at ${address} is not ready: it is starting or shutting down`,
  SESSION_CORRUPT: () => "the stored session is damaged",
  BATCH_TOO_LARGE: () => "the answer has no room for the session: ask for fewer at a time",
  INTERNAL: (address) => `sessiond at ${address} failed; its log says why`,
  UNAVAILABLE: (address, message) => `no sessiond answers at ${address}: ${message}`,
};

/** The error that a status means. */
export function errorOf(status: Status, address: string, deadline: number): SessiondError {
  const info = status.details ? readDetails(status.details) : undefined;
  const reason = info?.reason || reasonOf(status.code);
  const message = oneLine(status.message);
  const violations = info?.violations ?? [];
  let text: string;
  if (reason === "INVALID_ARGUMENT") {
    const named = violations.map((found) => `${found.field}: ${found.description}`).join("; ");
    text = `invalid argument: ${named || message}`;
  } else if (reason === "DEADLINE_EXCEEDED") text = `sessiond at ${address} did not answer within ${deadline} ms`;
  else
    text = TEXTS[reason]?.(address, message) ?? `unexpected answer from ${address}: ${message} (code ${status.code})`;
  return new SessiondError(reason, text, {
    grpcCode: status.code,
    address,
    violations,
    metadata: info?.metadata ?? {},
  });
}

function reasonOf(code: number): Reason {
  if (code === Code.UNAVAILABLE) return "UNAVAILABLE";
  // A server that ends a call at the deadline that it was told may call it either; nobody else cancels here.
  if (code === Code.DEADLINE_EXCEEDED || code === Code.CANCELLED) return "DEADLINE_EXCEEDED";
  // Who refuses may also be a proxy.
  if (code === Code.UNAUTHENTICATED) return "UNAUTHENTICATED";
  if (code === Code.PERMISSION_DENIED) return "PERMISSION_DENIED";
  return "UNEXPECTED";
}

/** The reason that a status carries, if it is one of ours. */
export function reasonIn(status: Status): string | undefined {
  return (status.details && readDetails(status.details)?.reason) || undefined;
}

/** What a server says may hold anything; errors are one line. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, " ");
}

interface Details {
  reason: string;
  metadata: { [name: string]: string };
  violations: Violation[];
}

/** ErrorInfo of our domain and BadRequest, from a google.rpc.Status. `undefined` if it is none. */
function readDetails(bytes: Buffer): Details | undefined {
  const details: Details = { reason: "", metadata: {}, violations: [] };
  try {
    each(new Reader(bytes), (tag, r) => {
      if (tag !== 0x1a) return r.skip(tag);
      let type = "";
      let value: Buffer | undefined;
      r.within((any) =>
        each(any, (field) => {
          if (field === 0x0a) type = any.text();
          else if (field === 0x12) value = any.view();
          else any.skip(field);
        }),
      );
      if (value && type.endsWith("/google.rpc.ErrorInfo")) readErrorInfo(new Reader(value), details);
      else if (value && type.endsWith("/google.rpc.BadRequest")) readBadRequest(new Reader(value), details);
    });
  } catch {
    return undefined;
  }
  return details;
}

function each(r: Reader, read: (tag: number, r: Reader) => void): void {
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) read(tag, r);
}

function readErrorInfo(r: Reader, details: Details): void {
  let reason = "";
  let domain = "";
  const metadata: { [name: string]: string } = {};
  each(r, (tag) => {
    if (tag === 0x0a) reason = r.text();
    else if (tag === 0x12) domain = r.text();
    else if (tag === 0x1a) {
      const [name, value] = readPair(r);
      if (name !== "__proto__") metadata[name] = value;
    } else r.skip(tag);
  });
  if (domain === "sessiond") {
    details.reason = reason;
    details.metadata = metadata;
  }
}

function readBadRequest(r: Reader, details: Details): void {
  each(r, (tag) => {
    if (tag !== 0x0a) return r.skip(tag);
    const [field, description] = readPair(r);
    details.violations.push({ field: oneLine(field), description: oneLine(description) });
  });
}

/** A message whose first two fields are texts. */
function readPair(r: Reader): [string, string] {
  const pair: [string, string] = ["", ""];
  r.within((entry) =>
    each(entry, (tag) => {
      if (tag === 0x0a) pair[0] = entry.text();
      else if (tag === 0x12) pair[1] = entry.text();
      else entry.skip(tag);
    }),
  );
  return pair;
}
