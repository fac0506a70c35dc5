/**
 * The fast lane: one stream that carries the calls of the whole process. Calls that are ready in the same turn of the event
 * loop travel in one message, which costs as much as a single unary call.
 */

import type * as http2 from "node:http2";
import { Code, reasonIn, type Status } from "../client/errors.js";
import { Charge } from "../client/retry-budget.js";
import type { TraceContext } from "../client/trace.js";
import { Naming, type Request } from "../proto/calls.js";
import { Reader } from "../proto/reader.js";
import * as w from "../proto/writer.js";
import { closeSoon, isNotReady, openStream, type StreamHandlers } from "../transport/call.js";
import type { Connection, Link } from "../transport/connection.js";
import { type Failure, unavailable } from "../transport/failure.js";
import { Waiting } from "./waiting.js";

const PATH = "/sessiond.v1.SessionStore/Exchange";

/** A message is sent once its calls take so many bytes. Below what every server takes (its setting max-message-size). */
export const MESSAGE_BYTES = 48 * 1024;

/** Calls that wait to be sent; more are refused, as the server is far behind then. */
const QUEUED_CALLS = 16_384;

/** How long calls travel one by one after the stream was refused, before it is tried again: the server may be newer then. */
export const UNARY_PERIOD = 60_000;

/** A call on its way. */
export interface LaneCall {
  /** Where the request stands in a Call, and the answer in a Reply. */
  readonly tag: number;
  readonly request: Request;
  readonly trace: TraceContext | undefined;
  /** In milliseconds of `performance.now()`. */
  readonly deadlineAt: number;
  /** Nobody waits for the answer any more. */
  readonly isOver: boolean;
  answered(r: Reader): void;
  failed(failure: Failure): void;
}

export class Lane {
  private readonly connection: Connection;
  private stream: Exchange | undefined;
  private unaryUntil = 0;
  private queue: LaneCall[] = [];
  private isScheduled = false;
  private users = 0;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Whether the lane takes a call with this request. */
  takes(request: Request): boolean {
    return request.length <= MESSAGE_BYTES && (this.unaryUntil === 0 || performance.now() >= this.unaryUntil);
  }

  submit(call: LaneCall): void {
    if (this.queue.length >= QUEUED_CALLS) {
      const status = { code: Code.RESOURCE_EXHAUSTED, message: "too many calls wait to be sent" };
      call.failed({ kind: "notCarriedOut", status, address: this.connection.text });
      return;
    }
    this.queue.push(call);
    if (!this.isScheduled) {
      this.isScheduled = true;
      // A call that is alone leaves at the end of this tick; where others are under way, those of the whole turn of the event
      // loop go together.
      if (this.users <= 1) process.nextTick(this.flush);
      else setImmediate(this.flush);
    }
  }

  /** The caller counts as long as it waits: meanwhile the process is kept alive. */
  hold(): void {
    if (this.users++ === 0) this.connection.hold();
  }

  release(): void {
    if (--this.users === 0) this.connection.release();
  }

  /** A call was given up that began at `start`. */
  gaveUp(start: number, now: number): void {
    const stream = this.stream;
    if (!stream?.link) return;
    const wasHeldBack = stream.wasSentTo && !stream.isAccepted && now - stream.sentAt >= (now - start) / 2;
    this.connection.suspect(stream.link, start, () => {
      // The other side is alive, but something on the way holds the stream back, as proxies do that wait for the end of a
      // request.
      if (wasHeldBack && !stream.isAccepted) stream.refuse();
    });
  }

  private readonly flush = (): void => {
    this.isScheduled = false;
    if (this.queue.length === 0) return;
    // One with an older token ends with the last of its replies.
    if (this.stream && this.stream.token !== this.connection.tokens.number) {
      this.stream.finish();
      this.stream = undefined;
    }
    if (!this.stream) this.open();
    if (this.stream?.canSend) this.queue = this.stream.send(this.queue);
  };

  private open(): void {
    const stream = new Exchange(this.connection, {
      onRoom: this.flush,
      onEnd: (end) => {
        // The calls that wait are those of the stream that has replaced it.
        if (this.stream !== stream) return;
        this.stream = undefined;
        if (end.kind === "refused") this.unaryUntil = performance.now() + UNARY_PERIOD;
        this.endQueue(end);
      },
    });
    this.stream = stream;
    stream.open();
  }

