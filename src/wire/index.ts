/**
 * The wire: bytes <-> messages of the pilot protocol, no sockets; and plain msgpack values for
 * the store's cold rows. docs/reference/protocol.md is the standard.
 */
export { decodeBriefly, decodePayload, encodeFrame } from "./codec.ts";
export { FRAME_PREFIX_BYTES, FrameSplitter } from "./frame.ts";
export { FrameBatch } from "./frame-batch.ts";
export * from "./messages.ts";
export {
  blockRanges,
  blocksRanges,
  clipReason,
  forEachSpan,
  layVerdicts,
  messagesOf,
  SpanBlockBuilder,
  type SpanVisitor,
  singleSpan,
  VerdictRuns,
  type VerdictVisitor,
} from "./span-blocks.ts";
export { packValue, unpackValue } from "./values.ts";
