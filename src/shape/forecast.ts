/**
 * What will be done by when: ranges an allocation completes, a task's ETA with its spread, and the
 * split of an allocation's core-seconds. All from the laws of renewal processes, with the learned
 * mean, cv, S and F; so a forecast is exactly as good as what is known, and says how good that is.
 *
 * Early on only short ranges have ended and their mean is far too low; ages.ts corrects that.
 */
import { chanceWithin, edgeSeconds, gammaCdf } from "./laws.ts";

export interface Moments {
  readonly mean: number;
  readonly cv: number;
}

/** Ranges that `slots` complete in `seconds` of work: the renewal function, t/mu - (1-cv^2)/2. */
export function completedRanges(slots: number, seconds: number, { mean, cv }: Moments): number {
  if (!(mean > 0) || !(seconds > 0)) return 0;
  const settled = seconds / mean - (1 - cv * cv) / 2;
  // Before the process has settled the chance of the first one is the better bound.
  const first = chanceWithin(mean, cv, seconds);
  return slots * Math.max(settled, first, 0);
}

export interface AllocationForecast {
  readonly ranges: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Ranges done by an allocation of `walltimeSeconds`, start-up and flush taken off.
 * @param relativeError of the mean, one standard deviation: see CostView
 */
export function forecastAllocation(
  slots: number,
  walltimeSeconds: number,
  startSeconds: number,
  flushSeconds: number,
  moments: Moments,
  relativeError: number,
): AllocationForecast {
  const seconds = walltimeSeconds - startSeconds - flushSeconds;
  const ranges = completedRanges(slots, seconds, moments);
  const chance = moments.cv * Math.sqrt(Math.max(1, ranges));
  const spread = 2 * Math.hypot(ranges * relativeError, chance);
  return { ranges, low: Math.max(0, ranges - spread), high: ranges + spread };
}

/** Chance that a range that runs at a random moment has more than `seconds` to go. */
export function residualChance(moments: Moments, seconds: number): number {
  const { mean, cv } = moments;
  if (!(mean > 0)) return 0;
  if (!(cv > 1e-3)) return Math.max(0, 1 - seconds / mean);
  const shape = 1 / (cv * cv);
  const x = (seconds * shape) / mean;
  const above = 1 - gammaCdf(shape + 1, x) - (seconds / mean) * (1 - gammaCdf(shape, x));
  return Math.min(1, Math.max(0, above));
}

export interface TaskForecast {
  /** Seconds until the last range is done: low is the work alone, high a pessimistic tail. */
  readonly seconds: number;
  readonly low: number;
  readonly high: number;
}

/** ETA of `ranges` unfinished ones on `slots`; Infinity without slots, NaN never. */
export function forecastTask(
  ranges: number,
  slots: number,
  moments: Moments,
  relativeError: number,
): TaskForecast {
  if (!(ranges > 0)) return { seconds: 0, low: 0, high: 0 };
  if (!(slots > 0) || !(moments.mean >= 0)) {
    const never = Number.POSITIVE_INFINITY;
    return { seconds: never, low: 0, high: never };
  }
  const busy = Math.min(slots, ranges);
  const work = (ranges * moments.mean) / slots;
  // When the last range starts, the slots still have their residuals to go.
  const start = Math.max(0, work - (edgeSeconds(moments.mean, moments.cv) * busy) / slots);
  return {
    seconds: start + tailSeconds(busy, moments, Math.LN2),
    low: work * Math.max(0, 1 - 2 * relativeError),
    high: start * (1 + 2 * relativeError) + tailSeconds(busy, moments, 0.05),
  };
}

/** Time x for which `expected` of `slots` running ranges have still more than x to go. */
function tailSeconds(slots: number, moments: Moments, expected: number): number {
  let low = 0;
  let high = moments.mean * (4 + 40 * moments.cv);
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (slots * residualChance(moments, middle) > expected) low = middle;
    else high = middle;
  }
  return high;
}

/** Where an allocation's core-seconds went; the four parts add up to `total`. */
export interface Split {
  readonly total: number;
  readonly useful: number;
  readonly startup: number;
  readonly edge: number;
  readonly idle: number;
}

export function splitSeconds(
  total: number,
  parts: { useful: number; startup: number; edge: number },
): Split {
  const startup = clamp(parts.startup, total);
  const useful = clamp(parts.useful, total - startup);
  const edge = clamp(parts.edge, total - startup - useful);
  return { total, useful, startup, edge, idle: total - startup - useful - edge };
}

function clamp(value: number, most: number): number {
  return Number.isFinite(value) ? Math.min(Math.max(0, value), Math.max(0, most)) : 0;
}
