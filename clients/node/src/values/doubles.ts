/**
 * Which numbers of a decoded list or object came as floating point numbers although they are whole. JavaScript can't tell
 * 5.0 from 5; other languages can, so what came as 5.0 goes back so, also when something beside it was changed.
 */

const marks = new WeakMap<object, Set<string>>();
let isUsed = false;

export function markDouble(holder: object, key: string): void {
  isUsed = true;
  const keys = marks.get(holder);
  if (keys) keys.add(key);
  else marks.set(holder, new Set([key]));
}

/** The keys under which the holder's numbers are floating point numbers. */
export function doublesOf(holder: object): ReadonlySet<string> | undefined {
  return isUsed ? marks.get(holder) : undefined;
}
