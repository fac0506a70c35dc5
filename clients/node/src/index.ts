export * from "./client/index.js";
export type { Serializer } from "./store/codec.js";
export type { SessionData, SessiondStoreOptions } from "./store/options.js";
export { SessiondStore } from "./store/store.js";
