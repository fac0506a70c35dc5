/** The other calls of the store on the wire: directory, batches, events, locks, hand-off, tokens. */

import { type RawSession, readSession } from "./messages.js";
import type { Reader } from "./reader.js";
import * as w from "./writer.js";

/** Reads a message field by field; fields that `read` does not take are passed over. */
export function each(r: Reader, read: (tag: number) => boolean): void {
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
    if (!read(tag)) r.skip(tag);
  }
}

export interface ListRequest {
  readonly principal?: string | undefined;
  readonly handles?: readonly string[] | undefined;
  readonly pageSize?: number | undefined;
  readonly pageToken?: string | undefined;
  readonly attributes?: boolean | undefined;
}

const VIEW_FULL = 2;

export function encodeList(namespace: string, request: ListRequest): Buffer {
  return w.written(() => {
    w.textField(0x0a, namespace);
    w.textField(0x12, request.principal ?? "");
    w.numberField(0x18, request.pageSize ?? 0);
    w.textField(0x22, request.pageToken ?? "");
    if (request.attributes) w.numberField(0x28, VIEW_FULL);
    writeTexts(0x32, request.handles ?? []);
  });
}

export function decodeList(r: Reader): { sessions: RawSession[]; nextPageToken: string } {
  const answer = { sessions: [] as RawSession[], nextPageToken: "" };
  each(r, (tag) => {
    if (tag === 0x0a) answer.sessions.push(r.within(readSession));
    else if (tag === 0x12) answer.nextPageToken = r.text();
    else return false;
    return true;
  });
  return answer;
}

export function encodeCount(namespace: string, principal: string): Buffer {
  return w.written(() => {
    w.textField(0x0a, namespace);
    w.textField(0x12, principal);
  });
}

export type RevokeScope =
  | { readonly principal: string; readonly exceptSessionId?: string | undefined }
  | { readonly handles: readonly string[] }
  | { readonly wholeNamespace: true };

export function encodeRevoke(namespace: string, scope: RevokeScope): Buffer {
  return w.written(() => {
    w.textField(0x0a, namespace);
    if ("principal" in scope) {
      w.varint(0x12);
      w.nested(() => {
        w.textField(0x0a, scope.principal);
        w.textField(0x12, scope.exceptSessionId ?? "");
      });
    } else if ("handles" in scope) {
      w.varint(0x1a);
      w.nested(() => writeTexts(0x0a, scope.handles));
    } else {
      w.varint(0x22);
      w.varint(0);
    }
  });
}

/** An answer whose first field is a number. */
export function decodeNumber(r: Reader): number {
  let number = 0;
  each(r, (tag) => {
    if (tag !== 0x08) return false;
    number = r.varint();
    return true;
  });
  return number;
}

/** An answer whose first field is a truth value. */
export function decodeBool(r: Reader): boolean {
  return decodeNumber(r) !== 0;
}

export function encodeBatchGet(namespace: string, sessionIds: readonly string[], access: number): Buffer {
  return w.written(() => {
    w.textField(0x0a, namespace);
    writeTexts(0x12, sessionIds);
    w.numberField(0x18, access);
  });
}

export function encodeBatchDelete(namespace: string, sessionIds: readonly string[]): Buffer {
  return encodeBatchGet(namespace, sessionIds, 0);
}

/** Why one item of a batch failed. */
export interface ItemError {
  reason: string;
  message: string;
}

function readItemError(r: Reader): ItemError {
  const error = { reason: "", message: "" };
  each(r, (tag) => {
    if (tag === 0x0a) error.reason = r.text();
    else if (tag === 0x12) error.message = r.text();
    else return false;
    return true;
  });
  return error;
}

export interface BatchItem {
  session?: RawSession;
  deleted: boolean;
  error?: ItemError;
}

/** The results of both batches: a session or an error; whether it was deleted, or an error. */
export function decodeBatch(r: Reader): BatchItem[] {
  const items: BatchItem[] = [];
  each(r, (tag) => {
    if (tag !== 0x0a) return false;
    const item: BatchItem = { deleted: false };
    r.within((inner) =>
      each(inner, (field) => {
        if (field === 0x0a) item.session = inner.within(readSession);
        else if (field === 0x08) item.deleted = inner.bool();
        else if (field === 0x12) item.error = inner.within(readItemError);
        else return false;
        return true;
      }),
    );
    items.push(item);
    return true;
  });
  return items;
}

