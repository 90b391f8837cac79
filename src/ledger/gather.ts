/**
 * A block of many spans, in the order in which their ranges ended: what a pilot runs belongs to a
 * dozen leases on as many pages, and one word is about this one, the next about that. They are
 * gathered by lease first, so that everything around a lease and a page is looked up once, and each
 * lease's as bits of its page: neighbours are decided, written down and applied as one.
 *
 *   spans   a7 b2 a3 a4 b9 a5  --by lease-->  a: 7 3 4 5   b: 2 9
 *   bits    ...1 1 1 . 1 ....  --runs------>  a: 3-5, 7    b: 2, 9
 *
 * It comes to the same as one span after the other: usual words on different ranges don't depend on
 * each other, and any other span is left to the caller, who judges it behind the usual ones. Only
 * whether a lease is still open would make a difference, to a word on ranges outside of it; blocks
 * with such words are not gathered at all.
 */
import { RANGES_PER_PAGE } from "../base/index.ts";
import type { Books } from "./books.ts";
import type { DecisionKind } from "./journal.ts";
import type { OpenLease } from "./leases.ts";
import type { Page } from "./page.ts";
import type { TaskPages } from "./page-table.ts";
import type { SpanColumns } from "./types.ts";
import { applyUsual, isUsual, isUsualKind, openPageOf, settle } from "./usual.ts";

/** Spans that are gathered at a time. */
export const GATHER_MAX = 256;
const SLOTS = 2 * GATHER_MAX;
const SLOT_SHIFT = Math.clz32(SLOTS) + 1;
const NONE = -1;

/** Group by hash of its lease; by group its lease, and its first and last span. */
const groupAt = new Int16Array(SLOTS);
const groupLease = new Float64Array(GATHER_MAX);
const groupHead = new Int16Array(GATHER_MAX);
const groupTail = new Int16Array(GATHER_MAX);
/** By span: the next one of its group, and 1 if it was applied. */
const spanAfter = new Int16Array(GATHER_MAX);
const taken = new Uint8Array(GATHER_MAX);

/** The ranges of a page that were named; one word more, so that every run ends inside. */
const named = new Uint32Array(RANGES_PER_PAGE / 32 + 1);

/** Whether a span was applied, by its distance from the first one gathered. */
export function wasTaken(span: number): boolean {
  return taken[span] === 1;
}

/** Applies what is usual among spans `from` .. `to`-1, at most GATHER_MAX; see `wasTaken`. */
export function applyGathered(
  books: Books,
  kind: DecisionKind,
  pilot: number,
  taskId: number,
  spans: SpanColumns,
  from: number,
  to: number,
  extra: number,
): void {
  taken.fill(0, 0, to - from);
  const task = books.tasks.get(taskId);
  if (task === undefined || !isUsualKind(books, kind, task, extra)) return;
  const groups = gather(spans, from, to);
  const leases: (OpenLease | undefined)[] = [];
  for (let group = 0; group < groups; group++) {
    const lease = books.leases.get(groupLease[group]!);
    if (lease !== undefined && reachesOut(lease, spans, from, groupHead[group]!)) return;
    leases.push(lease);
  }
  for (let group = 0; group < groups; group++) {
    const lease = leases[group];
    if (lease === undefined || lease.pilot !== pilot || lease.task !== taskId) continue;
    applyGroup(books, kind, task, lease, groupHead[group]!, spans, from, extra);
  }
}

/** Links the spans by lease, in their order; the number of leases. */
function gather({ lease }: SpanColumns, from: number, to: number): number {
  groupAt.fill(NONE);
  let groups = 0;
  for (let span = 0; span < to - from; span++) {
    const id = lease[from + span]!;
    // Leases of one pilot are often the same distance apart.
    let slot = Math.imul(id | 0, 0x9e37_79b1) >>> SLOT_SHIFT;
    while (groupAt[slot] !== NONE && groupLease[groupAt[slot]!] !== id) {
      slot = (slot + 1) & (SLOTS - 1);
    }
    const group = groupAt[slot]!;
    if (group === NONE) {
      groupAt[slot] = groups;
      groupLease[groups] = id;
      groupHead[groups] = span;
      groupTail[groups++] = span;
    } else {
      spanAfter[groupTail[group]!] = span;
      groupTail[group] = span;
    }
    spanAfter[span] = NONE;
  }
  return groups;
}

