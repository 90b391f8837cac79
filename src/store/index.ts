/** Durable bookkeeping: group commits on LMDB, recovery, verification, and the cold rows. */
export { type JournalState, LmdbStore } from "./lmdb-store.ts";
export { type OpenedStore, type OpenOptions, openStore } from "./open.ts";
export * from "./row-codec.ts";
export * from "./rows.ts";
export * from "./types.ts";
