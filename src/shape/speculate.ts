/**
 * Second copies of running ranges, on slow nodes only. A range that runs long on a healthy node is
 * a long range: a copy would take as long again and win nothing. A node that is slow makes all its
 * ranges long, and that is measured per node: slot time spent over predicted time done.
 *
 * Copies are made when nothing is ready any more and slots are free, worst first, and all copies
 * together stay below 2 % of the work done (their predicted seconds, charged in advance).
 */
export const SLOW_FROM = 1.6;
export const COPY_SHARE_MAX = 0.02;
/** A copy must be expected to win by this factor. */
const WIN_MIN = 1.2;
/** Slot time, in means, that has to be seen before a node is judged. */
const MEANS_SEEN_MIN = 8;
/** Of the predicted time on the slow node, what is left at least of a range that is overdue. */
const OVERDUE_SHARE = 0.3;

/** What is known of a node's pace. */
export interface Pace {
  /** Slot-seconds spent running. */
  readonly busySeconds: number;
  /** Predicted seconds of what it finished. */
  readonly doneSeconds: number;
  readonly running: number;
  readonly meanSeconds: number;
}

/** How many times slower than predicted a node works; 1 while too little was seen. */
export function slowness(pace: Pace): number {
  const { busySeconds, doneSeconds, running, meanSeconds } = pace;
  if (!(meanSeconds > 0) || busySeconds < MEANS_SEEN_MIN * meanSeconds) return 1;
  // What runs is half done on average.
  return busySeconds / (doneSeconds + (running * meanSeconds) / 2 + meanSeconds);
}

export interface CopyCandidate {
  readonly pilot: number;
  readonly range: number;
  readonly ageSeconds: number;
  readonly predictedSeconds: number;
  readonly slowness: number;
}

/** The candidates to copy now, worst first. */
export function chooseCopies(
  candidates: readonly CopyCandidate[],
  freeSlots: number,
  budgetSeconds: number,
): CopyCandidate[] {
  const worth: { candidate: CopyCandidate; leftSeconds: number }[] = [];
  for (const candidate of candidates) {
    if (candidate.slowness < SLOW_FROM || !(candidate.predictedSeconds > 0)) continue;
    const there = candidate.slowness * candidate.predictedSeconds;
    const leftSeconds = Math.max(there - candidate.ageSeconds, OVERDUE_SHARE * there);
    if (leftSeconds < WIN_MIN * candidate.predictedSeconds) continue;
    worth.push({ candidate, leftSeconds });
  }
  worth.sort((a, b) => b.leftSeconds - a.leftSeconds);
  const chosen: CopyCandidate[] = [];
  let left = budgetSeconds;
  for (const { candidate } of worth) {
    if (chosen.length >= freeSlots) break;
    if (candidate.predictedSeconds > left) continue;
    chosen.push(candidate);
    left -= candidate.predictedSeconds;
  }
  return chosen;
}
