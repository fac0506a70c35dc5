/** The calls on single sessions on the wire: `session_calls.proto`. Both the fast lane and unary calls carry them. */

import type {
  CreateOptions,
  DeleteOptions,
  GetOptions,
  RotateOptions,
  SessionChange,
  UpdateOptions,
} from "../client/session.js";
import { type RawSession, readSession, writeAttributes, writeChange, writeTexts, writeTimeouts } from "./messages.js";
import type { Reader } from "./reader.js";
import * as w from "./writer.js";

/** What a method is called, and where its messages stand in a Call and a Reply of the fast lane: in the same field. */
export interface HotMethod<T> {
  readonly path: string;
  readonly tag: number;
  readonly decode: (r: Reader) => T;
}

function service(method: string): string {
  return `/sessiond.v1.SessionStore/${method}`;
}

/** A request: its bytes, or what they are made from when the message is sent. */
export type Request = Buffer | Naming;

export function bytesOf(request: Request): Buffer {
  return request instanceof Naming ? w.written(() => request.write()) : request;
}

/** A request that names a session and says next to nothing else. It needs no buffer of its own. */
export class Naming {
  private readonly namespace: string;
  private readonly sessionId: string;
  private readonly access: number;

  constructor(namespace: string, sessionId: string, access = 0) {
    this.namespace = namespace;
    this.sessionId = sessionId;
    this.access = access;
  }

  /** Bytes that it takes at most. */
  get length(): number {
    return (this.namespace.length + this.sessionId.length) * 3 + 16;
  }

  write(): void {
    writeName(this.namespace, this.sessionId);
    w.numberField(0x18, this.access);
  }
}

const ACCESS_TOUCH = 1;
const ACCESS_PEEK = 2;

function writeName(namespace: string, sessionId: string): void {
  w.textField(0x0a, namespace);
  w.textField(0x12, sessionId);
}

export interface CreateAnswer {
  sessionId: string;
  session: RawSession;
}

export const create: HotMethod<CreateAnswer> = {
  path: service("CreateSession"),
  tag: 0x1a,
  decode: readIdAndSession,
};

export function encodeCreate(namespace: string, request: CreateOptions): Buffer {
  return w.written(() => {
    writeName(namespace, request.sessionId ?? "");
    if (request.attributes) writeAttributes(0x1a, request.attributes);
    w.textField(0x22, request.principal ?? "");
    if (request.labels) writeTexts(0x2a, request.labels);
    if (request.timeouts) writeTimeouts(0x32, request.timeouts);
    if (request.createTime) w.millisField(0x3a, request.createTime.getTime());
    if (request.lastAccessTime) w.millisField(0x42, request.lastAccessTime.getTime());
  });
}

export interface GetAnswer {
  session: RawSession;
  notModified: boolean;
}

export const get: HotMethod<GetAnswer> = {
  path: service("GetSession"),
  tag: 0x22,
  decode(r) {
    let session: RawSession | undefined;
    let notModified = false;
    for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
      if (tag === 0x0a) session = r.within(readSession);
      else if (tag === 0x10) notModified = r.bool();
      else r.skip(tag);
    }
    return { session: present(session), notModified };
  },
};

export function encodeGet(namespace: string, sessionId: string, request: GetOptions): Request {
  const access = request.touch === false ? ACCESS_PEEK : ACCESS_TOUCH;
  if (request.ifVersionNot === undefined && !request.omitAttributes) return new Naming(namespace, sessionId, access);
  return w.written(() => {
    writeName(namespace, sessionId);
    w.numberField(0x18, access);
    if (request.ifVersionNot !== undefined) {
      w.varint(0x20);
      w.varint(request.ifVersionNot);
    }
    w.boolField(0x28, request.omitAttributes);
  });
}

export interface UpdateAnswer {
  session: RawSession;
  created: boolean;
}

export const update: HotMethod<UpdateAnswer> = {
  path: service("UpdateSession"),
  tag: 0x2a,
  decode(r) {
    let session: RawSession | undefined;
    let created = false;
    for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
      if (tag === 0x0a) session = r.within(readSession);
      else if (tag === 0x10) created = r.bool();
      else r.skip(tag);
    }
    return { session: present(session), created };
  },
};

export function encodeUpdate(
  namespace: string,
  sessionId: string,
  change: SessionChange,
  request: UpdateOptions,
): Buffer {
  return w.written(() => {
    writeName(namespace, sessionId);
    writeChange(0x1a, change);
    if (request.expectedVersion !== undefined) {
      w.varint(0x20);
      w.varint(request.expectedVersion);
    }
    w.boolField(0x28, request.upsert);
    w.textField(0x32, request.lockToken ?? "");
    w.boolField(0x38, request.unlock);
  });
}

export interface TouchAnswer {
  expireTime: number;
  version: number;
}

export const touch: HotMethod<TouchAnswer> = {
  path: service("TouchSession"),
  tag: 0x32,
  decode(r) {
    const answer = { expireTime: 0, version: 0 };
    for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
      if (tag === 0x0a) answer.expireTime = r.millis();
      else if (tag === 0x10) answer.version = r.varint();
      else r.skip(tag);
    }
    return answer;
  },
};

export function encodeTouch(namespace: string, sessionId: string): Request {
  return new Naming(namespace, sessionId);
}

export const rotate: HotMethod<CreateAnswer> = {
  path: service("RotateSession"),
  tag: 0x3a,
  decode: readIdAndSession,
};

export function encodeRotate(namespace: string, sessionId: string, request: RotateOptions): Buffer {
  return w.written(() => {
    writeName(namespace, sessionId);
    w.textField(0x1a, request.newSessionId ?? "");
    if (request.grace !== undefined) w.millisField(0x22, request.grace);
    if (request.change) writeChange(0x2a, request.change);
    if (request.expectedVersion !== undefined) {
      w.varint(0x30);
      w.varint(request.expectedVersion);
    }
  });
}

export const remove: HotMethod<boolean> = {
  path: service("DeleteSession"),
  tag: 0x42,
  decode(r) {
    let deleted = false;
    for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
      if (tag === 0x08) deleted = r.bool();
      else r.skip(tag);
    }
    return deleted;
  },
};

export function encodeDelete(
  namespace: string,
  target: { sessionId: string } | { handle: string },
  request: DeleteOptions,
): Buffer {
  return w.written(() => {
    w.textField(0x0a, namespace);
    if ("sessionId" in target) w.textField(0x12, target.sessionId);
    else w.textField(0x1a, target.handle);
    w.boolField(0x20, request.allowMissing ?? true);
  });
}

/** A session ID and a session, as several answers have them. */
export function readIdAndSession(r: Reader): CreateAnswer {
  let sessionId = "";
  let session: RawSession | undefined;
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
    if (tag === 0x0a) sessionId = r.text();
    else if (tag === 0x12) session = r.within(readSession);
    else r.skip(tag);
  }
  return { sessionId, session: present(session) };
}

/** A message that every answer of its kind carries. */
export function present<T>(message: T | undefined): T {
  if (message === undefined) throw new TypeError("a part of the answer is missing");
  return message;
}
