/**
 * The ledger's invariants, looked at over everything (I3 exclusive leases, I4 attempts, I6 counts).
 * Costs a pass over all touched ranges: for the simulator, `verify` and tests.
 */
import { assert, leaseEpoch, RANGES_PER_PAGE, STARTS_PER_RANGE_MAX } from "../base/index.ts";
import type { Books } from "./books.ts";
import {
  attemptsOf,
  COPY,
  COPY_STARTED,
  FIELDS,
  failuresOf,
  leaseOf,
  lossesOf,
  type Page,
  STARTED,
  STATE_MASK,
} from "./page.ts";
import type { TaskPages } from "./page-table.ts";
import { STATE } from "./types.ts";
import { countsOf, doneBetween } from "./views.ts";

/** Throws an AssertionFailure that names the first broken invariant. */
export function checkBooks(books: Books): void {
  const open = new Map<number, number>();
  for (const task of books.tasks.values()) checkTask(books, task, open);
  let leases = 0;
  let positionBefore = 0;
  for (const lease of books.leases.all()) {
    leases++;
    assert(lease.open === open.get(lease.id), `I3: lease ${lease.id} counts its open ranges`);
    assert(books.task(lease.task).phase === "open", `I6: lease ${lease.id} is of an open task`);
    assert(lease.id <= books.issued, `I3: lease ${lease.id} was issued`);
    assert(lease.position >= positionBefore, "leases stand in the order of their records");
    positionBefore = lease.position;
  }
  assert(leases === open.size, "I3: every leased range has an open lease");
  assert(leaseEpoch(books.issued) <= books.epoch, "no lease is of a later epoch");
}

function checkTask(books: Books, task: TaskPages, open: Map<number, number>): void {
  const sums = [task.ranges, 0, 0, 0, 0];
  let copies = 0;
  let starts = 0;
  for (const page of task.touchedPages()) {
    const base = page.index * RANGES_PER_PAGE;
    assert(page.size === task.pageSize(page.index), `page ${page.index} has all its ranges`);
    const counts = checkPage(books, task, books.pages.peek(page), base, open);
    copies += counts[5]!;
    assert(counts[6] === page.starts, `page ${page.index} of task ${task.id} counts starts`);
    starts += page.starts;
    for (let state = 0; state < 5; state++) {
      const what = `I6: page ${page.index} of task ${task.id} counts state ${state}`;
      assert(counts[state] === page.counts[state], what);
      sums[state]! += counts[state]!;
    }
    sums[STATE.ready]! -= page.size;
  }
  for (let state = 0; state < 5; state++) {
    assert(sums[state] === task.counts[state], `I6: task ${task.id} counts state ${state}`);
  }
  assert(starts === task.starts, `task ${task.id} counts its starts`);
  const seen = countsOf(task);
  const parts = seen.ready + seen.leased + seen.done + seen.merged + seen.failed + seen.cancelled;
  assert(parts === seen.total, `I6: the counts of task ${task.id} add up`);
  const merged = doneBetween(books.pages, task, 0, task.mergedBelow);
  assert(merged === task.mergedDone, `I6: task ${task.id} counts what is merged`);
  assert(task.readyHint <= task.ranges, "the hint lies in the task");
  const known = task.phase !== "open" || copies === task.copies.size;
  assert(known, `I3: task ${task.id} knows whose its copies are`);
  checkCopies(books, task, open);
}

