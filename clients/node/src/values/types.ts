/** The kinds of value that JavaScript has no type of its own for. */

import { inspect } from "node:util";

/** A floating point number that stays one where it is whole: `new Double(1)` is 1.0 to other languages, 1 is a whole number. */
export class Double {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }

  valueOf(): number {
    return this.value;
  }

  toJSON(): number {
    return this.value;
  }
}

/** A whole number beyond what a `number` holds exactly, where a `bigint` would not do: `JSON.stringify` refuses those. */
export class Int64 {
  readonly value: bigint;

  constructor(value: bigint) {
    this.value = value;
  }

  valueOf(): bigint {
    return this.value;
  }

  toString(): string {
    return this.value.toString();
  }

  toJSON(): string {
    return this.value.toString();
  }
}

/** A moment that a `Date` can't hold: with parts of a millisecond. */
export class Timestamp {
  /** Seconds since 1970. */
  readonly seconds: number;
  /** From 0 to 999,999,999. */
  readonly nanos: number;

  constructor(seconds: number, nanos = 0) {
    this.seconds = seconds;
    this.nanos = nanos;
  }

  toDate(): Date {
    return new Date(this.seconds * 1000 + Math.trunc(this.nanos / 1e6));
  }

  toJSON(): string {
    const fraction = this.nanos.toString().padStart(9, "0");
    return this.toDate()
      .toISOString()
      .replace(/\d{3}Z$/, `${fraction}Z`);
  }
}

/** What another language or framework stored in an encoding of its own. It goes back unchanged. */
export class OpaqueValue {
  /** The name of the encoding, such as "python-pickle". */
  readonly encoding: string;
  readonly data: Buffer;

  constructor(encoding: string, data: Uint8Array) {
    this.encoding = encoding;
    this.data = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  }

  toJSON(): { encoding: string; data: string } {
    return { encoding: this.encoding, data: this.data.toString("base64") };
  }

  [inspect.custom](): string {
    return `OpaqueValue { encoding: '${this.encoding}', ${this.data.length} bytes }`;
  }
}

/** What an attribute can hold. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Uint8Array
  | Double
  | Int64
  | Timestamp
  | OpaqueValue
  | readonly Value[]
  | { readonly [key: string]: Value }
  | ReadonlyMap<string, Value>;

/** A value that no other language can read. */
export class UnsupportedValue extends TypeError {
  constructor(problem: string, options?: ErrorOptions) {
    super(problem, options);
    this.name = "UnsupportedValue";
  }
}
