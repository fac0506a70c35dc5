/** A session's attributes where they stand in a message: decoded at once, or compared one by one when the session is saved. */

import type { Reader } from "./reader.js";
import { Slice } from "./slice.js";

/** The tag of an attribute in a Session. */
export const ATTRIBUTE = 0x22;

export class Attributes {
  private readonly source: Reader | undefined;
  /** Where the first of them begins, and the last one ends. */
  private readonly start: number;
  private readonly end: number;
  private slices: Map<string, Slice> | undefined;

  /** Those between `start` and `end` of a session. Other fields may stand among them. */
  constructor(source: Reader | undefined, start = 0, end = 0) {
    this.source = source;
    this.start = start;
    this.end = end;
  }

  static of(slices: Map<string, Slice>): Attributes {
    const attributes = new Attributes(undefined);
    attributes.slices = slices;
    return attributes;
  }

  /** A reader that has the attributes before it. It is the message's own: whoever reads must be done before the next one begins. */
  reader(): Reader | undefined {
    const { source } = this;
    if (source) {
      source.position = this.start;
      source.end = this.end;
    }
    return source;
  }

  /** Whether one of those that were decoded holds an opaque value. */
  get sawOpaque(): boolean {
    return this.source?.sawOpaque ?? false;
  }

  get isEmpty(): boolean {
    return this.source ? this.start === this.end : this.all.size === 0;
  }

  get(name: string): Slice | undefined {
    return this.all.get(name);
  }

  has(name: string): boolean {
    return this.all.has(name);
  }

  keys(): Iterable<string> {
    return this.all.keys();
  }

  private get all(): Map<string, Slice> {
    this.slices ??= slicesOf(this.reader());
    return this.slices;
  }
}

function slicesOf(r: Reader | undefined): Map<string, Slice> {
  const slices = new Map<string, Slice>();
  if (!r) return slices;
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
    if (tag === ATTRIBUTE) readSlice(r, slices);
    else r.skip(tag);
  }
  return slices;
}

function readSlice(r: Reader, slices: Map<string, Slice>): void {
  const outer = r.end;
  r.end = r.nested();
  let name = "";
  let value: Slice | undefined;
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
    if (tag === 0x0a) name = r.name();
    else if (tag === 0x12) {
      const end = r.nested();
      value = new Slice(r, r.position, end);
      r.position = end;
    } else r.skip(tag);
  }
  if (value) slices.set(name, value);
  r.position = r.end;
  r.end = outer;
}
