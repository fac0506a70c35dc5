export { decodeValue, PLAIN, readAttributes, readValue, type Shapes, setOwn } from "./decode.js";
export { DEEPEST, encodeValue, isLeftOut, writeOpaque, writeValue } from "./encode.js";
export { Double, Int64, OpaqueValue, Timestamp, UnsupportedValue, type Value } from "./types.js";
