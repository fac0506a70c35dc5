// The shared vectors: every value of the contract comes in and goes out again as it was.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Double, Int64, OpaqueValue, Timestamp } from "connect-sessiond/client";
import { decodeValue, encodeValue } from "../dist/values/index.js";

const vectors = JSON.parse(readFileSync(new URL("../../conformance/values.json", import.meta.url), "utf8"));

/** What plain JavaScript values can't tell apart, and what they become. */
const PLAIN_LOSES = new Map([
  ["double zero", 0],
  ["double one", 1],
  ["map with keys that look like numbers", "JavaScript sorts them first"],
  ["map in an order of its own", "JavaScript sorts keys that look like numbers first"],
]);

test("exact values lose nothing", () => {
  for (const { name, wire } of vectors) {
    const bytes = Buffer.from(wire, "base64");
    assert.deepEqual(encodeValue(decodeValue(bytes, { exact: true })), bytes, name);
  }
});

test("plain values lose what is named", () => {
  for (const { name, wire } of vectors) {
    const bytes = Buffer.from(wire, "base64");
    const isKept = encodeValue(decodeValue(bytes)).equals(bytes);
    assert.equal(isKept, !PLAIN_LOSES.has(name), name);
  }
});

test("a whole floating point number in a list or object stays one beside what changes", () => {
  const cart = vectors.find(({ name }) => name === "cart");
  const value = decodeValue(Buffer.from(cart.wire, "base64"));
  value.items[1].count += 1;
  value.items[1].price += 1;
  const exact = decodeValue(encodeValue(value), { exact: true });
  assert.deepEqual(exact.get("items")[1].get("price"), new Double(6));
  assert.equal(exact.get("items")[1].get("count"), 2);
});

test("each kind has its JavaScript type", () => {
  const decoded = (name, shapes) =>
    decodeValue(Buffer.from(vectors.find((v) => v.name === name).wire, "base64"), shapes);
  assert.equal(decoded("null"), null);
  assert.equal(decoded("int one"), 1);
  assert.equal(decoded("int largest"), 2n ** 63n - 1n);
  assert.ok(decoded("int largest", { int64: true }) instanceof Int64);
  assert.equal(JSON.stringify(decoded("int largest", { int64: true })), '"9223372036854775807"');
  assert.ok(Object.is(decoded("double minus zero"), -0));
  assert.ok(decoded("double one", { exact: true }) instanceof Double);
  assert.deepEqual(decoded("timestamp plain"), new Date("2024-02-29T12:00:00Z"));
  assert.deepEqual(decoded("timestamp milliseconds"), new Date("2024-02-29T12:00:00.123Z"));
  assert.ok(decoded("timestamp nanoseconds") instanceof Timestamp);
  assert.ok(Buffer.isBuffer(decoded("bytes every value")));
  assert.ok(Object.hasOwn(decoded("map with keys that languages reserve"), "__proto__"));
  assert.equal(Object.getPrototypeOf(decoded("map with keys that languages reserve")), Object.prototype);
});

test("what JSON leaves out is left out", () => {
  const back = (value) => decodeValue(encodeValue(value));
  assert.deepEqual(back({ a: undefined, b() {}, c: Symbol("c"), d: 1 }), { d: 1 });
  assert.deepEqual(back([undefined, () => {}, 1]), [null, null, 1]);
  assert.deepEqual(back(new URL("https://a.example/")), "https://a.example/");
  assert.equal(back(new Date(Number.NaN)), null);
  class Cart {
    items = 2;
  }
  assert.deepEqual(back(new Cart()), { items: 2 });
  assert.equal(back(Object("boxed")), "boxed");
});

test("what no other language can read is refused", () => {
  const round = {};
  round.again = round;
  for (const value of [
    new Set(),
    /x/,
    new Error("x"),
    2n ** 64n,
    "\ud800",
    new Float32Array(1),
    new Map([[1, 2]]),
    round,
  ]) {
    assert.throws(() => encodeValue(value), { name: "UnsupportedValue" });
  }
});

test("an opaque value goes back as it came", () => {
  const bytes = encodeValue(new OpaqueValue("python-pickle", Buffer.from([128, 4])));
  const value = decodeValue(bytes);
  assert.ok(value instanceof OpaqueValue);
  assert.equal(value.encoding, "python-pickle");
  assert.deepEqual(encodeValue(value), bytes);
  assert.throws(() => encodeValue(new OpaqueValue("Not A Name", Buffer.alloc(0))), { name: "UnsupportedValue" });
});

test("bytes that are no value are refused, whatever they are", () => {
  let seed = 1;
  const random = () => {
    seed = (seed * 48271) % 2147483647;
    return seed;
  };
  for (let round = 0; round < 20_000; round++) {
    const source = Buffer.from(vectors[random() % vectors.length].wire, "base64");
    const bytes = Buffer.from(source);
    if (bytes.length > 0) bytes[random() % bytes.length] = random() % 256;
    const cut = bytes.subarray(0, random() % (bytes.length + 1));
    try {
      decodeValue(cut);
    } catch (error) {
      assert.equal(error.name, "MalformedMessage");
    }
  }
});
