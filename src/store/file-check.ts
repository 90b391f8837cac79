/**
 * Checks a store file before LMDB may open it: LMDB takes the file at its word, and a truncated,
 * zeroed or bit-flipped one ends the process with SIGSEGV or SIGBUS. Three looks, all read-only:
 * its kind and size, the meta pages (meta-pages.ts), and everything LMDB would follow from the meta
 * record that it will recover from (page-walk.ts).
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { damaged } from "./damage.ts";
import { PAGE_BYTES, TABLE_NAMES } from "./environment.ts";
import { chooseMeta, cutSyncedRecord, type MetaRecord } from "./meta-pages.ts";
import { type EntrySink, type WalkSummary, walkStore } from "./page-walk.ts";

/** Throws `store_damaged` unless LMDB can use the file safely. `sink` receives every entry. */
export function checkStoreFile(path: string, sink?: EntrySink): WalkSummary {
  const descriptor = openSync(path, "r");
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw damaged(path, "it is no regular file");
    const meta = readMeta(path, descriptor, status.size);
    const file = { path, descriptor, bytes: status.size, pageBytes: PAGE_BYTES };
    const summary = walkStore(file, meta, sink);
    for (const name of TABLE_NAMES) {
      if (!summary.entries.has(name)) {
        throw damaged(path, `it is an LMDB file, but not one that Jumbo made: no tree "${name}"`);
      }
    }
    return summary;
  } finally {
    closeSync(descriptor);
  }
}

/** Writes a synced record that a failing disk cut as it was before, so that LMDB finds it whole. */
export function mendSyncedRecord(path: string): void {
  const descriptor = openSync(path, "r+");
  try {
    const head = Buffer.alloc(2 * PAGE_BYTES);
    if (readSync(descriptor, head, 0, head.length, 0) < head.length) return;
    const cut = cutSyncedRecord(head, PAGE_BYTES);
    if (cut === null) return;
    writeSync(descriptor, cut.record, 0, cut.record.length, cut.at);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function readMeta(path: string, descriptor: number, bytes: number): MetaRecord {
  if (bytes === 0) throw damaged(path, "it is empty");
  if (bytes < 2 * PAGE_BYTES)
    throw damaged(path, `it has only ${bytes} bytes, less than two pages`);
  const head = Buffer.alloc(2 * PAGE_BYTES);
  readSync(descriptor, head, 0, head.length, 0);
  const cut = cutSyncedRecord(head, PAGE_BYTES);
  if (cut !== null) cut.record.copy(head, cut.at);
  const chosen = chooseMeta(head, PAGE_BYTES);
  if ("problem" in chosen) throw damaged(path, chosen.problem);
  return chosen.meta;
}
