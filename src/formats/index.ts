/** Everything about the bytes of events: recognise, count, index, slice, merge. */
export * from "./arrow-manifest.ts";
export * from "./arrow-ranges.ts";
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
export * from "./slice.ts";
export * from "./types.ts";
