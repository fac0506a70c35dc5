/** One call from its beginning to its answer: its deadline, its repetitions, and the way that it takes. */

import type { Lane, LaneCall } from "../lane/lane.js";
import { bytesOf, type Request } from "../proto/calls.js";
import { Reader } from "../proto/reader.js";
import { type Attempt, callUnary, isNotReady } from "../transport/call.js";
import type { Connection } from "../transport/connection.js";
import type { Failure } from "../transport/failure.js";
import type { Deadlines, Timed } from "./deadlines.js";
import { Code, errorOf, SessiondError } from "./errors.js";
import type { RetryBudget } from "./retry-budget.js";
import { currentTrace, type TraceContext, type TraceOptions } from "./trace.js";

/** How often a call is tried that met UNAVAILABLE, the first time included; with its pauses longer than a server needs to restart. */
const ATTEMPTS = 20;

/** The longest pause after the first attempt, in milliseconds; it doubles from attempt to attempt. */
const PAUSE = 100;

/** No pause is longer, in milliseconds. */
const LONGEST_PAUSE = 200;

/** What calls share. */
export interface Ways extends TraceOptions {
  readonly connection: Connection;
  /** None if every call is to be unary. */
  readonly lane: Lane | undefined;
  readonly deadlines: Deadlines;
  readonly budget: RetryBudget;
}

/** A method, and what its messages mean. */
export interface Method<T> {
  readonly path: string;
  /** Where the messages stand in those of the fast lane; 0 for calls that it does not carry. */
  readonly tag: number;
  readonly decode: (r: Reader) => T;
}

/** What a call asks for beside its request. */
export interface Rest<T> {
  /** Whether carrying it out twice is the same as once. */
  readonly isIdempotent?: boolean;
  /** What SESSION_NOT_FOUND answers instead of an error. */
  readonly missing?: { readonly value: T };
}

const NOTHING_ELSE: Rest<never> = {};

/** A call that waits for its answer. */
export class Call<T> implements LaneCall, Timed {
  readonly tag: number;
  readonly request: Request;
  readonly trace: TraceContext | undefined;
  readonly start = performance.now();
  readonly deadlineAt: number;
  isOver = false;
  previous: Timed | undefined;
  next: Timed | undefined;
  private readonly ways: Ways;
  private readonly method: Method<T>;
  private readonly rest: Rest<T>;
  private readonly deadline: number;
  private readonly signal: AbortSignal | undefined;
  private readonly resolve: (value: T) => void;
  private readonly reject: (error: unknown) => void;
  private attempts = 0;
  /** The number of the token of the present attempt, or of an older one. */
  private token = 0;
  private isMadeWithAnotherToken = false;
  /** The unary attempt that is under way. */
  private attempt: Attempt | undefined;
  private pause: NodeJS.Timeout | undefined;
  private isInLane = false;
  /** That the server was unavailable a moment ago says more than that time is up. */
  private lastFailure: Failure | undefined;
  private onAbort: (() => void) | undefined;

  /** `deadline` is in milliseconds. One of `resolve` and `reject`, which must not throw, is called once, and never at once. */
  constructor(
    ways: Ways,
    method: Method<T>,
    request: Request,
    rest: Rest<T> | undefined,
    deadline: number,
    signal: AbortSignal | undefined,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.ways = ways;
    this.method = method;
    this.rest = rest ?? NOTHING_ELSE;
    this.deadline = deadline;
    this.signal = signal;
    this.resolve = resolve;
    this.reject = reject;
    this.tag = method.tag;
    this.request = request;
    this.trace = currentTrace(ways.traceContext);
    this.deadlineAt = this.start + deadline;
  }

  begin(): void {
    const { signal } = this;
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
      value = this.method.decode(r);
    } catch {
      const status = { code: Code.INTERNAL, message: "the answer is malformed" };
      this.fail({ kind: "answered", status, address: this.ways.connection.text });
      return;
    }
    this.finish();
    this.ways.budget.noteSuccess();
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
    if (this.takesAnotherToken(failure)) {
      this.try();
      return;
    }
    if (this.mayBeRepeated(failure) && this.attempts < ATTEMPTS) {
      // Random between half of it and all of it, so that many processes do not come back at the same moment.
      const longest = Math.min(PAUSE * 2 ** (this.attempts - 1), LONGEST_PAUSE);
      const pause = longest * (0.5 + Math.random() / 2);
      if (performance.now() + pause < this.deadlineAt && this.isPaidFor(failure)) {
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
    const { tokens } = this.ways.connection;
    tokens.lookIfDue();
    this.token = tokens.number;
    if (this.tag !== 0 && lane?.takes(this.request)) {
      this.isInLane = true;
      lane.hold();
      lane.submit(this);
    } else this.tryUnary();
  }

  private tryUnary(): void {
    const { connection } = this.ways;
    const left = this.deadlineAt - performance.now();
    const done = (failure: Failure | undefined, answer?: Buffer) => {
      if (this.isOver) return;
      if (answer) this.answered(new Reader(answer));
      else this.failed(failure as Failure);
    };
    this.attempt = callUnary(connection, this.method.path, bytesOf(this.request), left, done, this.trace);
  }

  /** The one rule of what is repeated. */
  private mayBeRepeated(failure: Failure): boolean {
    if (failure.kind === "refused" || failure.status.code !== Code.UNAVAILABLE) return false;
    return failure.kind === "notCarriedOut" || this.rest.isIdempotent === true || isNotReady(failure.status);
  }

  /** Whether the budget allows to repeat the call. */
  private isPaidFor(failure: Failure): boolean {
    if (failure.kind === "refused" || !failure.charge || isNotReady(failure.status)) return true;
    return this.ways.budget.pays(failure.charge);
  }

  /** Whether the token was refused and its file holds another. Then nothing was carried out, and the call is made once more. */
  private takesAnotherToken(failure: Failure): boolean {
    if (failure.kind === "refused" || failure.status.code !== Code.UNAUTHENTICATED) return false;
    if (this.isMadeWithAnotherToken || !this.ways.connection.tokens.hasAnotherThan(this.token)) return false;
    this.isMadeWithAnotherToken = true;
    return true;
  }

  private fail(failure: Failure): void {
    this.finish();
    if (failure.kind === "refused") return;
    const error = errorOf(failure.status, failure.address, this.deadline);
    const { missing } = this.rest;
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
    if (this.onAbort) this.signal?.removeEventListener("abort", this.onAbort);
  }

  private leaveLane(): void {
    if (this.isInLane) {
      this.isInLane = false;
      this.ways.lane?.release();
    }
  }
}
