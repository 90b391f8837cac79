/**
 * A pilot's word on ranges, answered range by range with the truth:
 *
 *   accepted   it was so decided
 *   duplicate  the same word again: done by this same lease (or started under it) already
 *   stale      the lease no longer counts: a newer grant, someone else's done, or a lost bundle
 *   closed     failed, or the task is cancelled or finished
 *   unknown    no such task or range, the lease was never issued or is another pilot's, or the
 *              range was never under it
 *
 * A lease that is still open is checked for its pilot and its span. Once it is closed only its
 * identity is left, in the pages: then `done` counts while the range is ready and was last expired
 * under it. Work is bounded by RANGES_PER_LEASE_MAX, whatever count a pilot names.
 *
 * A `done` into a lost bundle is stale, and the range is ended as lost: its pilot drops it on that
 * answer, so a lease kept open would never end.
 */
import { RANGES_PER_LEASE_MAX, RANGES_PER_PAGE } from "../base/index.ts";
import type { Books } from "./books.ts";
import { applyGathered, GATHER_MAX, wasTaken } from "./gather.ts";
import { DECISION, type DecisionKind } from "./journal.ts";
import type { OpenLease } from "./leases.ts";
import { COPY, COPY_STARTED, FIELDS, holds, STARTED, STATE_MASK } from "./page.ts";
import type { TaskPages } from "./page-table.ts";
import { applySpan } from "./transitions.ts";
import { type SpanColumns, STATE, VERDICT, type Verdict, type VerdictSink } from "./types.ts";
import { applyAlone, isUsualKind } from "./usual.ts";

/** Fewer spans are looked at one by one. */
const GATHER_MIN = 4;

/** The spans of a whole block: each is judged as if it had come alone. */
export function reportSpans(
  books: Books,
  kind: DecisionKind,
  pilot: number,
  taskId: number,
  spans: SpanColumns,
  extra: number,
  sink: VerdictSink,
): void {
  for (let from = 0; from < spans.size; from += GATHER_MAX) {
    const to = Math.min(from + GATHER_MAX, spans.size);
    const gathers = to - from >= GATHER_MIN;
    if (gathers) applyGathered(books, kind, pilot, taskId, spans, from, to, extra);
    for (let at = from; at < to; at++) {
      const count = spans.count[at]!;
      if (gathers && wasTaken(at - from)) sink.push(count, VERDICT.accepted);
      else {
        const [lease, first] = [spans.lease[at]!, spans.first[at]!];
        reportSpan(books, kind, pilot, lease, taskId, first, count, extra, sink);
      }
    }
  }
}

/** One span. */
export function reportSpan(
  books: Books,
  kind: DecisionKind,
  pilot: number,
  lease: number,
  taskId: number,
  first: number,
  count: number,
  extra: number,
  sink: VerdictSink,
): void {
  if (count <= 0) return;
  const task = books.tasks.get(taskId);
  const known = task !== undefined && first >= 0 && first < task.ranges && books.wasIssued(lease);
  const open = known ? books.leases.get(lease) : undefined;
  const foreign = open !== undefined && (open.pilot !== pilot || open.task !== taskId);
  if (!known || foreign) {
    sink.push(count, VERDICT.unknown);
    return;
  }
  let from = first;
  let to = Math.min(first + count, task.ranges);
  if (open !== undefined) {
    from = Math.min(Math.max(from, open.first), to);
    to = Math.max(Math.min(to, open.first + open.count), from);
  } else if (count > RANGES_PER_LEASE_MAX) {
    to = from;
  }
  const isWhole = from === first && to === first + count;
  if (open !== undefined && isWhole && isUsualKind(books, kind, task, extra)) {
    if (applyAlone(books, kind, task, open, first, count, extra)) {
      sink.push(count, VERDICT.accepted);
      return;
    }
  }
  if (from > first) sink.push(from - first, VERDICT.unknown);
  if (to > from) {
    if (task.phase !== "open") sink.push(to - from, VERDICT.closed);
    else judgeSpan(books, kind, task, lease, from, to, extra, sink);
  }
  if (first + count > to) sink.push(first + count - to, VERDICT.unknown);
}

function judgeSpan(
  books: Books,
  kind: DecisionKind,
  task: TaskPages,
  lease: number,
  first: number,
  end: number,
  extra: number,
  sink: VerdictSink,
): void {
  const bundleLost = kind === DECISION.done && extra !== 0 && books.lostBundles.has(extra);
  const low = lease >>> 0;
  const high = Math.floor(lease / 0x1_0000_0000);
  let runStart = first;
  let runVerdict = -1;
  let runApplies = false;
  for (let at = first; at <= end; ) {
    let verdict: number = -2;
    let applies = false;
    let next = end + 1;
    if (at < end) {
      const index = Math.floor(at / RANGES_PER_PAGE);
      const base = index * RANGES_PER_PAGE;
      const page = task.page(index);
      next = Math.min(end, base + RANGES_PER_PAGE);
      if (page === undefined) {
        verdict = VERDICT.unknown;
      } else {
        books.pages.open(page);
        const copies = task.copies.size > 0;
        const record = page.find(at - base);
        next = base + page.endOf(record, copies ? at - base + 1 : next - base);
        const cells = page.cells;
        const cell = record * FIELDS;
        const word = cells[cell + 1]!;
        const own = cells[cell + 3] === low && cells[cell + 4] === high;
        const isCopy = copies && task.copies.get(at) === lease;
        verdict = judge(kind, word, own, isCopy, cells[cell]! & 0xffff);
        applies = verdict === VERDICT.accepted;
        if (applies && bundleLost) {
          verdict = VERDICT.stale;
          applies = (word & STATE_MASK) !== STATE.ready;
        }
      }
    }
    if (verdict !== runVerdict || applies !== runApplies) {
      if (at > runStart) {
        if (runApplies) {
          const applied = bundleLost ? DECISION.lost : kind;
          const reason = bundleLost ? 0 : extra;
          decide(books, applied, task, runStart, at - runStart, lease, reason);
        }
        sink.push(at - runStart, runVerdict as Verdict);
      }
      runStart = at;
      runVerdict = verdict;
      runApplies = applies;
    }
    at = next;
  }
}

