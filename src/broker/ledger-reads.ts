/** Sums over the ledger's runs and leases that views and the granter need. */
import type { PilotNumber, TaskId } from "../base/index.ts";
import { type Ledger, type RangeRun, STATE } from "../ledger/index.ts";

const RUNS_AT_ONCE = 10_000;

/** Ranges granted to a pilot and neither reported nor expired. */
export function heldBy(ledger: Ledger, pilot: PilotNumber): number {
  let held = 0;
  for (const lease of ledger.leasesOf(pilot)) held += lease.open;
  return held;
}

/** Payload starts over all ranges of a task. */
export function startsOf(ledger: Ledger, task: TaskId): number {
  let starts = 0;
  forEachRun(ledger, task, (run) => {
    starts += run.attempts * run.count;
  });
  return starts;
}

/** Runs of ranges that failed for good, in order. */
export function failedRuns(ledger: Ledger, task: TaskId): RangeRun[] {
  const failed: RangeRun[] = [];
  forEachRun(ledger, task, (run) => {
    if (run.state === STATE.failed) failed.push(run);
  });
  return failed;
}

function forEachRun(ledger: Ledger, task: TaskId, visit: (run: RangeRun) => void): void {
  const { total } = ledger.counts(task);
  let from = 0;
  while (from < total) {
    const runs = ledger.runs(task, from, RUNS_AT_ONCE);
    for (const run of runs) visit(run);
    const last = runs[runs.length - 1];
    if (!last) return;
    from = last.first + last.count;
  }
}
