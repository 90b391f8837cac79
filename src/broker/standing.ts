/**
 * How a task stands: when it will be done, as far as is known, and where the core-seconds of the
 * allocations that work for it went. Computed when asked; looks at what runs, so it is no part of
 * the views that events carry.
 */
import type { TaskId } from "../base/index.ts";
import { forecastTask } from "../shape/index.ts";
import type { TaskEntry } from "./book.ts";
import type { ForecastView, StandingView } from "./commands.ts";
import type { Conversations } from "./conversations.ts";
import type { CoreParts } from "./parts.ts";
import { coresMax, maySee, type Session, secondsLeftOf } from "./session.ts";

/** Shorter ranges end at the rate of their messages, not of their slots. */
const PREDICTED_FROM_SECONDS = 0.05;
/** How wrong the rate of the last minute may be, two standard deviations. */
const RATE_ERROR = 0.2;

export function standingView(
  parts: CoreParts,
  conversations: Conversations,
  entry: TaskEntry,
  rangesPerSecond: number,
): StandingView {
  const { split, allocations, left } = parts.accounts.views(entry.row.id);
  return {
    task: entry.row.id,
    forecast: forecastOf(parts, conversations, entry, rangesPerSecond),
    split,
    allocations,
    allocationsLeft: left,
  };
}

function forecastOf(
  parts: CoreParts,
  conversations: Conversations,
  entry: TaskEntry,
  rangesPerSecond: number,
): ForecastView {
  const { ledger, shaper, world } = parts;
  const task = entry.row.id as TaskId;
  const open = entry.row.phase === "open";
  const { ready, leased } = open ? ledger.openCounts(task) : { ready: 0, leased: 0 };
  const ranges = ready + leased;
  const nowMs = world.clock.monotonicMs();
  const view = shaper.costs.view(task, "");
  const sessions = [...conversations.sessions.values()];
  const plain = { mean: view.meanSeconds, cv: view.cv };
  const running = Math.min(leased, slotsOf(sessions, entry, nowMs, 0));
  const agesOf = () =>
    sessions.flatMap(({ account }) =>
      account.log
        .running()
        .filter((started) => started.task === task)
        .map(({ atMs }) => (nowMs - atMs) / 1000),
    );
  const learned = shaper.learning.moments(task, plain, running, agesOf, nowMs);
  const meanReady = shaper.meanLeft(task);
  const mean =
    meanReady >= 0 && learned.mean >= 0 && ranges > 0
      ? (ready * meanReady + leased * learned.mean) / ranges
      : learned.mean;
  let slots = slotsOf(sessions, entry, nowMs, Math.max(0, mean));
  // Where others compete for the slots, what it has of them now is what is known.
  if (hasRivals(parts, task)) slots = Math.min(slots, leased);
  const relativeError = view.relativeError;
  const is = { ranges, slots, meanSeconds: mean, cv: learned.cv, relativeError };
  const isHint = view.known === "hint";
  if (ranges === 0) {
    return { ...is, seconds: 0, low: 0, high: 0, known: isHint ? "hint" : "measured" };
  }
  if (mean < PREDICTED_FROM_SECONDS && rangesPerSecond > 0) {
    const seconds = ranges / rangesPerSecond;
    const low = seconds * (1 - RATE_ERROR);
    return { ...is, seconds, low, high: seconds * (1 + RATE_ERROR), known: "rate" };
  }
  const never = { seconds: -1, low: -1, high: -1 };
  if (mean < 0) return { ...is, ...never, known: "nothing" };
  const known = isHint ? "hint" : "measured";
  if (slots === 0) return { ...is, ...never, known };
  const found = forecastTask(ranges, slots, { mean, cv: learned.cv }, relativeError);
  return { ...is, ...found, known };
}

/** Ranges of the task that pilots with more than `secondsLeft` can run at once. */
function slotsOf(
  sessions: readonly Session[],
  entry: TaskEntry,
  nowMs: number,
  secondsLeft: number,
): number {
  const { owner, payload } = entry.row.spec;
  let slots = 0;
  for (const session of sessions) {
    const cores = coresMax(session);
    if (session.draining || !maySee(session, owner)) continue;
    if (cores > 0 && cores < payload.cores) continue;
    if (secondsLeftOf(session, nowMs) < secondsLeft) continue;
    slots += Math.max(1, Math.floor(session.slots / payload.cores));
  }
  return slots;
}

function hasRivals(parts: CoreParts, task: TaskId): boolean {
  for (const other of parts.granter.open.values()) {
    if (other.task !== task && other.ready > 0) return true;
  }
  return false;
}
