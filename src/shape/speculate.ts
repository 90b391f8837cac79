/**
 * Second copies of running ranges, on slow nodes only. A range that runs long on a healthy node is
 * a long range: a copy would take as long again and win nothing. A node that is slow makes all its
 * ranges long, and that is measured per node: slot time spent over predicted time done.
 *
 * Copies are made when nothing is ready any more and slots are free, worst first, and all copies
 * together stay below 2 % of the work done (their predicted seconds, charged in advance).
 */
import { meanBeyond } from "./laws.ts";

export const SLOW_FROM = 1.6;
export const COPY_SHARE_MAX = 0.02;
/**
 * Least expected time to go, relative to a fresh run, that makes a copy. Below 1, since the slots
 * are idle anyway and it is the one worst range that decides when the task ends.
 */
const LEFT_MIN = 0.5;
/** Slot time, in means, that has to be seen before a node is judged. */
const MEANS_SEEN_MIN = 8;

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
  /** Spread of the prediction. */
  readonly cv: number;
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
    const { predictedSeconds, ageSeconds, cv, slowness: factor } = candidate;
    const leftSeconds = factor * meanBeyond(predictedSeconds, cv, ageSeconds / factor) - ageSeconds;
    if (leftSeconds < LEFT_MIN * predictedSeconds) continue;
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
