/** Deterministic groups and a digest of a store; used in tests and in their child processes. */
import { createHash } from "node:crypto";
import type { CommitGroup, CommitOutcome, Recovered, Store } from "../../src/store/index.ts";

export function commit(store: Store, group: CommitGroup): Promise<CommitOutcome> {
  return new Promise((resolve) => store.commit(group, resolve));
}

export function filled(bytes: number, seed: number): Buffer {
  return Buffer.alloc(bytes, (seed * 131 + 7) & 0xff);
}

/** Three groups of five are a journal record alone, which goes to the journal's tail. */
export function isLone(sequence: number): boolean {
  return sequence % 5 >= 2;
}

/** Numbers of the bundle rows that groups 1 to `last` write. */
export function bundlesUpTo(last: number): number[] {
  return Array.from({ length: last }, (_, i) => i + 1).filter((n) => !isLone(n));
}

/** The n-th group of every test history: what it holds follows from its sequence alone. */
export function groupOf(sequence: number): CommitGroup {
  const journal = filled(1 + ((sequence * 37) % (isLone(sequence) ? 9000 : 900)), sequence);
  if (isLone(sequence)) return { sequence, journal, rows: [], pages: [], cutBelow: 0 };
  const isPage = sequence % 3 === 0;
  return {
    sequence,
    journal,
    rows: [
      { table: "bundle", key: [sequence], value: filled(20 + (sequence % 50), sequence) },
      { table: "meta", key: ["last"], value: Buffer.from(String(sequence)) },
    ],
    pages: isPage
      ? [{ task: 1, page: sequence % 70, value: filled(500 + ((sequence * 61) % 4500), sequence) }]
      : [],
    cutBelow: sequence % 100 === 0 ? sequence - 40 : 0,
  };
}

/** One hash over everything a store gives back, except the epoch. */
export function digestOf(recovered: Recovered): string {
  const hash = createHash("sha256");
  const add = (label: string, value: Uint8Array) => {
    hash.update(`${label}:${value.length};`);
    hash.update(value);
  };
  for (const row of recovered.rows) add(`${row.table}${JSON.stringify(row.key)}`, row.value);
  for (const page of recovered.pages) add(`page${page.task}/${page.page}`, page.value);
  for (const record of recovered.journal) add(`journal${record.sequence}`, record.bytes);
  return hash.digest("hex");
}