  /** Calls that never left. */
  private endQueue(end: Failure): void {
    const calls = this.queue;
    this.queue = [];
    const failure: Failure = end.kind === "refused" ? end : { ...end, kind: "notCarriedOut" };
    for (const call of calls) call.failed(failure);
  }
}

interface ExchangeHandlers {
  /** It can send, perhaps again. */
  onRoom(): void;
  onEnd(end: Failure): void;
}

/** One stream, from its opening to its end. */
class Exchange {
  link: Link | undefined;
  /** The number of the token that it is opened with. */
  readonly token: number;
  isAccepted = false;
  wasSentTo = false;
  sentAt = 0;
  private readonly waiting = new Waiting<LaneCall>();
  private readonly handlers: ExchangeHandlers;
  private readonly connection: Connection;
  private stream: http2.ClientHttp2Stream | undefined;
  private isBlocked = false;
  private isEnded = false;
  private isFinished = false;
  readonly #authorization: string | undefined;

  constructor(connection: Connection, handlers: ExchangeHandlers) {
    this.connection = connection;
    this.handlers = handlers;
    this.token = connection.tokens.number;
    this.#authorization = connection.tokens.header;
  }

  /** Sends nothing more; the server ends the stream after its last reply. */
  finish(): void {
    this.isFinished = true;
    this.stream?.end();
  }

  open(): void {
    this.connection.open((link, failure) => {
      if (link) this.begin(link);
      else this.end(failure as Failure);
    });
  }

  get canSend(): boolean {
    return this.stream !== undefined && !this.isBlocked && !this.isEnded && !this.isFinished;
  }

  /** Sends as many of the calls as there is room for; the rest. */
  send(queue: LaneCall[]): LaneCall[] {
    const now = performance.now();
    let next = 0;
    while (next < queue.length && this.canSend && this.waiting.hasRoom) {
      const first = next;
      const message = w.written(() => {
        w.raw(PREFIX);
        let bytes = 0;
        while (next < queue.length && this.waiting.hasRoom) {
          const call = queue[next] as LaneCall;
          // Who has given up needs no answer.
          if (!call.isOver) {
            if (bytes > 0 && bytes + call.request.length > MESSAGE_BYTES) return;
            bytes += call.request.length;
            writeCall(this.waiting.enter(call), call, now);
          }
          next++;
        }
      });
      if (message.length > PREFIX.length) {
        message.writeUInt32BE(message.length - PREFIX.length, 1);
        if (!this.wasSentTo) {
          this.wasSentTo = true;
          this.sentAt = now;
        }
        this.isBlocked = this.stream?.write(message) === false;
      }
      if (next === first) break;
    }
    return next === queue.length ? [] : queue.slice(next);
  }

  /** Gives the stream up as one that does not work here. */
  refuse(): void {
    this.end({ kind: "refused" });
    closeSoon(this.stream);
  }

  private begin(link: Link): void {
    this.link = link;
    const handlers: StreamHandlers = {
      onAccepted: () => {
        this.isAccepted = true;
      },
      onMessage: (message) => this.receive(message),
      onEnd: (end) => {
        const status = end && "status" in end ? end.status : undefined;
        if (status && isNotReady(status)) this.connection.turnAway(link);
        this.end(this.meaning(end, link));
      },
    };
    this.stream = openStream(link, PATH, undefined, handlers, this.#authorization);
    if (!this.stream) return;
    if (this.isFinished) {
      this.stream.end();
      return;
    }
    this.stream.on("drain", () => {
      this.isBlocked = false;
      this.handlers.onRoom();
    });
    this.handlers.onRoom();
  }

  private receive(message: Buffer): void {
    const wasFull = !this.waiting.hasRoom;
    const r = new Reader(message);
    try {
      for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
        if (tag === 0x0a) this.reply(r);
        else r.skip(tag);
      }
    } catch (error) {
      closeSoon(this.stream);
      const words = error instanceof Error ? error.message : "a message is malformed";
      const address = this.link?.address.text ?? "";
      this.end({ kind: "unknown", status: { code: Code.INTERNAL, message: words }, address });
    }
    if (wasFull && this.waiting.hasRoom) this.handlers.onRoom();
  }

