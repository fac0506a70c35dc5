/** The token by which a server knows the caller, and its file, which is read again when it has changed. */

import { closeSync, openSync, readSync, statSync } from "node:fs";

export interface TokenOptions {
  /**
   * A file whose first line is the token by which the server knows this caller. It is read when the client is made, and again
   * when it has changed. Default: SESSIOND_TOKEN_FILE.
   */
  readonly tokenFile?: string | undefined;
  /** The token itself, in place of its file. Default: SESSIOND_TOKEN. */
  readonly token?: string | undefined;
}

/** A token, or the file of one, that can't be used. Its text never holds anything of a token. */
export class TokenError extends TypeError {
  constructor(message: string) {
    super(message);
    this.name = "TokenError";
  }
}

/** How old what is known of the file may be when a call is made, in milliseconds. */
const LOOK_AFTER = 2_000;

/** How much of a file is read, in bytes: its first line, with the white space around the token. */
const LONGEST_FILE = 4_096;

const TOKEN = /^[!-~]{1,256}$/;
const CHARACTERS = "a token is 1 to 256 of the characters ! to ~";

/** What sessiond itself makes: where the path of a file belongs, it is not repeated. */
const OURS = /^sdt_[^/]{36,}$/;

const PROBLEMS: { readonly [code: string]: string } = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EACCES: "it may not be opened",
  EPERM: "it may not be opened",
  EISDIR: "it is a folder",
};

/** What the calls of a client carry. It holds no token that anybody could print. */
export class Tokens {
  readonly #file: string | undefined;
  /** `undefined` without a token. */
  #header: string | undefined;
  #number = 0;
  #nextLook = 0;

  constructor(options: TokenOptions) {
    const file = given("tokenFile", options.tokenFile) ?? variable("SESSIOND_TOKEN_FILE");
    const token = given("token", options.token) ?? variable("SESSIOND_TOKEN");
    if (file && token) throw new TokenError("a token file and a token are both set; use one");
    if (file) {
      this.#file = file.value;
      this.#header = headerIn(file.name, file.value);
      this.#nextLook = performance.now() + LOOK_AFTER;
    } else if (token) {
      this.#header = headerOf(token.value);
      if (this.#header === undefined) throw new TokenError(`${token.name} can't be used: ${CHARACTERS}`);
    }
  }

  /** The header of calls. */
  get header(): string | undefined {
    return this.#header;
  }

  /** Which token that is, counted from 0. */
  get number(): number {
    return this.#number;
  }

  /** Looks at the file if the last look is too old. */
  lookIfDue(): void {
    if (this.#file !== undefined && performance.now() >= this.#nextLook) this.#look();
  }

  /** Whether there is another token than that of this number, which was refused. Looks at the file at once. */
  hasAnotherThan(number: number): boolean {
    if (this.#number === number && this.#file !== undefined) this.#look();
    return this.#number !== number;
  }

  #look(): void {
    this.#nextLook = performance.now() + LOOK_AFTER;
    const file = this.#file as string;
    let header: string | undefined;
    try {
      // A pipe could be read once, and would now keep the process waiting.
      if (!statSync(file).isFile()) return;
      header = headerIn("", file);
    } catch {
      // What can't be used leaves the token before.
      return;
    }
    if (header === this.#header) return;
    this.#header = header;
    this.#number++;
  }
}

interface Given {
  /** What it is called in errors. */
  readonly name: string;
  readonly value: string;
}

function given(name: string, value: unknown): Given | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "string") throw new TokenError(`${name} is no text`);
  return { name, value };
}

function variable(name: string): Given | undefined {
  const value = process.env[name];
  // An empty variable counts as unset.
  return value ? { name, value } : undefined;
}

/** The header of the token in a file. */
function headerIn(setting: string, file: string): string {
  if (OURS.test(file)) throw new TokenError(`${setting}: a token stands where the path of its file belongs`);
  const name = `${setting} ${JSON.stringify(file)}`;
  const text = beginningOf(name, file);
  if (text.trim() === "") throw new TokenError(`${name} is empty: write the token into its first line`);
  const header = headerOf((text.split("\n", 1)[0] as string).trim());
  if (header === undefined) throw new TokenError(`${name} holds no token in its first line: ${CHARACTERS}`);
  return header;
}

function beginningOf(name: string, file: string): string {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, "r");
    const bytes = Buffer.alloc(LONGEST_FILE);
    return bytes.latin1Slice(0, readSync(descriptor, bytes, 0, LONGEST_FILE, null));
  } catch (error) {
    const { code = "" } = error as { code?: string };
    throw new TokenError(`${name} can't be read: ${PROBLEMS[code] ?? code}`);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function headerOf(token: string): string | undefined {
  return TOKEN.test(token) ? `Bearer ${token}` : undefined;
}
