/**
 * The bytes of a bundle's records, after APPNOTE 6.3.10 (zip), little-endian throughout:
 *
 *   local    PK\3\4, 30 bytes | name | [zip64: 0x0001, both sizes] | note: 0x4a42 | data
 *   central  PK\1\2, 46 bytes | name | [zip64: what didn't fit]    | the same note
 *   end      [PK\6\6, 56 bytes | PK\6\7, 20 bytes] PK\5\6, 22 bytes
 *
 * zip64 fields are written only where a size, an offset or the number of members needs them. Times
 * are fixed (1980-01-01), so equal content gives equal bytes. The note ends in a check sum over
 * itself, the name, the data's CRC-32 and length: a header that survived is a header that holds.
 *
 *   note v1   u8 version | u32 task | u64 range | u32 lease number | u32 epoch | u16 attempt |
 *             f64 wall s | f64 cpu s | u8 node bytes | node (UTF-8) | u32 check
 */
import { assert, crc32, leaseEpoch, leaseIdOf, leaseNumber } from "../base/index.ts";
import { memberFolder } from "./names.ts";
import type { BundleMember } from "./types.ts";

export const LOCAL_BYTES = 30;
export const CENTRAL_BYTES = 46;
export const END_BYTES = 22;
export const ZIP64_END_BYTES = 56;
export const ZIP64_LOCATOR_BYTES = 20;
export const SIGNATURE = {
  local: 0x04034b50,
  central: 0x02014b50,
  end: 0x06054b50,
  zip64End: 0x06064b50,
  zip64Locator: 0x07064b50,
} as const;

const NOTE_ID = 0x4a42;
const NOTE_VERSION = 1;
const NOTE_FIXED_BYTES = 44;
const ZIP64_ID = 0x0001;
const ZIP64_LOCAL_BYTES = 20;
const U16_FULL = 0xffff;
const U32_FULL = 0xffff_ffff;
const FLAG_UTF8 = 0x0800;
const FLAGS_REFUSED = 0x0009; // encrypted, sizes behind the data
const DOS_DATE_1980 = 0x0021;
const MADE_BY_UNIX = 0x0300;
const MODE_FILE_644 = 0o100644;
const VERSION_PLAIN = 10;
const VERSION_ZIP64 = 45;

/** What is known of a member once its header was read; `offset` is that of its data. */
export interface ParsedHeader {
  readonly member: BundleMember;
  readonly headerBytes: number;
}

function u64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
}

function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 0x1_0000_0000, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** At most 255 bytes of UTF-8, cut at a character. */
function nodeBytes(node: string): Uint8Array {
  let bytes = Buffer.from(node);
  if (bytes.length > 255) {
    bytes = Buffer.from(
      bytes
        .subarray(0, 255)
        .toString()
        .replace(/\uFFFD+$/, ""),
    );
  }
  return bytes;
}

function checkSum(note: Uint8Array, name: Uint8Array, crc: number, bytes: number): number {
  const tail = new Uint8Array(12);
  const view = viewOf(tail);
  view.setUint32(0, crc, true);
  putU64(view, 4, bytes);
  return crc32(tail, crc32(name, crc32(note)));
}

/** The note as an extra field, its id and length included. */
function encodeNote(member: BundleMember, name: Uint8Array): Uint8Array {
  const node = nodeBytes(member.node);
  const field = new Uint8Array(4 + NOTE_FIXED_BYTES + node.length);
  const view = viewOf(field);
  view.setUint16(0, NOTE_ID, true);
  view.setUint16(2, field.length - 4, true);
  view.setUint8(4, NOTE_VERSION);
  view.setUint32(5, member.task, true);
  putU64(view, 9, member.range);
  view.setUint32(17, leaseNumber(member.lease), true);
  view.setUint32(21, leaseEpoch(member.lease), true);
  view.setUint16(25, member.attempt, true);
  view.setFloat64(27, member.wallSeconds, true);
  view.setFloat64(35, member.cpuSeconds, true);
  view.setUint8(43, node.length);
  field.set(node, 44);
  const checked = field.subarray(4, field.length - 4);
  view.setUint32(field.length - 4, checkSum(checked, name, member.crc32, member.bytes), true);
  return field;
}

type Decoded = Pick<
  BundleMember,
  "task" | "range" | "lease" | "attempt" | "wallSeconds" | "cpuSeconds" | "node"
>;

/** The note of a member, or null if it isn't whole or belongs to another name, size or CRC. */
function decodeNote(
  note: Uint8Array,
  name: Uint8Array,
  crc: number,
  bytes: number,
): Decoded | null {
  if (note.length < NOTE_FIXED_BYTES || note[0] !== NOTE_VERSION) return null;
  const view = viewOf(note);
  const nodeLength = view.getUint8(39);
  if (note.length !== NOTE_FIXED_BYTES + nodeLength) return null;
  const sum = checkSum(note.subarray(0, note.length - 4), name, crc, bytes);
  if (view.getUint32(note.length - 4, true) !== sum) return null;
  return {
    task: view.getUint32(1, true),
    range: u64(view, 5),
    lease: leaseIdOf(view.getUint32(17, true), view.getUint32(13, true)),
    attempt: view.getUint16(21, true),
    wallSeconds: view.getFloat64(23, true),
    cpuSeconds: view.getFloat64(31, true),
    node: Buffer.from(note.subarray(40, 40 + nodeLength)).toString(),
  };
}

