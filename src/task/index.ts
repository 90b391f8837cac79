export { FileTable, type RangePlace } from "./file-table.ts";
export { payloadSeed } from "./seeds.ts";
export type * from "./types.ts";
