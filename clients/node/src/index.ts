export * from "./client/index.js";
export type { Serializer } from "./store/codec.js";
export { type SessionData, SessiondStore, type SessiondStoreOptions } from "./store/store.js";
