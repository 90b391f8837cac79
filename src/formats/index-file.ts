/**
 * The byte index of one text input: where each event begins and ends. Written once per content and
 * format, `<scratch>/index/<sha256>-<format>.idx`, and read by offset while ranges are granted.
 *
 *   0   "JUMBOIDX"                       8 bytes
 *   8   version u32 | meta bytes u32     little-endian
 *   16  events u32  | crc32 of pairs u32
 *   24  crc32 of meta u32 | zeros up to 64
 *   64  events x (begin f64, end f64)    offsets in the decompressed copy
 *   ..  meta: JSON of what else the scan found (header and footer pieces, variant, notes)
 *
 * Meta stands behind the pairs so that pair `i` is always at 64 + 16 i: one pread finds a range.
 */
import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { assert, crc32, JumboError } from "../base/index.ts";
import { readFully, sizeOf, writeAtomically, writeFully } from "./input-file.ts";
import type { FileScan, SlicePiece } from "./types.ts";

const MAGIC = "JUMBOIDX";
const VERSION = 1;
const HEADER_BYTES = 64;
const PAIR_BYTES = 16;

/** What the index keeps of a scan; path and times are looked at afresh at each use. */
export type IndexedScan = Pick<
  FileScan,
  "format" | "variant" | "events" | "sizeBytes" | "sha256" | "header" | "footer" | "notes"
>;

type PlainPiece = { text: string } | [number, number];

interface IndexMeta {
  format: IndexedScan["format"];
  variant: string;
  sizeBytes: number;
  sha256: string;
  header: PlainPiece[];
  footer: PlainPiece[];
  notes: readonly string[];
}

/** Writes the index of a scan that has bounds, durably and atomically. */
export async function writeIndexFile(indexPath: string, scan: FileScan): Promise<void> {
  const { bounds } = scan;
  assert(bounds !== null && bounds.length === scan.events * 2, "an index needs all bounds");
  const pairs = new Uint8Array(bounds.buffer, bounds.byteOffset, bounds.byteLength);
  const meta = Buffer.from(
    JSON.stringify({
      format: scan.format,
      variant: scan.variant,
      sizeBytes: scan.sizeBytes,
      sha256: scan.sha256,
      header: scan.header.map(plainPiece),
      footer: scan.footer.map(plainPiece),
      notes: scan.notes,
    } satisfies IndexMeta),
  );
  const head = Buffer.alloc(HEADER_BYTES);
  head.write(MAGIC, "latin1");
  head.writeUInt32LE(VERSION, 8);
  head.writeUInt32LE(meta.length, 12);
  head.writeUInt32LE(scan.events, 16);
  head.writeUInt32LE(crc32(pairs), 20);
  head.writeUInt32LE(crc32(meta), 24);
  mkdirSync(dirname(indexPath), { recursive: true });
  await writeAtomically(indexPath, (fd) => {
    for (const bytes of [head, pairs, meta]) writeFully(fd, bytes);
    return true;
  });
}

/** The scan that an index keeps, or null where it is absent, damaged or of other content. */
export function loadIndexFile(
  indexPath: string,
  expected: { format: string; sha256: string; sizeBytes: number },
): IndexedScan | null {
  if (!existsSync(indexPath)) return null;
  const fd = openSync(indexPath, "r");
  try {
    const head = readFully(fd, 0, HEADER_BYTES);
    if (head.length < HEADER_BYTES || !isOurs(head)) return null;
    const events = head.readUInt32LE(16);
    const metaBytes = head.readUInt32LE(12);
    if (HEADER_BYTES + events * PAIR_BYTES + metaBytes !== sizeOf(fd)) return null;
    const pairs = readFully(fd, HEADER_BYTES, events * PAIR_BYTES);
    const metaText = readFully(fd, HEADER_BYTES + events * PAIR_BYTES, metaBytes);
    if (crc32(pairs) !== head.readUInt32LE(20)) return null;
    if (crc32(metaText) !== head.readUInt32LE(24)) return null;
    const meta = JSON.parse(metaText.toString()) as IndexMeta;
    const { format, sha256, sizeBytes } = expected;
    if (meta.format !== format || meta.sha256 !== sha256 || meta.sizeBytes !== sizeBytes) {
      return null;
    }
    const pieces = { header: meta.header.map(slicePiece), footer: meta.footer.map(slicePiece) };
    return { ...meta, ...pieces, events };
  } finally {
    closeSync(fd);
  }
}

/**
 * Bounds of `events` consecutive events from `firstEvent` (0-based): (begin, end) pairs, bytes.
 * Synchronous and stateless: two small reads. Throws `input_unreadable` if the index is gone.
 */
export function readBounds(indexPath: string, firstEvent: number, events: number): Float64Array {
  let fd: number;
  try {
    fd = openSync(indexPath, "r");
  } catch (error) {
    throw indexError(indexPath, "can't be opened", error);
  }
  try {
    const head = readFully(fd, 0, HEADER_BYTES);
    if (head.length < HEADER_BYTES || !isOurs(head)) throw indexError(indexPath, "is no index");
    const total = head.readUInt32LE(16);
    assert(
      Number.isInteger(firstEvent) && firstEvent >= 0 && firstEvent + events <= total,
      `bounds of events ${firstEvent} + ${events} asked, ${indexPath} has ${total}`,
    );
    const bytes = readFully(fd, HEADER_BYTES + firstEvent * PAIR_BYTES, events * PAIR_BYTES);
    if (bytes.length !== events * PAIR_BYTES) throw indexError(indexPath, "is truncated");
    return new Float64Array(bytes.buffer, bytes.byteOffset, events * 2);
  } finally {
    closeSync(fd);
  }
}

function isOurs(head: Buffer): boolean {
  return head.toString("latin1", 0, 8) === MAGIC && head.readUInt32LE(8) === VERSION;
}

function indexError(indexPath: string, problem: string, cause?: unknown): JumboError {
  return new JumboError(
    "input_unreadable",
    `byte index ${indexPath} ${problem} (the scratch folder was changed) submit the task again`,
    { subject: indexPath, cause },
  );
}

function plainPiece(piece: SlicePiece): PlainPiece {
  if (!(piece instanceof Uint8Array)) return [piece[0], piece[1]];
  return { text: Buffer.from(piece).toString("latin1") };
}

function slicePiece(piece: PlainPiece): SlicePiece {
  return Array.isArray(piece) ? piece : new Uint8Array(Buffer.from(piece.text, "latin1"));
}
