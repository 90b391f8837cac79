/**
 * What the broker asks of a store, and what recovery gives back. lmdb-store.ts implements it; the
 * simulator implements it in memory with crashes.
 *
 * One group commit = cold rows + one journal record + a trickle of pages + the cut of the journal,
 * whole or not at all, acknowledged only when it is on disk. A journal record alone costs least.
 */

export type Table = "meta" | "task" | "file" | "bundle" | "pilot" | "reason";

/** `value` null deletes. Values are msgpack made by row-codec.ts; the store adds the CRC. */
export interface ColdRow {
  readonly table: Table;
  /** Each component a u32 (task id, file index, bundle id ...) or, for meta, one string. */
  readonly key: readonly (number | string)[];
  readonly value: Uint8Array | null;
}

export interface PageRow {
  readonly task: number;
  readonly page: number;
  /** Encoded by the ledger; null deletes. */
  readonly value: Uint8Array | null;
}

export interface CommitGroup {
  /** Rises by one each group that has a journal record. */
  readonly sequence: number;
  /** Encoded decisions; empty if the group only writes rows or pages. */
  readonly journal: Uint8Array;
  readonly rows: readonly ColdRow[];
  readonly pages: readonly PageRow[];
  /** Journal records below this sequence may be deleted with this commit; 0: none. */
  readonly cutBelow: number;
}

export type CommitOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly error: Error; readonly space: boolean };

export interface Store {
  /** At most one commit is in flight; `done` is called once it is flushed, or has failed. */
  commit(group: CommitGroup, done: (outcome: CommitOutcome) => void): void;
  /** Free bytes and share of the file system that holds it. */
  space(): { freeBytes: number; freeShare: number };
  close(): Promise<void>;
}

export interface Recovered {
  /** Stable identity of this store, made at its creation. */
  readonly engineId: string;
  /** The new epoch, already durable. */
  readonly epoch: number;
  readonly rows: Iterable<{ table: Table; key: readonly (number | string)[]; value: Uint8Array }>;
  readonly pages: Iterable<{ task: number; page: number; value: Uint8Array }>;
  /** In order of sequence, without gaps. */
  readonly journal: Iterable<{ sequence: number; bytes: Uint8Array }>;
  /** Sequence of the last record, 0 if none. */
  readonly lastSequence: number;
}
