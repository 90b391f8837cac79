/** What readers see of a task: counts, one range, runs of alike ranges. Nothing changes here. */
import {
  assert,
  type BundleId,
  type LeaseId,
  NO_BUNDLE,
  NO_REASON,
  RANGES_PER_PAGE,
  type ReasonId,
} from "../base/index.ts";
import { attemptsOf, FIELDS, failuresOf, leaseOf, lossesOf, type Page, stateOf } from "./page.ts";
import type { PageTable, TaskPages } from "./page-table.ts";
import { type RangeRun, STATE, type StateCounts } from "./types.ts";

/** Ranges by state as people see them; derived from the phase and the merge watermark (I6). */
export function countsOf(task: TaskPages): StateCounts {
  const ready = task.counts[STATE.ready]!;
  const leased = task.counts[STATE.held]! + task.counts[STATE.running]!;
  const cancelled = task.phase === "cancelled" ? ready + leased : 0;
  const merged = task.mergedDone;
  return {
    total: task.ranges,
    ready: cancelled > 0 ? 0 : ready,
    leased: cancelled > 0 ? 0 : leased,
    done: task.counts[STATE.done]! - merged,
    merged,
    failed: task.counts[STATE.failed]!,
    cancelled,
  };
}

/** Up to `runsMax` runs of alike ranges from `from` on, in order, across page borders. */
export function runsOf(
  table: PageTable,
  task: TaskPages,
  from: number,
  runsMax: number,
): RangeRun[] {
  assert(from >= 0 && runsMax > 0, "runs are read from a range on");
  const runs: RangeRun[] = [];
  let last: RangeRun | undefined;
  for (let at = from; at < task.ranges; ) {
    const index = Math.floor(at / RANGES_PER_PAGE);
    const base = index * RANGES_PER_PAGE;
    const stored = task.page(index);
    if (stored === undefined) {
      const end = Math.min(task.untouchedUntil(at), task.ranges);
      const run = untouched(at, end - at);
      if (last !== undefined && alike(last, run)) last.count += run.count;
      else if (runs.length === runsMax) return runs;
      else runs.push((last = run));
      at = end;
      continue;
    }
    const page = table.peek(stored);
    for (let offset = at - base; offset < page.size; ) {
      const record = page.find(offset);
      const end = page.endOf(record, page.size);
      const run = runAt(page, record, base + offset, end - offset);
      if (last !== undefined && alike(last, run)) last.count += run.count;
      else if (runs.length === runsMax) return runs;
      else runs.push((last = run));
      offset = end;
    }
    at = base + page.size;
  }
  return runs;
}

/** Runs of failed ranges, in order; a page without any is passed by its counts. */
export function failedRunsOf(table: PageTable, task: TaskPages): RangeRun[] {
  const runs: RangeRun[] = [];
  if (task.counts[STATE.failed] === 0) return runs;
  for (const stored of task.touchedPages()) {
    if (stored.counts[STATE.failed] === 0) continue;
    const base = stored.index * RANGES_PER_PAGE;
    const page = table.peek(stored);
    for (let offset = 0; offset < page.size; ) {
      const record = page.find(offset);
      const end = page.endOf(record, page.size);
      if (stateOf(page.cells[record * FIELDS + 1]!) === STATE.failed) {
        runs.push(runAt(page, record, base + offset, end - offset));
      }
      offset = end;
    }
  }
  return runs;
}

/** Done ranges in from .. to-1. */
export function doneBetween(table: PageTable, task: TaskPages, from: number, to: number): number {
  let done = 0;
  for (let at = from; at < to; ) {
    const index = Math.floor(at / RANGES_PER_PAGE);
    const base = index * RANGES_PER_PAGE;
    const end = Math.min(to - base, RANGES_PER_PAGE);
    const stored = task.page(index);
    if (stored === undefined) {
      at = Math.min(to, task.untouchedUntil(at));
      continue;
    }
    if (at === base && end === stored.size) {
      done += stored.counts[STATE.done]!;
    } else {
      const page = table.peek(stored);
      for (let offset = at - base; offset < end; ) {
        const record = page.find(offset);
        const next = page.endOf(record, end);
        if (stateOf(page.cells[record * FIELDS + 1]!) === STATE.done) done += next - offset;
        offset = next;
      }
    }
    at = base + end;
  }
  return done;
}

function untouched(first: number, count: number): RangeRun {
  return {
    first,
    count,
    state: STATE.ready,
    attempts: 0,
    failures: 0,
    losses: 0,
    grants: 0,
    lease: 0 as LeaseId,
    bundle: NO_BUNDLE,
    reason: NO_REASON,
  };
}

function runAt(page: Page, record: number, first: number, count: number): RangeRun {
  const cells = page.cells;
  const at = record * FIELDS;
  const word = cells[at + 1]!;
  const state = stateOf(word);
  const mark = cells[at + 2]!;
  return {
    first,
    count,
    state,
    attempts: attemptsOf(word),
    failures: failuresOf(word),
    losses: lossesOf(word),
    grants: cells[at]! & 0xffff,
    lease: leaseOf(cells[at + 3]!, cells[at + 4]!) as LeaseId,
    bundle: (state === STATE.done ? mark : 0) as BundleId,
    reason: (state === STATE.done ? 0 : mark) as ReasonId,
  };
}

function alike(a: RangeRun, b: RangeRun): boolean {
  return (
    a.state === b.state &&
    a.lease === b.lease &&
    a.attempts === b.attempts &&
    a.grants === b.grants &&
    a.failures === b.failures &&
    a.losses === b.losses &&
    a.bundle === b.bundle &&
    a.reason === b.reason
  );
}
