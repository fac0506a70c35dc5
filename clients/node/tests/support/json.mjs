// The JSON form of Protocol Buffers, which protobufjs does not speak: times, durations and null as texts and null.
import { readdirSync } from "node:fs";
import protobuf from "protobufjs";

const protos = new URL("../../../../proto/", import.meta.url).pathname;
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => (target.startsWith("sessiond/") ? protos + target : target);
for (const name of readdirSync(`${protos}sessiond/v1`)) root.loadSync(`${protos}sessiond/v1/${name}`);
root.resolveAll();

export const typeOf = (name) => root.lookupType(`sessiond.v1.${name}`);

/** Splits a decimal of seconds into whole ones and nanoseconds. */
function split(text) {
  const [whole, fraction = ""] = text.split(".");
  const nanos = Number(fraction.padEnd(9, "0")) * (whole.startsWith("-") ? -1 : 1);
  return { seconds: whole === "-0" ? "0" : whole, nanos };
}

/** Nanoseconds since 1970 of a moment in RFC 3339, as a BigInt; undefined if the text is none. */
export function nanosOf(text) {
  const found = typeof text === "string" && /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(text);
  if (!found) return undefined;
  return BigInt(Date.parse(`${found[1]}Z`)) * 1_000_000n + BigInt((found[2] ?? "").padEnd(9, "0"));
}

/** The nanoseconds beyond the last whole second, also before 1970. */
const fractionOf = (nanos) => ((nanos % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;

/** A moment in RFC 3339. */
export function textOf(nanos) {
  const fraction = fractionOf(nanos);
  const whole = new Date(Number((nanos - fraction) / 1_000_000n)).toISOString().slice(0, 19);
  return `${whole}.${String(fraction).padStart(9, "0")}Z`;
}

const forms = {
  ".google.protobuf.Timestamp": {
    from: (text) => {
      const nanos = nanosOf(text);
      const fraction = fractionOf(nanos);
      return { seconds: String((nanos - fraction) / 1_000_000_000n), nanos: Number(fraction) };
    },
    to: ({ seconds = "0", nanos = 0 }) => textOf(BigInt(seconds) * 1_000_000_000n + BigInt(nanos)),
  },
  ".google.protobuf.Duration": {
    from: (text) => split(text.replace(/s$/, "")),
    // With 0, 3, 6 or 9 digits of a second.
    to: ({ seconds = "0", nanos = 0 }) =>
      `${`${seconds}.${String(nanos).padStart(9, "0")}`.replace(/(000){1,3}$/, "").replace(/\.$/, "")}s`,
  },
  ".google.protobuf.NullValue": { from: () => 0, to: () => null },
};

/** Of a field that can't tell its default value from none. */
const DEFAULTS = new Set(["", "0", 0, false]);

/** Converts each field of a message, in one direction. */
function convert(type, message, direction) {
  const one = (field, value) => {
    const form = forms[field.resolvedType?.fullName];
    if (form) return form[direction](value);
    return field.resolvedType instanceof protobuf.Type ? convert(field.resolvedType, value, direction) : value;
  };
  const out = {};
  for (const [name, value] of Object.entries(message)) {
    const field = type.fields[name];
    if (!field) throw new Error(`${type.name} has no field ${name}`);
    // The server passes values on as they came, with what another encoder leaves out.
    if (direction === "to" && !field.partOf && DEFAULTS.has(value)) continue;
    if (field.map) {
      out[name] = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, one(field, item)]));
    } else out[name] = field.repeated ? value.map((item) => one(field, item)) : one(field, value);
  }
  return out;
}

/** Bytes of a message in JSON. */
export function encode(type, json) {
  return Buffer.from(type.encode(type.fromObject(convert(type, json, "from"))).finish());
}

/** A message in JSON; what has its default value is left out. */
export function decode(type, bytes) {
  const options = { longs: String, enums: String, bytes: String, json: true };
  return convert(type, type.toObject(type.decode(bytes), options), "to");
}
