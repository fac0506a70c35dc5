/** A value's bytes where they stand in a message: neither copied nor decoded until somebody asks. */

import { Reader } from "./reader.js";

export class Slice {
  private readonly source: Reader;
  private readonly start: number;
  private readonly end: number;

  constructor(source: Reader, start: number, end: number) {
    this.source = source;
    this.start = start;
    this.end = end;
  }

  static of(bytes: Buffer): Slice {
    return new Slice(new Reader(bytes), 0, bytes.length);
  }

  get length(): number {
    return this.end - this.start;
  }

  /** A reader of these bytes. It is the message's own: whoever reads must be done before the next one begins. */
  reader(): Reader {
    const { source } = this;
    source.position = this.start;
    source.end = this.end;
    return source;
  }

  /** Whether the bytes from `offset` to `end` of another buffer are the same. */
  isSame(other: Buffer, offset: number, end: number): boolean {
    const { start, length } = this;
    if (length !== end - offset) return false;
    const { bytes } = this.source;
    if (length > 64) return bytes.compare(other, offset, end, start, this.end) === 0;
    for (let index = 0; index < length; index++) {
      if (bytes[start + index] !== other[offset + index]) return false;
    }
    return true;
  }
}
