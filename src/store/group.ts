/**
 * One group commit, encoded: the operations LMDB is to do, over one buffer that is made for this
 * group and never touched again (LMDB keeps pointers into it until the group is written; a reused
 * buffer would be torn). The caller's own arrays are free again as soon as this returns.
 */
import { assert } from "../base/index.ts";
import { JOURNAL_HEADER_BYTES, seal, sealJournal, TRAILER_BYTES } from "./envelope.ts";
import { coldKey, journalKey, pageKey } from "./keys.ts";
import type { CommitGroup } from "./types.ts";

/** The mark's value: it says nothing but that it is there. */
export function markTail(): Buffer {
  return seal("cold", TAIL_KEY, new Uint8Array(0), Buffer.allocUnsafeSlow(TRAILER_BYTES), 0);
}

export const VALUE_BYTES_MAX = 1024 ** 3;
/** Own row that says which store this is. */
export const IDENTITY_KEY = coldKey("own", ["identity"]);
/** Own row that keeps a cut which no journal record could carry. */
export const CUT_KEY = coldKey("own", ["cut"]);
/** Own row that is there while the journal's tail (tail.ts) may hold records. */
export const TAIL_KEY = coldKey("own", ["tail"]);

export interface Operation {
  readonly key: Buffer;
  /** null removes. */
  readonly value: Buffer | null;
}

export interface EncodedGroup {
  readonly cold: readonly Operation[];
  readonly pages: readonly Operation[];
  readonly journal: Operation | null;
  /** Chain number after this group. */
  readonly chain: number;
  readonly cutBelow: number;
  /** Of all values. */
  readonly bytes: number;
}

/** `chain` and `cutBelow` are those before the group. */
export function encodeGroup(group: CommitGroup, chain: number, cutBelow: number): EncodedGroup {
  const cut = Math.max(cutBelow, group.cutBelow);
  const ownCut = group.journal.length === 0 && cut > cutBelow;
  let bytes = group.journal.length + JOURNAL_HEADER_BYTES + TRAILER_BYTES + 8 + TRAILER_BYTES;
  for (const row of group.rows) bytes += (row.value?.length ?? 0) + TRAILER_BYTES;
  for (const page of group.pages) bytes += (page.value?.length ?? 0) + TRAILER_BYTES;
  assert(bytes < VALUE_BYTES_MAX, "a group commit is larger than 1 GiB");
  const buffer = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  const put = (domain: "cold" | "pages", key: Buffer, payload: Uint8Array | null): Operation => {
    if (payload === null) return { key, value: null };
    const value = seal(domain, key, payload, buffer, at);
    at += value.length;
    return { key, value };
  };
  const cold = group.rows.map((row) => put("cold", coldKey(row.table, row.key), row.value));
  if (ownCut) {
    const payload = Buffer.alloc(8);
    payload.writeDoubleLE(cut);
    cold.push(put("cold", CUT_KEY, payload));
  }
  const pages = group.pages.map((row) => put("pages", pageKey(row.task, row.page), row.value));
  if (group.journal.length === 0)
    return { cold, pages, journal: null, chain, cutBelow: cut, bytes };
  const key = journalKey(group.sequence);
  const header = { chain, sequence: group.sequence, cutBelow: cut };
  const record = sealJournal(key, header, group.journal, buffer, at);
  const journal = { key, value: record.sealed };
  return { cold, pages, journal, chain: record.crc, cutBelow: cut, bytes };
}
