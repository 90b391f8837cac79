/**
 * A pilot's reports become decisions of the ledger, and the ledger's verdicts the answer, in the
 * order in which the ranges were reported. What a report costs in time and failures is told to the
 * shaper; what it says of bundles to the books.
 */
import {
  type BundleId,
  JumboError,
  type LeaseId,
  NO_BUNDLE,
  NO_REASON,
  type RangeIndex,
  type TaskId,
} from "../base/index.ts";
import { type Ledger, VERDICT, type Verdict, type VerdictSink } from "../ledger/index.ts";
import type { Shaper } from "../shape/index.ts";
import { blockRanges, OUTCOME, type Report, type SpanBlock } from "../wire/index.ts";
import type { Accounts } from "./accounts.ts";
import type { Book } from "./book.ts";
import { maySee, type Session } from "./session.ts";

/** Flat run-length list: count, verdict, count, verdict ... */
const NO_RUNS: number[] = [];

export class VerdictRuns implements VerdictSink {
  runs: number[] = NO_RUNS;
  accepted = 0;
  refused = 0;

  push(count: number, verdict: Verdict): void {
    if (count === 0) return;
    if (verdict === VERDICT.accepted) this.accepted += count;
    else this.refused += count;
    const { runs } = this;
    // Most exchanges have one run, and a push would make room for 17 numbers.
    if (runs.length === 0) this.runs = [count, verdict];
    else if (runs[runs.length - 1] === verdict) {
      runs[runs.length - 2] = (runs[runs.length - 2] as number) + count;
    } else runs.push(count, verdict);
  }
}

export interface ReportEffects {
  /** Ranges may have become ready again. */
  readyArrived: boolean;
  /** Tasks that changed. */
  readonly tasks: Set<number>;
  /** Files that a pilot found changed under the task: [task, range, what]. */
  readonly changed: { task: number; range: number; what: string }[];
}

export interface ReportParts {
  readonly book: Book;
  readonly ledger: Ledger;
  readonly shaper: Shaper;
  readonly accounts: Accounts;
}

export const INPUT_CHANGED_PREFIX = "input changed: ";
const NO_OUTPUT = "reported done without an output (allowEmpty is false) write the named output";

/** Applies one report; throws JumboError("protocol") if it names a bundle that was not announced. */
export function applyReport(
  parts: ReportParts,
  session: Session,
  report: Report,
  verdicts: VerdictRuns,
  effects: ReportEffects,
  nowMs: number,
): void {
  const { spans } = report;
  const owner = parts.book.tasks.get(spans.task)?.row.spec.owner;
  if (owner !== undefined && !maySee(session, owner)) {
    for (let i = 0; i < spans.size; i++) verdicts.push(spans.count[i] as number, VERDICT.unknown);
    return;
  }
  const acceptedBefore = verdicts.accepted;
  effects.tasks.add(spans.task);
  if (report.outcome === OUTCOME.done) applyDone(parts, session, report, verdicts, effects);
  else {
    applyOther(parts, session, report, verdicts);
    effects.readyArrived = true;
  }
  const accepted = verdicts.accepted - acceptedBefore;
  if (report.reason.startsWith(INPUT_CHANGED_PREFIX) && accepted > 0) {
    const what = report.reason.slice(INPUT_CHANGED_PREFIX.length);
    effects.changed.push({ task: spans.task, range: spans.first[0] as number, what });
  }
  const total = blockRanges(spans);
  const cores = parts.accounts.coresOf(spans.task, session.slots);
  parts.accounts.reported(session, report, accepted, total, cores, nowMs);
  learn(parts.shaper, session, report, accepted, total, nowMs);
}

