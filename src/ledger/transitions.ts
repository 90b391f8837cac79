/**
 * What each decision does to ranges. One function for live work and for recovery: live, the
 * decision was just taken and fits; in recovery, pages that are true at or after the record are
 * left alone.
 *
 * A speculative copy is two flags in its range's word; whose copy it is stands in a side map, which
 * is kept while live and found again at the end of a recovery. The first lease stays in the page:
 * - `done` by either closes both;
 * - when the first lease's range ends without being done and without failing for good, a second
 *   decision, `promoted`, puts the copy's lease in its place;
 * - the copy's own bad end closes the copy and charges nothing but a start: to speculate must never
 *   make a range fail sooner.
 */
import { assert, GRANTS_SATURATED, RANGES_PER_PAGE, STARTS_PER_RANGE_MAX } from "../base/index.ts";
import type { Books } from "./books.ts";
import { DECISION, type DecisionKind } from "./journal.ts";
import {
  ATTEMPT,
  attemptsOf,
  CHARGES,
  COPY,
  COPY_STARTED,
  FAILURE,
  FIELDS,
  failuresOf,
  LOSS,
  leaseOf,
  lossesOf,
  type Page,
  STARTED,
  STATE_MASK,
} from "./page.ts";
import type { TaskPages } from "./page-table.ts";
import { STATE } from "./types.ts";

/** A range's columns while one decision is applied to it; one object, reused. */
const cell = {
  word: 0,
  grants: 0,
  mark: 0,
  low: 0,
  high: 0,
  /** The lease in the page is the decision's. */
  own: false,
};

/** Applies a decision over a span; the number of ranges it changed. */
export function applySpan(
  books: Books,
  kind: DecisionKind,
  task: TaskPages,
  first: number,
  count: number,
  lease: number,
  extra: number,
): number {
  const end = first + count;
  assert(count >= 0 && end <= task.ranges, "ranges %+% lie in task %", first, count, task.id);
  let changed = 0;
  for (let at = first; at < end; ) {
    const index = Math.floor(at / RANGES_PER_PAGE);
    const base = index * RANGES_PER_PAGE;
    const to = Math.min(end - base, RANGES_PER_PAGE);
    const page = task.pageOrNew(index);
    if (page.trueAt < books.replaying) {
      changed += applyToPage(books, kind, task, page, at - base, to, lease, extra);
    }
    at = base + to;
  }
  return changed;
}

/** Applies a decision about all touched ranges of a task from `first` on. */
export function applyToTask(
  books: Books,
  kind: DecisionKind,
  task: TaskPages,
  first: number,
  extra: number,
): number {
  const state = kind === DECISION.retried ? STATE.failed : STATE.done;
  let changed = 0;
  for (const page of task.touchedPages(first)) {
    if (page.counts[state] === 0 || page.trueAt >= books.replaying) continue;
    const from = Math.max(0, first - page.index * RANGES_PER_PAGE);
    if (kind === DECISION.bundleReopened && !holdsBundle(books.pages.peek(page), from, extra)) {
      continue;
    }
    changed += applyToPage(books, kind, task, page, from, page.size, 0, extra);
  }
  return changed;
}

function holdsBundle(page: Page, from: number, bundle: number): boolean {
  for (let r = page.find(from); r < page.records; r++) {
    const done = (page.cells[r * FIELDS + 1]! & STATE_MASK) === STATE.done;
    if (done && page.cells[r * FIELDS + 2] === bundle) return true;
  }
  return false;
}

