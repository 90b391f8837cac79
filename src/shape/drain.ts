/**
 * Before a wall: is a start still worth it, and when should the node hand itself back?
 *
 * Starting a range that may not end costs nothing but its place (the cores are paid for anyway),
 * so a range is started while it has a fair chance; below that the start would only be charged as
 * a loss and delay the hand-back. Each completion is flushed as it happens, so the lead before the
 * wall is half a round trip plus the measured flush, never minutes.
 */
import { gammaQuantile } from "./laws.ts";

/** A start whose chance to end in time is below this is not made. */
export const CHANCE_MIN = 0.05;
/** From so many means before the wall on, ranges are fitted to the time left. */
export const FIT_MEANS = 3;
/** The same in standard normal units: q05. */
const LUCK_SIGMAS = 1.6449;
/** Prediction quantile that must fit, in standard normal units: q90. */
const PAD_SIGMAS = 1.2816;
/** q99. */
const PAD_SIGMAS_EARLY = 2.3263;
/** Boldness begins so many means before the wall. */
const BOLD_MEANS = 0.3;

/** Seconds that a range starting at the pilot has, once its grant has travelled there. */
export function usableSeconds(
  secondsLeft: number,
  roundTripSeconds: number,
  flushSeconds: number,
): number {
  const usable = secondsLeft - roundTripSeconds / 2 - flushSeconds;
  return Math.max(usable, 0);
}

/** Without hints: whether a range of this law has a fair chance within `usable` seconds. */
export function worthStarting(mean: number, cv: number, usable: number): boolean {
  if (mean <= 0 || usable >= mean * FIT_MEANS) return true;
  return usable >= gammaQuantile(mean, cv, CHANCE_MIN);
}

/** With hints: the largest prediction (seconds) that has a fair chance within `usable` seconds. */
export function luckySeconds(usable: number, spread: number): number {
  return usable * Math.exp(LUCK_SIGMAS * Math.sqrt(Math.log(1 + spread * spread)));
}

/**
 * With hints: the largest prediction (seconds) whose padded value fits `usable` seconds. Close to
 * the wall q90 must fit: little is at stake, and what fits no better is idle time. Earlier a cut
 * costs the slot's whole time to the wall while shorter ranges are still there to fill it: q99.
 */
export function fittingSeconds(usable: number, spread: number, mean: number): number {
  const sigmas = usable > mean * BOLD_MEANS ? PAD_SIGMAS_EARLY : PAD_SIGMAS;
  return usable * Math.exp(-sigmas * Math.sqrt(Math.log(1 + spread * spread)));
}