/** Local header, name and extra fields of a member, ready to be followed by its data. */
export function encodeLocal(member: BundleMember): Uint8Array {
  const name = Buffer.from(member.name);
  const note = encodeNote(member, name);
  const big = member.bytes >= U32_FULL;
  const zip64Bytes = big ? ZIP64_LOCAL_BYTES : 0;
  const header = new Uint8Array(LOCAL_BYTES + name.length + zip64Bytes + note.length);
  const view = viewOf(header);
  view.setUint32(0, SIGNATURE.local, true);
  view.setUint16(4, big ? VERSION_ZIP64 : VERSION_PLAIN, true);
  view.setUint16(6, FLAG_UTF8, true);
  view.setUint16(12, DOS_DATE_1980, true);
  view.setUint32(14, member.crc32, true);
  view.setUint32(18, big ? U32_FULL : member.bytes, true);
  view.setUint32(22, big ? U32_FULL : member.bytes, true);
  view.setUint16(26, name.length, true);
  view.setUint16(28, zip64Bytes + note.length, true);
  header.set(name, LOCAL_BYTES);
  let at = LOCAL_BYTES + name.length;
  if (big) {
    view.setUint16(at, ZIP64_ID, true);
    view.setUint16(at + 2, 16, true);
    putU64(view, at + 4, member.bytes);
    putU64(view, at + 12, member.bytes);
    at += ZIP64_LOCAL_BYTES;
  }
  header.set(note, at);
  return header;
}

/** Central record of a member whose local header begins at `headerOffset`. */
export function encodeCentral(member: BundleMember, headerOffset: number): Uint8Array {
  const name = Buffer.from(member.name);
  const note = encodeNote(member, name);
  const big = member.bytes >= U32_FULL;
  const far = headerOffset >= U32_FULL;
  const zip64Bytes = big || far ? 4 + (big ? 16 : 0) + (far ? 8 : 0) : 0;
  const record = new Uint8Array(CENTRAL_BYTES + name.length + zip64Bytes + note.length);
  const view = viewOf(record);
  const version = zip64Bytes > 0 ? VERSION_ZIP64 : VERSION_PLAIN;
  view.setUint32(0, SIGNATURE.central, true);
  view.setUint16(4, MADE_BY_UNIX | version, true);
  view.setUint16(6, version, true);
  view.setUint16(8, FLAG_UTF8, true);
  view.setUint16(14, DOS_DATE_1980, true);
  view.setUint32(16, member.crc32, true);
  view.setUint32(20, big ? U32_FULL : member.bytes, true);
  view.setUint32(24, big ? U32_FULL : member.bytes, true);
  view.setUint16(28, name.length, true);
  view.setUint16(30, zip64Bytes + note.length, true);
  view.setUint32(38, MODE_FILE_644 * 0x1_0000, true);
  view.setUint32(42, far ? U32_FULL : headerOffset, true);
  record.set(name, CENTRAL_BYTES);
  let at = CENTRAL_BYTES + name.length;
  if (zip64Bytes > 0) {
    view.setUint16(at, ZIP64_ID, true);
    view.setUint16(at + 2, zip64Bytes - 4, true);
    at += 4;
    if (big) {
      putU64(view, at, member.bytes);
      putU64(view, at + 8, member.bytes);
      at += 16;
    }
    if (far) {
      putU64(view, at, headerOffset);
      at += 8;
    }
  }
  record.set(note, at);
  return record;
}

/** What closes a bundle: zip64 records where a number needs them, then the plain end record. */
export function encodeEnd(members: number, directoryAt: number, directoryBytes: number) {
  const wide = members >= U16_FULL || directoryAt >= U32_FULL || directoryBytes >= U32_FULL;
  const wideBytes = wide ? ZIP64_END_BYTES + ZIP64_LOCATOR_BYTES : 0;
  const end = new Uint8Array(wideBytes + END_BYTES);
  const view = viewOf(end);
  if (wide) {
    view.setUint32(0, SIGNATURE.zip64End, true);
    putU64(view, 4, ZIP64_END_BYTES - 12);
    view.setUint16(12, MADE_BY_UNIX | VERSION_ZIP64, true);
    view.setUint16(14, VERSION_ZIP64, true);
    putU64(view, 24, members);
    putU64(view, 32, members);
    putU64(view, 40, directoryBytes);
    putU64(view, 48, directoryAt);
    view.setUint32(56, SIGNATURE.zip64Locator, true);
    putU64(view, 64, directoryAt + directoryBytes);
    view.setUint32(72, 1, true);
  }
  view.setUint32(wideBytes, SIGNATURE.end, true);
  view.setUint16(wideBytes + 8, Math.min(members, U16_FULL), true);
  view.setUint16(wideBytes + 10, Math.min(members, U16_FULL), true);
  view.setUint32(wideBytes + 12, Math.min(directoryBytes, U32_FULL), true);
  view.setUint32(wideBytes + 16, Math.min(directoryAt, U32_FULL), true);
  return end;
}

