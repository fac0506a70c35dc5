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
        value = nested(r, shapes, readTimestamp);
        break;
      case 0x42:
        value = nested(r, shapes, readList);
        break;
      case 0x4a:
        value = shapes.exact ? nested(r, shapes, readMap) : nested(r, shapes, readRecord);
        break;
      case 0x52:
        value = nested(r, shapes, readOpaque);
        break;
      default:
        r.skip(tag);
    }
  }
  if (value === undefined) throw new MalformedMessage();
  return value;
}

function nested<T>(r: Reader, shapes: Shapes, read: (r: Reader, shapes: Shapes) => T): T {
  const outer = r.end;
  r.end = r.nested();
  const value = read(r, shapes);
  r.position = r.end;
  r.end = outer;
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
      const value = nested(r, shapes, readValue);
      if (isDouble && Number.isSafeInteger(value)) markDouble(list, String(list.length));
      list.push(value);
    } else r.skip(tag);
  }
  return list;
}

function readRecord(r: Reader, shapes: Shapes): { [key: string]: Value } {
  const record: { [key: string]: Value } = {};
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
    if (tag === 0x0a) {
      const { key, value, isDouble } = nested(r, shapes, readEntry);
      if (isDouble && Number.isSafeInteger(value)) markDouble(record, key);
      setOwn(record, key, value);
    } else r.skip(tag);
  }
  return record;
}

function readMap(r: Reader, shapes: Shapes): Map<string, Value> {
  const map = new Map<string, Value>();
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
    if (tag === 0x0a) {
      const { key, value } = nested(r, shapes, readEntry);
      map.set(key, value);
    } else r.skip(tag);
  }
  return map;
}

function readEntry(r: Reader, shapes: Shapes): { key: string; value: Value; isDouble: boolean } {
  let key = "";
  let value: Value = null;
  let isDouble = false;
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
    if (tag === 0x0a) key = r.name();
    else if (tag === 0x12) {
      isDouble = r.bytes[r.position + 1] === DOUBLE;
      value = nested(r, shapes, readValue);
    } else r.skip(tag);
  }
  return { key, value, isDouble };
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
