/**
 * The usual words, taken the short way: ranges of one page that one open lease holds have started
 * or are done. Does exactly what judging them closely (reports.ts) would do, and leaves alone
 * whatever has to be looked at more.
 *
 *   startTally
 *   applyUsual ...   each piece is judged, written down and applied
 *   settle           counts, the lease and the page table learn of all of them at once
 */
import { RANGES_PER_PAGE, STARTS_PER_RANGE_MAX } from "../base/index.ts";
import type { Books } from "./books.ts";
import { DECISION, type DecisionKind } from "./journal.ts";
import type { OpenLease } from "./leases.ts";
import { ATTEMPT, attemptsOf, CHARGES, FIELDS, leaseOf, type Page, STATE_MASK } from "./page.ts";
import type { TaskPages } from "./page-table.ts";
import { STATE } from "./types.ts";

/** Ranges of the page at hand that were applied, by the state they had. */
const applied = { held: 0, running: 0 };

/** Before the pieces of one page and one lease. */
export function startTally(): void {
  applied.held = applied.running = 0;
}

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
  startTally();
  if (!applyUsual(books, kind, page, record, from, to, lease.id, extra)) return false;
  settle(books, kind, task, page, bytesBefore, lease);
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
  return fits && leaseOf(cells[at + 3]!, cells[at + 4]!) === lease;
}

/** Ranges from .. to-1 of a page, all in `record`; false, and nothing done, if not usual. */
export function applyUsual(
  books: Books,
  kind: DecisionKind,
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
  const isHeld = (word & STATE_MASK) === STATE.held;
  const charged = (word & CHARGES) + (isHeld ? ATTEMPT : 0);
  const after = isDone ? STATE.done : STATE.running;
  const first = page.index * RANGES_PER_PAGE + from;
  books.record(kind, page.task, first, to - from, lease, extra);
  page.rewrite(record, from, to, charged | after, isDone ? extra : page.cells[at + 2]!);
  if (isHeld) applied.held += to - from;
  else applied.running += to - from;
  return true;
}

/** After the pieces of one page and one lease. */
export function settle(
  books: Books,
  kind: DecisionKind,
  task: TaskPages,
  page: Page,
  bytesBefore: number,
  lease: OpenLease,
): void {
  const { held, running } = applied;
  if (held + running === 0) return;
  page.touched = true;
  const after = kind === DECISION.done ? STATE.done : STATE.running;
  if (held > 0) {
    task.move(page, STATE.held, after, held);
    task.start(page, held);
  }
  if (running > 0) task.move(page, STATE.running, after, running);
  if (kind === DECISION.done) books.leases.closeSome(lease, held + running);
  books.pages.changed(page, bytesBefore, books.sequence);
}