/** Where the central directory is, from a bundle's last bytes; null if they don't say. */
export function decodeEnd(tail: Uint8Array, fileBytes: number) {
  const end = tail.length - END_BYTES;
  if (end < 0) return null;
  const view = viewOf(tail);
  if (view.getUint32(end, true) !== SIGNATURE.end || view.getUint16(end + 20, true) !== 0) {
    return null;
  }
  let members = view.getUint16(end + 10, true);
  let directoryBytes = view.getUint32(end + 12, true);
  let directoryAt = view.getUint32(end + 16, true);
  let behind = END_BYTES;
  if (members === U16_FULL || directoryBytes === U32_FULL || directoryAt === U32_FULL) {
    const wide = end - ZIP64_LOCATOR_BYTES - ZIP64_END_BYTES;
    if (wide < 0 || view.getUint32(wide, true) !== SIGNATURE.zip64End) return null;
    members = u64(view, wide + 32);
    directoryBytes = u64(view, wide + 40);
    directoryAt = u64(view, wide + 48);
    behind += ZIP64_LOCATOR_BYTES + ZIP64_END_BYTES;
  }
  if (directoryAt + directoryBytes + behind !== fileBytes) return null;
  return { members, directoryAt, directoryBytes };
}

/** Bytes that the record at the start of `bytes` takes (at least its fixed part must be there). */
export function recordBytes(bytes: Uint8Array, kind: "local" | "central"): number {
  const view = viewOf(bytes);
  if (kind === "local") {
    return LOCAL_BYTES + view.getUint16(26, true) + view.getUint16(28, true);
  }
  const comment = view.getUint16(32, true);
  return CENTRAL_BYTES + view.getUint16(28, true) + view.getUint16(30, true) + comment;
}

/**
 * Reads one whole local (at offset `at` of the file) or central record. Null if it is none of ours:
 * wrong signature, compressed, no note, or a note that doesn't fit its name, size and CRC.
 */
export function parseRecord(
  bytes: Uint8Array,
  kind: "local" | "central",
  at: number,
): ParsedHeader | null {
  const fixed = kind === "local" ? LOCAL_BYTES : CENTRAL_BYTES;
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== SIGNATURE[kind]) return null;
  const shift = kind === "local" ? 0 : 2;
  const flags = view.getUint16(6 + shift, true);
  const method = view.getUint16(8 + shift, true);
  if ((flags & FLAGS_REFUSED) !== 0 || method !== 0) return null;
  const crc = view.getUint32(14 + shift, true);
  let stored = view.getUint32(18 + shift, true);
  let size = view.getUint32(22 + shift, true);
  const nameLength = view.getUint16(26 + shift, true);
  const extraLength = view.getUint16(28 + shift, true);
  let headerAt = kind === "local" ? at : view.getUint32(42, true);
  const big = size === U32_FULL;
  const name = bytes.subarray(fixed, fixed + nameLength);
  const extra = bytes.subarray(fixed + nameLength, fixed + nameLength + extraLength);
  let note: Uint8Array | null = null;
  for (let i = 0; i + 4 <= extra.length; ) {
    const field = viewOf(extra);
    const id = field.getUint16(i, true);
    const length = field.getUint16(i + 2, true);
    const from = i + 4;
    if (from + length > extra.length) return null;
    if (id === ZIP64_ID) {
      const needed = (big ? 16 : 0) + (headerAt === U32_FULL && kind === "central" ? 8 : 0);
      if (length !== needed) return null;
      if (big) {
        size = u64(field, from);
        stored = u64(field, from + 8);
      }
      if (kind === "central" && headerAt === U32_FULL) headerAt = u64(field, from + (big ? 16 : 0));
    } else if (id === NOTE_ID) {
      note = extra.subarray(from, from + length);
    }
    i = from + length;
  }
  if (note === null || stored !== size) return null;
  const decoded = decodeNote(note, name, crc, size);
  if (decoded === null) return null;
  const text = Buffer.from(name).toString();
  if (!text.startsWith(memberFolder(decoded))) return null;
  // A local header has the same fields as its central record but for zip64, which it has only for
  // sizes: so the data's place is known without reading the local header.
  const headerBytes = LOCAL_BYTES + nameLength + (big ? ZIP64_LOCAL_BYTES : 0) + 4 + note.length;
  if (kind === "local") assert(headerBytes <= bytes.length, "a local header was read whole");
  const offset = headerAt + headerBytes;
  return { member: { name: text, ...decoded, offset, bytes: size, crc32: crc }, headerBytes };
}
