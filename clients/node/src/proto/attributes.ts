/** A session's attributes where they stand in a message: decoded at once, or compared one by one when the session is saved. */

import type { Reader } from "./reader.js";
import { Slice } from "./slice.js";

/** The tag of an attribute in a Session. */
export const ATTRIBUTE = 0x22;

/** A save, on top of what was there before. */
interface Save {
  readonly before: Attributes;
  readonly set: ReadonlyMap<string, Slice>;
  readonly removed: ReadonlySet<string>;
}

export class Attributes {
  private readonly source: Reader | undefined;
  /** Where the first of them begins, and the last one ends. */
  private readonly start: number;
  private readonly end: number;
  private save: Save | undefined;
  private indexed: Index | undefined;

  /** Those between `start` and `end` of a session. Other fields may stand among them. */
  constructor(source?: Reader, start = 0, end = 0) {
    this.source = source;
    this.start = start;
    this.end = end;
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

  /** Whether the message has none. */
  get isEmpty(): boolean {
    return this.start === this.end;
  }

  get names(): readonly string[] {
    return this.index.names;
  }

  get(name: string): Slice | undefined {
    return this.index.get(name);
  }

  /** What is there after a save. */
  after(set: ReadonlyMap<string, Slice>, removed: ReadonlySet<string>): Attributes {
    const after = new Attributes();
    after.save = { before: this, set, removed };
    return after;
  }

  /** Most sessions are saved once at most: until then nobody needs it. */
  private get index(): Index {
    if (!this.indexed) {
      this.indexed = this.save ? indexAfter(this.save) : indexOf(this.reader());
      this.save = undefined;
    }
    return this.indexed;
  }
}

/** Names and their values, in the order of the message: sessions are saved in the order in which they were loaded. */
class Index {
  readonly names: string[] = [];
  readonly values: Slice[] = [];
  /** Where the next one probably is. */
  private next = 0;
  private places: Map<string, number> | undefined;

  put(name: string, value: Slice): void {
    this.names.push(name);
    this.values.push(value);
  }

  get(name: string): Slice | undefined {
    const { names } = this;
    let place: number | undefined = this.next < names.length ? this.next : 0;
    if (names[place] !== name) {
      this.places ??= new Map(names.map((known, index) => [known, index]));
      place = this.places.get(name);
      if (place === undefined) return undefined;
    }
    this.next = place + 1;
    return this.values[place];
  }
}

function indexAfter({ before, set, removed }: Save): Index {
  const after = new Index();
  for (const name of before.names) {
    if (!set.has(name) && !removed.has(name)) after.put(name, before.get(name) as Slice);
  }
  for (const [name, value] of set) after.put(name, value);
  return after;
}

function indexOf(r: Reader | undefined): Index {
  const index = new Index();
  if (!r) return index;
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
    if (tag === ATTRIBUTE) readSlice(r, r.nested(), index);
    else r.skip(tag);
  }
  return index;
}

function readSlice(r: Reader, end: number, index: Index): void {
  let name = "";
  let value: Slice | undefined;
  while (r.position < end) {
    const tag = r.tag();
    if (tag === 0x0a) name = r.name();
    else if (tag === 0x12) {
      const inner = r.nested();
      value = new Slice(r.bytes, r.position, inner);
      r.position = inner;
    } else r.skip(tag);
  }
  if (value) index.put(name, value);
}
