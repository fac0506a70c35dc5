/** The class that express-session's stores extend, where it is installed; otherwise one with the same events. */

import { EventEmitter } from "node:events";

// biome-ignore-start lint/suspicious/noExplicitAny: express-session's types have it so

/** What express-session's own `Store` brings. */
export interface StoreBase extends EventEmitter {
  /** Set by express-session's middleware: gives the request a fresh session, with a cookie as its options say. */
  generate(request: any): void;
  /** Ends the request's session and gives it a fresh one. */
  regenerate(request: any, callback: (error?: any) => any): void;
  /** Reads a session and makes it one with methods of its own. */
  load(sid: string, callback: (error: any, session?: any) => any): void;
  createSession(request: any, session: any): any;
}

type StoreClass = new () => StoreBase;

/** Without express-session nobody calls what only it does. */
class Standalone extends EventEmitter implements StoreBase {
  generate(): never {
    return missing();
  }

  regenerate(): never {
    return missing();
  }

  load(): never {
    return missing();
  }

  createSession(): never {
    return missing();
  }
}
// biome-ignore-end lint/suspicious/noExplicitAny: see above

function missing(): never {
  throw new Error("express-session is not installed: npm install express-session");
}

function load(): StoreClass {
  try {
    return require("express-session").Store;
  } catch (error) {
    if ((error as { code?: unknown }).code !== "MODULE_NOT_FOUND") throw error;
    return Standalone;
  }
}

export const Base: StoreClass = load();
