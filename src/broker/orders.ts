/**
 * Orders of tasks with cost weights: the shaper's order proposes, the ledger disposes.
 *
 *   plan takes picks out of the order -> leased: they stay out
 *                                     -> not leased, but ready: back into the order
 *                                     -> not ready (done late, failed with its file): they stay out
 *   ranges become ready -> giveBack, where it is known which; else catchUp, once there are more of
 *   them than the order has; reorder makes an order anew that has lost step all the same
 */
import { RANGES_PER_LEASE_MAX, type TaskId } from "../base/index.ts";
import { type Ledger, STATE } from "../ledger/index.ts";
import type { Shaper } from "../shape/index.ts";
import type { OpenTasks } from "./open-tasks.ts";

export class Orders {
  readonly #ledger: Ledger;
  readonly #shaper: Shaper;
  readonly #open: OpenTasks;
  readonly #weightsOf: (task: number) => Float32Array | null;
  /** Ranges that orders proposed for the grant under way and that could not be had. */
  misses = 0;
  /**
   * Of these, by task, those that this pilot can't have now, since they would be its second at their
   * last chance: out of their orders until its grant is made.
   */
  readonly #aside = new Map<number, Set<number>>();

  constructor(parts: {
    ledger: Ledger;
    shaper: Shaper;
    open: OpenTasks;
    /** Cost weight of each range, null where the task has none. */
    weightsOf: (task: number) => Float32Array | null;
  }) {
    this.#ledger = parts.ledger;
    this.#shaper = parts.shaper;
    this.#open = parts.open;
    this.#weightsOf = parts.weightsOf;
  }

  /** Orders the task's ready ranges; false if it has no weights. */
  begin(task: number): boolean {
    const weights = this.#weightsOf(task);
    if (weights === null) return false;
    this.#shaper.setWeights(task, weights, this.#isReady(task));
    return true;
  }

  /** Those of these ranges that are ready are in the order from now on. */
  giveBack(task: number, first: number, count: number): void {
    if (this.#shaper.inOrder(task) < 0) return;
    const end = first + count;
    for (let at = first; at < end; ) {
      const most = Math.min(end - at, RANGES_PER_LEASE_MAX);
      const run = this.#ledger.nextReady(task as TaskId, at, most);
      if (!run || run.first >= end) return;
      at = Math.min(end, run.first + run.count);
      this.#shaper.giveBack(task, run.first, at - run.first);
    }
  }

  /**
   * Whatever else made ranges of these tasks ready (a reopened or lost bundle, a held lease that
   * its pilot no longer lists, a done without an output): an order that has fewer gets them too.
   */
  catchUp(tasks: Iterable<number>): void {
    for (const task of tasks) {
      const ready = this.#open.get(task)?.ready ?? 0;
      const inOrder = this.#shaper.inOrder(task);
      if (inOrder >= 0 && inOrder < ready) this.giveBack(task, 0, Number.POSITIVE_INFINITY);
    }
  }

  /** Makes orders anew that have lost step with the ledger. */
  reorder(): void {
    for (const { task, ready } of this.#open.values()) {
      const inOrder = this.#shaper.inOrder(task);
      if (inOrder >= 0 && inOrder !== ready) this.begin(task);
    }
  }

  /** So many of a plan's picks were leased: the others go back, unless they were set aside. */
  leased(task: number, picks: readonly number[], count: number): void {
    if (count === picks.length) return;
    const aside = this.#aside.get(task);
    for (const range of picks) if (!aside?.has(range)) this.giveBack(task, range, 1);
  }

  setAside(task: number, range: number): void {
    const ranges = this.#aside.get(task) ?? new Set();
    this.#aside.set(task, ranges);
    ranges.add(range);
    this.misses++;
  }

  endGrant(): void {
    for (const [task, ranges] of this.#aside) {
      for (const range of ranges) this.giveBack(task, range, 1);
    }
    this.#aside.clear();
    this.misses = 0;
  }

  #isReady(task: number): (range: number) => boolean {
    let first = 0;
    let end = 0;
    let isReady = false;
    return (range) => {
      if (range < first || range >= end) {
        const [run] = this.#ledger.runs(task as TaskId, range, 1);
        first = range;
        end = run ? run.first + run.count : range + 1;
        isReady = run?.state === STATE.ready;
      }
      return isReady;
    };
  }
}
