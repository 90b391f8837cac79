/**
 * From "every range is final" to "the result is there": which tasks can be merged, who waits for
 * which task, how fast each goes. A task's phase in its row is `open` until its merge has ended;
 * while it has nothing left to run it shows as `merging`, and goes back to `open` by itself when a
 * lost bundle reopens ranges. `mergeable` is told only after the group that made it so is durable,
 * so that a merge never reads an unacknowledged output.
 */
import type { TaskId } from "../base/index.ts";
import type { TaskPhaseName } from "../store/index.ts";
import type { TaskEntry } from "./book.ts";
import type { CoreParts } from "./parts.ts";

const RATE_SECONDS = 60;

/** Finished ranges at whole seconds of the last minute: a ring. */
interface RateRing {
  readonly finished: Float64Array;
  readonly atMs: Float64Array;
  next: number;
  filled: number;
}

export class Lifecycle {
  readonly #parts: CoreParts;
  readonly #announced = new Set<number>();
  readonly #waiters = new Map<number, Set<() => void>>();
  readonly #rates = new Map<number, RateRing>();
  readonly #touched = new Set<number>();
  #sampledMs = 0;
  onFinal: (task: number) => void = () => {};

  constructor(parts: CoreParts) {
    this.#parts = parts;
  }

  /** True once no range of the task can change by itself any more. */
  isFinal(entry: TaskEntry): boolean {
    const counts = this.#parts.ledger.counts(entry.row.id as TaskId);
    return counts.ready + counts.leased === 0;
  }

  /** The phase as people see it. */
  phaseOf(entry: TaskEntry): TaskPhaseName {
    const { phase } = entry.row;
    return phase === "open" && this.isFinal(entry) ? "merging" : phase;
  }

  hasEnded(entry: TaskEntry): boolean {
    return entry.row.phase !== "open" && entry.row.phase !== "merging";
  }

  /** Looks at tasks whose ranges changed; tells of those that became mergeable, once durable. */
  settle(changed: Iterable<number>): void {
    for (const task of changed) {
      this.#touched.add(task);
      const entry = this.#parts.book.tasks.get(task);
      if (!entry || this.hasEnded(entry)) continue;
      if (!this.isFinal(entry)) {
        this.#announced.delete(task);
        if (!this.#parts.granter.open.has(task)) this.#parts.granter.admit(entry);
        continue;
      }
      if (this.#announced.has(task)) continue;
      this.#announced.add(task);
      this.#parts.committer.afterCommit(() => this.#announce(task));
    }
  }

  #announce(task: number): void {
    const entry = this.#parts.book.tasks.get(task);
    if (!entry || this.hasEnded(entry) || !this.isFinal(entry)) {
      this.#announced.delete(task);
      return;
    }
    this.#parts.granter.dismiss(task);
    this.#parts.world.emit({ type: "mergeable", task });
  }

  mergeable(): number[] {
    const tasks: number[] = [];
    for (const [task, entry] of this.#parts.book.tasks) {
      if (!this.hasEnded(entry) && this.isFinal(entry)) tasks.push(task);
    }
    return tasks;
  }

  // -- who waits ---------------------------------------------------------------------------------

  /** Calls back once the task has ended; returns a way to stop waiting. */
  whenEnded(task: number, callback: () => void): () => void {
    const set = this.#waiters.get(task) ?? new Set();
    this.#waiters.set(task, set);
    set.add(callback);
    return () => set.delete(callback);
  }

  /** A task has ended and that is durable. */
  ended(task: number): void {
    const set = this.#waiters.get(task);
    this.#waiters.delete(task);
    this.#rates.delete(task);
    // A retry may open it again: then it has to become mergeable anew.
    this.#announced.delete(task);
    this.#touched.add(task);
    for (const callback of set ?? []) callback();
  }

  /** Tasks changed since the last call: for events. */
  takeTouched(): number[] {
    const touched = [...this.#touched];
    this.#touched.clear();
    return touched;
  }

  // -- rates -------------------------------------------------------------------------------------

  /** Samples each open task once a second. */
  sample(nowMs: number): void {
    if (nowMs - this.#sampledMs < 1_000) return;
    this.#sampledMs = nowMs;
    for (const [task, entry] of this.#parts.book.tasks) {
      if (this.hasEnded(entry)) continue;
      const counts = this.#parts.ledger.counts(task as TaskId);
      let ring = this.#rates.get(task);
      if (!ring) {
        ring = {
          finished: new Float64Array(RATE_SECONDS),
          atMs: new Float64Array(RATE_SECONDS),
          next: 0,
          filled: 0,
        };
        this.#rates.set(task, ring);
      }
      ring.finished[ring.next] = counts.done + counts.merged + counts.failed;
      ring.atMs[ring.next] = nowMs;
      ring.next = (ring.next + 1) % RATE_SECONDS;
      ring.filled = Math.min(RATE_SECONDS, ring.filled + 1);
    }
  }

  /** Ranges a second over the last minute; -1 if it is too early to say. */
  rate(task: number): number {
    const ring = this.#rates.get(task);
    if (!ring || ring.filled < 2) return -1;
    const newest = (ring.next + RATE_SECONDS - 1) % RATE_SECONDS;
    const oldest = ring.filled < RATE_SECONDS ? 0 : ring.next;
    const seconds = ((ring.atMs[newest] as number) - (ring.atMs[oldest] as number)) / 1000;
    if (seconds <= 0) return -1;
    return ((ring.finished[newest] as number) - (ring.finished[oldest] as number)) / seconds;
  }
}
