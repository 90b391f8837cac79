/**
 * Stream payloads that end before they are ready, by task. Processes fail in rounds (one a slot):
 * after a round nothing is started for a while, 0.1 s doubled each time up to 30 s, so that a site
 * that hiccups doesn't eat the attempts of its ranges. After ROUNDS_MAX rounds (about 6 s of
 * waiting) without one process that got ready the command is hopeless here: until the next try is
 * due its ranges fail as they come, or a wrong command would keep an owner waiting for hours. One
 * ready process ends all that.
 *
 * A pilot can't know whether others fare better; holding back a pilot that alone fails is the
 * engine's business (quarantine).
 */
import type { TaskId } from "../base/index.ts";

const WAIT_MS_FIRST = 100;
const WAIT_MS_MAX = 30_000;
const ROUNDS_MAX = 7;

interface Trouble {
  rounds: number;
  /** Processes that were started before belong to the last round. */
  roundBeganMs: number;
  notBeforeMs: number;
  reason: string;
}

export class StartTrouble {
  readonly #byTask = new Map<TaskId, Trouble>();

  /** A process got ready. */
  clear(task: TaskId): void {
    this.#byTask.delete(task);
  }

  /** A process that was started at `startedMs` never got ready. Milliseconds until the next try. */
  failed(task: TaskId, startedMs: number, reason: string, nowMs: number): number {
    let trouble = this.#byTask.get(task);
    if (trouble === undefined) {
      trouble = { rounds: 0, roundBeganMs: Number.NEGATIVE_INFINITY, notBeforeMs: 0, reason };
      this.#byTask.set(task, trouble);
    }
    trouble.reason = reason;
    if (startedMs >= trouble.roundBeganMs) {
      trouble.notBeforeMs = nowMs + Math.min(WAIT_MS_FIRST * 2 ** trouble.rounds, WAIT_MS_MAX);
      trouble.roundBeganMs = nowMs;
      trouble.rounds++;
    }
    return Math.max(0, trouble.notBeforeMs - nowMs);
  }

  /** True while no process of the task should be started. */
  waits(task: TaskId, nowMs: number): boolean {
    return nowMs < (this.#byTask.get(task)?.notBeforeMs ?? 0);
  }

  /** Why a range of the task fails without a process of its own; null if there is hope. */
  hopeless(task: TaskId, nowMs: number): string | null {
    const trouble = this.#byTask.get(task);
    if (trouble === undefined || trouble.rounds < ROUNDS_MAX || !this.waits(task, nowMs)) {
      return null;
    }
    return trouble.reason;
  }
}
