/**
 * The connection to one of the servers: made at the first call, shared by all calls, made again after it was lost.
 *
 * It keeps the process alive only while calls are in flight. A process that was forked (`cluster`, PM2) starts afresh and
 * makes its own.
 */

import { EventEmitter } from "node:events";
import * as http2 from "node:http2";
import * as net from "node:net";
import type { Address } from "../client/address.js";
import type { Secure } from "../tls/secure.js";
import type { Tokens } from "../token/token.js";
import { describe, type Failure, unavailable } from "./failure.js";

/** While an address does not answer, the next one is tried besides it. */
const NEXT_ADDRESS_AFTER = 250;

/** An attempt is given up then. */
const ATTEMPT_LIMIT = 5_000;

/** A connection that answers no ping for so long is dead. */
const PING_LIMIT = 1_000;

/** Bytes that the server may send before this side has read them. */
const WINDOW = 4 * 1024 * 1024;

/** Megabytes that a connection may hold; Node's own limit of 10 refuses streams long before the windows are full. */
const SESSION_MEMORY = 128;

/** A connection that is up. */
export interface Link {
  readonly session: http2.ClientHttp2Session;
  readonly address: Address;
  readonly scheme: "http" | "https";
  /** What the requests name as their authority. */
  readonly authority: string;
  /** When something last came from the server, in milliseconds of `performance.now()`. */
  heard: number;
}

/** What a connection runs over, and what its errors are in words. */
export interface Opened {
  readonly socket: net.Socket;
  readonly explain: (error: unknown) => string;
}

type Waiter = (link: Link | undefined, failure?: Failure) => void;

interface ConnectionEvents {
  connect: [address: string];
  disconnect: [address: string];
}

export class Connection extends EventEmitter<ConnectionEvents> {
  private readonly addresses: readonly Address[];
  private readonly secure: Secure | undefined;
  private link: Link | undefined;
  private waiters: Waiter[] | undefined;
  private abandon: (() => void) | undefined;
  /** Which address is tried first. */
  private first = 0;
  private users = 0;
  private isPinging = false;
  private isClosed = false;

  /** What calls carry. */
  readonly tokens: Tokens;

  /** `secure` is how addresses with `https://` are called. */
  constructor(addresses: readonly Address[], secure: Secure | undefined, tokens: Tokens) {
    super();
    this.addresses = addresses;
    this.secure = secure;
    this.tokens = tokens;
  }

  /** The addresses, as they were written. */
  get text(): string {
    return this.addresses.map((address) => address.text).join(",");
  }

  private get scheme(): "http" | "https" {
    return this.secure ? "https" : "http";
  }

  get current(): Link | undefined {
    return this.link;
  }

  /** Calls back with a connection that is up, at once where there is one. The returned function takes the wish back. */
  open(waiter: Waiter): () => void {
    if (this.link) {
      waiter(this.link);
      return () => {};
    }
    if (this.isClosed) {
      waiter(undefined, this.failure("the client is closed"));
      return () => {};
    }
    if (this.waiters) this.waiters.push(waiter);
    else {
      this.waiters = [waiter];
      this.connect();
    }
    return () => {
      const index = this.waiters?.indexOf(waiter) ?? -1;
      if (index >= 0) this.waiters?.splice(index, 1);
    };
  }

  /** Counts a call that keeps the process alive. */
  hold(): void {
    if (this.users++ === 0) this.link?.session.ref();
  }

  release(): void {
    if (--this.users === 0) this.link?.session.unref();
  }

  /** The server said that it is starting or shutting down: the next connection tries another one first. */
  turnAway(link: Link): void {
    if (this.addresses.length > 1 && this.link === link) {
      this.first = (this.addresses.indexOf(link.address) + 1) % this.addresses.length;
      this.lose(link);
      // Calls that are still being answered may end.
      setImmediate(() => link.session.close());
    }
  }

  /** A call got no answer: finds out whether the server is there at all, if nothing was heard of it since `since`. */
  suspect(link: Link, since: number, whenAlive?: () => void): void {
    if (this.isPinging || this.link !== link || link.heard >= since) return;
    this.isPinging = true;
    const timer = setTimeout(() => {
      this.first = (this.addresses.indexOf(link.address) + 1) % this.addresses.length;
      link.session.destroy(new Error("it answers no ping"));
    }, PING_LIMIT);
    timer.unref();
    const done = () => {
      clearTimeout(timer);
      this.isPinging = false;
    };
    link.session.once("close", done);
    try {
      link.session.ping((error) => {
        link.session.off("close", done);
        done();
        if (error) return;
        link.heard = performance.now();
        whenAlive?.();
      });
    } catch {
      // The session is being closed, which says the same.
    }
  }