export interface WatchRequest {
  readonly allNamespaces?: boolean | undefined;
  readonly principal?: string | undefined;
  readonly kinds?: readonly number[] | undefined;
  readonly includeAttributes?: boolean | undefined;
  readonly checkpointInterval?: number | undefined;
  readonly resumeToken?: string | undefined;
}

export function encodeWatch(namespace: string, request: WatchRequest): Buffer {
  return w.written(() => {
    if (!request.allNamespaces) w.textField(0x0a, namespace);
    w.boolField(0x10, request.allNamespaces);
    w.textField(0x1a, request.principal ?? "");
    for (const kind of request.kinds ?? []) {
      w.varint(0x20);
      w.varint(kind);
    }
    w.boolField(0x30, request.includeAttributes);
    if (request.checkpointInterval !== undefined) w.millisField(0x3a, request.checkpointInterval);
    w.textField(0x42, request.resumeToken ?? "");
  });
}

/** One message of a watch: an event, or without a kind a checkpoint. */
export interface WatchMessage {
  kind: number;
  eventTime: number;
  session: RawSession | undefined;
  resumeToken: string;
}

export function decodeWatch(r: Reader): WatchMessage {
  const message: WatchMessage = { kind: 0, eventTime: 0, session: undefined, resumeToken: "" };
  each(r, (tag) => {
    if (tag !== 0x0a && tag !== 0x12) return false;
    r.within((inner) =>
      each(inner, (field) => {
        if (tag === 0x12 && field === 0x12) message.resumeToken = inner.text();
        else if (tag === 0x12) return false;
        else if (field === 0x10) message.kind = inner.int32();
        else if (field === 0x1a) message.eventTime = inner.millis();
        else if (field === 0x22) message.session = inner.within(readSession);
        else if (field === 0x2a) message.resumeToken = inner.text();
        else return false;
        return true;
      }),
    );
    return true;
  });
  return message;
}

export interface LockRequest {
  readonly lease?: number | undefined;
  readonly wait?: number | undefined;
  readonly lockToken?: string | undefined;
  readonly includeSession?: boolean | undefined;
}

export function encodeLock(namespace: string, sessionId: string, request: LockRequest): Buffer {
  return w.written(() => {
    w.textField(0x0a, namespace);
    w.textField(0x12, sessionId);
    if (request.lease !== undefined) w.millisField(0x1a, request.lease);
    if (request.wait !== undefined) w.millisField(0x22, request.wait);
    w.textField(0x2a, request.lockToken ?? "");
    w.boolField(0x30, request.includeSession);
  });
}

/** A secret, a moment, and perhaps a session: what a lock and a ticket answer. */
export interface SecretAnswer {
  secret: string;
  expireTime: number;
  session: RawSession | undefined;
}

export function decodeSecret(r: Reader): SecretAnswer {
  const answer: SecretAnswer = { secret: "", expireTime: 0, session: undefined };
  each(r, (tag) => {
    if (tag === 0x0a) answer.secret = r.text();
    else if (tag === 0x12) answer.expireTime = r.millis();
    else if (tag === 0x1a) answer.session = r.within(readSession);
    else return false;
    return true;
  });
  return answer;
}

export function decodeText(r: Reader): string {
  return decodeSecret(r).secret;
}

/** A session's ID, and a secret that belongs to it: a lock's token, a token against forgery, an audience. */
export function encodeNamed(namespace: string, sessionId: string, third = "", lifetime?: number): Buffer {
  return w.written(() => {
    w.textField(0x0a, namespace);
    w.textField(0x12, sessionId);
    w.textField(0x1a, third);
    if (lifetime !== undefined) w.millisField(0x22, lifetime);
  });
}

export function encodeRedeem(namespace: string, ticket: string, audience: string, newSessionId: string): Buffer {
  return w.written(() => {
    w.textField(0x0a, namespace);
    w.textField(0x12, ticket);
    w.textField(0x1a, audience);
    w.textField(0x22, newSessionId);
  });
}

function writeTexts(tag: number, texts: readonly string[]): void {
  for (const text of texts) {
    w.varint(tag);
    w.lengthAndText(text);
  }
}