function applyToPage(
  books: Books,
  kind: DecisionKind,
  task: TaskPages,
  page: Page,
  from: number,
  to: number,
  lease: number,
  extra: number,
): number {
  books.pages.open(page);
  const bytesBefore = page.bytes;
  const base = page.index * RANGES_PER_PAGE;
  const low = lease >>> 0;
  const high = Math.floor(lease / 0x1_0000_0000);
  const single = books.live && (task.copies.size > 0 || kind === DECISION.copied);
  let changed = 0;
  for (let offset = from; offset < to; ) {
    const record = page.find(offset);
    const end = page.endOf(record, single ? offset + 1 : to);
    const cells = page.cells;
    const at = record * FIELDS;
    const word = cells[at + 1]!;
    cell.word = word;
    cell.grants = cells[at]! & 0xffff;
    cell.mark = cells[at + 2]!;
    const oldLow = (cell.low = cells[at + 3]!);
    const oldHigh = (cell.high = cells[at + 4]!);
    cell.own = oldLow === low && oldHigh === high;
    if (change(kind, task, lease, extra, base + offset)) {
      const before = word & STATE_MASK;
      const after = cell.word & STATE_MASK;
      page.write(record, offset, end, cell.word, cell.grants, cell.mark, cell.low, cell.high);
      if (before !== after) task.move(page, before, after, end - offset);
      const starts = attemptsOf(cell.word) - attemptsOf(word);
      if (starts !== 0) task.start(page, starts * (end - offset));
      if (after === STATE.ready && base + offset < task.readyHint) task.readyHint = base + offset;
      if (books.live) closeLeases(books, before, oldLow, oldHigh, end - offset);
      changed += end - offset;
    }
    if (single) settleCopy(books, kind, task, base + offset, word, lease);
    offset = end;
  }
  if (changed > 0) books.pages.changed(page, bytesBefore, books.sequence);
  return changed;
}

/** The lease that was in the page has lost these ranges. */
function closeLeases(
  books: Books,
  before: number,
  oldLow: number,
  oldHigh: number,
  count: number,
): void {
  if (before !== STATE.held && before !== STATE.running) return;
  const after = cell.word & STATE_MASK;
  const still = after === STATE.held || after === STATE.running;
  if (still && cell.low === oldLow && cell.high === oldHigh) return;
  books.leases.close(leaseOf(oldLow, oldHigh), count);
}

/** Keeps the side map in step with the range's copy flag. */
function settleCopy(
  books: Books,
  kind: DecisionKind,
  task: TaskPages,
  range: number,
  before: number,
  lease: number,
): void {
  const had = (before & COPY) !== 0;
  const has = (cell.word & COPY) !== 0;
  if (had === has) return;
  if (has) {
    task.copies.set(range, lease);
    return;
  }
  const copy = task.copies.get(range);
  assert(copy !== undefined, "the copy of range % is known", range);
  task.copies.delete(range);
  if (kind !== DECISION.promoted) books.leases.close(copy, 1);
}

/** Changes `cell` as the decision says; false if it says nothing about such a range. */
function change(
  kind: DecisionKind,
  task: TaskPages,
  lease: number,
  extra: number,
  range: number,
): boolean {
  const state = cell.word & STATE_MASK;
  switch (kind) {
    case DECISION.granted:
      assert(state === STATE.ready, "range % of task % is ready to be granted", range, task.id);
      toLease(lease, (cell.word & CHARGES) | STATE.held);
      if (cell.grants < GRANTS_SATURATED) cell.grants++;
      return true;
    case DECISION.copied:
      assert(
        state === STATE.running && !cell.own && (cell.word & COPY) === 0,
        "range % of task % runs without a copy",
        range,
        task.id,
      );
      cell.word |= COPY;
      if (cell.grants < GRANTS_SATURATED) cell.grants++;
      return true;
    case DECISION.started:
      return changeStarted(state, lease, range);
    case DECISION.done:
      chargeStart(state, lease, range);
      toLease(lease, (cell.word & CHARGES) | STATE.done);
      cell.mark = extra;
      return true;
    case DECISION.expired:
      return changeExpired(state, task, lease, extra, range);
    case DECISION.promoted: {
      assert(state === STATE.ready && (cell.word & COPY) !== 0, "range % has a copy", range);
      const running = (cell.word & COPY_STARTED) !== 0;
      toLease(lease, (cell.word & CHARGES) | (running ? STATE.running : STATE.held));
      return true;
    }
    case DECISION.failed:
    case DECISION.fatal:
    case DECISION.lost:
    case DECISION.returned:
      return changeEnded(kind, state, task, lease, extra, range);
    case DECISION.failedReady:
      if (state !== STATE.ready) return false;
      toLease(0, (cell.word & CHARGES) | STATE.failed);
      cell.mark = extra;
      return true;
    case DECISION.retried:
      return changeRetried(state);
    case DECISION.bundleReopened:
      if (state !== STATE.done || cell.mark !== extra) return false;
      return changeReopened(state, task, 0, 0, range);
    case DECISION.reopened:
      return changeReopened(state, task, extra, 0, range);
    case DECISION.reopenedCharged:
      return changeReopened(state, task, extra, FAILURE, range);
    default:
      assert(false, `decision ${kind} is about ranges`);
  }
}

