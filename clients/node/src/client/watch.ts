/** What happens to sessions, as it happens. */

import type * as http2 from "node:http2";
import { Reader } from "../proto/reader.js";
import { decodeWatch, encodeWatch } from "../proto/store.js";
import { closeSoon, openStream, type StreamHandlers } from "../transport/call.js";
import type { Connection } from "../transport/connection.js";
import { unavailable } from "../transport/failure.js";
import { framed } from "../transport/frames.js";
import { Code, errorOf, type SessiondError } from "./errors.js";
import type { Session } from "./session.js";
import { type Shapes, toSession } from "./sessions.js";

/** What happened to a session. */
export type EventKind = "created" | "updated" | "rotated" | "deleted" | "expired" | "revoked";

const KINDS: readonly EventKind[] = ["created", "updated", "rotated", "deleted", "expired", "revoked"];

export interface WatchOptions {
  readonly namespace?: string | undefined;
  /** Events of every namespace. */
  readonly allNamespaces?: boolean | undefined;
  /** Only events of sessions that belong to this principal at the event. */
  readonly principal?: string | undefined;
  /** Only these kinds. */
  readonly kinds?: readonly EventKind[] | undefined;
  /** The last attributes with deleted, expired and revoked events, where the namespace keeps them. */
  readonly includeAttributes?: boolean | undefined;
  /** Milliseconds between checkpoints while there is nothing else: 100 to 3,600,000. */
  readonly checkpointInterval?: number | undefined;
  /** Begin after the event or checkpoint that this token came with. */
  readonly resumeToken?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SessionEvent {
  readonly kind: EventKind;
  readonly eventTime: Date;
  /** The session after the event; before it, if the event ended the session. */
  readonly session: Session;
  /** Resumes after this event. */
  readonly resumeToken: string;
}

/** How far a watcher has seen although nothing was for it. */
export interface Checkpoint {
  readonly kind: "checkpoint";
  readonly resumeToken: string;
}

/** Pauses before the connection is made again, in milliseconds. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;

/** Messages that wait to be taken before the server is held back. */
const WAITING_MESSAGES = 256;

/**
 * Events without end, until the loop is left, the signal aborts, or an error comes that going on can't mend. A connection
 * that is lost is made again, and the watch resumes after the last message.
 */
export async function* watch(
  connection: Connection,
  namespace: string,
  options: WatchOptions,
  shapes: Shapes,
): AsyncGenerator<SessionEvent | Checkpoint, void, undefined> {
  let resumeToken = options.resumeToken;
  let pause = FIRST_PAUSE;
  const kinds = options.kinds?.map((kind) => KINDS.indexOf(kind) + 1);
  for (;;) {
    options.signal?.throwIfAborted();
    const request = encodeWatch(namespace, { ...options, kinds, resumeToken });
    const messages = new Messages(connection, request, options.signal);
    try {
      for (;;) {
        const bytes = await messages.next();
        if (!bytes) break;
        const message = decodeWatch(new Reader(bytes));
        pause = FIRST_PAUSE;
        if (message.resumeToken !== "") resumeToken = message.resumeToken;
        const kind = KINDS[message.kind - 1];
        if (kind && message.session) {
          yield {
            kind,
            eventTime: new Date(message.eventTime),
            session: toSession(message.session, shapes, !message.session.attributes.isEmpty),
            resumeToken: message.resumeToken,
          };
        } else if (message.kind === 0) yield { kind: "checkpoint", resumeToken: message.resumeToken };
      }
    } finally {
      messages.close();
    }
    options.signal?.throwIfAborted();
    const error = messages.error;
    // Its token was replaced meanwhile.
    if (error?.grpcCode === Code.UNAUTHENTICATED && connection.tokens.hasAnotherThan(messages.token)) continue;
    if (error && error.grpcCode !== Code.UNAVAILABLE && error.reason !== "WATCHER_TOO_SLOW") throw error;
    await sleep(pause * (0.5 + Math.random() / 2), options.signal);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

function sleep(millis: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, millis);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/** The messages of one stream. While too many wait to be taken, no more are read. */
class Messages {
  error: SessiondError | undefined;
  /** The number of the token that the stream was opened with. */
  token = 0;
  private readonly queue: Buffer[] = [];
  private readonly connection: Connection;
  private readonly signal: AbortSignal | undefined;
  private readonly forget: () => void;
  private stream: http2.ClientHttp2Stream | undefined;
  private wake: (() => void) | undefined;
  private isEnded = false;

  constructor(connection: Connection, request: Buffer, signal: AbortSignal | undefined) {
    this.connection = connection;
    this.signal = signal;
    connection.hold();
    signal?.addEventListener("abort", this.close, { once: true });
    this.forget = connection.open((link, failure) => {
      if (!link) {
        this.end(failure && "status" in failure ? errorOf(failure.status, failure.address, 0) : undefined);
        return;
      }
      const address = link.address.text;
      const { tokens } = connection;
      tokens.lookIfDue();
      this.token = tokens.number;
      const handlers: StreamHandlers = {
        onMessage: (message) => {
          this.queue.push(message);
          if (this.queue.length >= WAITING_MESSAGES) this.stream?.pause();
          this.wake?.();
        },
        onEnd: (end) => {
          const status = end && "status" in end ? end.status : unavailable("the stream was ended");
          this.end(errorOf(status, address, 0));
        },
      };
      this.stream = openStream(link, "/sessiond.v1.SessionStore/WatchSessions", undefined, handlers, tokens.header);
      this.stream?.end(framed(request));
    });
  }

  /** The next message; `undefined` at the end. */
  async next(): Promise<Buffer | undefined> {
    while (this.queue.length === 0 && !this.isEnded) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    const message = this.queue.shift();
    if (this.queue.length < WAITING_MESSAGES / 2) this.stream?.resume();
    return message;
  }

  readonly close = (): void => {
    this.forget();
    closeSoon(this.stream);
    this.end(undefined);
  };

  private end(error: SessiondError | undefined): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.error = error;
    this.signal?.removeEventListener("abort", this.close);
    this.connection.release();
    this.wake?.();
  }
}
