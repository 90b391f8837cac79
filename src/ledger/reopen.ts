/**
 * The ways back from an end: reopen a done range or all that a lost bundle held, fail what nobody
 * can do, retry what failed. Nothing below the merge watermark is touched: it is in renamed files.
 * Reopening takes the lease from the range, so that the old lease's word is stale from then on.
 */
import { RANGES_PER_PAGE } from "../base/index.ts";
import type { Books } from "./books.ts";
import { DECISION } from "./journal.ts";
import { FIELDS, STATE_MASK } from "./page.ts";
import type { TaskPages } from "./page-table.ts";
import { decide } from "./reports.ts";
import { applySpan, applyToTask } from "./transitions.ts";
import { STATE } from "./types.ts";

/** 1 if the range was done, unmerged, and is open (or, charged, failed) now; else 0. */
export function reopenRange(
  books: Books,
  task: TaskPages,
  range: number,
  charge: boolean,
  reason: number,
): number {
  if (task.phase !== "open" || range < task.mergedBelow || range >= task.ranges) return 0;
  const index = Math.floor(range / RANGES_PER_PAGE);
  const page = task.page(index);
  if (page === undefined || page.counts[STATE.done] === 0) return 0;
  books.pages.open(page);
  const record = page.find(range - index * RANGES_PER_PAGE);
  if ((page.cells[record * FIELDS + 1]! & STATE_MASK) !== STATE.done) return 0;
  const kind = charge ? DECISION.reopenedCharged : DECISION.reopened;
  return decide(books, kind, task, range, 1, 0, reason);
}

/** Refuses the bundle from now on and reopens the task's unmerged ranges in it; how many. */
export function reopenBundle(books: Books, task: TaskPages, bundle: number): number {
  loseBundle(books, bundle);
  if (task.phase !== "open" || bundle === 0) return 0;
  books.record(DECISION.bundleReopened, task.id, task.mergedBelow, 0, 0, bundle);
  return applyToTask(books, DECISION.bundleReopened, task, task.mergedBelow, bundle);
}

export function loseBundle(books: Books, bundle: number): void {
  if (bundle === 0 || books.lostBundles.has(bundle)) return;
  books.lostBundles.add(bundle);
  books.record(DECISION.bundleLost, 0, 0, 0, 0, bundle);
}

/** Fails the ready ranges of a span; how many. */
export function failReady(
  books: Books,
  task: TaskPages,
  first: number,
  count: number,
  reason: number,
): number {
  const end = Math.min(first + count, task.ranges);
  if (task.phase !== "open" || first >= end) return 0;
  books.record(DECISION.failedReady, task.id, first, end - first, 0, reason);
  return applySpan(books, DECISION.failedReady, task, first, end - first, 0, reason);
}

/** Makes failed ranges ready with clean counts (never fewer attempts); how many. */
export function retryFailed(books: Books, task: TaskPages): number {
  if (task.phase !== "open" || task.counts[STATE.failed] === 0) return 0;
  books.record(DECISION.retried, task.id, task.mergedBelow, 0, 0, 0);
  return applyToTask(books, DECISION.retried, task, task.mergedBelow, 0);
}
