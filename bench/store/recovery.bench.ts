/**
 * How long a restart reads: the pages of 10^8 ranges (24 414 rows of 2 000 bytes) and a journal of
 * 10^6 operations (15 625 records of 64 operations, 16 bytes each), from the check of the file to
 * the last record, CRCs and chain included. The file is in the page cache, as after a crash of the
 * engine. Floor of the same run: reading the file once.
 *
 *   node bench/store/recovery.bench.ts
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkStoreFile } from "../../src/store/file-check.ts";
import { type CommitGroup, openStore, type Store } from "../../src/store/index.ts";

const PAGES = 24_414;
const PAGE_BYTES = 2_000;
const RECORDS = 15_625;
const RECORD_BYTES = 64 * 16;
const ROUNDS = 5;

function commit(store: Store, group: CommitGroup): Promise<void> {
  return new Promise((resolve, reject) =>
    store.commit(group, (outcome) => (outcome.ok ? resolve() : reject(outcome.error))),
  );
}

async function fill(dir: string): Promise<void> {
  const { store } = await openStore(dir);
  const journal = Buffer.alloc(RECORD_BYTES, 0x5a);
  const value = Buffer.alloc(PAGE_BYTES, 0xa5);
  let page = 0;
  for (let sequence = 1; sequence <= RECORDS; sequence++) {
    const pages = [];
    for (let i = 0; i < 2 && page < PAGES; i++) pages.push({ task: 1, page: page++, value });
    await commit(store, { sequence, journal, rows: [], pages, cutBelow: 0 });
  }
  await store.close();
}

const dir = mkdtempSync(join(tmpdir(), "jumbo-recovery-"));
try {
  await fill(dir);
  const path = join(dir, "store.mdb");
  console.log(`file: ${statSync(path).size} bytes`);
  for (let round = 0; round < ROUNDS; round++) {
    let began = performance.now();
    readFileSync(path);
    const floorMs = performance.now() - began;
    began = performance.now();
    checkStoreFile(path);
    const checkMs = performance.now() - began;
    began = performance.now();
    const { store, recovered } = await openStore(dir);
    const openMs = performance.now() - began;
    let bytes = 0;
    for (const row of recovered.pages) bytes += row.value.length;
    for (const record of recovered.journal) bytes += record.bytes.length;
    const totalMs = performance.now() - began;
    await store.close();
    if (bytes !== PAGES * PAGE_BYTES + RECORDS * RECORD_BYTES) throw new Error("rows are missing");
    const ms = (value: number): string => `${value.toFixed(0)} ms`;
    console.log(
      `check ${ms(checkMs)}, open ${ms(openMs)}, open + read all ${ms(totalMs)} = ` +
        `${(totalMs / floorMs).toFixed(1)} x reading the file once (${ms(floorMs)})`,
    );
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
