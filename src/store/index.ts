/** Durable bookkeeping: group commits on LMDB, recovery, verification, and the cold rows. */
export { requireLocalFileSystem } from "./file-system.ts";
export { type JournalState, LmdbStore } from "./lmdb-store.ts";
export { type OpenedStore, type OpenOptions, openStore } from "./open.ts";
export * from "./row-codec.ts";
export * from "./rows.ts";
export * from "./types.ts";
export {
  ledgerStanding,
  ledgerTerms,
  reportLines,
  type StoreReport,
  type TaskReport,
  verifyStore,
} from "./verify.ts";
