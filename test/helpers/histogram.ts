/** A one-dimensional histogram with the bins of a reference figure: [lo, hi) in equal bins. */
import type { HistogramReference } from "./shared-data.ts";

export class Histogram {
  readonly counts: number[];
  readonly sumw: number[];
  under = 0;
  over = 0;
  entries = 0;
  readonly #lo: number;
  readonly #hi: number;

  constructor(like: Pick<HistogramReference, "lo" | "hi" | "bins">) {
    this.#lo = like.lo;
    this.#hi = like.hi;
    this.counts = new Array(like.bins).fill(0);
    this.sumw = new Array(like.bins).fill(0);
  }

  fill(value: number, weight = 1): void {
    this.entries++;
    if (value < this.#lo) this.under++;
    else if (value >= this.#hi) this.over++;
    else {
      const share = (value - this.#lo) / (this.#hi - this.#lo);
      const bin = Math.floor(share * this.counts.length);
      this.counts[bin] = (this.counts[bin] as number) + 1;
      this.sumw[bin] = (this.sumw[bin] as number) + weight;
    }
  }
}

/** Invariant mass of the sum of two four-momenta [px, py, pz, E]. */
export function pairMass(a: readonly number[], b: readonly number[]): number {
  const [px, py, pz, e] = [0, 1, 2, 3].map((i) => (a[i] as number) + (b[i] as number)) as [
    number,
    number,
    number,
    number,
  ];
  return Math.sqrt(Math.max(0, e * e - px * px - py * py - pz * pz));
}

/** Invariant mass of two massless particles from pt, eta, phi. */
export function masslessPairMass(
  pt1: number,
  eta1: number,
  phi1: number,
  pt2: number,
  eta2: number,
  phi2: number,
): number {
  return Math.sqrt(2 * pt1 * pt2 * (Math.cosh(eta1 - eta2) - Math.cos(phi1 - phi2)));
}
