/** Bundles: containers of many ranges' outputs. See types.ts for what they promise. */
export { bundleUri, isPlainName, memberName, pathOfUri } from "./names.ts";
export { openBundle } from "./reader.ts";
export * from "./types.ts";
export { createBundle } from "./writer.ts";
