/** What the granter has to look up in the ledger's runs. */
import { assert, type TaskId } from "../base/index.ts";
import type { Ledger } from "../ledger/index.ts";

/**
 * How many ranges from the start of a ready run may be leased alike, and whether one more lost
 * pilot would end them as failed. Such ranges go to a pilot one at a time: an event that kills
 * pilots takes those that run beside it along, again and again, since they are granted together.
 */
export function chanceOf(
  ledger: Ledger,
  task: TaskId,
  ready: { readonly first: number; readonly count: number; readonly attempts: number },
  lossesMax: number,
): { count: number; last: boolean } {
  const lossesLast = lossesMax - 1;
  // Losses are starts: what was hardly started needs no look at its losses.
  if (lossesLast < 1 || ready.attempts < lossesLast) return { count: ready.count, last: false };
  const [run] = ledger.runs(task, ready.first, 1);
  assert(run !== undefined, "ready range % of task % has a run", ready.first, task);
  return { count: Math.min(ready.count, run.count), last: run.losses >= lossesLast };
}