/** Counts by state, at [5] the ranges with a copy, at [6] the starts. */
function checkPage(
  books: Books,
  task: TaskPages,
  page: Page,
  base: number,
  open: Map<number, number>,
): number[] {
  const counts = [0, 0, 0, 0, 0, 0, 0];
  let offset = 0;
  while (offset < page.size) {
    const record = page.find(offset);
    const end = page.endOf(record, page.size);
    assert(end > offset && page.cells[record * FIELDS]! >>> 16 <= offset, "runs are in order");
    const at = record * FIELDS;
    const word = page.cells[at + 1]!;
    const lease = leaseOf(page.cells[at + 3]!, page.cells[at + 4]!);
    const state = word & STATE_MASK;
    const what = `range ${base + offset} of task ${task.id}`;
    counts[state]! += end - offset;
    if (word & COPY) counts[5]! += end - offset;
    counts[6]! += attemptsOf(word) * (end - offset);
    checkWord(task, word, lease, page.cells[at]! & 0xffff, what);
    if (state === STATE.ready) assert(base + offset >= task.readyHint, `${what} is found`);
    if (task.phase === "open" && (state === STATE.held || state === STATE.running)) {
      const holder = books.leases.get(lease);
      assert(holder !== undefined && holder.task === task.id, `I3: ${what} has an open lease`);
      const within = base + offset >= holder.first && base + end <= holder.first + holder.count;
      assert(within, `I3: ${what} lies in its lease`);
      open.set(lease, (open.get(lease) ?? 0) + end - offset);
    }
    offset = end;
  }
  return counts;
}

function checkWord(
  task: TaskPages,
  word: number,
  lease: number,
  grants: number,
  what: string,
): void {
  const state = word & STATE_MASK;
  const attempts = attemptsOf(word);
  assert(state <= STATE.failed, `${what} has a state`);
  assert((word & STARTED) === 0 || (state === STATE.ready && lease > 0), `${what} has its flag`);
  assert((word & COPY) === 0 || state === STATE.running, `${what} runs if it has a copy`);
  assert((word & COPY_STARTED) === 0 || (word & COPY) !== 0, `${what} has its copy flags`);
  assert(state !== STATE.failed || lease === 0, `${what} failed and has no lease`);
  const leased = state === STATE.held || state === STATE.running || state === STATE.done;
  assert(!leased || (lease > 0 && grants > 0), `I3: ${what} was granted`);
  assert(lease === 0 || grants > 0, `I3: ${what} was granted`);
  assert(state !== STATE.running || attempts > 0, `I4: ${what} is charged when it runs`);
  assert(state !== STATE.done || attempts > 0, `I4: ${what} is charged when it is done`);
  // One start may count in both: lost when its lease expired, and done late with an unfit output.
  const ended = Math.max(failuresOf(word), lossesOf(word));
  assert(ended <= attempts, `I4: ${what} ends at most what started`);
  if (state === STATE.ready || state === STATE.held) {
    assert(attempts < STARTS_PER_RANGE_MAX, `I4: ${what} has a start left`);
    assert(failuresOf(word) < task.terms.attemptsMax, `I4: ${what} has an attempt left`);
    assert(lossesOf(word) < task.terms.lossesMax, `I4: ${what} has a loss left`);
  }
}

function checkCopies(books: Books, task: TaskPages, open: Map<number, number>): void {
  assert(task.phase === "open" || task.copies.size === 0, "a closed task has no copies");
  for (const [range, copy] of task.copies) {
    const page = task.page(Math.floor(range / RANGES_PER_PAGE));
    assert(page !== undefined, `I3: the copy of range ${range} is of a leased range`);
    const seen = books.pages.peek(page);
    const at = seen.find(range % RANGES_PER_PAGE) * FIELDS;
    assert((seen.cells[at + 1]! & COPY) !== 0, `I3: range ${range} has a copy`);
    const first = leaseOf(seen.cells[at + 3]!, seen.cells[at + 4]!);
    const holder = books.leases.get(copy);
    assert(first !== copy, `I3: range ${range} has two leases`);
    assert(holder?.speculative === true, `I3: the copy of range ${range} has an open lease`);
    const within = range >= holder.first && range < holder.first + holder.count;
    assert(within && holder.task === task.id, `I3: the copy of range ${range} lies in its lease`);
    open.set(copy, (open.get(copy) ?? 0) + 1);
  }
}
