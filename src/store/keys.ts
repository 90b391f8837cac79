/**
 * Keys of the store: our own big-endian bytes, compared by LMDB as memcmp, so that numeric order is
 * byte order and nothing wraps (LMDB's own uint32 keys take 2^32 + 1 for 1 without a word). Every
 * component is checked; a wrong one is a programmer's error and fails an assertion.
 *
 *   cold     [tag u8][u32 BE]...      task, file, bundle, pilot, reason
 *            [tag u8][UTF-8 bytes]    meta (the broker's), own (the store's identity)
 *   journal  [sequence u64 BE]        below 2^53
 *   pages    [task u32 BE][page u48 BE]
 */
import { assert } from "../base/index.ts";
import type { Table } from "./types.ts";

/** One byte in front of every cold key. Numbers are part of the format: never change one. */
const TAGS: Readonly<Record<Table | "own", number>> = {
  own: 0,
  meta: 1,
  task: 2,
  file: 3,
  bundle: 4,
  pilot: 5,
  reason: 6,
};
/** How many u32 components a key of the table has; -1: one string. */
const ARITY: Readonly<Record<Table | "own", number>> = {
  own: -1,
  meta: -1,
  task: 1,
  file: 2,
  bundle: 1,
  pilot: 1,
  reason: 2,
};
export type ColdTable = keyof typeof TAGS;
const TABLES = Object.keys(TAGS) as ColdTable[];
const NAME_BYTES_MAX = 400;
export const PAGE_INDEX_MAX = 2 ** 41 - 1;
/** First byte of the CRC's domain, so that a value can't pass under another table's key. */
export const DOMAIN = { cold: 0x43, journal: 0x4a, pages: 0x50 } as const;
export type Domain = keyof typeof DOMAIN;

function assertU32(value: number, what: string): void {
  assert(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff, `${what} is no u32`);
}

export function coldKey(table: ColdTable, parts: readonly (number | string)[]): Buffer {
  const arity = ARITY[table];
  assert(arity !== undefined, `no table ${table}`);
  if (arity < 0) {
    const name = parts[0];
    assert(parts.length === 1 && typeof name === "string", `a key of ${table} is one string`);
    const bytes = Buffer.from(name, "utf8");
    assert(bytes.length > 0 && bytes.length <= NAME_BYTES_MAX, `key length of ${table}`);
    const key = Buffer.allocUnsafe(1 + bytes.length);
    key[0] = TAGS[table];
    key.set(bytes, 1);
    return key;
  }
  assert(parts.length === arity, `a key of ${table} has ${arity} components`);
  const key = Buffer.allocUnsafe(1 + 4 * arity);
  key[0] = TAGS[table];
  for (let i = 0; i < arity; i++) {
    const part = parts[i];
    assert(typeof part === "number", `component ${i} of a key of ${table}`);
    assertU32(part, `component ${i} of a key of ${table}`);
    key.writeUInt32BE(part, 1 + 4 * i);
  }
  return key;
}

/** The inverse of coldKey; null for bytes that coldKey never makes. */
export function decodeColdKey(
  key: Uint8Array,
): { table: ColdTable; key: (number | string)[] } | null {
  const table = TABLES[key[0] ?? 255];
  if (table === undefined) return null;
  const arity = ARITY[table];
  const view = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  if (arity < 0) {
    if (key.length < 2 || key.length > 1 + NAME_BYTES_MAX) return null;
    return { table, key: [view.toString("utf8", 1)] };
  }
  if (key.length !== 1 + 4 * arity) return null;
  const parts: number[] = [];
  for (let i = 0; i < arity; i++) parts.push(view.readUInt32BE(1 + 4 * i));
  return { table, key: parts };
}

export function journalKey(sequence: number): Buffer {
  assert(Number.isSafeInteger(sequence) && sequence >= 1, "sequence is no positive safe integer");
  const key = Buffer.allocUnsafe(8);
  key.writeUInt32BE(Math.floor(sequence / 0x1_0000_0000), 0);
  key.writeUInt32BE(sequence % 0x1_0000_0000, 4);
  return key;
}

/** The sequence of a journal key; 0 for bytes that are none. */
export function decodeJournalKey(key: Uint8Array): number {
  if (key.length !== 8) return 0;
  const sequence = u32At(key, 0) * 0x1_0000_0000 + u32At(key, 4);
  return Number.isSafeInteger(sequence) ? sequence : 0;
}

export function pageKey(task: number, page: number): Buffer {
  assertU32(task, "task of a page key");
  assert(Number.isInteger(page) && page >= 0 && page <= PAGE_INDEX_MAX, "page index out of range");
  const key = Buffer.allocUnsafe(10);
  key.writeUInt32BE(task, 0);
  key.writeUIntBE(page, 4, 6);
  return key;
}

export function decodePageKey(key: Uint8Array): { task: number; page: number } | null {
  if (key.length !== 10) return null;
  const page = u32At(key, 4) * 0x1_0000 + (key[8] as number) * 0x100 + (key[9] as number);
  return page <= PAGE_INDEX_MAX ? { task: u32At(key, 0), page } : null;
}

/** A start decodes the key of each page: no view is made for it. */
function u32At(key: Uint8Array, at: number): number {
  const high = ((key[at] as number) << 8) | (key[at + 1] as number);
  return high * 0x1_0000 + (((key[at + 2] as number) << 8) | (key[at + 3] as number));
}

/** A key as people read it in a diagnosis: `file [3, 17]`, `journal 812`, `page [3, 0]`. */
export function describeKey(domain: Domain, key: Uint8Array): string {
  if (domain === "journal") {
    const sequence = decodeJournalKey(key);
    if (sequence > 0) return `journal ${sequence}`;
  } else if (domain === "pages") {
    const page = decodePageKey(key);
    if (page) return `page [${page.task}, ${page.page}]`;
  } else {
    const cold = decodeColdKey(key);
    if (cold) return `${cold.table} ${JSON.stringify(cold.key)}`;
  }
  return `${domain} key 0x${Buffer.from(key).toString("hex")}`;
}
