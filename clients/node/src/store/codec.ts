/**
 * The keys of a framework's session to attributes and back.
 *
 * What every language can read is stored so. What only Node.js can (a Map, a Set, an error, text that is not valid Unicode)
 * is stored per key as an opaque value, written by `v8.serialize` or by the application's own serializer.
 */

import { createHash } from "node:crypto";
import * as v8 from "node:v8";
import type { Attributes } from "../proto/attributes.js";
import type { Slice } from "../proto/slice.js";
import * as w from "../proto/writer.js";
import {
  DEEPEST,
  OpaqueValue,
  readAttributes,
  readValue,
  setOwn,
  UnsupportedValue,
  type Value,
  writeOpaque,
  writeValue,
} from "../values/index.js";

/** The application's own way to write values. Each key of the session is written by itself. */
export interface Serializer {
  /** Names the encoding: 1 to 64 of the characters a-z, 0-9, -, _, ., / and +. Default: "node-serializer". */
  readonly encoding?: string | undefined;
  stringify(value: unknown): string | Uint8Array;
  parse(data: string): unknown;
}

const NODE_V8 = "node-v8";
/** The same for a key that can't name an attribute: the data is a list of the key and the value. */
const NODE_V8_ENTRY = "node-v8+entry";

/** The default of the server's setting max-attribute-name-bytes. */
const LONGEST_NAME = 256;

const SHAPES = { int64: true };

/** Kinds of value of which different bytes are different values: null, truth values, whole numbers, text. */
const DISTINCT: ReadonlySet<number | undefined> = new Set([0x08, 0x10, 0x18, 0x2a]);

export class Codec {
  private readonly serializer: Serializer | undefined;
  private readonly encoding: string;

  constructor(serializer: Serializer | undefined) {
    this.serializer = serializer;
    this.encoding = serializer?.encoding ?? "node-serializer";
    // Checks the name now rather than at the first save.
    if (serializer) w.written(() => writeOpaque(this.encoding, Buffer.alloc(0)));
  }

  /** The name of the attribute that holds a key. */
  nameOf(key: string): string {
    return canBeName(key) ? key : `~${createHash("sha256").update(key, "utf16le").digest("base64url")}`;
  }

  /** The bytes of a key's value. */
  encode(key: string, value: unknown): Buffer {
    return w.written(() => this.writeAny(key, value));
  }

  /** The bytes of a key's value, or `undefined` if it is what is known: 1.0 of another language is 1 here. */
  encodeUnlessSame(key: string, value: unknown, known: Slice): Buffer | undefined {
    // Cheaper than to write it; with a serializer, texts are opaque.
    if (typeof value === "string" && known.isText(value) && !this.serializer) return undefined;
    const bytes = w.writtenUnlessSame(() => this.writeAny(key, value), known);
    if (!bytes || (bytes[0] === known.kind && DISTINCT.has(known.kind))) return bytes;
    const before = this.decode(this.nameOf(key), known);
    return bytes.equals(this.encode(key, before)) ? undefined : bytes;
  }

  private writeAny(key: string, value: unknown): void {
    const start = w.mark();
    try {
      this.write(key, value);
    } catch (error) {
      if (!(error instanceof UnsupportedValue) || error.cause !== undefined) throw error;
      w.backTo(start);
      writeOpaque(NODE_V8, serialized(key, value));
    }
  }

  private write(key: string, value: unknown): void {
    if (!canBeName(key)) writeOpaque(NODE_V8_ENTRY, serialized(key, [key, value]));
    // Another language's own values go back as they came.
    else if (value instanceof OpaqueValue) writeOpaque(value.encoding, value.data);
    else if (this.serializer) {
      const data = this.serializer.stringify(value);
      writeOpaque(this.encoding, typeof data === "string" ? Buffer.from(data, "utf8") : data);
    } else writeValue(value, key, false, DEEPEST);
  }

  /** The keys of a session, from the attributes that hold them. */
  decodeAll(attributes: Attributes): { [key: string]: unknown } {
    const data = readAttributes(attributes, SHAPES);
    if (!attributes.sawOpaque) return data;
    const restored: { [key: string]: unknown } = {};
    for (const name of Object.keys(data)) {
      const [key, value] = this.restore(name, data[name] as Value);
      setOwn(restored, key, value);
    }
    return restored;
  }

  private decode(name: string, known: Slice): unknown {
    const r = known.reader();
    return this.restore(name, readValue(r, r.end, SHAPES))[1];
  }

  /** The key and its value. What can't be decoded is handed out as an opaque value. */
  private restore(name: string, value: Value): [key: string, value: unknown] {
    if (!(value instanceof OpaqueValue)) return [name, value];
    try {
      if (value.encoding === NODE_V8) return [name, v8.deserialize(value.data)];
      if (value.encoding === NODE_V8_ENTRY) return v8.deserialize(value.data);
      if (this.serializer && value.encoding === this.encoding) {
        return [name, this.serializer.parse(value.data.toString("utf8"))];
      }
    } catch {
      // Written by another version of the application: it stays as it is.
    }
    return [name, value];
  }
}

function canBeName(key: string): boolean {
  if (key === "" || key.length > LONGEST_NAME) return false;
  return key.isWellFormed() && (key.length * 3 <= LONGEST_NAME || Buffer.byteLength(key) <= LONGEST_NAME);
}

function serialized(key: string, value: unknown): Buffer {
  try {
    return v8.serialize(value);
  } catch (error) {
    // The error's own text may show what the session holds.
    throw new UnsupportedValue(`the session's key "${key.toWellFormed()}" holds what can't be stored`, {
      cause: error,
    });
  }
}