function toLease(lease: number, word: number): void {
  cell.low = lease >>> 0;
  cell.high = Math.floor(lease / 0x1_0000_0000);
  cell.word = word;
}

function oneMoreStart(range: number): void {
  assert(attemptsOf(cell.word) < STARTS_PER_RANGE_MAX, "range % has a start left", range);
  cell.word += ATTEMPT;
}

/** A word about the end of a start whose `started` never came. */
function chargeStart(state: number, lease: number, range: number): void {
  if (cell.own) {
    const charged = state === STATE.running || (cell.word & STARTED) !== 0;
    assert(state <= STATE.running, "range % is open", range);
    if (!charged) oneMoreStart(range);
    return;
  }
  assertCopy(state, lease, range);
  if ((cell.word & COPY_STARTED) === 0) oneMoreStart(range);
}

function assertCopy(state: number, lease: number, range: number): void {
  const copied = state === STATE.running && (cell.word & COPY) !== 0;
  assert(copied, "lease % holds range %", lease, range);
}

function changeStarted(state: number, lease: number, range: number): boolean {
  if (!cell.own) {
    assertCopy(state, lease, range);
    cell.word |= COPY_STARTED;
    oneMoreStart(range);
    return true;
  }
  assert(state === STATE.held, "range % is held when it starts", range);
  cell.word = (cell.word & CHARGES) | STATE.running;
  oneMoreStart(range);
  return true;
}

function isSpent(word: number, task: TaskPages): boolean {
  return (
    failuresOf(word) >= task.terms.attemptsMax ||
    lossesOf(word) >= task.terms.lossesMax ||
    (attemptsOf(word) >= STARTS_PER_RANGE_MAX && (word & COPY) === 0)
  );
}

/** A lease's range ended without being done. `keep`: what of the lease a late done may show. */
function endLease(task: TaskPages, fatal: boolean, lease: number, keep: number): void {
  if (fatal || isSpent(cell.word, task)) {
    toLease(0, (cell.word & CHARGES) | STATE.failed);
  } else if ((cell.word & COPY) !== 0) {
    toLease(0, (cell.word & (CHARGES | COPY | COPY_STARTED)) | STATE.ready);
  } else {
    toLease(lease, (cell.word & CHARGES) | STATE.ready | keep);
  }
}

function changeEnded(
  kind: DecisionKind,
  state: number,
  task: TaskPages,
  lease: number,
  extra: number,
  range: number,
): boolean {
  const charges = kind !== DECISION.returned;
  if (charges) chargeStart(state, lease, range);
  if (!cell.own) {
    assertCopy(state, lease, range);
    cell.word &= ~(COPY | COPY_STARTED);
    return true;
  }
  assert(state === STATE.held || state === STATE.running, "range % is leased", range);
  if (kind === DECISION.lost) cell.word += LOSS;
  else if (charges) cell.word += FAILURE;
  if (charges && extra > 0) cell.mark = extra;
  endLease(task, kind === DECISION.fatal, 0, 0);
  return true;
}

function changeExpired(
  state: number,
  task: TaskPages,
  lease: number,
  extra: number,
  range: number,
): boolean {
  if (!cell.own) {
    assertCopy(state, lease, range);
    cell.word &= ~(COPY | COPY_STARTED);
    return true;
  }
  const running = state === STATE.running;
  assert(running || state === STATE.held, "range % is leased", range);
  if (running) {
    cell.word += LOSS;
    if (extra > 0) cell.mark = extra;
  }
  endLease(task, false, lease, running ? STARTED : 0);
  return true;
}

function changeReopened(
  state: number,
  task: TaskPages,
  reason: number,
  charge: number,
  range: number,
): boolean {
  assert(state === STATE.done, "range % is done when it is reopened", range);
  cell.word = (cell.word & CHARGES) + charge;
  toLease(0, cell.word | (isSpent(cell.word, task) ? STATE.failed : STATE.ready));
  cell.mark = reason;
  return true;
}

function changeRetried(state: number): boolean {
  if (state !== STATE.failed || attemptsOf(cell.word) >= STARTS_PER_RANGE_MAX) return false;
  cell.word = attemptsOf(cell.word) * ATTEMPT + STATE.ready;
  return true;
}
