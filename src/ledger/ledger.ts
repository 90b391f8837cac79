/**
 * The ledger: the truth about every range of every task. Synchronous and deterministic: no clock
 * (times are arguments), no randomness, no promise, no I/O.
 *
 * Every mutator decides, writes its decision into the journal being collected and applies it. The
 * broker takes the journal with each group commit and stores it; `checkpoint`, called just before,
 * gives the pages that ride along and says up to where older journal records may go.
 *
 *   recovery:  addTask for every task row, loseBundle for every lost bundle's row,
 *              loadPage ..., replay(sequence, bytes) ..., endRecovery()
 *   running:   mutators ... checkpoint(sequence, ...) takeJournal() ... mutators ...
 *
 * What is NOT journaled here because a cold row of the same group is its truth: addTask,
 * extendTask, cancelTask, finishTask, resumeTask, setMergedBelow. Deadlines and recalls are
 * volatile.
 */
import {
  assert,
  type BundleId,
  type LeaseId,
  type PilotNumber,
  RANGES_PER_LEASE_MAX,
  type ReasonId,
  STARTS_PER_RANGE_MAX,
  type TaskId,
} from "../base/index.ts";
import { Books } from "./books.ts";
import { checkBooks } from "./check.ts";
import { DECISION, type DecisionKind } from "./journal.ts";
import { OpenLease } from "./leases.ts";
import { nextReady, type PageImage, type ReadyRun, TaskPages } from "./page-table.ts";
import { Recovery, type RecoverySummary } from "./recovery.ts";
import { failReady, loseBundle, reopenBundle, reopenRange, retryFailed } from "./reopen.ts";
import { endOpen, mayKeep, reportSpan, reportSpans } from "./reports.ts";
import { applySpan } from "./transitions.ts";
import type {
  Lease,
  OpenCounts,
  RangeRun,
  SpanColumns,
  StateCounts,
  TaskTerms,
  VerdictSink,
} from "./types.ts";
import { countsOf, doneBetween, failedRunsOf, runsOf } from "./views.ts";

/** A reason id is a task's own: one for each task whose ranges are lost. */
export type ReasonOf = (task: TaskId) => ReasonId;

export interface LedgerOptions {
  /** Durable, larger than that of every earlier life. */
  readonly epoch: number;
  /** RAM for pages that are not packed; the default suits 10^9 ranges. */
  readonly openBytesMax?: number;
  /** Groups that a change or a lease stays in the journal alone before it is written again. */
  readonly settleGroups?: number;
  /** Last lease number that counts as spent in this epoch; for tests of the overflow. */
  readonly leasesSpent?: number;
}

export interface TaskStanding {
  readonly cancelled: boolean;
  readonly finished: boolean;
  readonly mergedBelow: number;
}

/** What a pilot says it holds. Without `task` only an open lease can be honoured. */
export interface HeldSpan {
  readonly lease: LeaseId;
  readonly first: number;
  readonly count: number;
  readonly task?: TaskId;
}

/** A part of a held span that the pilot has to drop; `index` is the span's place in its list. */
export interface RefusedSpan {
  readonly index: number;
  readonly lease: LeaseId;
  readonly first: number;
  readonly count: number;
}

export interface Checkpoint {
  readonly pages: PageImage[];
  /** Journal records below it are no longer needed once this group is on disk. */
  readonly cutBelow: number;
}

export interface Expiry {
  readonly pilot: PilotNumber;
  readonly leases: Lease[];
}

/** A page in use changes in every group: written in each, it would cost more than all else. */
const SETTLE_GROUPS = 256;
const NO_REASONS: ReasonOf = () => 0 as ReasonId;

export class Ledger {
  readonly #books: Books;
  readonly #settleGroups: number;
  #recovery: Recovery | null = null;
  /** Nothing was decided yet: a recovery may still come. */
  #fresh = true;
  /** Sequence told by a checkpoint since the journal was last taken. */
  #sequenceTold = 0;

  constructor(options: LedgerOptions) {
    this.#books = new Books(options.epoch, options.openBytesMax);
    this.#settleGroups = options.settleGroups ?? SETTLE_GROUPS;
    this.#books.bornAt += options.leasesSpent ?? 0;
  }

  get epoch(): number {
    return this.#books.epoch;
  }

  // -- tasks -------------------------------------------------------------------------------------

