// Runs one behaviour case of clients/conformance/cases; its README.md says what the steps mean.
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { Code, errorOf } from "../../dist/client/errors.js";
import * as calls from "../../dist/proto/calls.js";
import { openStream } from "../../dist/transport/call.js";
import { framed } from "../../dist/transport/frames.js";
import { decode, encode, nanosOf, textOf, typeOf } from "./json.mjs";

const PATIENCE = 20_000;
const MATCHERS = ["$present", "$absent", "$not", "$contains", "$near", "$after"];
const STREAMS = new Set(["Admin.Verify", "Admin.Backup", "Admin.Restore"]);
const STEPS = ["wait", "parallel", "start", "finish", "watch", "next", "close", "exchange", "call"];

/** Methods of the fast lane, by their path. */
const hot = new Map(
  Object.values(calls)
    .filter((method) => method?.path && method.tag)
    .map((method) => [method.path, method.tag]),
);

/** A step did not lead to what it is to lead to. */
export class Unmet extends Error {}

/** A call failed that was to succeed. */
class CallFailed extends Unmet {
  constructor(error) {
    super(`the call failed: ${error.reason}: ${error.message}`, { cause: error });
  }
}

const millis = (duration) => Number.parseFloat(duration) * 1000;

export class Run {
  #core;
  #variables;
  #streams = new Map();
  #started = new Map();

  constructor(core, variables) {
    this.#core = core;
    this.#variables = variables;
  }

  async all(steps) {
    try {
      for (const [index, step] of steps.entries()) {
        await this.step(step).catch((error) => {
          throw new Error(`step ${index + 1}: ${error.message}`, { cause: error });
        });
      }
    } finally {
      for (const stream of this.#streams.values()) stream.close();
    }
  }

  set(name, value) {
    this.#variables[name] = value;
  }

  async step(step) {
    const kind = STEPS.find((name) => name in step);
    if (!kind) throw new Unmet(`${JSON.stringify(step)} is no step`);
    await this[`do_${kind}`](step);
  }

  async do_wait({ wait }) {
    await sleep(millis(wait));
  }

  async do_start({ start, step }) {
    const running = this.#beside().step(step);
    // Who finishes it hears of it.
    running.catch(() => {});
    this.#started.set(start, running);
  }

  async do_finish({ finish }) {
    await this.#started.get(finish);
  }

  async do_close({ close }) {
    this.#streams.get(close).close();
  }

  #beside(variables = {}) {
    return new Run(this.#core, { ...this.#variables, ...variables });
  }

  async do_parallel({ parallel, succeed, step }) {
    const { error, ...inner } = step;
    const one = async (_, index) => {
      const run = this.#beside({ index: String(index) });
      try {
        await run.step(succeed === undefined ? step : inner);
        return 1;
      } catch (failed) {
        if (succeed === undefined || !(failed instanceof CallFailed)) throw failed;
        run.matchError(error, failed.cause);
        return 0;
      }
    };
    const succeeded = (await Promise.all(Array.from({ length: parallel }, one))).reduce((sum, count) => sum + count, 0);
    if (succeeded !== (succeed ?? parallel)) throw new Unmet(`${succeeded} succeeded, not ${succeed}`);
  }

  async do_call(step) {
    const end = Date.now() + millis(step.within ?? "0s");
    for (;;) {
      try {
        return await this.#judge(step, this.#answer(step));
      } catch (error) {
        if (!(error instanceof Unmet) || Date.now() >= end) throw error;
      }
      await sleep(20);
    }
  }

  async #answer(step) {
    const path = step.call.includes(".") ? step.call.replace(".", "/") : `SessionStore/${step.call}`;
    const name = path.split("/")[1];
    const requests = (step.messages ?? [step.request ?? {}]).map((template) => this.#request(name, template));
    if (STREAMS.has(step.call)) {
      const stream = new Messages(this.#core, path, requests);
      let last;
      for (let message = await stream.next(); message; message = await stream.next()) last = message;
      return decode(typeOf(`${name}Response`), last);
    }
    const raw = (reader) => {
      const bytes = Buffer.from(reader.bytes.subarray(reader.position, reader.end));
      reader.position = reader.end;
      return bytes;
    };
    const full = `/sessiond.v1.${path}`;
    const options = { deadline: PATIENCE };
    const bytes = hot.has(full)
      ? await this.#core.hot({ path: full, tag: hot.get(full), decode: raw }, requests[0], options)
      : await this.#core.cold(path, requests[0], raw, options);
    return decode(typeOf(`${name}Response`), bytes);
  }

  /** The request of a template; its namespace is that of the case unless it names one. */
  #request(name, template) {
    const type = typeOf(`${name}Request`);
    const request = this.expand(template);
    if (type.fields.namespace && !request.allNamespaces) request.namespace ??= this.#variables.namespace;
    return encode(type, request);
  }

  async do_watch(step) {
    const stream = new Messages(this.#core, "SessionStore/WatchSessions", [
      this.#request("WatchSessions", step.request),
    ]);
    this.#streams.set(step.watch, stream);
    await this.#judge(step, this.#message(stream, true));
  }