/** Whether an open lease does not hold all that is said under it. */
function reachesOut(lease: OpenLease, spans: SpanColumns, from: number, head: number): boolean {
  const { first, count } = spans;
  const end = lease.first + lease.count;
  for (let span = head; span !== NONE; span = spanAfter[span]!) {
    const begin = first[from + span]!;
    if (!(begin >= lease.first && begin + count[from + span]! <= end)) return true;
  }
  return false;
}

/** Those of a lease's spans that lie in the page of its first one. */
function applyGroup(
  books: Books,
  kind: DecisionKind,
  task: TaskPages,
  lease: OpenLease,
  head: number,
  { first, count }: SpanColumns,
  from: number,
  extra: number,
): void {
  const page = openPageOf(task, first[from + head]!);
  if (page === null) return;
  const base = page.index * RANGES_PER_PAGE;
  named.fill(0);
  let least = RANGES_PER_PAGE;
  let most = 0;
  let ranges = 0;
  for (let span = head; span !== NONE; span = spanAfter[span]!) {
    const begin = first[from + span]! - base;
    const end = begin + count[from + span]!;
    const isHere = begin >= 0 && end <= page.size && begin < end;
    if (!isHere || !name(kind, page, lease.id, begin, end)) {
      // What comes behind a longer span may be about the same ranges: it is judged behind it.
      if (end - begin > 1) break;
      continue;
    }
    taken[span] = 1;
    if (begin < least) least = begin;
    if (end > most) most = end;
    ranges += end - begin;
  }
  if (ranges === 0) return;
  const bytesBefore = page.bytes;
  const applied = applyRuns(books, kind, task, page, least, most, lease.id, extra);
  if (applied > 0) settle(books, kind, page, bytesBefore, lease, applied);
  if (applied < ranges) {
    for (let span = head; span !== NONE; span = spanAfter[span]!) {
      if (taken[span] === 1 && !isNamed(first[from + span]! - base)) taken[span] = 0;
    }
  }
}

/** False if it was said before, or if ranges of a longer span would have to be told apart. */
function name(kind: DecisionKind, page: Page, lease: number, begin: number, end: number): boolean {
  if (end - begin > 1) {
    const record = page.find(begin);
    if (page.endOf(record, end) < end || !isUsual(kind, page, record, lease)) return false;
  }
  for (let i = begin; i < end; i++) if (isNamed(i)) return false;
  for (let i = begin; i < end; i++) named[i >>> 5]! |= 1 << (i & 31);
  return true;
}

function isNamed(offset: number): boolean {
  return (named[offset >>> 5]! & (1 << (offset & 31))) !== 0;
}

/**
 * Applies each run of named ranges within least .. end-1, in order: neighbours are one decision,
 * and memory is read as it lies. Gives how many ranges that were; what is not usual is unnamed.
 */
function applyRuns(
  books: Books,
  kind: DecisionKind,
  task: TaskPages,
  page: Page,
  least: number,
  end: number,
  lease: number,
  extra: number,
): number {
  let applied = 0;
  for (let at = least; at < end; ) {
    const rest = named[at >>> 5]! >>> (at & 31);
    if (rest === 0) {
      at = (at | 31) + 1;
      continue;
    }
    at += lowestBit(rest);
    const behind = endOfRun(at);
    while (at < behind) {
      const record = page.find(at);
      const to = page.endOf(record, behind);
      if (applyUsual(books, kind, task, page, record, at, to, lease, extra)) applied += to - at;
      else for (let i = at; i < to; i++) named[i >>> 5]! &= ~(1 << (i & 31));
      at = to;
    }
  }
  return applied;
}

function endOfRun(begin: number): number {
  for (let at = begin; ; at = (at | 31) + 1) {
    const free = ~named[at >>> 5]! >>> (at & 31);
    if (free !== 0) return at + lowestBit(free);
  }
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
