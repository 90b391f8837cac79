/**
 * When each running range of one pilot started: what its age is, and so what a slow node holds and
 * what an allocation's end cuts. Filled by the pilot's `started`, never told of ends: the ledger
 * knows what still runs, and entries whose lease is gone are dropped whenever the log has doubled.
 * Volatile; after a restart of the engine ages count from the pilot's return.
 */
import type { LeaseId, TaskId } from "../base/index.ts";
import { type Ledger, STATE } from "../ledger/index.ts";

const COMPACT_FROM = 256;

/** A started range. */
export interface Started {
  readonly task: TaskId;
  readonly lease: LeaseId;
  readonly range: number;
  readonly atMs: number;
}

export class StartedLog {
  readonly #ledger: Ledger;
  #tasks: number[] = [];
  #leases: number[] = [];
  #firsts: number[] = [];
  #counts: number[] = [];
  #atMs: number[] = [];
  #compactAt = COMPACT_FROM;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  add(task: number, lease: number, first: number, count: number, nowMs: number): void {
    if (this.#tasks.length >= this.#compactAt) this.#compact();
    this.#tasks.push(task);
    this.#leases.push(lease);
    this.#firsts.push(first);
    this.#counts.push(count);
    this.#atMs.push(nowMs);
  }

  /** When it started; -1: not in the log. */
  find(lease: number, range: number): number {
    const i = this.#indexOf(lease, range);
    return i < 0 ? -1 : (this.#atMs[i] as number);
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
      const i = this.#indexOf(lease, range);
      const first = this.#firsts[i] as number;
      const behind = first + (this.#counts[i] as number) - range - 1;
      this.#counts[i] = range - first;
      if (behind > 0) this.add(task, lease, range + 1, behind, atMs);
    }
    return found;
  }

  #indexOf(lease: number, range: number): number {
    for (let i = this.#leases.length - 1; i >= 0; i--) {
      if (this.#leases[i] !== lease) continue;
      const offset = range - (this.#firsts[i] as number);
      if (offset >= 0 && offset < (this.#counts[i] as number)) return i;
    }
    return -1;
  }

  #forEach(visit: (task: TaskId, lease: LeaseId, range: number, atMs: number) => void): void {
    for (let i = 0; i < this.#tasks.length; i++) {
      const first = this.#firsts[i] as number;
      for (let k = 0; k < (this.#counts[i] as number); k++) {
        const lease = this.#leases[i] as LeaseId;
        visit(this.#tasks[i] as TaskId, lease, first + k, this.#atMs[i] as number);
      }
    }
  }

  /** Drops what belongs to leases that have ended. */
  #compact(): void {
    let kept = 0;
    for (let i = 0; i < this.#tasks.length; i++) {
      if (this.#ledger.lease(this.#leases[i] as LeaseId) === undefined) continue;
      this.#tasks[kept] = this.#tasks[i] as number;
      this.#leases[kept] = this.#leases[i] as number;
      this.#firsts[kept] = this.#firsts[i] as number;
      this.#counts[kept] = this.#counts[i] as number;
      this.#atMs[kept] = this.#atMs[i] as number;
      kept++;
    }
    for (const column of [this.#tasks, this.#leases, this.#firsts, this.#counts, this.#atMs]) {
      column.length = kept;
    }
    this.#compactAt = Math.max(COMPACT_FROM, 2 * kept);
  }
}
