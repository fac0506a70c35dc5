/** One call from its beginning to its answer: its deadline, its repetitions, and the way that it takes. */

import type { Lane, LaneCall } from "../lane/lane.js";
import { Reader } from "../proto/reader.js";
import { type Attempt, callUnary, isNotReady } from "../transport/call.js";
import type { Connection } from "../transport/connection.js";
import type { Failure } from "../transport/failure.js";
import type { Deadlines, Timed } from "./deadlines.js";
import { Code, errorOf, SessiondError } from "./errors.js";

/** How often a call is tried that met UNAVAILABLE, the first time included. */
const ATTEMPTS = 3;

/** The longest pause after the first attempt, in milliseconds; it doubles from attempt to attempt. */
const PAUSE = 100;

/** What calls share. */
export interface Ways {
  readonly connection: Connection;
  /** None if every call is to be unary. */
  readonly lane: Lane | undefined;
  readonly deadlines: Deadlines;
}

export interface CallSettings<T> {
  readonly path: string;
  /** Where the messages stand in those of the fast lane; 0 for calls that it does not carry. */
  readonly tag: number;
  readonly request: Buffer;
  readonly decode: (r: Reader) => T;
  /** Whether carrying it out twice is the same as once. */
  readonly isIdempotent: boolean;
  /** In milliseconds. */
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
  /** What SESSION_NOT_FOUND answers instead of an error. */
  readonly missing: { readonly value: T } | undefined;
}

/** Makes a call. */
export function call<T>(ways: Ways, settings: CallSettings<T>): Promise<T> {
  if (settings.signal?.aborted) return Promise.reject(settings.signal.reason);
  return new Promise((resolve, reject) => {
    new Call(ways, settings, resolve, reject).begin();
  });
}

/** A call that waits for its answer. */
export class Call<T> implements LaneCall, Timed {
  readonly tag: number;
  readonly request: Buffer;
  readonly start: number;
  readonly deadlineAt: number;
  isOver = false;
  previous: Timed | undefined;
  next: Timed | undefined;
  private readonly ways: Ways;
  private readonly settings: CallSettings<T>;
  private readonly resolve: (value: T) => void;
  private readonly reject: (error: unknown) => void;
  private attempts = 0;
  /** The unary attempt that is under way. */
  private attempt: Attempt | undefined;
  private pause: NodeJS.Timeout | undefined;
  private isInLane = false;
  /** That the server was unavailable a moment ago says more than that time is up. */
  private lastFailure: Failure | undefined;
  private onAbort: (() => void) | undefined;

  constructor(ways: Ways, settings: CallSettings<T>, resolve: (value: T) => void, reject: (error: unknown) => void) {
    this.ways = ways;
    this.settings = settings;
    this.resolve = resolve;
    this.reject = reject;
    this.tag = settings.tag;
    this.request = settings.request;
    this.start = performance.now();
    this.deadlineAt = this.start + settings.deadline;
  }

  begin(): void {
    const { signal } = this.settings;
    if (signal) {
      this.onAbort = () => this.giveUp(signal.reason);
      signal.addEventListener("abort", this.onAbort, { once: true });
    }
    this.ways.deadlines.add(this);
    this.try();
  }

  answered(r: Reader): void {
    let value: T;
    try {
      value = this.settings.decode(r);
    } catch {
      const status = { code: Code.INTERNAL, message: "the answer is malformed" };
      this.fail({ kind: "answered", status, address: this.ways.connection.text });
      return;
    }
    this.finish();
    this.resolve(value);
  }

  failed(failure: Failure): void {
    if (this.isOver) return;
    this.leaveLane();
    this.attempt = undefined;
    if (failure.kind === "refused") {
      this.tryUnary();
      return;
    }
    if (this.mayBeRepeated(failure) && this.attempts < ATTEMPTS) {
      // Random between half of it and all of it, so that many processes do not come back at the same moment.
      const pause = PAUSE * 2 ** (this.attempts - 1) * (0.5 + Math.random() / 2);
      if (performance.now() + pause < this.deadlineAt) {
        this.lastFailure = failure;
        this.pause = setTimeout(() => this.try(), pause);
        return;
      }
    }
    this.fail(failure);
  }

  /** The deadline has come. */
  expire(now: number): void {
    // One that was due at the same time may have ended this one.
    if (this.isOver) return;
    const wasInLane = this.isInLane;
    const last = this.lastFailure;
    const status = { code: Code.DEADLINE_EXCEEDED, message: "no answer" };
    const failure: Failure = last ?? { kind: "unknown", status, address: this.ways.connection.text };
    this.attempt?.cancel();
    this.fail(failure);
    if (wasInLane) this.ways.lane?.gaveUp(this.start, now);
  }

  private giveUp(reason: unknown): void {
    if (this.isOver) return;
    this.finish();
    this.attempt?.cancel();
    this.reject(reason);
  }

  private try(): void {
    this.attempts++;
    const { lane } = this.ways;
    if (this.tag !== 0 && lane?.takes(this.request)) {
      this.isInLane = true;
      lane.hold();
      lane.submit(this);
    } else this.tryUnary();
  }

  private tryUnary(): void {
    const { connection } = this.ways;
    const left = this.deadlineAt - performance.now();
    this.attempt = callUnary(connection, this.settings.path, this.request, left, (failure, answer) => {
      if (this.isOver) return;
      if (answer) this.answered(new Reader(answer));
      else this.failed(failure as Failure);
    });
  }

  /** The one rule of what is repeated. */
  private mayBeRepeated(failure: Failure): boolean {
    if (failure.kind === "refused" || failure.status.code !== Code.UNAVAILABLE) return false;
    return failure.kind === "notCarriedOut" || this.settings.isIdempotent || isNotReady(failure.status);
  }

  private fail(failure: Failure): void {
    this.finish();
    if (failure.kind === "refused") return;
    const error = errorOf(failure.status, failure.address, this.settings.deadline);
    const { missing } = this.settings;
    if (missing && error.reason === "SESSION_NOT_FOUND") this.resolve(missing.value);
    else if (failure.status.code === Code.RESOURCE_EXHAUSTED && failure.kind === "notCarriedOut") {
      const text = `more calls wait for sessiond at ${failure.address} than it can take`;
      this.reject(
        new SessiondError("TOO_MANY_CALLS", text, { grpcCode: Code.RESOURCE_EXHAUSTED, address: failure.address }),
      );
    } else this.reject(error);
  }

  private finish(): void {
    this.isOver = true;
    this.ways.deadlines.delete(this);
    this.leaveLane();
    if (this.pause) clearTimeout(this.pause);
    if (this.onAbort) this.settings.signal?.removeEventListener("abort", this.onAbort);
  }

  private leaveLane(): void {
    if (this.isInLane) {
      this.isInLane = false;
      this.ways.lane?.release();
    }
  }
}