  addTask(terms: TaskTerms, at: TaskStanding): void {
    const { tasks } = this.#books;
    assert(!tasks.has(terms.id), `task ${terms.id} is added once`);
    const phase = at.cancelled ? "cancelled" : at.finished ? "finished" : "open";
    tasks.set(terms.id, new TaskPages(terms, phase, at.mergedBelow));
  }

  hasTask(task: TaskId): boolean {
    return this.#books.tasks.has(task);
  }

  /** More ranges at the end. */
  extendTask(task: TaskId, ranges: number): void {
    this.#books.pages.extend(this.#books.task(task), ranges);
  }

  /** Ends what is open; costs the open leases, never the ranges. Gives back the leases dropped. */
  cancelTask(task: TaskId): Lease[] {
    const pages = this.#books.task(task);
    assert(pages.phase !== "finished", `task ${task} is not finished`);
    pages.phase = "cancelled";
    pages.copies.clear();
    const dropped: OpenLease[] = [];
    for (const lease of this.#books.leases.all()) if (lease.task === task) dropped.push(lease);
    for (const lease of dropped) this.#books.leases.remove(lease);
    return dropped;
  }

  finishTask(task: TaskId): void {
    const counts = this.counts(task);
    assert(counts.ready + counts.leased === 0, `every range of task ${task} is final`);
    this.#books.task(task).phase = "finished";
  }

  /** A finished task is open again (more files, a retry); its merge begins at `mergedBelow`. */
  resumeTask(task: TaskId, mergedBelow: number): void {
    const pages = this.#books.task(task);
    assert(pages.phase !== "cancelled", `task ${task} is not cancelled`);
    pages.phase = "open";
    pages.mergedBelow = mergedBelow;
    pages.mergedDone = doneBetween(this.#books.pages, pages, 0, mergedBelow);
  }

  /** Ranges below are in renamed files: their done ones count as merged, none is reopened. */
  setMergedBelow(task: TaskId, range: number): void {
    const pages = this.#books.task(task);
    assert(range >= pages.mergedBelow && range <= pages.ranges, "the merge only goes on");
    pages.mergedDone += doneBetween(this.#books.pages, pages, pages.mergedBelow, range);
    pages.mergedBelow = range;
  }

  counts(task: TaskId): StateCounts {
    return countsOf(this.#books.task(task));
  }

  /** What is left of a task now and later, for who asks again and again. */
  openCounts(task: TaskId): OpenCounts {
    return this.#books.task(task);
  }

  /** Payload starts over all ranges of a task. */
  starts(task: TaskId): number {
    return this.#books.task(task).starts;
  }

  /** Runs of ranges that failed for good, in order; looks only at pages that have some. */
  failedRuns(task: TaskId): RangeRun[] {
    return failedRunsOf(this.#books.pages, this.#books.task(task));
  }

  // -- granting ----------------------------------------------------------------------------------

  /** Lowest run of ready ranges alike in attempts and grants; null also for closed tasks. */
  nextReady(task: TaskId, from: number, countMax: number): ReadyRun | null {
    const pages = this.#books.task(task);
    if (pages.phase !== "open" || countMax < 1) return null;
    return nextReady(this.#books.pages, pages, from, Math.min(countMax, RANGES_PER_LEASE_MAX));
  }

  /** A lease over 1 .. 65 535 consecutive ready ranges. The pilot must have been renewed. */
  grant(task: TaskId, first: number, count: number, pilot: PilotNumber): Lease {
    return this.#lease(DECISION.granted, task, first, count, pilot);
  }

  /** A second lease over running ranges that have no copy yet and a start left. */
  grantCopy(task: TaskId, first: number, count: number, pilot: PilotNumber): Lease {
    for (const run of this.runs(task, first, count)) {
      const startLeft = run.attempts < STARTS_PER_RANGE_MAX;
      assert(startLeft || run.first >= first + count, `range ${run.first} has a start left`);
    }
    return this.#lease(DECISION.copied, task, first, count, pilot);
  }

  #lease(kind: DecisionKind, task: TaskId, first: number, count: number, pilot: number): Lease {
    this.#live();
    const books = this.#books;
    const pages = books.task(task);
    assert(pages.phase === "open", "task % is open", task);
    const fits = count >= 1 && count <= RANGES_PER_LEASE_MAX;
    assert(fits, "a lease of % ranges fits its limit", count);
    assert(pilot > 0, "a lease has a pilot");
    const id = books.nextLease();
    const speculative = kind === DECISION.copied;
    const { sequence } = books;
    const lease = new OpenLease(id, task, first, count, pilot, speculative, count, sequence);
    books.record(kind, task, first, count, id, pilot);
    books.issued = id;
    books.leases.add(lease);
    applySpan(books, kind, pages, first, count, id, pilot);
    return lease;
  }

  // -- reports -----------------------------------------------------------------------------------

  started(
    pilot: PilotNumber,
    lease: LeaseId,
    task: TaskId,
    first: number,
    count: number,
    sink: VerdictSink,
  ): void {
    this.#live();
    reportSpan(this.#books, DECISION.started, pilot, lease, task, first, count, 0, sink);
  }

  returned(
    pilot: PilotNumber,
    lease: LeaseId,
    task: TaskId,
    first: number,
    count: number,
    sink: VerdictSink,
  ): void {
    this.#live();
    reportSpan(this.#books, DECISION.returned, pilot, lease, task, first, count, 0, sink);
  }

  done(
    pilot: PilotNumber,
    lease: LeaseId,
    task: TaskId,
    first: number,
    count: number,
    bundle: BundleId,
    sink: VerdictSink,
  ): void {
    this.#live();
    reportSpan(this.#books, DECISION.done, pilot, lease, task, first, count, bundle, sink);
  }

  /** `done` of every span of a block, in its order. */
  doneSpans(
    pilot: PilotNumber,
    task: TaskId,
    spans: SpanColumns,
    bundle: BundleId,
    sink: VerdictSink,
  ): void {
    this.#live();
    reportSpans(this.#books, DECISION.done, pilot, task, spans, bundle, sink);
  }

  failed(
    pilot: PilotNumber,
    lease: LeaseId,
    task: TaskId,
    first: number,
    count: number,
    reason: ReasonId,
    fatal: boolean,
    sink: VerdictSink,
  ): void {
    this.#live();
    const kind = fatal ? DECISION.fatal : DECISION.failed;
    reportSpan(this.#books, kind, pilot, lease, task, first, count, reason, sink);
  }

  lost(
    pilot: PilotNumber,
    lease: LeaseId,
    task: TaskId,
    first: number,
    count: number,
    reason: ReasonId,
    sink: VerdictSink,
  ): void {
    this.#live();
    reportSpan(this.#books, DECISION.lost, pilot, lease, task, first, count, reason, sink);
  }

  // -- leases ------------------------------------------------------------------------------------

  lease(id: LeaseId): Lease | undefined {
    return this.#books.leases.get(id);
  }

  leasesOf(pilot: PilotNumber): Lease[] {
    return this.#books.leases.of(pilot);
  }

  /** Ranges granted to a pilot and neither reported nor expired. */
  heldBy(pilot: PilotNumber): number {
    return this.#books.leases.heldBy(pilot);
  }

  /** How many leases are open. */
  get openLeases(): number {
    return this.#books.leases.size;
  }

  /** All open leases, oldest record first. */
  leases(): Iterable<Lease> {
    return this.#books.leases.all();
  }

  /** The pilot shall give back what it has not started; it stays leased till its word or expiry. */
  recall(lease: LeaseId): Lease | undefined {
    const open = this.#books.leases.get(lease);
    if (open !== undefined) open.recalled = true;
    return open;
  }

  /** All leases of the pilot, present and coming, last until `deadlineMs` (monotonic time). */
  renew(pilot: PilotNumber, deadlineMs: number): void {
    this.#books.leases.renew(pilot, deadlineMs);
  }

  pilotDeadline(pilot: PilotNumber): number | undefined {
    return this.#books.leases.deadline(pilot);
  }

  /** After a recovery: every pilot that holds leases has until `deadlineMs` to come back. */
  grantFullTerm(deadlineMs: number): void {
    this.#books.leases.renewAll(deadlineMs);
  }

  /** Expires what pilots hold whose deadline is not after `nowMs`, and forgets these pilots. */
  expireDue(nowMs: number, reason: ReasonOf = NO_REASONS): Expiry[] {
    const expiries: Expiry[] = [];
    for (const pilot of this.#books.leases.due(nowMs)) {
      const leases = this.expirePilot(pilot, reason);
      if (leases.length > 0) expiries.push({ pilot, leases });
    }
    return expiries;
  }

  /** The pilot is gone: held ranges are ready, running ones have a loss and are ready or failed. */
  expirePilot(pilot: PilotNumber, reason: ReasonOf = NO_REASONS): Lease[] {
    this.#live();
    const leases = this.#books.leases.of(pilot);
    const expired = DECISION.expired;
    for (const lease of leases) {
      const end = lease.first + lease.count;
      endOpen(this.#books, lease, lease.first, end, expired, expired, () => reason(lease.task));
      assert(lease.open === 0, `lease ${lease.id} is closed once it is expired`);
    }
    this.#books.leases.forget(pilot);
    return leases;
  }

  /**
   * A pilot is back and lists what it holds: ranges of its leases that it does not list return, or
   * are lost if they had started. Gives back the parts of its list that it has to drop: all but
   * open ones, those it has done, and expired ones that had started and are still free.
   */
  reconcile(
    pilot: PilotNumber,
    held: readonly HeldSpan[],
    reason: ReasonOf = NO_REASONS,
  ): { refused: RefusedSpan[] } {
    this.#live();
    const listed = new Map<number, HeldSpan[]>();
    const refused: RefusedSpan[] = [];
    for (const [index, span] of held.entries()) {
      const spans = listed.get(span.lease);
      if (spans === undefined) listed.set(span.lease, [span]);
      else spans.push(span);
      this.#refuse(pilot, span, index, refused);
    }
    for (const lease of this.#books.leases.of(pilot)) {
      const spans = (listed.get(lease.id) ?? []).sort((a, b) => a.first - b.first);
      const end = lease.first + lease.count;
      const why = () => reason(lease.task);
      let at = lease.first;
      for (const span of spans) {
        const to = Math.min(span.first, end);
        if (to > at) {
          endOpen(this.#books, lease, at, to, DECISION.returned, DECISION.lost, why);
        }
        at = Math.max(at, span.first + span.count);
      }
      if (at < end) endOpen(this.#books, lease, at, end, DECISION.returned, DECISION.lost, why);
    }
    return { refused };
  }

  #refuse(pilot: PilotNumber, span: HeldSpan, index: number, refused: RefusedSpan[]): void {
    const { lease, first, count } = span;
    const open = this.#books.leases.get(lease);
    const task = this.#books.tasks.get(open?.task ?? span.task ?? 0);
    const foreign = open !== undefined && open.pilot !== pilot;
    const elsewhere = open !== undefined && span.task !== undefined && span.task !== open.task;
    const fits = first >= 0 && count <= RANGES_PER_LEASE_MAX && this.#books.wasIssued(lease);
    if (task === undefined || task.phase !== "open" || foreign || elsewhere || !fits) {
      refused.push({ index, lease, first, count });
      return;
    }
    let start = -1;
    for (let range = first; range <= first + count; range++) {
      const last = range === first + count;
      const drop = !last && (range >= task.ranges || !mayKeep(this.#books, task, range, lease));
      if (drop && start < 0) start = range;
      else if (!drop && start >= 0) {
        refused.push({ index, lease, first: start, count: range - start });
        start = -1;
      }
    }
  }

  // -- ways back ---------------------------------------------------------------------------------

  /** 1 if a done, unmerged range is open again (with `charge` perhaps failed); else 0. */
  reopenRange(task: TaskId, range: number, charge: boolean, reason: ReasonId): number {
    this.#live();
    return reopenRange(this.#books, this.#books.task(task), range, charge, reason);
  }

  /** Refuses the bundle for ever and reopens the task's unmerged ranges in it; how many. */
  reopenBundle(task: TaskId, bundle: BundleId): number {
    this.#live();
    return reopenBundle(this.#books, this.#books.task(task), bundle);
  }

  /**
   * Refuses the bundle: a later done into it is stale. Before and during recovery it is told by the
   * bundle's cold row and not written into the journal again.
   */
  loseBundle(bundle: BundleId): void {
    if (this.#recovery !== null || this.#fresh) this.#books.lostBundles.add(bundle);
    else loseBundle(this.#books, bundle);
  }

  /** Fails the ready ranges of a span for good (an unreadable input); how many. */
  failReady(task: TaskId, first: number, count: number, reason: ReasonId): number {
    this.#live();
    return failReady(this.#books, this.#books.task(task), first, count, reason);
  }

  /** Failed ranges of an open task are ready again, failures and losses 0; how many. */
  retry(task: TaskId): number {
    this.#live();
    return retryFailed(this.#books, this.#books.task(task));
  }

  // -- reading -----------------------------------------------------------------------------------

  rangeAt(task: TaskId, index: number): RangeRun {
    const pages = this.#books.task(task);
    assert(index >= 0 && index < pages.ranges, `range ${index} lies in task ${task}`);
    return runsOf(this.#books.pages, pages, index, 1)[0]!;
  }

  runs(task: TaskId, from: number, runsMax: number): RangeRun[] {
    return runsOf(this.#books.pages, this.#books.task(task), from, runsMax);
  }

  /** Bytes of pages that are not packed, pages not in the store, journal bytes not taken. */
  memory(): { openBytes: number; dirtyPages: number; journalBytes: number } {
    const { pages, journal } = this.#books;
    const { openBytes, dirtyPages } = pages;
    return { openBytes, dirtyPages, journalBytes: journal.bytes };
  }

  // -- journal, checkpoint, recovery -------------------------------------------------------------

  /** There are decisions that no journal record holds yet. */
  get pending(): boolean {
    return this.#books.journal.pending;
  }

  /**
   * For the group that will carry `sequence`, called just before `takeJournal`: writes back at most
   * `pagesMax` pages with the oldest changes, and writes at most `leasesMax` open leases again that
   * would hold the journal's end back. What is younger than `settleGroups` groups waits.
   */
  checkpoint(sequence: number, pagesMax: number, leasesMax: number): Checkpoint {
    this.#live();
    const books = this.#books;
    assert(sequence > books.taken, `sequence ${sequence} follows ${books.taken}`);
    this.#sequenceTold = sequence;
    // A group without decisions has no record: what is true now is true since the last one.
    const trueAt = books.journal.pending ? sequence : books.taken;
    const oldEnough = sequence - this.#settleGroups;
    const pages = books.pages.writeBack(trueAt, pagesMax, oldEnough);
    const horizon = Math.min(books.pages.oldestDirty(sequence), oldEnough + 1);
    for (let carried = 0; carried < leasesMax; carried++) {
      const lease = books.leases.oldest;
      if (lease === null || lease.position >= horizon) break;
      this.#carry(lease, sequence);
    }
    const last = books.journal.pending ? sequence : books.taken;
    const cutBelow = Math.min(
      books.pages.oldestDirty(last),
      books.leases.oldestPosition(last),
      last,
    );
    return { pages, cutBelow };
  }

  #carry(lease: OpenLease, sequence: number): void {
    const books = this.#books;
    const { task, first, count, id, pilot } = lease;
    const whole = lease.open === count ? DECISION.carriedWhole : DECISION.carried;
    const kind = lease.speculative ? DECISION.carriedCopy : whole;
    books.record(kind, task, first, count, id, pilot);
    books.leases.carried(lease, sequence);
  }

  /** The record of all decisions since the last one, empty if there are none. */
  takeJournal(): Uint8Array {
    const books = this.#books;
    if (books.journal.pending) books.taken = this.#sequenceTold || books.taken + 1;
    this.#sequenceTold = 0;
    return books.journal.take();
  }

  /** During recovery, after all addTask. `bytes` is copied. */
  loadPage(task: TaskId, page: number, bytes: Uint8Array): void {
    this.#recovering().loadPage(task, page, bytes);
  }

  /** During recovery, after all loadPage, in order of sequence. */
  replay(sequence: number, bytes: Uint8Array): void {
    this.#recovering().replay(sequence, bytes);
  }

  /** Makes the ledger live. Recovered leases have no deadline: call grantFullTerm. */
  endRecovery(): RecoverySummary {
    const summary = this.#recovering().finish();
    this.#recovery = null;
    this.#fresh = false;
    for (const task of this.#books.tasks.values()) {
      task.mergedDone = doneBetween(this.#books.pages, task, 0, task.mergedBelow);
    }
    return summary;
  }

  /** Throws if an invariant is broken (I3, I4, I6); a pass over all touched ranges. */
  check(): void {
    this.#live();
    checkBooks(this.#books);
  }

  #recovering(): Recovery {
    assert(this.#fresh && !this.pending, "a recovery comes before the first decision");
    this.#recovery ??= new Recovery(this.#books);
    return this.#recovery;
  }

  #live(): void {
    assert(this.#recovery === null, "the recovery has ended");
    this.#fresh = false;
  }
}
