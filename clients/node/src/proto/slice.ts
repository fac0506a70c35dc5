/** A value's bytes where they stand in a message: neither copied nor decoded until somebody asks. */

import { Reader } from "./reader.js";

const TEXT = 0x2a;

export class Slice {
  private readonly bytes: Buffer;
  private readonly start: number;
  private readonly end: number;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  /** The tag of the value's kind. */
  get kind(): number | undefined {
    return this.bytes[this.start];
  }

  reader(): Reader {
    return new Reader(this.bytes, this.start, this.end);
  }

  /** Whether it is this text. */
  isText(text: string): boolean {
    const { bytes, start, end } = this;
    // Its kind, and one byte of its length.
    return bytes[start] === TEXT && bytes[start + 1] === end - start - 2 && bytes.utf8Slice(start + 2, end) === text;
  }

  /** Whether the bytes from `offset` to `end` of another buffer are the same. */
  isSame(other: Buffer, offset: number, end: number): boolean {
    const { bytes, start } = this;
    const length = this.end - start;
    if (length !== end - offset) return false;
    if (length > 64) return bytes.compare(other, offset, end, start, this.end) === 0;
    for (let index = 0; index < length; index++) {
      if (bytes[start + index] !== other[offset + index]) return false;
    }
    return true;
  }
}
