/**
 * The keys of a framework's session to attributes and back.
 *
 * What every language can read is stored so. What only Node.js can (a Map, a Set, an error, text that is not valid Unicode)
 * is stored per key as an opaque value, written by `v8.serialize` or by the application's own serializer.
 */

import { createHash } from "node:crypto";
import * as v8 from "node:v8";
import * as w from "../proto/writer.js";
import { decodeValue, encodeValue, OpaqueValue, UnsupportedValue, writeOpaque } from "../values/index.js";

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

export class Codec {
  private readonly serializer: Serializer | undefined;
  private readonly encoding: string;

  constructor(serializer: Serializer | undefined) {
    this.serializer = serializer;
    this.encoding = serializer?.encoding ?? "node-serializer";
    // Checks the name now rather than at the first save.
    if (serializer) opaque(this.encoding, Buffer.alloc(0));
  }

  /** The attribute's name and the bytes of its value. */
  encode(key: string, value: unknown): [name: string, bytes: Buffer] {
    if (!canBeName(key)) {
      const name = `~${createHash("sha256").update(key, "utf16le").digest("base64url")}`;
      return [name, opaque(NODE_V8_ENTRY, serialized(key, [key, value]))];
    }
    // Another language's own values go back as they came.
    if (value instanceof OpaqueValue) return [key, opaque(value.encoding, value.data)];
    if (this.serializer) {
      const data = this.serializer.stringify(value);
      return [key, opaque(this.encoding, typeof data === "string" ? Buffer.from(data, "utf8") : data)];
    }
    try {
      return [key, encodeValue(value, false)];
    } catch (error) {
      if (!(error instanceof UnsupportedValue)) throw error;
      return [key, opaque(NODE_V8, serialized(key, value))];
    }
  }

  /** The key and its value. What can't be decoded is handed out as an opaque value. */
  decode(name: string, bytes: Buffer): [key: string, value: unknown] {
    const value = decodeValue(bytes, SHAPES);
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

  /** Whether two values are the same, although their bytes may differ: 1.0 of another language is 1 here. */
  isSame(name: string, before: Buffer, after: Buffer): boolean {
    if (before.equals(after)) return true;
    const [key, value] = this.decode(name, before);
    return this.encode(key, value)[1].equals(after);
  }
}

function canBeName(key: string): boolean {
  if (key === "" || key.length > LONGEST_NAME) return false;
  return key.isWellFormed() && (key.length * 3 <= LONGEST_NAME || Buffer.byteLength(key) <= LONGEST_NAME);
}

function opaque(encoding: string, data: Uint8Array): Buffer {
  return w.written(() => writeOpaque(encoding, data));
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