  async do_next(step) {
    await this.#judge(step, this.#message(this.#streams.get(step.next), step.checkpoints));
  }

  async #message(stream, checkpoints) {
    for (;;) {
      const bytes = await stream.next();
      if (!bytes) throw new Unmet("the stream has ended");
      const message = decode(typeOf("WatchSessionsResponse"), bytes);
      if (checkpoints || !message.checkpoint) return message;
    }
  }

  /** Sends all messages over one stream, ends it, and judges the replies. */
  async do_exchange({ exchange, replies }) {
    const requests = exchange.map((template) => {
      const message = this.expand(template);
      for (const request of message.calls.flatMap((call) => Object.values(call))) {
        if (typeof request === "object") request.namespace ??= this.#variables.namespace;
      }
      return encode(typeOf("ExchangeRequest"), message);
    });
    const stream = new Messages(this.#core, "SessionStore/Exchange", requests);
    const missing = new Map(Object.entries(replies));
    for (let bytes = await stream.next(); bytes; bytes = await stream.next()) {
      for (const reply of decode(typeOf("ExchangeResponse"), bytes).replies) {
        const wanted = missing.get(reply.tag);
        if (!missing.delete(reply.tag)) throw new Unmet(`nobody asked for reply ${reply.tag}`);
        await this.#judge(wanted, replied(reply));
      }
    }
    if (missing.size > 0) throw new Unmet(`replies are missing: ${[...missing.keys()]}`);
  }

  /** Compares what a call leads to with what the step wants, and saves what it says. */
  async #judge(step, answering) {
    let answer;
    try {
      answer = await answering;
    } catch (error) {
      if (error.name !== "SessiondError") throw error;
      if (!("error" in step)) throw new CallFailed(error);
      return this.matchError(step.error, error);
    }
    if ("error" in step) throw new Unmet(`the call succeeded; it was to fail with ${JSON.stringify(step.error)}`);
    if ("expect" in step) this.match(step.expect, answer, "answer");
    for (const [name, path] of Object.entries(step.save ?? {})) {
      const value = path.split(".").reduce((found, part) => found?.[part], answer);
      if (value === undefined) throw new Unmet(`the answer has no ${path} to save`);
      this.set(name, value);
    }
  }

  matchError(wanted, error) {
    const { fields = [], ...parts } = typeof wanted === "string" ? { reason: wanted } : wanted;
    const code = Object.entries(Code).find(([, number]) => number === error.grpcCode)?.[0];
    this.match(parts, { reason: error.reason, code, metadata: error.metadata }, "error");
    const told = error.violations.filter(({ description }) => description !== "").map(({ field }) => field);
    if (!fields.every((field) => told.includes(field))) throw new Unmet(`the fields are ${told}, not ${fields}`);
  }

  /** Fills in what a template leaves open. */
  expand(template) {
    if (typeof template === "string") return this.#expandText(template);
    if (Array.isArray(template)) return template.map((item) => this.expand(item));
    if (typeof template !== "object" || template === null) return template;
    const { $repeat, times, $bytes, $list, $map, prefix, $nested } = template;
    if ($repeat !== undefined) return $repeat.repeat(times);
    if ($bytes !== undefined) return Buffer.alloc($bytes).toString("base64");
    if ($list !== undefined) return Array(Number($list)).fill(this.expand(template.of));
    if ($map !== undefined) {
      const item = this.expand(template.value);
      return Object.fromEntries(Array.from({ length: $map }, (_, number) => [this.expand(prefix) + number, item]));
    }
    if ($nested !== undefined) {
      let value = { boolValue: true };
      for (let level = 1; level < $nested; level++) value = { listValue: { items: [value] } };
      return value;
    }
    return Object.fromEntries(
      Object.entries(template).map(([name, item]) => [this.#expandText(name), this.expand(item)]),
    );
  }

  #expandText(text) {
    return text.replace(/\$\{([a-z]\w*)(?:([+-][0-9.]+)s)?\}/g, (found, name, offset) => {
      const value = name === "now" ? new Date().toISOString() : this.#variables[name];
      if (value === undefined) throw new Unmet(`${found} is not set`);
      return offset ? textOf(nanosOf(value) + BigInt(Math.round(Number(offset) * 1000)) * 1_000_000n) : value;
    });
  }

  /** Tells where an answer is not what is expected; more than that may stand in it. */
  match(wanted, found, path) {
    const differs = () => new Unmet(`${path} is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
    if (Array.isArray(wanted)) {
      if (!Array.isArray(found) || found.length !== wanted.length) throw differs();
      for (const [index, want] of wanted.entries()) this.match(want, found[index], `${path}[${index}]`);
    } else if (typeof wanted === "object" && wanted !== null) {
      const matcher = MATCHERS.find((name) => name in wanted);
      if (matcher) {
        if (!this.#holds(matcher, wanted, found, path)) throw differs();
        return;
      }
      if (typeof found !== "object" || found === null) throw differs();
      const { $only, ...fields } = wanted;
      const names = Object.entries(fields).map(([name, want]) => {
        const expanded = this.#expandText(name);
        this.match(want, found[expanded], `${path}.${expanded}`);
        return expanded;
      });
      if ($only && !Object.keys(found).every((name) => names.includes(name))) throw differs();
    } else if (typeof wanted === "string") {
      const text = this.#expandText(wanted);
      const time = nanosOf(text);
      if (found !== text && (time === undefined || nanosOf(found) !== time)) throw differs();
    } else if (!isDeepStrictEqual(wanted, found)) throw differs();
  }

  #holds(matcher, wanted, found, path) {
    const matches = (want, item) => {
      try {
        this.match(want, item, path);
        return true;
      } catch (error) {
        if (error instanceof Unmet) return false;
        throw error;
      }
    };
    if (matcher === "$present") return found !== undefined;
    if (matcher === "$absent") return found === undefined;
    if (matcher === "$not") return !matches(wanted.$not, found);
    if (matcher === "$contains") return Array.isArray(found) && found.some((item) => matches(wanted.$contains, item));
    const [time, other] = [nanosOf(this.#expandText(wanted[matcher])), nanosOf(found)];
    if (other === undefined) return false;
    if (matcher === "$after") return other > time;
    return Math.abs(Number(other - time)) / 1e6 <= millis(wanted.within);
  }
}

/** One reply of an exchange. */
async function replied(reply) {
  if (!reply.error) return reply;
  const { code, message = "", details = "" } = reply.error;
  throw errorOf({ code, message, details: Buffer.from(details, "base64") }, "the server", PATIENCE);
}

/** The messages that a stream brings. */
class Messages {
  #queue = [];
  #wake = () => {};
  #isEnded = false;
  #error;
  #stream;

  constructor(core, path, requests) {
    const end = (failure) => {
      if (failure) this.#error = errorOf(failure.status, failure.address, PATIENCE);
      this.#isEnded = true;
      this.#wake();
    };
    core.connection.open((link, failure) => {
      if (!link) return end(failure);
      const onMessage = (message) => {
        this.#queue.push(Buffer.from(message));
        this.#wake();
      };
      this.#stream = openStream(link, `/sessiond.v1.${path}`, PATIENCE, { onMessage, onEnd: end });
      for (const request of requests) this.#stream.write(framed(request));
      this.#stream.end();
    });
  }

  /** The next; `undefined` at the end. */
  async next() {
    while (this.#queue.length === 0 && !this.#isEnded) {
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#queue.length === 0 && this.#error) throw this.#error;
    return this.#queue.shift();
  }

  close() {
    this.#stream?.close();
  }
}