function judge(
  kind: DecisionKind,
  word: number,
  own: boolean,
  isCopy: boolean,
  grants: number,
): Verdict {
  const state = word & STATE_MASK;
  if (state === STATE.failed) return VERDICT.closed;
  if (own || isCopy) {
    if (state === STATE.done) return VERDICT.duplicate;
    if (state === STATE.ready) return kind === DECISION.done ? VERDICT.accepted : VERDICT.stale;
    const running = isCopy ? (word & COPY_STARTED) !== 0 : state === STATE.running;
    return kind === DECISION.started && running ? VERDICT.duplicate : VERDICT.accepted;
  }
  return grants === 0 ? VERDICT.unknown : VERDICT.stale;
}

/** Writes a decision about a span into the journal and applies it. */
export function decide(
  books: Books,
  kind: DecisionKind,
  task: TaskPages,
  first: number,
  count: number,
  lease: number,
  extra: number,
): number {
  books.record(kind, task.id, first, count, lease, extra);
  const changed = applySpan(books, kind, task, first, count, lease, extra);
  if (task.copies.size > 0) promoteCopies(books, task, first, first + count);
  return changed;
}

/** Ranges that their first lease has left, while a copy still has them, go to the copy. */
function promoteCopies(books: Books, task: TaskPages, first: number, end: number): void {
  for (let range = first; range < end; range++) {
    const copy = task.copies.get(range);
    if (copy === undefined) continue;
    const index = Math.floor(range / RANGES_PER_PAGE);
    const page = task.pageOrNew(index);
    books.pages.open(page);
    const word = page.cells[page.find(range - index * RANGES_PER_PAGE) * FIELDS + 1]!;
    if ((word & COPY) === 0 || (word & STATE_MASK) !== STATE.ready) continue;
    books.record(DECISION.promoted, task.id, range, 1, copy, 0);
    applySpan(books, DECISION.promoted, task, range, 1, copy, 0);
  }
}

/** Ends what is open under a lease in from .. to-1, unstarted and started ranges each as told. */
export function endOpen(
  books: Books,
  lease: OpenLease,
  from: number,
  to: number,
  heldKind: DecisionKind,
  runningKind: DecisionKind,
  reason: () => number,
): void {
  const task = books.task(lease.task);
  let runStart = from;
  let runKind = 0;
  for (let at = from; at <= to; ) {
    let kind = 0;
    let next = to + 1;
    if (at < to) {
      const index = Math.floor(at / RANGES_PER_PAGE);
      const base = index * RANGES_PER_PAGE;
      const page = task.pageOrNew(index);
      books.pages.open(page);
      const copies = lease.speculative && task.copies.size > 0;
      const record = page.find(at - base);
      const limit = copies ? at - base + 1 : Math.min(to - base, RANGES_PER_PAGE);
      next = base + page.endOf(record, limit);
      const word = page.cells[record * FIELDS + 1]!;
      const state = word & STATE_MASK;
      if (copies && task.copies.get(at) === lease.id) {
        kind = (word & COPY_STARTED) !== 0 ? runningKind : heldKind;
      } else if (holds(page.cells, record, lease.id)) {
        if (state === STATE.held) kind = heldKind;
        else if (state === STATE.running) kind = runningKind;
      }
    } else {
      kind = -1;
    }
    if (kind !== runKind) {
      if (runKind > 0 && at > runStart) {
        // A reason is only made up where one is written down.
        const why = runKind === runningKind ? reason() : 0;
        decide(books, runKind as DecisionKind, task, runStart, at - runStart, lease.id, why);
      }
      runStart = at;
      runKind = kind;
    }
    at = next;
  }
}

/**
 * Whether a pilot that comes back may keep a range: a done of it would be accepted (an expired one
 * only if it had started), or was accepted and only the answer is missing.
 */
export function mayKeep(books: Books, task: TaskPages, range: number, lease: number): boolean {
  const index = Math.floor(range / RANGES_PER_PAGE);
  const page = task.page(index);
  if (page === undefined) return false;
  books.pages.open(page);
  const record = page.find(range - index * RANGES_PER_PAGE);
  const word = page.cells[record * FIELDS + 1]!;
  const state = word & STATE_MASK;
  if (task.copies.get(range) === lease) return true;
  if (!holds(page.cells, record, lease)) return false;
  return state !== STATE.ready || (word & STARTED) !== 0;
}
