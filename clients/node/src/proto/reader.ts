/** Reads the wire format of Protocol Buffers. What a peer sends may be anything: every step stays within the bytes. */

const TWO_TO_32 = 4294967296;
const SAFE_HIGH = 2 ** 21;

/** A text that was cut out keeps all of the cover in memory; longer ones are decoded by themselves. */
const LONGEST_CUT = 64;

/** So a text that an application keeps for long holds at most so much. */
const LONGEST_COVER = 16 * 1024;

/** Names of attributes and keys that were seen lately, all ASCII, each in the slot that its length and its ends choose. */
const NAMES = 512;
const LONGEST_NAME = 32;
const names: string[] = new Array(NAMES).fill("");
/** The same as bytes: comparing bytes with bytes is cheaper than with characters. */
const nameBytes = new Uint8Array(NAMES * LONGEST_NAME);

/** Methods of Buffer that Node.js has, and its types leave out. */
declare global {
  interface Buffer {
    utf8Slice(start: number, end: number): string;
    latin1Slice(start: number, end: number): string;
    utf8Write(text: string, offset: number, length: number): number;
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
  /** Whether an opaque value was read: most sessions have none, and need no second look. */
  sawOpaque = false;
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

  // What is small and frequent has its short case by itself, so that the engine inlines it.

  /** The next field's tag; 0 at the end. */
  tag(): number {
    const { position } = this;
    if (position >= this.end) return 0;
    const byte = this.bytes[position] as number;
    if (byte >= 128 || byte < 8) return this.longTag();
    this.position = position + 1;
    return byte;
  }

  /** Whether this tag of one byte comes next; then it is read. */
  takes(tag: number): boolean {
    const { position } = this;
    if (position >= this.end || this.bytes[position] !== tag) return false;
    this.position = position + 1;
    return true;
  }

  /** A number below 2^53. */
  varint(): number {
    const { position } = this;
    if (position >= this.end) throw new MalformedMessage();
    const byte = this.bytes[position] as number;
    if (byte >= 128) return this.longVarint();
    this.position = position + 1;
    return byte;
  }

  bool(): boolean {
    if (this.takes(0)) return false;
    if (this.takes(1)) return true;
    this.split();
    return this.low !== 0 || this.high !== 0;
  }

  /** An enum or int32. */
  int32(): number {
    const number = this.below2To49();
    if (number >= 0) return number | 0;
    this.split();
    return this.low | 0;
  }

  /** A signed number: a `number` where it holds it exactly. */
  int64(): number | bigint {
    const number = this.below2To49();
    if (number >= 0) return number;
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
    return this.textAt(start, end);
  }

  /** A name, which probably was seen before: then it is the same string, and nothing is allocated. */
  name(): string {
    const end = this.nested();
    const { bytes, position: start } = this;
    this.position = end;
    const length = end - start;
    if (length === 0 || length > LONGEST_NAME) return this.textAt(start, end);
    const slot = (length * 7 + (bytes[start] as number) * 31 + (bytes[end - 1] as number) * 131) & (NAMES - 1);
    const known = names[slot] as string;
    if (known.length === length) {
      let from = slot * LONGEST_NAME;
      let index = start;
      while (index < end && nameBytes[from] === bytes[index]) {
        from++;
        index++;
      }
      if (index === end) return known;
    }
    return this.newName(slot, start, end);
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

  private textAt(start: number, end: number): string {
    const from = start - this.coverStart;
    const to = end - this.coverStart;
    if (from >= 0 && to <= this.cover.length && to - from <= LONGEST_CUT && isAscii(this.bytes, start, end)) {
      return this.cover.substring(from, to);
    }
    return this.bytes.utf8Slice(start, end);
  }

  private newName(slot: number, start: number, end: number): string {
    // As an object's key the engine keeps it in the form that makes it quick as one.
    const name = Object.keys({ [this.textAt(start, end)]: 0 })[0] as string;
    if (isAscii(this.bytes, start, end)) {
      names[slot] = name;
      nameBytes.set(this.bytes.subarray(start, end), slot * LONGEST_NAME);
    }
    return name;
  }

  private longTag(): number {
    const tag = this.varint();
    if (tag < 8 || tag >= TWO_TO_32) throw new MalformedMessage();
    return tag;
  }

  private longVarint(): number {
    const number = this.below2To49();
    if (number >= 0) return number;
    this.split();
    if (this.high >= SAFE_HIGH) throw new MalformedMessage();
    return this.high * TWO_TO_32 + this.low;
  }

  /** A number of at most seven bytes, as nearly all are; -1, and nothing is read, if it is longer. */
  private below2To49(): number {
    const { bytes, end } = this;
    let { position } = this;
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      if (position >= end) throw new MalformedMessage();
      const byte = bytes[position++] as number;
      low |= (byte & 127) << shift;
      if (byte < 128) {
        this.position = position;
        return low;
      }
    }
    let number = low;
    for (let scale = 2 ** 28; scale < 2 ** 49; scale *= 128) {
      if (position >= end) throw new MalformedMessage();
      const byte = bytes[position++] as number;
      number += (byte & 127) * scale;
      if (byte < 128) {
        this.position = position;
        return number;
      }
    }
    return -1;
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

function isAscii(bytes: Buffer, start: number, end: number): boolean {
  let all = 0;
  for (let index = start; index < end; index++) all |= bytes[index] as number;
  return all < 128;
}
