/** Reads the wire format of Protocol Buffers. What a peer sends may be anything: every step stays within the bytes. */

const TWO_TO_32 = 4294967296;
const SAFE_HIGH = 2 ** 21;

/** A text that was cut out keeps all of the cover in memory; longer ones are decoded by themselves. */
const LONGEST_CUT = 64;

/** So a text that an application keeps for long holds at most so much. */
const LONGEST_COVER = 16 * 1024;

/** Names of attributes and keys that were seen lately, by their hash. */
const NAMES = 512;
const names: (string | undefined)[] = new Array(NAMES).fill(undefined);

/** Whether the bytes are this text, all of it ASCII. */
function isText(text: string, bytes: Buffer, start: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let index = 0; index < length; index++) {
    const byte = bytes[start + index] as number;
    if (byte > 127 || text.charCodeAt(index) !== byte) return false;
  }
  return true;
}

/** Methods of Buffer that Node.js has, and its types leave out. */
declare global {
  interface Buffer {
    utf8Slice(start: number, end: number): string;
    latin1Slice(start: number, end: number): string;
  }
}

/** Bytes that are no message of the contract. */
export class MalformedMessage extends Error {
  constructor() {
    super("a message is malformed");
    this.name = "MalformedMessage";
  }
}

export class Reader {
  readonly bytes: Buffer;
  position: number;
  end: number;
  private low = 0;
  private high = 0;
  /** The bytes from `coverStart` on as text, one character each: cutting texts out of it is cheaper than decoding each. */
  private cover = "";
  private coverStart = 0;

  constructor(bytes: Buffer, position = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  /** The next field's tag; 0 at the end. */
  tag(): number {
    if (this.position >= this.end) return 0;
    const tag = this.varint();
    if (tag < 8 || tag >= TWO_TO_32) throw new MalformedMessage();
    return tag;
  }

  /** A number below 2^53. */
  varint(): number {
    if (this.position < this.end) {
      const byte = this.bytes[this.position] as number;
      if (byte < 128) {
        this.position++;
        return byte;
      }
    }
    this.split();
    if (this.high >= SAFE_HIGH) throw new MalformedMessage();
    return this.high * TWO_TO_32 + this.low;
  }

  bool(): boolean {
    this.split();
    return this.low !== 0 || this.high !== 0;
  }

  /** An enum or int32. */
  int32(): number {
    this.split();
    return this.low | 0;
  }

  /** A signed number: a `number` where it holds it exactly. */
  int64(): number | bigint {
    this.split();
    const high = this.high | 0;
    const value = high * TWO_TO_32 + this.low;
    if (Number.isSafeInteger(value)) return value;
    return BigInt(high) * BigInt(TWO_TO_32) + BigInt(this.low);
  }

  double(): number {
    if (this.position + 8 > this.end) throw new MalformedMessage();
    const value = this.bytes.readDoubleLE(this.position);
    this.position += 8;
    return value;
  }

  text(): string {
    const end = this.nested();
    const start = this.position;
    this.position = end;
    const { bytes } = this;
    const from = start - this.coverStart;
    const to = end - this.coverStart;
    if (from >= 0 && to <= this.cover.length && to - from <= LONGEST_CUT) {
      let index = start;
      while (index < end && (bytes[index] as number) < 128) index++;
      if (index === end) return this.cover.substring(from, to);
    }
    return bytes.utf8Slice(start, end);
  }

  /** A name, which probably was seen before: then it is the same string, and nothing is allocated. */
  name(): string {
    const { bytes, position } = this;
    const end = this.nested();
    const start = this.position;
    const length = end - start;
    let hash = length;
    for (let index = start; index < end; index++) hash = (Math.imul(hash, 31) + (bytes[index] as number)) | 0;
    const slot = hash & (NAMES - 1);
    const known = names[slot];
    if (known !== undefined && length <= LONGEST_CUT && isText(known, bytes, start, length)) {
      this.position = end;
      return known;
    }
    this.position = position;
    const name = this.text();
    if (length <= LONGEST_CUT) names[slot] = name;
    return name;
  }

  /** Prepares for many short texts between here and the end. */
  coverTexts(): void {
    if (this.end - this.position > LONGEST_COVER) return;
    this.coverStart = this.position;
    this.cover = this.bytes.latin1Slice(this.position, this.end);
  }

  /** A view of the bytes, not a copy. */
  view(): Buffer {
    const end = this.nested();
    const view = this.bytes.subarray(this.position, end);
    this.position = end;
    return view;
  }

  /** Where the nested message that comes next ends. */
  nested(): number {
    const length = this.varint();
    const end = this.position + length;
    if (end > this.end) throw new MalformedMessage();
    return end;
  }

  /** Runs `read` on the nested message that comes next. */
  within<T>(read: (reader: Reader) => T): T {
    const outer = this.end;
    this.end = this.nested();
    const result = read(this);
    this.position = this.end;
    this.end = outer;
    return result;
  }

  /** google.protobuf.Duration or Timestamp, in milliseconds. */
  millis(): number {
    const outer = this.end;
    this.end = this.nested();
    let millis = 0;
    for (let tag = this.tag(); tag !== 0; tag = this.tag()) {
      if (tag === 8) millis += Number(this.int64()) * 1000;
      else if (tag === 16) millis += Math.trunc(this.int32() / 1e6);
      else this.skip(tag);
    }
    this.position = this.end;
    this.end = outer;
    return millis;
  }

  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.split();
        return;
      case 1:
        this.position += 8;
        break;
      case 2:
        this.position = this.nested();
        return;
      case 5:
        this.position += 4;
        break;
      default:
        throw new MalformedMessage();
    }
    if (this.position > this.end) throw new MalformedMessage();
  }

  /** Reads a varint into `low` and `high`, 32 bits each. */
  private split(): void {
    const { bytes, end } = this;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.position >= end) throw new MalformedMessage();
      const byte = bytes[this.position++] as number;
      const bits = byte & 127;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else high |= (bits & 1) << 31;
      if (byte < 128) {
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw new MalformedMessage();
  }
}
