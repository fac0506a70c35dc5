/**
 * The store of @fastify/session. It is the store of express-session, with one difference: @fastify/session copies what a
 * store hands out into an object of its own, so what is known of a session travels with its data.
 */

import { Loaded, recall, remember } from "./store/loaded.js";
import type { SessionData, SessiondStoreOptions } from "./store/options.js";
import { SessiondStore as Store } from "./store/store.js";

/** The property under which it travels. Neither JSON nor @fastify/session's comparison of sessions sees it. */
const KNOWLEDGE = "__sessiond";

export class SessiondStore extends Store {
  /** @internal */
  override attach(session: object, loaded: Loaded): void {
    remember(session, loaded);
    if (!(KNOWLEDGE in session)) {
      Object.defineProperty(session, KNOWLEDGE, {
        value: loaded,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
  }

  /** @internal */
  override recall(session: object, id: string): Loaded | undefined {
    const known = recall(session, id);
    if (known) return known;
    const travelled = (session as { [KNOWLEDGE]?: unknown })[KNOWLEDGE];
    return travelled instanceof Loaded && travelled.id === id ? travelled : undefined;
  }

  /** @internal */
  protected override get hiddenKey(): string {
    return KNOWLEDGE;
  }
}

export * from "./client/index.js";
export type { Serializer } from "./store/codec.js";
export type { SessionData, SessiondStoreOptions };