  /** Hands one reply to the call that waits for it. */
  private reply(r: Reader): void {
    const outer = r.end;
    const end = r.nested();
    r.end = end;
    let call: LaneCall | undefined;
    for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
      if (tag === 0x08) call = this.waiting.take(r.varint());
      else if (!call || call.isOver || (tag & 7) !== 2) r.skip(tag);
      else {
        const inner = r.nested();
        r.end = inner;
        if (tag === call.tag) call.answered(r);
        else {
          const status = tag === 0x12 ? readError(r) : { code: Code.INTERNAL, message: "a reply to another call" };
          call.failed({ kind: "answered", status, address: this.link?.address.text ?? "", charge: new Charge() });
        }
        r.position = inner;
        r.end = end;
        call = undefined;
      }
    }
    call?.failed({
      kind: "answered",
      status: { code: Code.INTERNAL, message: "a reply has no result" },
      address: this.link?.address.text ?? "",
    });
    r.position = end;
    r.end = outer;
  }

  /** What the end of the stream means for calls without a reply. */
  private meaning(end: Failure | undefined, link: Link): Failure {
    const address = link.address.text;
    if (!end) {
      return { kind: "unknown", status: unavailable("the stream was ended"), address, charge: new Charge() };
    }
    if (end.kind !== "answered") return end;
    if (isNotReady(end.status) || isForbidden(end.status)) return { ...end, kind: "notCarriedOut" };
    if (isRefusal(end.status, this.isAccepted)) return { kind: "refused" };
    // A stream that broke is a server that can't be reached, whatever code was found for it.
    return { ...end, kind: "unknown", status: unavailable(end.status.message) };
  }

  private end(end: Failure): void {
    if (this.isEnded) return;
    this.isEnded = true;
    // First, so that calls which are repeated at once find the state that follows.
    this.handlers.onEnd(end);
    for (const call of this.waiting.drain()) call.failed(end);
  }
}

const PREFIX = Buffer.alloc(5);

function writeCall(tag: number, call: LaneCall, now: number): void {
  w.varint(0x0a);
  const start = w.begin();
  w.numberField(0x08, tag);
  // A server may refuse less than a millisecond.
  w.millisField(0x12, Math.max(Math.ceil(call.deadlineAt - now), 1));
  const { request } = call;
  if (request instanceof Naming) {
    w.varint(call.tag);
    const inner = w.begin();
    request.write();
    w.end(inner);
  } else w.bytesField(call.tag, request);
  if (call.trace) writeTrace(call.trace);
  w.end(start);
}

function writeTrace(trace: TraceContext): void {
  w.varint(0x4a);
  const start = w.begin();
  w.textField(0x0a, trace.traceparent ?? "");
  w.textField(0x12, trace.tracestate ?? "");
  w.end(start);
}

function readError(r: Reader): Status {
  let code: number = Code.UNKNOWN;
  let message = "";
  let details: Buffer | undefined;
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
    if (tag === 0x08) code = r.int32();
    else if (tag === 0x12) message = r.text();
    else if (tag === 0x1a) details = Buffer.from(r.view());
    else r.skip(tag);
  }
  return { code, message, details };
}

/** Whether the server itself, and no proxy, does not know the caller or does not allow it the stream. */
function isForbidden(status: Status): boolean {
  const reason = reasonIn(status);
  return reason === "UNAUTHENTICATED" || reason === "PERMISSION_DENIED";
}

/** Answers of servers and proxies that know nothing of such streams. */
function isRefusal(status: Status, wasAccepted: boolean): boolean {
  if (status.code === Code.UNIMPLEMENTED) return true;
  if (wasAccepted) return false;
  const isOfProxy =
    status.code === Code.INTERNAL ||
    status.code === Code.UNKNOWN ||
    status.code === Code.PERMISSION_DENIED ||
    status.code === Code.UNAUTHENTICATED;
  return isOfProxy && reasonIn(status) === undefined;
}
