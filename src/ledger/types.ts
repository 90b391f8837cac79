/**
 * The ledger's words. State of a range inside a page:
 *
 *   ready --grant--> held --started--> running --done--> done
 *     ^               |returned, expired |failed, lost     |reopened (bundle proven lost)
 *     +---------------+------------------+-----------------+
 *                          failed when failures or losses are spent, or fatally
 *
 * `cancelled` and `merged` are never written into pages: a cancelled task shows its ready, held and
 * running ranges as cancelled, and done ranges below a task's merge watermark show as merged. So
 * cancel and merge cost nothing per range.
 */
import type { BundleId, LeaseId, PilotNumber, ReasonId, TaskId } from "../base/index.ts";

export const STATE = { ready: 0, held: 1, running: 2, done: 3, failed: 4 } as const;
export type State = (typeof STATE)[keyof typeof STATE];

/** Same numbers as the wire's VERDICT, checked by a test: neither room may import the other. */
export const VERDICT = { accepted: 0, duplicate: 1, stale: 2, closed: 3, unknown: 4 } as const;
export type Verdict = (typeof VERDICT)[keyof typeof VERDICT];

export type TaskPhase = "open" | "cancelled" | "finished";

/** What the ledger must know of a task; everything else about it lives in the broker's task row. */
export interface TaskTerms {
  readonly id: TaskId;
  /** 1 .. 2^53-1 (0 only for a task whose every file is empty). */
  readonly ranges: number;
  /** Starts that may end badly. */
  readonly attemptsMax: number;
  /** Starts whose pilot may vanish. */
  readonly lossesMax: number;
}

/** Range counts by state as people see them; they add up to `total`, always (I6). */
export interface StateCounts {
  total: number;
  ready: number;
  leased: number;
  done: number;
  merged: number;
  failed: number;
  cancelled: number;
}

/** What is left of a task as it changes; nothing once it is cancelled. */
export interface OpenCounts {
  readonly ready: number;
  /** Held or running. */
  readonly leased: number;
}

/** A run of consecutive ranges that are alike in every column. */
export interface RangeRun {
  first: number;
  count: number;
  state: State;
  attempts: number;
  failures: number;
  losses: number;
  grants: number;
  /** held, running: the lease; done: the lease that did it; ready after expiry: the last one. */
  lease: LeaseId;
  /** done: its bundle; otherwise the last failure's reason. */
  bundle: BundleId;
  reason: ReasonId;
}

export interface Lease {
  readonly id: LeaseId;
  readonly task: TaskId;
  readonly first: number;
  readonly count: number;
  readonly pilot: PilotNumber;
  /** A second copy beside a running lease; its ranges stay on the first one's columns. */
  readonly speculative: boolean;
  /** Ranges still held or running under it. */
  open: number;
  /** Told to the pilot to give back what has not started; volatile. */
  recalled: boolean;
}

/** Spans as columns, `size` long or longer: ranges first .. first + count - 1 under a lease. */
export interface SpanColumns {
  readonly size: number;
  readonly first: ArrayLike<number>;
  readonly count: ArrayLike<number>;
  readonly lease: ArrayLike<number>;
}

/** Receives verdicts in the order of the ranges reported, merged into runs. */
export interface VerdictSink {
  push(count: number, verdict: Verdict): void;
}
