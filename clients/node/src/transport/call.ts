/** One call on a stream of its own: unary, or with many answers. */

import * as http2 from "node:http2";
import { Code, reasonIn, type Status } from "../client/errors.js";
import { Charge } from "../client/retry-budget.js";
import type { TraceContext } from "../client/trace.js";
import type { Connection, Link } from "./connection.js";
import { describe, type Failure, unavailable } from "./failure.js";
import { Frames, framed, UnreadableMessage } from "./frames.js";

const { constants } = http2;

/**
 * Closes a stream, once the engine has left the bytes that it is reading: callbacks run in their midst, and closing a stream
 * there crashes Node.js 20.
 */
export function closeSoon(
  stream: http2.ClientHttp2Stream | undefined,
  code: number = constants.NGHTTP2_NO_ERROR,
): void {
  if (stream) setImmediate(() => stream.close(code));
}

/** How a stream ended: `undefined` if the server said OK. */
export type End = Failure | undefined;

export interface StreamHandlers {
  /** The server, or something on the way to it, has taken the call. */
  onAccepted?(): void;
  onMessage(message: Buffer): void;
  onEnd(end: End): void;
}

/**
 * Opens a stream of a method. Its handlers are called once it is open; `onEnd` exactly once. `authorization` is the header of that
 * name.
 */
export function openStream(
  link: Link,
  path: string,
  timeout: number | undefined,
  handlers: StreamHandlers,
  authorization?: string | undefined,
  trace?: TraceContext | undefined,
): http2.ClientHttp2Stream | undefined {
  const address = link.address.text;
  let isEnded = false;
  const end = (result: End) => {
    if (isEnded) return;
    isEnded = true;
    handlers.onEnd(result);
  };
  let stream: http2.ClientHttp2Stream;
  try {
    stream = link.session.request(headersOf(link, path, timeout, authorization, trace), { endStream: false });
  } catch (error) {
    // The session was closed a moment ago: nothing was sent.
    end({ kind: "notCarriedOut", status: unavailable(describe(error)), address });
    return undefined;
  }
  const frames = new Frames();
  let status: Status | undefined;
  let error: unknown;
  stream.on("response", (headers) => {
    link.heard = performance.now();
    status = statusOf(headers);
    if (!status) handlers.onAccepted?.();
  });
  stream.on("data", (piece: Buffer) => {
    link.heard = performance.now();
    try {
      frames.push(piece, handlers.onMessage);
    } catch (thrown) {
      if (!(thrown instanceof UnreadableMessage)) throw thrown;
      status = { code: Code.INTERNAL, message: thrown.message };
      closeSoon(stream, constants.NGHTTP2_CANCEL);
    }
  });
  stream.on("trailers", (headers) => {
    status ??= grpcStatusOf(headers) ?? { code: Code.UNKNOWN, message: "the answer has no status" };
  });
  // Nothing more is to be sent to a server that has ended its side.
  stream.on("end", () => {
    if (!stream.writableEnded) closeSoon(stream);
  });
  stream.on("error", (thrown) => {
    error = thrown;
  });
  stream.on("close", () => end(endOf(status, stream.rstCode, error, address)));
  return stream;
}

function endOf(status: Status | undefined, rstCode: number, error: unknown, address: string): End {
  if (status) return status.code === 0 ? undefined : { kind: "answered", status, address, charge: new Charge() };
  // The server did not look at the stream: it says so itself, or in the GOAWAY with which it ended the connection.
  if (rstCode === constants.NGHTTP2_REFUSED_STREAM) {
    return { kind: "notCarriedOut", status: unavailable("the server takes no more calls"), address };
  }
  return { kind: "unknown", status: unavailable(describe(error)), address };
}

