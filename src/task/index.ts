export { hintOf } from "./cost-hint.ts";
export { FileTable, type RangePlace } from "./file-table.ts";
export { contentHash } from "./hash.ts";
export { expandInputs } from "./inputs.ts";
export { loadTaskFile, parseTaskText } from "./load.ts";
export {
  fillPlaceholders,
  MERGE_PLACEHOLDERS,
  ONCE_PLACEHOLDERS,
  placeholdersOf,
  STREAM_PLACEHOLDERS,
} from "./placeholders.ts";
export { checkAgainstScan } from "./scan-check.ts";
export { type JsonSchema, TASK_SCHEMA } from "./schema.ts";
export { payloadSeed } from "./seeds.ts";
export type * from "./types.ts";
export { type TaskContext, validateTask } from "./validate.ts";
