/** Session IDs that a framework chose. */

import { createHash } from "node:crypto";

const WITHIN_BOUNDS = /^[\x21-\x7e]{16,256}$/;

/**
 * The ID under which the store knows a framework's ID; `undefined` if it names no session: the empty text, and text that
 * is not valid Unicode.
 *
 * An ID of 16 to 256 printable ASCII characters is taken as it is. Any other becomes "~" and the unpadded base64url form of
 * the SHA-256 of its UTF-8 bytes, the same in every language.
 */
export function toSessionId(id: unknown): string | undefined {
  if (typeof id !== "string" || id === "") return undefined;
  if (WITHIN_BOUNDS.test(id)) return id;
  if (!id.isWellFormed()) return undefined;
  return `~${createHash("sha256").update(id, "utf8").digest("base64url")}`;
}
