// A short name of the visitor's device, for the list of devices. The first that is found counts: many browsers call themselves by
// the names of others, too.
const BROWSERS = [
  ["Edge", /Edg(e|A|iOS)?\//],
  ["Firefox", /Firefox\/|FxiOS\//],
  ["Chrome", /Chrome\/|CriOS\//],
  ["Safari", /Safari\//],
];
const SYSTEMS = [
  ["iPhone", /iPhone/],
  ["iPad", /iPad/],
  ["Android", /Android/],
  ["Windows", /Windows/],
  ["macOS", /Macintosh/],
  ["Linux", /Linux/],
];

/** A name such as "Firefox on Linux" for the header User-Agent. */
export function deviceOf(userAgent = "") {
  const find = (names) => names.find(([, pattern]) => pattern.test(userAgent))?.[0] ?? "something else";
  return `${find(BROWSERS)} on ${find(SYSTEMS)}`;
}
