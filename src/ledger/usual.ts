/**
 * The usual words, taken the short way: ranges of one page that one open lease holds have started
 * or are done. Does exactly what judging them closely (reports.ts) would do, and leaves alone
 * whatever has to be looked at more.
 *
 *   applyUsual ...   each piece is judged, written down, applied and counted
 *   settle           the lease and the page table learn of all of them at once
 */
import { RANGES_PER_PAGE, STARTS_PER_RANGE_MAX } from "../base/index.ts";
import type { Books } from "./books.ts";
import { DECISION, type DecisionKind } from "./journal.ts";
import type { OpenLease } from "./leases.ts";
import { ATTEMPT, attemptsOf, CHARGES, FIELDS, holds, type Page, STATE_MASK } from "./page.ts";
import type { TaskPages } from "./page-table.ts";
import { STATE } from "./types.ts";

/** Whether words of this kind on the task can be usual ones at all. */
export function isUsualKind(
  books: Books,
  kind: DecisionKind,
  task: TaskPages,
  extra: number,
): boolean {
  if (task.phase !== "open" || task.copies.size > 0) return false;
  if (kind === DECISION.done) return extra === 0 || !books.lostBundles.has(extra);
  return kind === DECISION.started;
}

/** The page of a range, if it is open to be read. */
export function openPageOf(task: TaskPages, range: number): Page | null {
  const page = task.page(Math.floor(range / RANGES_PER_PAGE));
  return page?.isOpen ? page : null;
}

/** A span that lies in the lease; false, and nothing done, if it is not a usual one. */
export function applyAlone(
  books: Books,
  kind: DecisionKind,
  task: TaskPages,
  lease: OpenLease,
  first: number,
  count: number,
  extra: number,
): boolean {
  const page = openPageOf(task, first);
  if (page === null) return false;
  const from = first - page.index * RANGES_PER_PAGE;
  const to = from + count;
  if (to > page.size) return false;
  const record = page.find(from);
  if (page.endOf(record, to) < to) return false;
  const bytesBefore = page.bytes;
  if (!applyUsual(books, kind, task, page, record, from, to, lease.id, extra)) return false;
  settle(books, kind, page, bytesBefore, lease, count);
  return true;
}

/** Whether a word of this kind on the ranges of a record is a usual one. */
export function isUsual(kind: DecisionKind, page: Page, record: number, lease: number): boolean {
  const { cells } = page;
  const at = record * FIELDS;
  const word = cells[at + 1]!;
  const state = word & STATE_MASK;
  const fits =
    state === STATE.held
      ? attemptsOf(word) < STARTS_PER_RANGE_MAX
      : state === STATE.running && kind === DECISION.done;
  return fits && holds(cells, record, lease);
}

/** Ranges from .. to-1 of a page, all in `record`; false, and nothing done, if not usual. */
export function applyUsual(
  books: Books,
  kind: DecisionKind,
  task: TaskPages,
  page: Page,
  record: number,
  from: number,
  to: number,
  lease: number,
  extra: number,
): boolean {
  if (!isUsual(kind, page, record, lease)) return false;
  const isDone = kind === DECISION.done;
  const at = record * FIELDS;
  const word = page.cells[at + 1]!;
  const state = word & STATE_MASK;
  const count = to - from;
  const first = page.index * RANGES_PER_PAGE + from;
  books.record(kind, page.task, first, count, lease, extra);
  const starts = state === STATE.held ? 1 : 0;
  const after = isDone ? STATE.done : STATE.running;
  const charged = (word & CHARGES) + starts * ATTEMPT;
  page.rewrite(record, from, to, charged | after, isDone ? extra : page.cells[at + 2]!);
  task.move(page, state, after, count);
  if (starts > 0) task.start(page, count);
  return true;
}

/** After the pieces of one page and one lease: `count` ranges. */
export function settle(
  books: Books,
  kind: DecisionKind,
  page: Page,
  bytesBefore: number,
  lease: OpenLease,
  count: number,
): void {
  page.touched = true;
  if (kind === DECISION.done) books.leases.closeSome(lease, count);
  books.pages.changed(page, bytesBefore, books.sequence);
}
