/** Deterministic groups and a digest of a store; used in tests and in their child processes. */
import { createHash } from "node:crypto";
import type { CommitGroup, CommitOutcome, Recovered, Store } from "../../src/store/index.ts";

export function commit(store: Store, group: CommitGroup): Promise<CommitOutcome> {
  return new Promise((resolve) => store.commit(group, resolve));
}

export function filled(bytes: number, seed: number): Buffer {
  return Buffer.alloc(bytes, (seed * 131 + 7) & 0xff);
}

/** The n-th group of every test history: what it holds follows from its sequence alone. */
export function groupOf(sequence: number): CommitGroup {
  const isPage = sequence % 3 === 0;
  return {
    sequence,
    journal: filled(1 + ((sequence * 37) % 900), sequence),
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
