export * from "./ledger.ts";
export { decodePageHeader, PAGE_VERSION, type PageHeader } from "./page-codec.ts";
export type { PageImage, ReadyRun } from "./page-table.ts";
export type { RecoverySummary } from "./recovery.ts";
export * from "./types.ts";
