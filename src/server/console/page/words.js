// Puts numbers, moments and texts of others into words.

const HIDDEN = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** Text with what is not seen, or turns the text around, written out. */
export function visible(text) {
  return text.replace(HIDDEN, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);
}

export function count(number) {
  return new Intl.NumberFormat("en").format(number);
}

export function sessions(number) {
  return number === 1 ? "1 session" : `${count(number)} sessions`;
}

export function rate(number) {
  if (number >= 100) return count(Math.round(number));
  return new Intl.NumberFormat("en", { maximumFractionDigits: number >= 10 ? 0 : 1 }).format(number);
}

export function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (number >= 1024 && unit < units.length - 1) [number, unit] = [number / 1024, unit + 1];
  return `${new Intl.NumberFormat("en", { maximumFractionDigits: unit > 0 && number < 100 ? 1 : 0 }).format(number)} ${units[unit]}`;
}

/** A short length of time, such as a latency. */
export function brief(seconds) {
  const number = (value) => new Intl.NumberFormat("en", { maximumSignificantDigits: 2 }).format(value);
  if (seconds === 0) return "0 s";
  if (seconds < 0.001) return `${number(seconds * 1e6)} µs`;
  if (seconds < 1) return `${number(seconds * 1e3)} ms`;
  return seconds < 120 ? `${number(seconds)} s` : length(seconds);
}

/** A length of time in its largest two units. */
export function length(seconds) {
  const units = [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
    ["s", 1],
  ];
  let left = Math.max(0, Math.round(seconds));
  const first = units.findIndex(([, size]) => left >= size);
  if (first < 0) return "0 s";
  const parts = [];
  for (const [name, size] of units.slice(first, first + 2)) {
    const number = Math.floor(left / size);
    if (number > 0) parts.push(`${number} ${name}`);
    left -= number * size;
  }
  return parts.join(" ");
}

/** How far away a moment is: "3 min ago", "in 2 h". */
export function relative(time, now = Date.now()) {
  const seconds = (Date.parse(time) - now) / 1000;
  const distance = Math.abs(seconds);
  if (distance < 1) return "now";
  const [unit, size] = [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
    ["s", 1],
  ].find(([, size]) => distance >= size);
  const text = `${seconds < 0 ? Math.floor(distance / size) : Math.round(distance / size)} ${unit}`;
  return seconds < 0 ? `${text} ago` : `in ${text}`;
}

/** A moment in the time zone of whoever looks. */
export function moment(time) {
  return new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" }).format(new Date(time));
}

/** The seconds of a length such as `1.500s`. */
export function secondsOf(length) {
  return Number.parseFloat(length ?? "0");
}
