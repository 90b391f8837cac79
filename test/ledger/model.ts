/**
 * The ledger as one would write it without a thought for size or speed: an object a range. It is
 * what the property tests hold the real one against, and shares no code with it but the types.
 */
import type { Lease, TaskPhase } from "../../src/ledger/index.ts";

export type ModelKind = "started" | "done" | "failed" | "fatal" | "lost" | "returned";
type Name = "ready" | "held" | "running" | "done" | "failed";
export const STATE_NAMES: readonly Name[] = ["ready", "held", "running", "done", "failed"];
export const VERDICT_NAMES = ["accepted", "duplicate", "stale", "closed", "unknown"] as const;
export type VerdictName = (typeof VERDICT_NAMES)[number];

export interface ModelRange {
  state: Name;
  attempts: number;
  failures: number;
  losses: number;
  grants: number;
  lease: number;
  mark: number;
  /** Ready after expiry: the expired lease had started. */
  started: boolean;
  copy: { lease: number; started: boolean } | null;
}

export interface ModelTask {
  ranges: number;
  attemptsMax: number;
  lossesMax: number;
  phase: TaskPhase;
  mergedBelow: number;
  touched: Map<number, ModelRange>;
}

export interface ModelLease {
  task: number;
  first: number;
  count: number;
  pilot: number;
  speculative: boolean;
}

const FRESH: ModelRange = {
  state: "ready",
  attempts: 0,
  failures: 0,
  losses: 0,
  grants: 0,
  lease: 0,
  mark: 0,
  started: false,
  copy: null,
};

export class Model {
  tasks = new Map<number, ModelTask>();
  leases = new Map<number, ModelLease>();
  lostBundles = new Set<number>();
  issued = 0;
  issuedBefore = 0;
  bornAt: number;

  constructor(epoch: number) {
    this.bornAt = epoch * 2 ** 32;
  }

  clone(): Model {
    const copy = new Model(0);
    Object.assign(copy, structuredClone({ ...this }));
    return copy;
  }

  /** What a crash leaves: everything of the last durable group, under a new epoch. */
  reborn(epoch: number): void {
    this.issuedBefore = this.issued;
    this.bornAt = epoch * 2 ** 32;
  }

  range(task: number, index: number): ModelRange {
    const { touched } = this.tasks.get(task)!;
    let range = touched.get(index);
    if (range === undefined) touched.set(index, (range = { ...FRESH }));
    return range;
  }

  peek(task: number, index: number): Readonly<ModelRange> {
    return this.tasks.get(task)!.touched.get(index) ?? FRESH;
  }

  grant(lease: Lease): void {
    const { id, task, first, count, pilot, speculative } = lease;
    this.issued = id;
    this.leases.set(id, { task, first, count, pilot, speculative });
    for (let i = first; i < first + count; i++) {
      const range = this.range(task, i);
      range.grants++;
      if (speculative) range.copy = { lease: id, started: false };
      else Object.assign(range, { state: "held", lease: id, started: false });
    }
  }

  leasesById(): [number, ModelLease][] {
    return [...this.leases].sort(([a], [b]) => a - b);
  }

  openOf(lease: number): number {
    const { task, first, count } = this.leases.get(lease)!;
    let open = 0;
    for (let i = first; i < first + count; i++) {
      const range = this.peek(task, i);
      const own = range.lease === lease && (range.state === "held" || range.state === "running");
      if (own || range.copy?.lease === lease) open++;
    }
    return open;
  }

  sweep(): void {
    for (const id of [...this.leases.keys()]) if (this.openOf(id) === 0) this.leases.delete(id);
  }

  wasIssued(lease: number): boolean {
    if (lease <= 0) return false;
    return lease > this.bornAt ? lease <= this.issued : lease <= this.issuedBefore;
  }

  report(
    kind: ModelKind,
    pilot: number,
    lease: number,
    task: number,
    first: number,
    count: number,
    extra: number,
  ): VerdictName[] {
    const verdicts: VerdictName[] = [];
    // A lease that closes in the middle of a report was open when it began.
    const open = this.leases.get(lease);
    for (let i = first; i < first + count; i++) {
      verdicts.push(this.#reportOne(kind, pilot, lease, open, task, i, extra));
    }
    this.sweep();
    return verdicts;
  }

  #reportOne(
    kind: ModelKind,
    pilot: number,
    lease: number,
    open: ModelLease | undefined,
    taskId: number,
    index: number,
    extra: number,
  ): VerdictName {
    const task = this.tasks.get(taskId);
    if (task === undefined || index >= task.ranges || !this.wasIssued(lease)) return "unknown";
    if (open !== undefined) {
      if (open.pilot !== pilot || open.task !== taskId) return "unknown";
      if (index < open.first || index >= open.first + open.count) return "unknown";
    }
    if (task.phase !== "open") return "closed";
    const seen = this.peek(taskId, index);
    if (seen.state === "failed") return "closed";
    const isCopy = seen.copy?.lease === lease;
    if (seen.lease !== lease && !isCopy) return seen.grants === 0 ? "unknown" : "stale";
    if (seen.state === "done") return "duplicate";
    if (seen.state === "ready" && kind !== "done") return "stale";
    const running = isCopy ? seen.copy!.started : seen.state === "running";
    if (kind === "started" && running) return "duplicate";
    const range = this.range(taskId, index);
    if (kind === "done" && this.lostBundles.has(extra)) {
      if (range.state !== "ready") this.#end(task, range, lease, "lost", 0);
      return "stale";
    }
    if (kind === "started") {
      range.attempts++;
      if (isCopy) range.copy!.started = true;
      else range.state = "running";
    } else if (kind === "done") {
      if (!running && !(range.state === "ready" && range.started)) range.attempts++;
      Object.assign(range, { state: "done", lease, mark: extra, started: false, copy: null });
    } else {
      this.#end(task, range, lease, kind, extra);
    }
    return "accepted";
  }

