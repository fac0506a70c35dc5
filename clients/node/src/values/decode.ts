/** `sessiond.v1.Value` to JavaScript's values. */

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

/** The value that these bytes are. */
export function decodeValue(bytes: Buffer, shapes: Shapes = PLAIN): Value {
  return readValue(new Reader(bytes), shapes);
}

export function readValue(r: Reader, shapes: Shapes): Value {
  let value: Value | undefined;
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
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
      case 0x21: {
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
        value = r.within(readTimestamp);
        break;
      case 0x42:
        value = r.within((reader) => readList(reader, shapes));
        break;
      case 0x4a:
        value = r.within((reader) => (shapes.exact ? readMap(reader, shapes) : readRecord(reader, shapes)));
        break;
      case 0x52:
        value = r.within(readOpaque);
        break;
      default:
        r.skip(tag);
    }
  }
  if (value === undefined) throw new MalformedMessage();
  return value;
}

function readTimestamp(r: Reader): Date | Timestamp {
  let seconds = 0;
  let nanos = 0;
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
    if (tag === 0x08) seconds = Number(r.int64());
    else if (tag === 0x10) nanos = r.int32();
    else r.skip(tag);
  }
  return nanos % 1e6 === 0 ? new Date(seconds * 1000 + nanos / 1e6) : new Timestamp(seconds, nanos);
}

function readList(r: Reader, shapes: Shapes): Value[] {
  const list: Value[] = [];
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
    if (tag === 0x0a) {
      const isDouble = r.bytes[r.position + 1] === DOUBLE;
      const value = r.within((reader) => readValue(reader, shapes));
      if (isDouble && Number.isSafeInteger(value)) markDouble(list, String(list.length));
      list.push(value);
    } else r.skip(tag);
  }
  return list;
}

function readRecord(r: Reader, shapes: Shapes): { [key: string]: Value } {
  const record: { [key: string]: Value } = {};
  readEntries(r, shapes, (key, value, isDouble) => {
    if (isDouble && Number.isSafeInteger(value)) markDouble(record, key);
    setOwn(record, key, value);
  });
  return record;
}

function readMap(r: Reader, shapes: Shapes): Map<string, Value> {
  const map = new Map<string, Value>();
  readEntries(r, shapes, (key, value) => map.set(key, value));
  return map;
}

function readEntries(r: Reader, shapes: Shapes, set: (key: string, value: Value, isDouble: boolean) => void): void {
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
    if (tag !== 0x0a) {
      r.skip(tag);
      continue;
    }
    r.within((entry) => {
      let key = "";
      let value: Value = null;
      let isDouble = false;
      for (let field = entry.tag(); field !== 0; field = entry.tag()) {
        if (field === 0x0a) key = entry.text();
        else if (field === 0x12) {
          isDouble = entry.bytes[entry.position + 1] === DOUBLE;
          value = entry.within((reader) => readValue(reader, shapes));
        } else entry.skip(field);
      }
      set(key, value, isDouble);
    });
  }
}

/** Sets a property of the object's own, also where the name means something to JavaScript. */
export function setOwn<T>(record: { [key: string]: T }, key: string, value: T): void {
  if (key === "__proto__") {
    Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true });
  } else record[key] = value;
}

function readOpaque(r: Reader): OpaqueValue {
  let encoding = "";
  let data: Buffer = Buffer.alloc(0);
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
    if (tag === 0x0a) encoding = r.text();
    else if (tag === 0x12) data = Buffer.from(r.view());
    else r.skip(tag);
  }
  return new OpaqueValue(encoding, data);
}
