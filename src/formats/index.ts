/** Everything about the bytes of events: recognise, count, index, slice, merge. */
export type { ManifestReader, ManifestTarget, ManifestWriter } from "./arrow-manifest.ts";
export * from "./column.ts";
export * from "./count-rule.ts";
export * from "./detect.ts";
export * from "./index-file.ts";
export {
  checkUnchanged,
  HEAD_BYTES,
  hashFile,
  prepareInput,
  readHead,
} from "./input-file.ts";
export * from "./manifest-columns.ts";
export { mergeRule } from "./merge-rules.ts";
export * from "./on-demand.ts";
export * from "./range-rows.ts";
export * from "./slice.ts";
export * from "./types.ts";
