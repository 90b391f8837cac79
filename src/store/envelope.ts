/**
 * What surrounds every value in the store.
 *
 *   cold, pages  payload | CRC u32 LE
 *   journal      chain u32 LE | sequence f64 LE | cutBelow f64 LE | payload | CRC u32 LE
 *
 * The CRC-32 runs over the table's domain byte, the key, and everything before the trailer: a value
 * under a wrong key or table fails as surely as a flipped bit. A journal record's `chain` is the
 * CRC of the record before it (0 for the very first), so that a missing, repeated or exchanged
 * record breaks the chain. `cutBelow` is the journal's cut as of that commit: recovery starts
 * there, and the records below it may be deleted by later commits at leisure.
 */
import { crc32 } from "../base/index.ts";
import { DOMAIN, type Domain } from "./keys.ts";

export const TRAILER_BYTES = 4;
export const JOURNAL_HEADER_BYTES = 20;

export interface JournalHeader {
  readonly chain: number;
  readonly sequence: number;
  readonly cutBelow: number;
}

const domainSeeds: Readonly<Record<Domain, number>> = {
  cold: crc32(Uint8Array.of(DOMAIN.cold)),
  journal: crc32(Uint8Array.of(DOMAIN.journal)),
  pages: crc32(Uint8Array.of(DOMAIN.pages)),
};

function checksum(domain: Domain, key: Uint8Array, body: Uint8Array): number {
  return crc32(body, crc32(key, domainSeeds[domain]));
}

/** Copies `payload` into `target` at `offset` and adds the trailer; returns the sealed part. */
export function seal(
  domain: "cold" | "pages",
  key: Uint8Array,
  payload: Uint8Array,
  target: Buffer,
  offset: number,
): Buffer {
  const end = offset + payload.length;
  target.set(payload, offset);
  target.writeUInt32LE(checksum(domain, key, target.subarray(offset, end)), end);
  return target.subarray(offset, end + TRAILER_BYTES);
}

/** The journal's form of `seal`; the CRC it wrote is the next record's chain number. */
export function sealJournal(
  key: Uint8Array,
  header: JournalHeader,
  payload: Uint8Array,
  target: Buffer,
  offset: number,
): { sealed: Buffer; crc: number } {
  target.writeUInt32LE(header.chain, offset);
  target.writeDoubleLE(header.sequence, offset + 4);
  target.writeDoubleLE(header.cutBelow, offset + 12);
  target.set(payload, offset + JOURNAL_HEADER_BYTES);
  const end = offset + JOURNAL_HEADER_BYTES + payload.length;
  const crc = checksum("journal", key, target.subarray(offset, end));
  target.writeUInt32LE(crc, end);
  return { sealed: target.subarray(offset, end + TRAILER_BYTES), crc };
}

/** The payload of a sealed value, or null if its CRC does not fit. */
export function unseal(
  domain: "cold" | "pages",
  key: Uint8Array,
  value: Uint8Array,
): Uint8Array | null {
  const end = value.length - TRAILER_BYTES;
  if (end < 0) return null;
  const body = plainView(value, 0, end);
  return checksum(domain, key, body) === readU32(value, end) ? body : null;
}

/** A view that is no Buffer: a start makes one of each value, and a Buffer takes ten times as long. */
function plainView(value: Uint8Array, begin: number, end: number): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset + begin, end - begin);
}

export interface OpenedRecord extends JournalHeader {
  readonly payload: Uint8Array;
  readonly crc: number;
}

export function unsealJournal(key: Uint8Array, value: Uint8Array): OpenedRecord | null {
  const end = value.length - TRAILER_BYTES;
  if (end < JOURNAL_HEADER_BYTES) return null;
  const crc = checksum("journal", key, plainView(value, 0, end));
  if (crc !== readU32(value, end)) return null;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return {
    chain: view.getUint32(0, true),
    sequence: view.getFloat64(4, true),
    cutBelow: view.getFloat64(12, true),
    payload: plainView(value, JOURNAL_HEADER_BYTES, end),
    crc,
  };
}

function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}