function applyDone(
  parts: ReportParts,
  session: Session,
  report: Report,
  verdicts: VerdictRuns,
  effects: ReportEffects,
): void {
  const { book, ledger } = parts;
  const { spans } = report;
  let bundle = NO_BUNDLE;
  if (report.bundle !== 0) {
    const known = session.bundles.get(report.bundle);
    if (known === undefined) {
      throw new JumboError(
        "protocol",
        `report names bundle ${report.bundle} (it was not announced on this connection) send \`bundle\` first`,
      );
    }
    bundle = known as BundleId;
  } else if (!mayBeEmpty(book, spans.task)) {
    refuseEmpty(parts, session, spans, verdicts);
    effects.readyArrived = true;
    return;
  }
  const acceptedBefore = verdicts.accepted;
  const refusedBefore = verdicts.refused;
  ledger.doneSpans(session.pilot, spans.task, spans, bundle, verdicts);
  const accepted = verdicts.accepted - acceptedBefore;
  session.done += accepted;
  if (accepted > 0 && bundle !== NO_BUNDLE) book.useBundle(bundle, spans.task);
  // What was done into a lost bundle is refused, and to be done again.
  const hasRefused = verdicts.refused > refusedBefore;
  if (hasRefused && book.bundles.get(bundle)?.state === "lost") effects.readyArrived = true;
}

function mayBeEmpty(book: Book, task: TaskId): boolean {
  const spec = book.tasks.get(task)?.row.spec;
  return !spec || spec.output.allowEmpty || spec.payload.command[0] === ":null";
}

/** The pilot should not have said this: the ranges end badly, with a reason of our own. */
function refuseEmpty(
  parts: ReportParts,
  session: Session,
  spans: SpanBlock,
  verdicts: VerdictRuns,
): void {
  const entry = parts.book.task(spans.task);
  const reason = parts.book.reasonId(entry, NO_OUTPUT);
  for (let i = 0; i < spans.size; i++) {
    const { pilot } = session;
    const lease = spans.lease[i] as LeaseId;
    const first = spans.first[i] as RangeIndex;
    const count = spans.count[i] as number;
    parts.ledger.failed(pilot, lease, spans.task, first, count, reason, false, verdicts);
  }
}

function applyOther(
  parts: ReportParts,
  session: Session,
  report: Report,
  verdicts: VerdictRuns,
): void {
  const { ledger, book } = parts;
  const { spans, outcome } = report;
  const entry = book.tasks.get(spans.task);
  const reason = entry ? book.reasonId(entry, report.reason) : NO_REASON;
  const { pilot } = session;
  for (let i = 0; i < spans.size; i++) {
    const lease = spans.lease[i] as LeaseId;
    const first = spans.first[i] as RangeIndex;
    const count = spans.count[i] as number;
    if (outcome === OUTCOME.returned) {
      ledger.returned(pilot, lease, spans.task, first, count, verdicts);
    } else if (outcome === OUTCOME.lost) {
      ledger.lost(pilot, lease, spans.task, first, count, reason, verdicts);
    } else {
      const fatal = outcome === OUTCOME.fatal;
      ledger.failed(pilot, lease, spans.task, first, count, reason, fatal, verdicts);
    }
  }
}

function learn(
  shaper: Shaper,
  session: Session,
  report: Report,
  accepted: number,
  total: number,
  nowMs: number,
): void {
  if (accepted === 0) return;
  if (report.outcome === OUTCOME.done) {
    session.failureStreak = 0;
    const nodeType = session.nodeTypes[report.node] ?? "";
    const { cost, spans } = report;
    const weight = accepted === total ? weightOf(shaper, spans) : 0;
    shaper.observe(spans.task, nodeType, accepted, cost, nowMs, weight, session.pilot);
  } else if (report.outcome === OUTCOME.failed || report.outcome === OUTCOME.fatal) {
    session.failureStreak += accepted;
  }
}

/** Sum of the cost weights of a block's ranges; 0 for a task without weights. */
function weightOf(shaper: Shaper, spans: SpanBlock): number {
  if (shaper.inOrder(spans.task) < 0) return 0;
  let sum = 0;
  for (let i = 0; i < spans.size; i++) {
    sum += shaper.weightOf(spans.task, spans.first[i] as number, spans.count[i] as number);
  }
  return sum;
}
