/**
 * Writes the wire format of Protocol Buffers.
 *
 * One writer serves the whole process: a message is written in one go, without anything asynchronous between, and is
 * copied out at the end.
 */

import type { Slice } from "./slice.js";

const FIRST_SIZE = 64 * 1024;
/** Up to here writing a text is cheaper than asking the engine to. */
const CHARS_BY_HAND = 24;
const TWO_TO_32 = 4294967296;

let slab: Buffer = Buffer.allocUnsafeSlow(FIRST_SIZE);
let position = 0;

function need(bytes: number): void {
  if (position + bytes > slab.length) {
    const larger = Buffer.allocUnsafeSlow(Math.max(slab.length * 2, position + bytes));
    slab.copy(larger, 0, 0, position);
    slab = larger;
  }
}

/** Runs `write` and answers what it wrote. */
export function written(write: () => void): Buffer {
  const start = position;
  try {
    write();
    const message = Buffer.allocUnsafe(position - start);
    slab.copy(message, 0, start, position);
    return message;
  } finally {
    position = start;
    // One large session must not hold its memory for ever.
    if (start === 0 && slab.length > 16 * FIRST_SIZE) {
      slab = Buffer.allocUnsafeSlow(FIRST_SIZE);
    }
  }
}

/** Runs `write`; a copy of what it wrote, or `undefined` if `known` is the same: most values of a session stay as they are. */
export function writtenUnlessSame(write: () => void, known: Slice): Buffer | undefined {
  const start = position;
  try {
    write();
    if (known.isSame(slab, start, position)) return undefined;
    return Buffer.from(slab.subarray(start, position));
  } finally {
    position = start;
  }
}

/** Where the next byte goes. */
export function mark(): number {
  return position;
}

/** Forgets what was written since `mark`. */
export function backTo(start: number): void {
  position = start;
}

export function varint(value: number): void {
  need(10);
  while (value > 127) {
    slab[position++] = (value & 127) | 128;
    value = value < TWO_TO_32 ? (value >>> 0) >>> 7 : Math.floor(value / 128);
  }
  slab[position++] = value;
}

/** A signed 64-bit number, in two's complement. */
export function int64(value: number | bigint): void {
  if (typeof value === "number" && value >= 0) {
    varint(value);
    return;
  }
  need(10);
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 127n) {
    slab[position++] = Number(rest & 127n) | 128;
    rest >>= 7n;
  }
  slab[position++] = Number(rest);
}

export function double(value: number): void {
  need(8);
  position = slab.writeDoubleLE(value, position);
}

/** Bytes as they are, without a length. */
export function raw(bytes: Uint8Array): void {
  need(bytes.length);
  slab.set(bytes, position);
  position += bytes.length;
}

/** Bytes that follow their length. */
export function lengthAndBytes(bytes: Uint8Array): void {
  varint(bytes.length);
  raw(bytes);
}

/** Text that follows its length. False if it is not valid Unicode and was written with replacement characters. */
export function lengthAndText(text: string): boolean {
  const chars = text.length;
  // At most three bytes for each unit of UTF-16, and five for the length.
  need(chars * 3 + 5);
  if (chars < 128 && isShortAscii(text, position + 1)) {
    slab[position] = chars;
    position += 1 + chars;
    return true;
  }
  const bytes = Buffer.byteLength(text);
  varint(bytes);
  position += slab.write(text, position, bytes, "utf8");
  return bytes === chars || text.isWellFormed();
}

/** Whether a text is ASCII, as most short ones are; then it stands at `start`. */
function isShortAscii(text: string, start: number): boolean {
  const chars = text.length;
  if (chars > CHARS_BY_HAND) return slab.utf8Write(text, start, chars * 3) === chars;
  for (let index = 0; index < chars; index++) {
    const code = text.charCodeAt(index);
    if (code > 127) return false;
    slab[start + index] = code;
  }
  return true;
}

/** Runs `write` and puts the length of what it wrote before it. */
export function nested(write: () => void): void {
  const start = begin();
  write();
  end(start);
}

/** Leaves room for the length of a nested message; `end` takes what this answers. */
export function begin(): number {
  need(1);
  return ++position;
}

export function end(start: number): void {
  const length = position - start;
  if (length < 128) {
    slab[start - 1] = length;
    return;
  }
  const more = length < 1 << 14 ? 1 : length < 1 << 21 ? 2 : length < 1 << 28 ? 3 : 4;
  need(more);
  slab.copyWithin(start + more, start, position);
  const after = position + more;
  position = start - 1;
  varint(length);
  position = after;
}

// Fields. Scalars that have the default value of their type are left out, as proto3 has it.

export function textField(tag: number, value: string): void {
  if (value !== "") {
    varint(tag);
    lengthAndText(value);
  }
}

export function numberField(tag: number, value: number): void {
  if (value !== 0) {
    varint(tag);
    varint(value);
  }
}

export function boolField(tag: number, value: boolean | undefined): void {
  if (value) {
    varint(tag);
    varint(1);
  }
}

export function bytesField(tag: number, bytes: Uint8Array): void {
  varint(tag);
  lengthAndBytes(bytes);
}

/** google.protobuf.Duration or Timestamp, from milliseconds. */
export function millisField(tag: number, millis: number): void {
  varint(tag);
  const start = begin();
  // A Duration's two parts have one sign; a Timestamp's nanoseconds are never negative. Both hold from zero on.
  const seconds = Math.floor(millis / 1000);
  const nanos = Math.round((millis - seconds * 1000) * 1e6);
  if (seconds !== 0) {
    varint(8);
    int64(seconds);
  }
  numberField(16, nanos);
  end(start);
}
