/** `sessiond.v1.Value` to JavaScript's values. */

import { ATTRIBUTE, type Attributes } from "../proto/attributes.js";
import { MalformedMessage, Reader } from "../proto/reader.js";
import { markDouble } from "./doubles.js";
import { Double, Int64, OpaqueValue, Timestamp, type Value } from "./types.js";

/** How values come out. */
export interface Shapes {
  /** Whole floating point numbers as `Double`, dictionaries as `Map` in their order: nothing is lost. */
  readonly exact?: boolean | undefined;
  /** Whole numbers beyond 2^53 as `Int64`, which `JSON.stringify` takes, instead of as `bigint`. */
  readonly int64?: boolean | undefined;
}

export const PLAIN: Shapes = {};

/** The tag of a floating point number, which a value of that kind begins with. */
const DOUBLE = 0x21;

/** The tag of an entry of a dictionary. */
const ENTRY = 0x0a;

/** The value that these bytes are. */
export function decodeValue(bytes: Buffer, shapes: Shapes = PLAIN): Value {
  const r = new Reader(bytes);
  return readValue(r, r.end, shapes);
}

/** The attributes as properties of an object. */
export function readAttributes(attributes: Attributes, shapes: Shapes): { [name: string]: Value } {
  const record: { [name: string]: Value } = {};
  const r = attributes.reader();
  if (r) {
    r.coverTexts();
    readEntries(r, r.end, ATTRIBUTE, shapes, record);
  }
  return record;
}

// Each of these reads what stands between the reader's position and `end`. Steps within it are bounded by the whole message
// alone, and whether the last one came out at `end` is looked at once.

/** The value up to `end`. */
export function readValue(r: Reader, end: number, shapes: Shapes): Value {
  let value: Value | undefined;
  do {
    const tag = r.tag();
    switch (tag) {
      case 0x08:
        r.int32();
        value = null;
        break;
      case 0x10:
        value = r.bool();
        break;
      case 0x18: {
        const number = r.int64();
        value = typeof number === "bigint" && shapes.int64 ? new Int64(number) : number;
        break;
      }
      case DOUBLE: {
        const number = r.double();
        value = shapes.exact && Number.isSafeInteger(number) ? new Double(number) : number;
        break;
      }
      case 0x2a:
        value = r.text();
        break;
      case 0x32:
        // A copy: a view would hold the whole message, and show the bytes around it through its buffer.
        value = Buffer.from(r.view());
        break;
      case 0x3a:
        value = readTimestamp(r, r.nested());
        break;
      case 0x42:
        value = readList(r, r.nested(), shapes);
        break;
      case 0x4a: {
        const inner = r.nested();
        if (shapes.exact) value = readMap(r, inner, shapes);
        else {
          const record: { [key: string]: Value } = {};
          readEntries(r, inner, ENTRY, shapes, record);
          value = record;
        }
        break;
      }
      case 0x52:
        value = readOpaque(r, r.nested());
        break;
      default:
        r.skip(tag);
    }
  } while (r.position < end);
  if (r.position !== end || value === undefined) throw new MalformedMessage();
  return value;
}

function readTimestamp(r: Reader, end: number): Date | Timestamp {
  let seconds = 0;
  let nanos = 0;
  while (r.position < end) {
    const tag = r.tag();
    if (tag === 0x08) seconds = Number(r.int64());
    else if (tag === 0x10) nanos = r.int32();
    else r.skip(tag);
  }
  endsAt(r, end);
  return nanos % 1e6 === 0 ? new Date(seconds * 1000 + nanos / 1e6) : new Timestamp(seconds, nanos);
}

function readList(r: Reader, end: number, shapes: Shapes): Value[] {
  const list: Value[] = [];
  while (r.position < end) {
    const tag = r.tag();
    if (tag === 0x0a) {
      const inner = r.nested();
      const start = r.position;
      const value = readValue(r, inner, shapes);
      if (typeof value === "number" && isWholeDouble(r, start, value)) markDouble(list, String(list.length));
      list.push(value);
    } else r.skip(tag);
  }
  endsAt(r, end);
  return list;
}

/** The entries that begin with `entry`, into `record`. */
function readEntries(r: Reader, end: number, entry: number, shapes: Shapes, record: { [key: string]: Value }): void {
  while (r.position < end) {
    const tag = r.tag();
    if (tag === entry) readEntry(r, r.nested(), shapes, record);
    else r.skip(tag);
  }
  endsAt(r, end);
}

function readEntry(r: Reader, end: number, shapes: Shapes, record: { [key: string]: Value }): void {
  let key = "";
  let value: Value = null;
  let start = end;
  // As every server writes it.
  if (r.takes(0x0a)) key = r.name();
  if (r.takes(0x12)) {
    const inner = r.nested();
    start = r.position;
    value = readValue(r, inner, shapes);
  }
  while (r.position < end) {
    const tag = r.tag();
    if (tag === 0x0a) key = r.name();
    else if (tag === 0x12) {
      const inner = r.nested();
      start = r.position;
      value = readValue(r, inner, shapes);
    } else r.skip(tag);
  }
  endsAt(r, end);
  if (typeof value === "number" && isWholeDouble(r, start, value)) markDouble(record, key);
  setOwn(record, key, value);
}

function readMap(r: Reader, end: number, shapes: Shapes): Map<string, Value> {
  const map = new Map<string, Value>();
  while (r.position < end) {
    const tag = r.tag();
    if (tag === ENTRY) {
      // The entry's key is its only own property, whatever it is called.
      const entry: { [key: string]: Value } = {};
      readEntry(r, r.nested(), shapes, entry);
      for (const key of Object.keys(entry)) map.set(key, entry[key] as Value);
    } else r.skip(tag);
  }
  endsAt(r, end);
  return map;
}

function isWholeDouble(r: Reader, start: number, value: number): boolean {
  return r.bytes[start] === DOUBLE && Number.isSafeInteger(value);
}

function endsAt(r: Reader, end: number): void {
  if (r.position !== end) throw new MalformedMessage();
}

/** Sets a property of the object's own, also where the name means something to JavaScript. */
export function setOwn<T>(record: { [key: string]: T }, key: string, value: T): void {
  if (key === "__proto__") {
    Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true });
  } else record[key] = value;
}

function readOpaque(r: Reader, end: number): OpaqueValue {
  let encoding = "";
  let data: Buffer = Buffer.alloc(0);
  r.sawOpaque = true;
  while (r.position < end) {
    const tag = r.tag();
    if (tag === 0x0a) encoding = r.text();
    else if (tag === 0x12) data = Buffer.from(r.view());
    else r.skip(tag);
  }
  endsAt(r, end);
  return new OpaqueValue(encoding, data);
}
