/**
 * When each running range of one pilot started: what its age is, and so what a slow node holds and
 * what an allocation's end cuts. Filled by the pilot's `started`, never told of ends: the ledger
 * knows what still runs, and entries whose lease is gone are dropped whenever the log has doubled.
 * Volatile; after a restart of the engine ages count from the pilot's return.
 */
import { assert, type LeaseId, type TaskId } from "../base/index.ts";
import { type Ledger, STATE } from "../ledger/index.ts";

const COMPACT_FROM = 256;
/** One entry: task, lease, first range, count, milliseconds. */
const FIELDS = 5;
const CAPACITY_AT_FIRST = 32;

/** A started range. */
export interface Started {
  readonly task: TaskId;
  readonly lease: LeaseId;
  readonly range: number;
  readonly atMs: number;
}

export class StartedLog {
  readonly #ledger: Ledger;
  /** Entries one behind the other: arrays of JavaScript are cut and grown again at each compaction. */
  #cells = NO_CELLS;
  #size = 0;
  #compactAt = COMPACT_FROM;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** Entries kept, of open leases and of such as have ended since the last compaction. */
  get size(): number {
    return this.#size;
  }

  add(task: number, lease: number, first: number, count: number, nowMs: number): void {
    if (this.#size >= this.#compactAt) this.#compact();
    this.#append(task, lease, first, count, nowMs);
  }

  #append(task: number, lease: number, first: number, count: number, nowMs: number): void {
    const at = this.#size++ * FIELDS;
    if (at === this.#cells.length) this.#grow();
    const cells = this.#cells;
    cells[at] = task;
    cells[at + 1] = lease;
    cells[at + 2] = first;
    cells[at + 3] = count;
    cells[at + 4] = nowMs;
  }

  /** When it started; -1: not in the log. */
  find(lease: number, range: number): number {
    const at = this.#cellOf(lease, range);
    return at < 0 ? -1 : this.#cells[at + 4]!;
  }

  /** What runs now. */
  running(): Started[] {
    const found: Started[] = [];
    this.#forEach((task, id, range, atMs) => {
      const lease = this.#ledger.lease(id);
      if (lease === undefined) return;
      const at = lease.speculative ? null : this.#ledger.rangeAt(task, range);
      if (at !== null && (at.state !== STATE.running || at.lease !== id)) return;
      found.push({ task, lease: id, range, atMs });
    });
    return found;
  }

  /** Takes out the ranges that `ends` names; gives them as they started. */
  take(ends: (task: TaskId, lease: LeaseId, range: number) => boolean): Started[] {
    const found: Started[] = [];
    this.#forEach((task, lease, range, atMs) => {
      if (ends(task, lease, range)) found.push({ task, lease, range, atMs });
    });
    for (const { task, lease, range, atMs } of found) {
      const at = this.#cellOf(lease, range);
      assert(at >= 0, "range % of lease % is in the log", range, lease);
      const first = this.#cells[at + 2]!;
      const behind = first + this.#cells[at + 3]! - range - 1;
      this.#cells[at + 3] = range - first;
      // Nothing is compacted before all are out: it would drop what is still to be found.
      if (behind > 0) this.#append(task, lease, range + 1, behind, atMs);
    }
    if (this.#size >= this.#compactAt) this.#compact();
    return found;
  }

  /** First cell of the newest entry that has the range; -1: none. */
  #cellOf(lease: number, range: number): number {
    const cells = this.#cells;
    for (let at = (this.#size - 1) * FIELDS; at >= 0; at -= FIELDS) {
      if (cells[at + 1] !== lease) continue;
      const offset = range - cells[at + 2]!;
      if (offset >= 0 && offset < cells[at + 3]!) return at;
    }
    return -1;
  }

  #forEach(visit: (task: TaskId, lease: LeaseId, range: number, atMs: number) => void): void {
    const cells = this.#cells;
    for (let at = 0; at < this.#size * FIELDS; at += FIELDS) {
      const [task, lease] = [cells[at] as TaskId, cells[at + 1] as LeaseId];
      const first = cells[at + 2]!;
      const end = first + cells[at + 3]!;
      for (let range = first; range < end; range++) visit(task, lease, range, cells[at + 4]!);
    }
  }

  #grow(): void {
    const larger = new Float64Array(Math.max(CAPACITY_AT_FIRST * FIELDS, 2 * this.#cells.length));
    larger.set(this.#cells);
    this.#cells = larger;
  }

  /** Drops what belongs to leases that have ended, and ranges that were taken out. */
  #compact(): void {
    const cells = this.#cells;
    let kept = 0;
    for (let at = 0; at < this.#size * FIELDS; at += FIELDS) {
      if (cells[at + 3] === 0) continue;
      if (this.#ledger.lease(cells[at + 1] as LeaseId) === undefined) continue;
      cells.copyWithin(FIELDS * kept++, at, at + FIELDS);
    }
    this.#size = kept;
    this.#compactAt = Math.max(COMPACT_FROM, 2 * kept);
  }
}

const NO_CELLS = new Float64Array(0);
