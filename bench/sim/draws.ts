/**
 * Seeded draws of the laws that the yardsticks use. Gamma after Marsaglia and Tsang, "A simple
 * method for generating gamma variables" (ACM TOMS 26, 2000).
 */
import { SeededRandom } from "../../src/base/index.ts";
import { EmpiricalLaw, type EmpiricalName } from "./empirical.ts";

export type LawName = "gamma" | "lognormal" | EmpiricalName;
export const LAWS: readonly LawName[] = ["gamma", "lognormal", "empirical", "empirical-mixed"];

export class Draws {
  readonly random: SeededRandom;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  /** Uniform in [0, 1). */
  unit(): number {
    return this.random.nextUnit();
  }

  /** Polar method; the second value is thrown away to keep one draw one value. */
  normal(): number {
    for (;;) {
      const x = 2 * this.unit() - 1;
      const y = 2 * this.unit() - 1;
      const r = x * x + y * y;
      if (r > 0 && r < 1) return x * Math.sqrt((-2 * Math.log(r)) / r);
    }
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.unit());
  }

  gamma(mean: number, cv: number): number {
    const shape = 1 / (cv * cv);
    const boost = shape < 1 ? (1 - this.unit()) ** (1 / shape) : 1;
    const d = (shape < 1 ? shape + 1 : shape) - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v <= 0) continue;
      const u = 1 - this.unit();
      if (Math.log(u) < (x * x) / 2 + d - d * v + d * Math.log(v)) {
        return (mean * boost * d * v) / shape;
      }
    }
  }

  lognormal(mean: number, cv: number): number {
    const variance = Math.log(1 + cv * cv);
    return mean * Math.exp(Math.sqrt(variance) * this.normal() - variance / 2);
  }
}

/** What a law's cv really is: a recorded one has its own. */
export function cvOfLaw(law: LawName, cv: number): number {
  return law === "gamma" || law === "lognormal" ? cv : new EmpiricalLaw(law).cv;
}

/** `count` range times of one law, all of one event's shape; a recorded law has its own cv. */
export function drawTimes(
  seed: number,
  law: LawName,
  count: number,
  mean: number,
  cv: number,
): Float32Array {
  const draws = new Draws(seed);
  const draw = drawOf(draws, law, mean, cv);
  const times = new Float32Array(count);
  for (let i = 0; i < count; i++) times[i] = draw();
  return times;
}

function drawOf(draws: Draws, law: LawName, mean: number, cv: number): () => number {
  if (law === "gamma") return () => draws.gamma(mean, cv);
  if (law === "lognormal") return () => draws.lognormal(mean, cv);
  const recorded = new EmpiricalLaw(law);
  return () => mean * recorded.at(draws.unit());
}

/** Predictions that are wrong by a log-normal factor of this relative spread; 0 = perfect. */
export function drawHints(seed: number, times: Float32Array, spread: number): Float32Array {
  const draws = new Draws(seed);
  return times.map((time) => (spread > 0 ? time * draws.lognormal(1, spread) : time));
}
