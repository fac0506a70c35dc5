/**
 * JavaScript's values to `sessiond.v1.Value`.
 *
 * What JSON leaves out or changes is treated as `JSON.stringify` does: `undefined` and functions are left out of objects and
 * become null in lists, `toJSON` is followed, an object counts by its own enumerable properties. Beyond JSON, dates,
 * bytes and whole numbers of 64 bits keep their type.
 */

import { types } from "node:util";
import * as w from "../proto/writer.js";
import { doublesOf } from "./doubles.js";
import { Double, Int64, OpaqueValue, Timestamp, UnsupportedValue } from "./types.js";

/** The deepest nesting that the contract allows. */
export const DEEPEST = 30;

/** Whether a value is left out where an object holds it. */
export function isLeftOut(value: unknown): boolean {
  return value === undefined || typeof value === "function" || typeof value === "symbol";
}

/** The bytes of a Value. `isNeutralMap` says whether a Map is written as a dictionary, or refused. */
export function encodeValue(value: unknown, isNeutralMap = true): Buffer {
  return w.written(() => writeValue(value, "", isNeutralMap, DEEPEST));
}

export function writeValue(value: unknown, key: string, isNeutralMap: boolean, levels: number): void {
  switch (typeof value) {
    case "string":
      w.varint(0x2a);
      if (!w.lengthAndText(value)) throw new UnsupportedValue("text that is not valid Unicode");
      return;
    case "number":
      writeNumber(value);
      return;
    case "boolean":
      w.varint(0x10);
      w.varint(value ? 1 : 0);
      return;
    case "bigint":
      writeBigInt(value);
      return;
    case "object":
      if (value !== null) writeObject(value, key, isNeutralMap, levels);
      else writeNull();
      return;
    default:
      writeNull();
  }
}

function writeNull(): void {
  w.varint(0x08);
  w.varint(0);
}

function writeNumber(value: number): void {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    w.varint(0x18);
    w.int64(value);
  } else writeDouble(value);
}

function writeDouble(value: number): void {
  w.varint(0x21);
  w.double(value);
}

function writeBigInt(value: bigint): void {
  if (BigInt.asIntN(64, value) !== value) throw new UnsupportedValue("a whole number beyond 64 bits");
  w.varint(0x18);
  w.int64(value);
}

function writeObject(value: object, key: string, isNeutralMap: boolean, levels: number): void {
  if (Array.isArray(value)) {
    writeList(value, isNeutralMap, levels);
    return;
  }
  const prototype = Object.getPrototypeOf(value);
  if ((prototype === Object.prototype || prototype === null) && typeof (value as Jsonable).toJSON !== "function") {
    writeRecord(value, isNeutralMap, levels);
    return;
  }
  if (value instanceof Date) writeDate(value);
  else if (value instanceof Uint8Array) w.bytesField(0x32, value);
  else if (value instanceof Double) writeDouble(value.value);
  else if (value instanceof Int64) writeBigInt(value.value);
  else if (value instanceof Timestamp) writeTimestamp(value.seconds, value.nanos);
  else if (value instanceof OpaqueValue) writeOpaque(value.encoding, value.data);
  else if (value instanceof Map && isNeutralMap) writeMap(value, levels);
  else if (value instanceof Number || value instanceof String || value instanceof Boolean) {
    writeValue(value.valueOf(), key, isNeutralMap, levels);
  } else if (typeof (value as Jsonable).toJSON === "function") {
    writeValue((value as Jsonable).toJSON(key), key, isNeutralMap, deeper(levels));
  } else if (isBuiltIn(value)) {
    throw new UnsupportedValue(`a ${value.constructor?.name ?? "special object"}, which no other language can read`);
  } else writeRecord(value, isNeutralMap, levels);
}

interface Jsonable {
  toJSON(key: string): unknown;
}

/** Objects whose content is not in their properties. */
function isBuiltIn(value: object): boolean {
  return (
    types.isMap(value) ||
    types.isSet(value) ||
    types.isRegExp(value) ||
    types.isNativeError(value) ||
    types.isAnyArrayBuffer(value) ||
    ArrayBuffer.isView(value) ||
    types.isBoxedPrimitive(value)
  );
}

function deeper(levels: number): number {
  if (levels === 0) throw new UnsupportedValue(`values nested deeper than ${DEEPEST} levels`);
  return levels - 1;
}

function writeDate(date: Date): void {
  const millis = date.getTime();
  if (Number.isNaN(millis)) {
    writeNull();
    return;
  }
  const seconds = Math.floor(millis / 1000);
  writeTimestamp(seconds, (millis - seconds * 1000) * 1e6);
}

function writeTimestamp(seconds: number, nanos: number): void {
  // Timestamps reach from the year 1 to 9999.
  if (seconds < -62135596800 || seconds > 253402300799) {
    throw new UnsupportedValue("a moment outside of the years 1 to 9999");
  }
  w.varint(0x3a);
  const start = w.begin();
  if (seconds !== 0) {
    w.varint(0x08);
    w.int64(seconds);
  }
  w.numberField(0x10, nanos);
  w.end(start);
}

/** The encoding's name is checked here: the server would refuse the whole session for it. */
export function writeOpaque(encoding: string, data: Uint8Array): void {
  if (!/^[a-z0-9][a-z0-9\-_./+]{0,63}$/.test(encoding)) {
    throw new UnsupportedValue("an encoding's name that is not 1 to 64 of the characters a-z, 0-9, -, _, ., / and +");
  }
  w.varint(0x52);
  const start = w.begin();
  w.textField(0x0a, encoding);
  if (data.length > 0) w.bytesField(0x12, data);
  w.end(start);
}

function writeList(list: readonly unknown[], isNeutralMap: boolean, levels: number): void {
  const inner = deeper(levels);
  const doubles = doublesOf(list);
  w.varint(0x42);
  const start = w.begin();
  for (let index = 0; index < list.length; index++) {
    const value = list[index];
    w.varint(0x0a);
    const item = w.begin();
    if (typeof value === "number" && doubles?.has(String(index))) writeDouble(value);
    else writeValue(value, String(index), isNeutralMap, inner);
    w.end(item);
  }
  w.end(start);
}

function writeRecord(record: object, isNeutralMap: boolean, levels: number): void {
  const inner = deeper(levels);
  const doubles = doublesOf(record);
  w.varint(0x4a);
  const start = w.begin();
  for (const key of Object.keys(record)) {
    const value = (record as Record<string, unknown>)[key];
    if (!isLeftOut(value)) writeEntry(key, value, isNeutralMap, inner, doubles?.has(key));
  }
  w.end(start);
}

function writeMap(map: Map<unknown, unknown>, levels: number): void {
  const inner = deeper(levels);
  w.varint(0x4a);
  const start = w.begin();
  for (const [key, value] of map) {
    if (typeof key !== "string") throw new UnsupportedValue("a Map with a key that is no text");
    writeEntry(key, value, true, inner);
  }
  w.end(start);
}

function writeEntry(key: string, value: unknown, isNeutralMap: boolean, levels: number, isDouble = false): void {
  w.varint(0x0a);
  const entry = w.begin();
  if (key !== "") {
    w.varint(0x0a);
    if (!w.lengthAndText(key)) throw new UnsupportedValue("a key that is not valid Unicode");
  }
  w.varint(0x12);
  const start = w.begin();
  if (isDouble && typeof value === "number") writeDouble(value);
  else writeValue(value, key, isNeutralMap, levels);
  w.end(start);
  w.end(entry);
}
