/**
 * Walks the messages of Arrow IPC bytes (format: arrow.apache.org/docs/format/Columnar.html), file
 * or stream framing, and counts rows from the record batches' own headers: no column is read, no
 * buffer decompressed.
 *
 *   file:   "ARROW1" 00 00 | messages | end mark | footer | footer length i32 | "ARROW1"
 *   stream: messages | end mark (may be missing)
 *   message: ffffffff | metadata length i32 | metadata (flatbuffer) | body
 *            (before format 0.15 without the ffffffff)
 *
 * Streams written one behind the other are refused: readers return only the first.
 */
import { Message, MessageHeader } from "apache-arrow";

const MAGIC = "ARROW1";
const CONTINUATION = -1;

export type ArrowVariant = "file" | "stream";

export interface ArrowWalk {
  readonly variant: ArrowVariant;
  readonly rows: number;
  /** First row of each record batch that has rows. */
  readonly starts: readonly number[];
  /** A stream may end without its end mark; what is there is whole. */
  readonly hasEnd: boolean;
}

/** Bytes at an offset: fewer than asked only at the end. */
export type ReadAt = (offset: number, length: number) => Buffer;

/** Throws Error for bytes that are no Arrow, truncated, or several streams. */
export function walkArrow(read: ReadAt, sizeBytes: number): ArrowWalk {
  const variant: ArrowVariant = read(0, 6).toString("latin1") === MAGIC ? "file" : "stream";
  const end = variant === "file" ? footerBegin(read, sizeBytes) : sizeBytes;
  let at = variant === "file" ? 8 : 0;
  let rows = 0;
  let schemas = 0;
  const starts: number[] = [];
  while (at < end) {
    const prefix = read(at, 8);
    if (prefix.length < 4) throw new Error(`it ends inside a message at byte ${at}`);
    const isCurrent = prefix.readInt32LE(0) === CONTINUATION;
    if (isCurrent && prefix.length < 8) throw new Error(`it ends inside a message at byte ${at}`);
    const metadataBytes = prefix.readInt32LE(isCurrent ? 4 : 0);
    at += isCurrent ? 8 : 4;
    if (metadataBytes === 0) {
      if (at < end && variant === "stream") throw several(at);
      return { variant, rows, starts, hasEnd: true };
    }
    if (metadataBytes < 0 || at + metadataBytes > end) {
      throw new Error(`it ends inside a message, or is damaged, at byte ${at}`);
    }
    const message = Message.decode(read(at, metadataBytes));
    at += metadataBytes + message.bodyLength;
    if (at > end) throw new Error(`it ends inside a body, at byte ${end}`);
    if (message.headerType === MessageHeader.Schema && ++schemas > 1) throw several(at);
    if (message.headerType !== MessageHeader.RecordBatch) continue;
    const { length } = message.header() as unknown as { length: number };
    if (length > 0) starts.push(rows);
    rows += Number(length);
  }
  if (schemas === 0) throw new Error("it has no schema message");
  return { variant, rows, starts, hasEnd: false };
}

function footerBegin(read: ReadAt, sizeBytes: number): number {
  const tail = sizeBytes < 22 ? Buffer.alloc(0) : read(sizeBytes - 10, 10);
  const footerBytes = tail.length === 10 ? tail.readInt32LE(0) : -1;
  if (tail.toString("latin1", 4) !== MAGIC || footerBytes <= 0 || footerBytes > sizeBytes - 18) {
    throw new Error("it has no footer: it was cut off or never closed");
  }
  return sizeBytes - 10 - footerBytes;
}

function several(at: number): Error {
  return new Error(`it holds several streams, the second before byte ${at}; readers see only one`);
}
