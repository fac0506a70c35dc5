/** What every call of a client goes through. The stores use it too: they want sessions undecoded. */

import { Lane } from "../lane/lane.js";
import type { HotMethod, Request } from "../proto/calls.js";
import type { Reader } from "../proto/reader.js";
import type { TlsOptions } from "../tls/options.js";
import { secureFor } from "../tls/secure.js";
import { type TokenOptions, Tokens } from "../token/token.js";
import { Connection } from "../transport/connection.js";
import { DEFAULT_ADDRESS, parseAddresses } from "./address.js";
import { Call, type Rest, type Ways } from "./call.js";
import { Deadlines } from "./deadlines.js";
import { SessiondError } from "./errors.js";
import { RetryBudget } from "./retry-budget.js";
import type { CallOptions } from "./session.js";
import type { Shapes } from "./sessions.js";
import type { TraceOptions } from "./trace.js";

export interface ClientOptions extends TokenOptions, TraceOptions {
  /**
   * `HOST:PORT`, `http://HOST:PORT`, `https://HOST:PORT` for TLS, or `unix:PATH`; several separated by commas.
   * Default: SESSIOND_ADDR, or 127.0.0.1:50051.
   */
  readonly address?: string | undefined;
  /** How addresses with `https://` are called. */
  readonly tls?: TlsOptions | undefined;
  /** The namespace of calls that name none. Default: "default". */
  readonly namespace?: string | undefined;
  /** Milliseconds in which a call must be answered, repetitions included: 1 to 86,400,000. Default: 1,000. */
  readonly deadline?: number | undefined;
  /** "auto": calls on single sessions share one stream, where the server and what lies between allow it. "unary": one by one. */
  readonly lane?: "auto" | "unary" | undefined;
  /** "exact": whole floating point numbers come as `Double` and dictionaries as `Map`, so that nothing is lost. Default: "plain". */
  readonly values?: "plain" | "exact" | undefined;
}

const DEFAULT_DEADLINE = 1_000;
const LONGEST_DEADLINE = 86_400_000;

export class Core {
  readonly connection: Connection;
  readonly namespace: string;
  readonly deadline: number;
  readonly shapes: Shapes;
  private readonly ways: Ways;
  private isClosed = false;

  constructor(options: ClientOptions) {
    const addresses = parseAddresses(options.address ?? (process.env.SESSIOND_ADDR || DEFAULT_ADDRESS));
    this.connection = new Connection(addresses, secureFor(addresses, options.tls), new Tokens(options));
    this.namespace = options.namespace ?? "";
    this.deadline = checkedDeadline(options.deadline ?? DEFAULT_DEADLINE);
    this.shapes = { exact: oneOf("values", options.values, ["plain", "exact"]) === "exact" };
    const isUnary = oneOf("lane", options.lane, ["auto", "unary"]) === "unary";
    this.ways = {
      connection: this.connection,
      lane: isUnary ? undefined : new Lane(this.connection),
      deadlines: new Deadlines(),
      budget: new RetryBudget(),
      traceContext: checkedFunction("traceContext", options.traceContext),
    };
  }

  namespaceOf(options: CallOptions | undefined): string {
    return options?.namespace ?? this.namespace;
  }

  /** A call on a single session, over the fast lane where there is one. */
  hot<T>(method: HotMethod<T>, request: Request, options?: CallOptions, rest?: Rest<T>): Promise<T> {
    return new Promise((resolve, reject) => this.start(method, request, options, rest, resolve, reject));
  }

  /** Any other call of the store. */
  cold<T>(
    method: string,
    request: Buffer,
    decode: (r: Reader) => T,
    options?: CallOptions,
    rest?: Rest<T>,
  ): Promise<T> {
    return this.hot({ path: `/sessiond.v1.${method}`, tag: 0, decode }, request, options, rest);
  }

  /** The same as `hot` with callbacks. They must not throw. Throws for options that are out of their bounds. */
  start<T>(
    method: HotMethod<T>,
    request: Request,
    options: CallOptions | undefined,
    rest: Rest<T> | undefined,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ): void {
    const deadline = options?.deadline;
    const millis = deadline === undefined ? this.deadline : checkedDeadline(deadline);
    const signal = options?.signal;
    if (this.isClosed) {
      const address = this.connection.text;
      reject(new SessiondError("CLOSED", `the client of ${address} is closed`, { address }));
    } else if (signal?.aborted) reject(signal.reason);
    else new Call(this.ways, method, request, rest, millis, signal, resolve, reject).begin();
  }

  close(): void {
    this.isClosed = true;
    this.connection.close();
  }
}

function checkedDeadline(deadline: number): number {
  if (typeof deadline !== "number" || !(deadline >= 1 && deadline <= LONGEST_DEADLINE)) {
    throw new RangeError(
      `deadline is ${String(deadline)}: it must be a number of milliseconds from 1 to ${LONGEST_DEADLINE}`,
    );
  }
  return deadline;
}

function checkedFunction<T>(name: string, value: T): T {
  if (value !== undefined && typeof value !== "function") throw new TypeError(`${name} must be a function`);
  return value;
}

function oneOf(name: string, value: string | undefined, allowed: readonly [string, string]): string {
  if (value === undefined) return allowed[0];
  if (!allowed.includes(value)) throw new TypeError(`${name} is "${value}": it must be "${allowed.join('" or "')}"`);
  return value;
}
