// What the client's own work costs: microseconds of the process's CPU, which a loaded machine changes less than times. Each
// part stands beside what a store of JSON does at the same place. The parts take turns; each figure is the least of the rounds.
//
//   npm run bench:cpu
//
// There is no server: `load` answers the calls in the process, over a stream that only looks like one of HTTP/2.
import { EventEmitter } from "node:events";
import { SessiondStore } from "connect-sessiond";
import { writeAttributes } from "../dist/proto/messages.js";
import { Reader } from "../dist/proto/reader.js";
import * as w from "../dist/proto/writer.js";
import { DAY, data } from "./session.mjs";

const SESSIONS = 1_000;
const ROUNDS = 7;
const IN_FLIGHT = 32;
const ID = "bench-session-of-some-length-1";

/** The bytes of a Session, as the server sends it. */
function session(n) {
  const now = Date.now();
  w.textField(0x0a, "0193a2b4-5c6d-7e8f-9a0b-1c2d3e4f5a6b");
  w.textField(0x12, "default");
  w.numberField(0x18, 3);
  writeAttributes(0x22, data(n));
  for (const tag of [0x3a, 0x42, 0x4a]) w.millisField(tag, now);
  w.millisField(0x52, DAY);
  w.millisField(0x62, now + DAY);
}

const field = (tag, write) =>
  w.written(() => {
    w.varint(tag);
    w.nested(write);
  });
const answers = Array.from({ length: SESSIONS }, (_, n) => field(0x22, () => w.raw(field(0x0a, () => session(n)))));
const updated = field(0x2a, () => w.raw(field(0x0a, () => session(0))));
const touched = field(0x32, () => w.millisField(0x0a, Date.now()));

/** A stream that answers each message of the fast lane in a later turn. */
class Stream extends EventEmitter {
  #next = 0;

  write(message) {
    setImmediate(() => this.emit("data", this.#answer(message)));
    return true;
  }

  #answer(message) {
    const answer = w.written(() => {
      w.raw(Buffer.alloc(5));
      for (const r = new Reader(message, 5); r.tag() !== 0; ) this.#reply(r);
    });
    answer.writeUInt32BE(answer.length - 5, 1);
    return answer;
  }

  #reply(r) {
    const end = r.nested();
    r.tag();
    const tag = r.varint();
    r.skip(r.tag());
    const method = r.tag();
    r.position = end;
    w.varint(0x0a);
    const start = w.begin();
    w.numberField(0x08, tag);
    w.raw(method === 0x22 ? answers[this.#next++ % SESSIONS] : method === 0x2a ? updated : touched);
    w.end(start);
  }
}

const store = new SessiondStore();
const link = { session: { request: () => new Stream() }, address: { text: "nowhere", authority: "nowhere" }, heard: 0 };
store.client.core.connection.open = (use) => {
  use(link);
  return () => {};
};

const called = (run) =>
  new Promise((resolve, reject) => run((error, value) => (error ? reject(error) : resolve(value))));

async function inFlight(count, step) {
  let left = count;
  const loop = async () => {
    while (left-- > 0) await step();
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, loop));
}

const load = () => called((done) => store.get(ID, done));
const texts = Array.from({ length: SESSIONS }, (_, n) => Buffer.from(JSON.stringify(data(n))));
/** So that the engine does not leave the work out. */
let kept = 0;

const PARTS = {
  "JSON.parse": (count) => {
    for (let n = 0; n < count; n++) kept += JSON.parse(texts[n % SESSIONS].toString()).views;
  },
  load: (count) => inFlight(count, load),
  "JSON.stringify": (count) => {
    const found = data(1);
    for (let n = 0; n < count; n++) {
      found.views = n;
      kept += JSON.stringify(found).length;
    }
  },
  "load and save": (count) =>
    inFlight(count, async () => {
      const found = await load();
      found.views += 1;
      await called((done) => store.set(ID, found, done));
    }),
  "load and touch": (count) =>
    inFlight(count, async () => {
      const found = await load();
      await called((done) => store.touch(ID, found, done));
    }),
};

const least = {};
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, run] of Object.entries(PARTS)) {
    const count = 100_000;
    const before = process.cpuUsage();
    await run(count);
    const { user, system } = process.cpuUsage(before);
    least[name] = Math.min(least[name] ?? Number.POSITIVE_INFINITY, (user + system) / count);
  }
}
for (const [name, micros] of Object.entries(least)) console.log(name.padEnd(16), micros.toFixed(2).padStart(6), "us");
store.close();
if (kept === 0) throw new Error("nothing was measured");
