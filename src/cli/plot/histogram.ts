/** A one-dimensional histogram of counts: fixed bins, what lies outside kept apart. */
import { assert } from "../../base/index.ts";

export interface Histogram {
  readonly low: number;
  readonly high: number;
  readonly counts: Float64Array;
  under: number;
  over: number;
  entries: number;
}

export function createHistogram(low: number, high: number, bins: number): Histogram {
  assert(high > low && bins >= 1, `histogram of ${bins} bins from ${low} to ${high}`);
  return { low, high, counts: new Float64Array(bins), under: 0, over: 0, entries: 0 };
}

/** Lower edges belong to a bin, upper ones to the next; NaN is not counted. */
export function fillHistogram(histogram: Histogram, value: number): void {
  if (Number.isNaN(value)) return;
  const { low, high, counts } = histogram;
  histogram.entries++;
  if (value < low) histogram.under++;
  else if (value >= high) histogram.over++;
  else {
    const bin = Math.floor(((value - low) / (high - low)) * counts.length);
    counts[Math.min(bin, counts.length - 1)]! += 1;
  }
}

/** Index of the fullest bin, and its centre. */
export function peakOf(histogram: Histogram): { bin: number; centre: number; count: number } {
  const { low, high, counts } = histogram;
  let bin = 0;
  for (let i = 1; i < counts.length; i++) {
    if ((counts[i] as number) > (counts[bin] as number)) bin = i;
  }
  const width = (high - low) / counts.length;
  return { bin, centre: low + (bin + 0.5) * width, count: counts[bin] as number };
}

/** Sums neighbouring bins so that at most `binsMax` are left; the last may be cut short. */
export function rebin(histogram: Histogram, binsMax: number): Histogram {
  const { low, high, counts } = histogram;
  const group = Math.ceil(counts.length / Math.max(1, binsMax));
  if (group === 1) return histogram;
  const bins = Math.ceil(counts.length / group);
  const width = (high - low) / counts.length;
  const summed = createHistogram(low, low + bins * group * width, bins);
  for (let i = 0; i < counts.length; i++) {
    summed.counts[Math.floor(i / group)]! += counts[i] as number;
  }
  return Object.assign(summed, {
    under: histogram.under,
    over: histogram.over,
    entries: histogram.entries,
  });
}
