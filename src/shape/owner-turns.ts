/**
 * Whose turn it is within one plan over several tasks: the highest priority first and, inside it,
 * the owner served least (shares.ts); of one owner the first task. A task without room leaves the
 * plan.
 */
import type { Shares } from "./shares.ts";
import type { TaskSight } from "./sights.ts";

/** A task that gets no more of this plan. */
const CLOSED = -1;

export class OwnerTurns {
  /** Whether owners competed for the last turn. */
  rivals = false;
  #tasks: readonly TaskSight[] = [];
  /** Ranges given in this plan, or CLOSED, and what its owner was served; by task. */
  readonly #had: number[] = [];
  readonly #levels: number[] = [];
  #several = false;

  /** A new plan over these tasks. */
  begin(tasks: readonly TaskSight[], shares: Shares): void {
    this.#tasks = tasks;
    this.#several = false;
    for (let i = 0; i < tasks.length; i++) {
      const { ready, owner } = tasks[i]!;
      this.#had[i] = ready > 0 ? 0 : CLOSED;
      this.#several ||= owner !== tasks[0]!.owner;
    }
    if (!this.#several) return;
    for (let i = 0; i < tasks.length; i++) this.#levels[i] = shares.level(tasks[i]!.owner);
  }

  /** Index of the task whose turn it is, -1 when all are closed. */
  next(): number {
    const tasks = this.#tasks;
    let best = -1;
    this.rivals = false;
    for (let i = 0; i < tasks.length; i++) {
      if (this.#had[i] === CLOSED) continue;
      if (best < 0) {
        best = i;
        continue;
      }
      const { priority, owner } = tasks[i]!;
      const first = tasks[best]!;
      if (priority < first.priority) continue;
      if (priority > first.priority) {
        this.rivals = false;
        best = i;
        continue;
      }
      if (owner === first.owner) continue;
      this.rivals = true;
      if (this.#levels[i]! < this.#levels[best]!) best = i;
    }
    return best;
  }

  /** Ranges of the task that the plan has already. */
  had(at: number): number {
    return this.#had[at]!;
  }

  /** The task was given `ranges`, charged to its owner; none closes it. */
  took(at: number, ranges: number, shares: Shares): void {
    if (ranges === 0) {
      this.#had[at] = CLOSED;
      return;
    }
    this.#had[at]! += ranges;
    if (!this.#several) return;
    const { owner } = this.#tasks[at]!;
    const level = shares.level(owner);
    for (let i = 0; i < this.#tasks.length; i++) {
      if (this.#tasks[i]!.owner === owner) this.#levels[i] = level;
    }
  }
}