  #end(
    task: ModelTask,
    range: ModelRange,
    lease: number,
    kind: ModelKind | "expired",
    reason: number,
  ): void {
    const isCopy = range.copy?.lease === lease;
    const running = isCopy ? range.copy!.started : range.state === "running";
    if (!running && kind !== "returned" && kind !== "expired") range.attempts++;
    if (isCopy) {
      range.copy = null;
      return;
    }
    const bad = kind === "failed" || kind === "fatal";
    if (bad) range.failures++;
    else if (kind === "lost" || (kind === "expired" && running)) range.losses++;
    if (kind !== "returned" && reason > 0 && (kind !== "expired" || running)) range.mark = reason;
    const spent = range.failures >= task.attemptsMax || range.losses >= task.lossesMax;
    if (spent || kind === "fatal") {
      Object.assign(range, { state: "failed", lease: 0, copy: null });
    } else if (range.copy !== null) {
      const { lease: next, started } = range.copy;
      Object.assign(range, { state: started ? "running" : "held", lease: next, copy: null });
    } else if (kind === "expired") {
      Object.assign(range, { state: "ready", started: running });
    } else {
      Object.assign(range, { state: "ready", lease: 0 });
    }
  }

  /** What the lease still has in first .. first+count-1 ends; `kinds`: unstarted, started. */
  endOpen(
    lease: number,
    first: number,
    count: number,
    kinds: readonly ["expired" | "returned", "expired" | "lost"],
    reason: number,
  ): void {
    const { task } = this.leases.get(lease)!;
    for (let i = first; i < first + count; i++) {
      const seen = this.peek(task, i);
      const isCopy = seen.copy?.lease === lease;
      const own = seen.lease === lease && (seen.state === "held" || seen.state === "running");
      if (!isCopy && !own) continue;
      const running = isCopy ? seen.copy!.started : seen.state === "running";
      this.#end(this.tasks.get(task)!, this.range(task, i), lease, kinds[running ? 1 : 0], reason);
    }
  }

  expirePilot(pilot: number, reason: number): void {
    for (const [id, lease] of this.leasesById()) {
      if (lease.pilot !== pilot) continue;
      this.endOpen(id, lease.first, lease.count, ["expired", "expired"], reason);
    }
    this.sweep();
  }

  /** Whether a pilot that comes back may keep the range under that lease. */
  mayKeep(pilot: number, lease: number, task: number, index: number): boolean {
    const open = this.leases.get(lease);
    if (open !== undefined && (open.pilot !== pilot || open.task !== task)) return false;
    const { phase, ranges } = this.tasks.get(task)!;
    if (phase !== "open" || index >= ranges || !this.wasIssued(lease)) return false;
    const range = this.peek(task, index);
    if (range.copy?.lease === lease) return true;
    return range.lease === lease && (range.state !== "ready" || range.started);
  }

  reopen(task: number, index: number, charge: boolean, reason: number): number {
    const { phase, mergedBelow, attemptsMax, lossesMax } = this.tasks.get(task)!;
    if (phase !== "open" || index < mergedBelow) return 0;
    if (this.peek(task, index).state !== "done") return 0;
    const range = this.range(task, index);
    if (charge) range.failures++;
    const spent = range.failures >= attemptsMax || range.losses >= lossesMax;
    Object.assign(range, { state: spent ? "failed" : "ready", lease: 0, mark: reason });
    return 1;
  }

  reopenBundle(task: number, bundle: number): number {
    this.lostBundles.add(bundle);
    let reopened = 0;
    for (const [index, range] of this.tasks.get(task)!.touched) {
      if (range.state !== "done" || range.mark !== bundle) continue;
      reopened += this.reopen(task, index, false, 0);
    }
    return reopened;
  }

  failReady(taskId: number, first: number, count: number, reason: number): number {
    const task = this.tasks.get(taskId)!;
    let failed = 0;
    for (let i = first; task.phase === "open" && i < Math.min(first + count, task.ranges); i++) {
      if (this.peek(taskId, i).state !== "ready") continue;
      Object.assign(this.range(taskId, i), { state: "failed", lease: 0, mark: reason });
      failed++;
    }
    return failed;
  }

  retry(taskId: number): number {
    const task = this.tasks.get(taskId)!;
    let retried = 0;
    for (const [index, range] of task.touched) {
      if (task.phase !== "open" || range.state !== "failed" || index < task.mergedBelow) continue;
      Object.assign(range, { state: "ready", failures: 0, losses: 0, started: false });
      retried++;
    }
    return retried;
  }

  cancel(taskId: number): void {
    const task = this.tasks.get(taskId)!;
    task.phase = "cancelled";
    for (const [id, lease] of this.leases) if (lease.task === taskId) this.leases.delete(id);
    for (const range of task.touched.values()) range.copy = null;
  }

  counts(taskId: number): Record<string, number> {
    const { ranges, touched, phase, mergedBelow } = this.tasks.get(taskId)!;
    const cancelled = phase === "cancelled";
    const sums = {
      total: ranges,
      ready: 0,
      leased: 0,
      done: 0,
      merged: 0,
      failed: 0,
      cancelled: 0,
    };
    sums[cancelled ? "cancelled" : "ready"] = ranges - touched.size;
    for (const [index, { state }] of touched) {
      if (state === "failed") sums.failed++;
      else if (state === "done") sums[index < mergedBelow ? "merged" : "done"]++;
      else if (cancelled) sums.cancelled++;
      else if (state === "ready") sums.ready++;
      else sums.leased++;
    }
    return sums;
  }
}
