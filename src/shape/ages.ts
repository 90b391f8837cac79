/**
 * Learning range times while most ranges still run. After ten minutes only the short ones of
 * eighteen-minute ranges have ended, so the mean of what ended is far too low; the ages of what
 * runs tell the rest. Both are kept in bins (no entry per range), and a gamma law is fitted to
 * them by maximum likelihood: ended ranges count with the chance of their bin, running ones with
 * the chance to last at least as long as they have.
 */
import type { Moments } from "./forecast.ts";
import { gammaCdf } from "./laws.ts";

const WALL_BINS_PER_E = 8;
/** Ranges shorter than this share one bin. */
const WALL_MIN_SECONDS = 1e-3;
const CV_MIN = 0.05;
const CV_MAX = 2;
const STEPS = 15;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** Ranges of one age, seconds. */
export interface Running {
  readonly ageSeconds: number;
  readonly ranges: number;
}

export type SavedAges = readonly [
  ended: number,
  wallSum: number,
  walls: readonly (readonly [number, number])[],
];

export class Ages {
  readonly binMs: number;
  readonly #started = new Map<number, number>();
  readonly #walls = new Map<number, number>();
  #ended = 0;
  #wallSum = 0;

  constructor(binMs = 10_000) {
    this.binMs = binMs;
  }

  started(ranges: number, nowMs: number): void {
    this.#add(nowMs, ranges);
  }

  /** `ranges` ended now that took `wallSeconds` each. */
  ended(ranges: number, wallSeconds: number, nowMs: number): void {
    if (!(ranges > 0) || !(wallSeconds >= 0)) return;
    this.#add(nowMs - wallSeconds * 1000, -ranges);
    this.took(ranges, wallSeconds);
  }

  /** `ranges` took `wallSeconds` each; their starts are counted by the caller (see `learn`). */
  took(ranges: number, wallSeconds: number): void {
    if (!(ranges > 0) || !(wallSeconds >= 0) || !Number.isFinite(wallSeconds)) return;
    const seconds = Math.max(WALL_MIN_SECONDS, wallSeconds);
    const bin = Math.floor(Math.log(seconds) * WALL_BINS_PER_E);
    this.#walls.set(bin, (this.#walls.get(bin) ?? 0) + ranges);
    this.#ended += ranges;
    this.#wallSum += ranges * wallSeconds;
  }

  /** Ages of what still runs. */
  running(nowMs: number): Running[] {
    const found: Running[] = [];
    for (const [bin, ranges] of this.#started) {
      const ageSeconds = (nowMs - (bin + 0.5) * this.binMs) / 1000;
      if (ranges > 0 && ageSeconds > 0) found.push({ ageSeconds, ranges });
    }
    return found;
  }

  /** Ranges whose time is known. */
  get count(): number {
    return this.#ended;
  }

  /**
   * Mean and cv of range times as they would be had everything ended; mean 0: nothing known.
   * `running`: ages of what runs, from whoever knows them better than the starts told here.
   */
  learn(nowMs: number, running: readonly Running[] = this.running(nowMs)): Moments {
    if (this.#ended === 0) return { mean: 0, cv: 0.5 };
    let ageSum = 0;
    for (const { ageSeconds, ranges } of running) ageSum += ageSeconds * ranges;
    const least = Math.max(this.#wallSum / this.#ended, WALL_MIN_SECONDS);
    const most = Math.max(2 * least, (2 * (this.#wallSum + ageSum)) / this.#ended);
    let mean = least;
    const profile = (logCv: number) => {
      const shape = Math.exp(-2 * logCv);
      const score = (logMean: number) => this.#score(shape, Math.exp(logMean), running);
      const best = maximum(score, Math.log(least) - 0.2, Math.log(most));
      mean = Math.exp(best);
      return score(best);
    };
    const cv = Math.exp(maximum(profile, Math.log(CV_MIN), Math.log(CV_MAX)));
    profile(Math.log(cv));
    return { mean, cv };
  }

  /** Log likelihood. */
  #score(shape: number, mean: number, running: readonly Running[]): number {
    const rate = shape / mean;
    let sum = 0;
    for (const [bin, ranges] of this.#walls) {
      const low = Math.exp(bin / WALL_BINS_PER_E);
      const high = Math.exp((bin + 1) / WALL_BINS_PER_E);
      const chance = gammaCdf(shape, high * rate) - gammaCdf(shape, low * rate);
      sum += ranges * Math.log(Math.max(1e-300, chance));
    }
    for (const { ageSeconds, ranges } of running) {
      const chance = 1 - gammaCdf(shape, ageSeconds * rate);
      sum += ranges * Math.log(Math.max(1e-300, chance));
    }
    return sum;
  }

  /** What was measured; starts are of this life. */
  save(): SavedAges {
    return [this.#ended, this.#wallSum, [...this.#walls]];
  }

  load([ended, wallSum, walls]: SavedAges): void {
    if (!(ended >= 0) || !(wallSum >= 0)) return;
    this.#ended = ended;
    this.#wallSum = wallSum;
    for (const [bin, ranges] of walls) this.#walls.set(bin, ranges);
  }

  #add(atMs: number, ranges: number): void {
    const bin = Math.floor(atMs / this.binMs);
    const sum = (this.#started.get(bin) ?? 0) + ranges;
    if (sum === 0) this.#started.delete(bin);
    else this.#started.set(bin, sum);
  }
}

/** Golden section search for the place of the only maximum between two bounds. */
function maximum(value: (x: number) => number, from: number, to: number): number {
  let low = from;
  let high = to;
  let left = high - GOLDEN * (high - low);
  let right = low + GOLDEN * (high - low);
  let leftValue = value(left);
  let rightValue = value(right);
  for (let step = 0; step < STEPS; step++) {
    if (leftValue < rightValue) {
      low = left;
      left = right;
      leftValue = rightValue;
      right = low + GOLDEN * (high - low);
      rightValue = value(right);
    } else {
      high = right;
      right = left;
      rightValue = leftValue;
      left = high - GOLDEN * (high - low);
      leftValue = value(left);
    }
  }
  return (low + high) / 2;
}
