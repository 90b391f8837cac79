/**
 * Laws recorded from a real payload (see `record-law.ts`): tables of quantiles of the time of one
 * event, relative to its mean. Between two quantiles the law is taken as even.
 */
import { readFileSync } from "node:fs";

export type EmpiricalName = "empirical" | "empirical-mixed";

interface Document {
  readonly laws: Record<EmpiricalName, { readonly quantiles: string }>;
}

export class EmpiricalLaw {
  readonly cv: number;
  readonly #quantiles: Float64Array;

  constructor(name: EmpiricalName) {
    const text = readFileSync(new URL("empirical.json", import.meta.url), "utf8");
    const { laws } = JSON.parse(text) as Document;
    const table = Float64Array.from(laws[name].quantiles.split(" ").map(Number));
    // Moments of the law as it is drawn, so that its mean is exactly 1.
    let sum = 0;
    let squares = 0;
    for (let i = 1; i < table.length; i++) {
      const [low, high] = [table[i - 1]!, table[i]!];
      sum += (low + high) / 2;
      squares += (low * low + low * high + high * high) / 3;
    }
    const mean = sum / (table.length - 1);
    this.#quantiles = table.map((value) => value / mean);
    this.cv = Math.sqrt(squares / (table.length - 1) / mean ** 2 - 1);
  }

  /** `unit` is even in [0, 1); the mean of what is drawn is 1. */
  at(unit: number): number {
    const place = unit * (this.#quantiles.length - 1);
    const low = Math.floor(place);
    const from = this.#quantiles[low]!;
    return from + (place - low) * (this.#quantiles[low + 1]! - from);
  }
}
