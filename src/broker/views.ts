/**
 * What people and programs see of the books: read-only, computed when asked, from counts that the
 * ledger keeps anyway. A view of a task of 10^8 ranges costs as much as one of ten, but for the
 * runs that `ranges` pages through.
 */
import type { TaskId } from "../base/index.ts";
import { STATE } from "../ledger/index.ts";
import type { TaskEntry } from "./book.ts";
import type { Counts, FailureSummary, PilotView, RangeColumns, TaskView } from "./commands.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { CoreParts } from "./parts.ts";
import { type Session, secondsLeftOf } from "./session.ts";

/** State numbers of RangeColumns beyond the ledger's own. */
export const SEEN_STATE = { ...STATE, merged: 5, cancelled: 6 } as const;

export function taskView(parts: CoreParts, lifecycle: Lifecycle, entry: TaskEntry): TaskView {
  const { row } = entry;
  const ranges = parts.ledger.counts(row.id as TaskId);
  const rangesPerSecond = lifecycle.rate(row.id);
  const left = ranges.ready + ranges.leased;
  const endedMs = row.finishedWallMs > 0 ? row.finishedWallMs : parts.world.clock.wallMs();
  return {
    id: row.id,
    name: row.spec.name,
    owner: row.spec.owner,
    state: lifecycle.phaseOf(entry),
    events: withMerged(eventCounts(parts, entry, ranges)),
    ranges: withMerged({ ...ranges }),
    attempts: parts.ledger.starts(row.id as TaskId),
    files: row.outputs,
    manifest: row.manifest,
    failures: ranges.failed > 0 ? failuresOf(parts, entry) : [],
    seconds: Math.max(0, (endedMs - row.createdWallMs) / 1000),
    priority: row.spec.priority,
    createdWallMs: row.createdWallMs,
    problem: row.problem,
    rangesPerSecond,
    etaSeconds: rangesPerSecond > 0 ? left / rangesPerSecond : -1,
    spec: row.spec,
  };
}

/** As people count: what is merged is done too. */
function withMerged(counts: Counts): Counts {
  counts.done += counts.merged;
  return counts;
}

/** Events by state: full ranges count eventsPerRange, each file's last one what is left of it. */
function eventCounts(parts: CoreParts, entry: TaskEntry, ranges: Counts): Counts {
  const per = entry.row.spec.eventsPerRange;
  const events: Counts = { ...ranges };
  if (per === 1) return events;
  for (const key of Object.keys(events) as (keyof Counts)[]) events[key] *= per;
  for (const file of entry.files) {
    const missing = file.ranges * per - file.events;
    if (missing === 0) continue;
    const last = parts.ledger.rangeAt(entry.row.id as TaskId, file.firstRange + file.ranges - 1);
    const state = seenState(entry, last.first, last.state);
    events[COUNT_KEY[state] as keyof Counts] -= missing;
    events.total -= missing;
  }
  return events;
}

const COUNT_KEY = ["ready", "leased", "leased", "done", "failed", "merged", "cancelled"] as const;

function seenState(entry: TaskEntry, range: number, state: number): number {
  if (state === STATE.done) {
    return range < entry.row.mergedBelow ? SEEN_STATE.merged : SEEN_STATE.done;
  }
  if (entry.row.phase === "cancelled" && state !== STATE.failed) return SEEN_STATE.cancelled;
  return state;
}

function failuresOf(parts: CoreParts, entry: TaskEntry): FailureSummary[] {
  const byReason = new Map<number, FailureSummary>();
  for (const run of parts.ledger.failedRuns(entry.row.id as TaskId)) {
    const known = byReason.get(run.reason);
    if (known) known.ranges += run.count;
    else {
      const reason = entry.reasonTexts[run.reason] || "no reason was given";
      byReason.set(run.reason, { reason, ranges: run.count, example: run.first });
    }
  }
  return [...byReason.values()].sort((a, b) => b.ranges - a.ranges);
}

/** Alike runs from range `from` on, at most `runsMax` of them. */
export function rangeColumns(
  parts: CoreParts,
  entry: TaskEntry,
  from: number,
  runsMax: number,
): RangeColumns {
  const runs = parts.ledger.runs(entry.row.id as TaskId, from, runsMax);
  const size = runs.length;
  const columns: RangeColumns = {
    task: entry.row.id,
    first: new Float64Array(size),
    count: new Float64Array(size),
    state: new Uint8Array(size),
    attempts: new Uint8Array(size),
    failures: new Uint8Array(size),
    losses: new Uint8Array(size),
    lease: new Float64Array(size),
    bundle: new Uint32Array(size),
    reason: new Uint32Array(size),
    next: -1,
  };
  let end = from;
  for (let i = 0; i < size; i++) {
    const run = runs[i] as (typeof runs)[number];
    columns.first[i] = run.first;
    columns.count[i] = run.count;
    columns.state[i] = seenState(entry, run.first, run.state);
    columns.attempts[i] = run.attempts;
    columns.failures[i] = run.failures;
    columns.losses[i] = run.losses;
    columns.lease[i] = run.lease;
    columns.bundle[i] = run.bundle;
    columns.reason[i] = run.reason;
    end = run.first + run.count;
  }
  columns.next = end < entry.row.ranges && size > 0 ? end : -1;
  return columns;
}

export function pilotView(parts: CoreParts, session: Session): PilotView {
  const nowMs = parts.world.clock.monotonicMs();
  const left = secondsLeftOf(session, nowMs);
  return {
    number: session.pilot,
    pilotId: session.pilotId,
    queue: session.queue,
    allocation: session.allocation,
    software: session.software,
    nodes: session.nodes.map(({ name, cores, slots }) => ({ name, cores, slots })),
    slots: session.slots,
    freeSlots: session.freeSlots,
    held: parts.ledger.heldBy(session.pilot),
    running: Math.max(0, session.slots - session.freeSlots),
    secondsLeft: Number.isFinite(left) ? left : -1,
    connectedSeconds: (nowMs - session.openedMs) / 1000,
    done: session.done,
    draining: session.draining,
  };
}
