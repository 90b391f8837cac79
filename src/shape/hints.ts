/**
 * Cost hints of one task at work: its order, and what reports have taught about the hints, namely
 * the seconds a unit of weight takes (scale) and how wrong a single prediction is (spread).
 */
import type { CostOrder } from "./order.ts";

const MEMORY = 2048;
/** Assumed until single ranges were measured. */
const SPREAD_FIRST = 0.3;
const SPREAD_MIN = 0.02;
const SPREAD_MAX = 1.5;
const PRIOR = 8;

export type SavedHints = readonly [number, number, number, number, number];

export class Hints {
  order: CostOrder;
  #reports = 0;
  /** Seconds per unit of weight; -1 while unknown. */
  #scale = -1;
  #singles = 0;
  #ratio = 0;
  #ratioSquares = 0;

  /** @param meanSeconds the task file's mean, or -1: sets the scale until reports do */
  constructor(order: CostOrder, meanSeconds: number) {
    this.order = order;
    if (meanSeconds >= 0 && order.count > 0 && order.weightLeft > 0) {
      this.#scale = (meanSeconds * order.count) / order.weightLeft;
    }
  }

  get scale(): number {
    return this.#scale;
  }

  /** Standard deviation of actual / predicted. */
  get spread(): number {
    const variance = Math.max(0, this.#ratioSquares - this.#ratio * this.#ratio);
    const measured = this.#ratio > 0 ? variance / (this.#ratio * this.#ratio) : 0;
    const blended =
      (measured * this.#singles + SPREAD_FIRST ** 2 * PRIOR) / (this.#singles + PRIOR);
    return Math.min(SPREAD_MAX, Math.max(SPREAD_MIN, Math.sqrt(blended)));
  }

  /** Mean seconds of the ranges still to be handed out; -1 while the scale is unknown. */
  meanLeftSeconds(): number {
    if (this.#scale < 0 || this.order.count === 0) return -1;
    return (this.order.weightLeft / this.order.count) * this.#scale;
  }

  observe(ranges: number, wallSum: number, weightSum: number): void {
    if (!(weightSum > 0) || !(wallSum >= 0) || !Number.isFinite(wallSum / weightSum)) return;
    const ratio = wallSum / weightSum;
    const seen = Math.min(this.#reports + ranges, Math.max(ranges, MEMORY));
    this.#reports += ranges;
    const step = this.#scale < 0 ? 1 : Math.min(1, ranges / seen);
    this.#scale = Math.max(this.#scale, 0) * (1 - step) + ratio * step;
    if (ranges !== 1) return;
    const weight = 1 / Math.min(++this.#singles, MEMORY);
    this.#ratio += weight * (ratio - this.#ratio);
    this.#ratioSquares += weight * (ratio * ratio - this.#ratioSquares);
  }

  save(): SavedHints {
    return [this.#reports, this.#scale, this.#singles, this.#ratio, this.#ratioSquares];
  }

  load(saved: SavedHints): void {
    if (!saved.every(Number.isFinite)) return;
    [this.#reports, this.#scale, this.#singles, this.#ratio, this.#ratioSquares] = saved;
  }
}