function headersOf(
  link: Link,
  path: string,
  timeout: number | undefined,
  authorization: string | undefined,
  trace: TraceContext | undefined,
): http2.OutgoingHttpHeaders {
  const headers: http2.OutgoingHttpHeaders = {
    ":method": "POST",
    ":scheme": link.scheme,
    ":authority": link.authority,
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    "user-agent": "connect-sessiond",
  };
  // At most eight digits.
  if (timeout !== undefined) headers["grpc-timeout"] = `${Math.min(Math.max(Math.ceil(timeout), 1), 99_999_999)}m`;
  if (authorization !== undefined) {
    headers.authorization = authorization;
    // Not kept in the tables of HTTP/2.
    Object.assign(headers, { [http2.sensitiveHeaders]: ["authorization"] });
  }
  if (trace) Object.assign(headers, trace);
  return headers;
}

/** The status that the first headers tell, if they tell one: they may be the whole answer. */
function statusOf(headers: http2.IncomingHttpHeaders): Status | undefined {
  const http = Number(headers[":status"]);
  const grpc = grpcStatusOf(headers);
  if (grpc) return grpc;
  if (http === 200 && headers["content-type"]?.startsWith("application/grpc")) return undefined;
  return {
    code: http === 200 ? Code.UNKNOWN : codeOf(http),
    message: `an HTTP answer with status ${http}, not one of gRPC`,
  };
}

/** gRPC's table for answers of HTTP proxies. */
function codeOf(http: number): number {
  switch (http) {
    case 400:
      return Code.INTERNAL;
    case 401:
      return Code.UNAUTHENTICATED;
    case 403:
      return Code.PERMISSION_DENIED;
    case 404:
      return Code.UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
      return Code.UNAVAILABLE;
    default:
      return Code.UNKNOWN;
  }
}

function grpcStatusOf(headers: http2.IncomingHttpHeaders): Status | undefined {
  const code = headers["grpc-status"];
  if (typeof code !== "string" || !/^\d{1,3}$/.test(code)) return undefined;
  const message = headers["grpc-message"];
  const details = headers["grpc-status-details-bin"];
  return {
    code: Number(code),
    message: typeof message === "string" ? percentDecoded(message) : "",
    details: typeof details === "string" ? Buffer.from(details, "base64") : undefined,
  };
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Whether the server said that it carries nothing out. */
export function isNotReady(status: Status): boolean {
  return status.code === Code.UNAVAILABLE && reasonIn(status) === "NOT_READY";
}

export interface Attempt {
  /** Gives the call up. */
  cancel(): void;
}

/** One attempt of a unary call. */
export function callUnary(
  connection: Connection,
  path: string,
  request: Buffer,
  timeout: number,
  done: (failure: Failure | undefined, answer?: Buffer) => void,
  trace?: TraceContext | undefined,
): Attempt {
  const start = performance.now();
  let stream: http2.ClientHttp2Stream | undefined;
  let link: Link | undefined;
  let isOver = false;
  const over = () => {
    isOver = true;
    connection.release();
  };
  connection.hold();
  const forget = connection.open((opened, failure) => {
    if (!opened) {
      over();
      done(failure);
      return;
    }
    link = opened;
    let answer: Buffer | undefined;
    const handlers: StreamHandlers = {
      onMessage(message) {
        answer = message;
      },
      onEnd(end) {
        over();
        if (!end && !answer) {
          const status = { code: Code.INTERNAL, message: "the answer has no message" };
          done({ kind: "answered", status, address: opened.address.text });
          return;
        }
        if (end && "status" in end && isNotReady(end.status)) {
          connection.turnAway(opened);
          done({ ...end, kind: "notCarriedOut" });
        } else done(end, answer);
      },
    };
    const left = timeout - (performance.now() - start);
    stream = openStream(opened, path, left, handlers, connection.tokens.header, trace);
    stream?.end(framed(request));
  });
  return {
    cancel() {
      if (isOver) return;
      if (stream && link) {
        closeSoon(stream, constants.NGHTTP2_CANCEL);
        connection.suspect(link, start);
      } else {
        forget();
        over();
      }
    },
  };
}
