/** The class that express-session's stores extend, where it is installed; otherwise one with the same events. */

import { EventEmitter } from "node:events";

type StoreClass = new () => EventEmitter & {
  createSession?(request: object, session: object): object;
};

function load(): StoreClass {
  try {
    return require("express-session").Store;
  } catch (error) {
    if ((error as { code?: unknown }).code !== "MODULE_NOT_FOUND") throw error;
    return EventEmitter;
  }
}

export const Base: StoreClass = load();