  /** Ends the connection; calls in flight fail. */
  close(): void {
    this.isClosed = true;
    this.abandon?.();
    const link = this.link;
    if (link) {
      this.lose(link);
      // Not in the midst of what the engine is reading: see closeSoon.
      setImmediate(() => link.session.destroy());
    }
  }

  private failure(message: string): Failure {
    return { kind: "notCarriedOut", status: unavailable(message), address: this.text };
  }

  private settle(link: Link | undefined, failure?: Failure): void {
    const waiters = this.waiters ?? [];
    this.waiters = undefined;
    this.abandon = undefined;
    for (const waiter of waiters) waiter(link, failure);
  }

  /** Tries the addresses in turn; the first one that answers is taken. */
  private connect(): void {
    const problems = new Map<Address, string>();
    const attempts = new Set<http2.ClientHttp2Session>();
    const order = this.addresses.map((_, index) => this.addresses[(this.first + index) % this.addresses.length]);
    let next = 0;
    let timer: NodeJS.Timeout | undefined;
    const stop = () => {
      clearTimeout(timer);
      for (const session of attempts) session.destroy();
      attempts.clear();
    };
    const tryNext = () => {
      clearTimeout(timer);
      const address = order[next++];
      if (!address) return;
      if (next < order.length) timer = setTimeout(tryNext, NEXT_ADDRESS_AFTER);
      const session = this.attempt(
        address,
        () => {
          attempts.delete(session);
          stop();
          this.succeed(session, address);
        },
        (problem) => {
          attempts.delete(session);
          problems.set(address, problem);
          if (problems.size < order.length) {
            if (attempts.size === 0) tryNext();
            return;
          }
          const words = [...problems].map(([from, why]) => (order.length > 1 ? `${from.text}: ${why}` : why));
          this.settle(undefined, this.failure(words.join("; ")));
        },
      );
      attempts.add(session);
    };
    this.abandon = () => {
      stop();
      this.settle(undefined, this.failure("the client is closed"));
    };
    tryNext();
  }

  /** One attempt: the server is there once its settings have come, not when something has taken the connection. */
  private attempt(address: Address, onUp: () => void, onProblem: (problem: string) => void): http2.ClientHttp2Session {
    const { socket, explain } = this.secure?.connect(address) ?? plain(address);
    const session = http2.connect(`${this.scheme}://${address.authority}`, {
      createConnection: () => socket,
      settings: { initialWindowSize: WINDOW, enablePush: false },
      maxSessionMemory: SESSION_MEMORY,
    });
    let isDecided = false;
    const decide = (run: () => void) => {
      if (isDecided) return;
      isDecided = true;
      clearTimeout(limit);
      run();
    };
    const limit = setTimeout(() => {
      decide(() => onProblem("no answer"));
      session.destroy();
    }, ATTEMPT_LIMIT);
    session.once("remoteSettings", () => decide(onUp));
    // Stays for the life of the session: what goes wrong later is told to its calls and in "close".
    session.on("error", (error) => decide(() => onProblem(explain(error))));
    session.once("close", () => decide(() => onProblem(explain(new Error("the connection was closed")))));
    if (this.secure) {
      // Node.js does not tell a session what goes wrong with TLS once the handshake is over on this side. Not in the midst of
      // what the engine is reading: see closeSoon.
      socket.on("error", (error) => {
        decide(() => onProblem(explain(error)));
        setImmediate(() => session.destroy(error));
      });
    }
    return session;
  }

  private succeed(session: http2.ClientHttp2Session, address: Address): void {
    const link: Link = {
      session,
      address,
      scheme: this.scheme,
      authority: this.secure?.authorityOf(address) ?? address.authority,
      heard: performance.now(),
    };
    this.link = link;
    session.setLocalWindowSize(WINDOW);
    session.once("close", () => this.lose(link));
    session.once("goaway", () => this.lose(link));
    if (this.users === 0) session.unref();
    this.emit("connect", address.text);
    this.settle(link);
  }

  /** Later calls get another connection. */
  private lose(link: Link): void {
    if (this.link === link) {
      this.link = undefined;
      this.emit("disconnect", link.address.text);
    }
  }
}

function plain(address: Address): Opened {
  return { socket: net.connect({ ...address.target, noDelay: true }), explain: describe };
}
