/**
 * Range times of each task for forecasts, with the bias of a young task taken out: as long as more
 * ranges run than have ended, those that ended are the short ones (ages.ts). Later the cost model's
 * moving moments are as good and follow changes faster. A fit takes milliseconds, so that it is
 * kept for a while.
 */
import { Ages, type Running, type SavedAges } from "./ages.ts";
import type { Moments } from "./forecast.ts";

const FIT_AGAIN_MS = 10_000;
/** Fewer ended ranges than these say nothing of a law. */
const ENDED_MIN = 3;
/** Ages are put into bins of this share, so that a fit costs the same for 10 or 10^5 slots. */
const AGE_BINS_PER_E = 8;

interface Fit {
  readonly moments: Moments;
  readonly atMs: number;
}

export class Learning {
  readonly #ages = new Map<number, Ages>();
  readonly #fits = new Map<number, Fit>();

  observe(task: number, ranges: number, wallSum: number): void {
    if (!(wallSum > 0)) return;
    let ages = this.#ages.get(task);
    if (ages === undefined) this.#ages.set(task, (ages = new Ages()));
    ages.took(ranges, wallSum / ranges);
  }

  /**
   * @param plain moments as the cost model has them, for a task that is no longer young
   * @param running ranges that run now
   * @param ages their ages in seconds; only called where a fit is due
   */
  moments(
    task: number,
    plain: Moments,
    running: number,
    ages: () => readonly number[],
    nowMs: number,
  ): Moments {
    const known = this.#ages.get(task);
    if (known === undefined || known.count < ENDED_MIN || known.count >= running) return plain;
    const before = this.#fits.get(task);
    if (before !== undefined && nowMs - before.atMs < FIT_AGAIN_MS) return before.moments;
    const fitted = known.learn(nowMs, binned(ages()));
    const moments = fitted.mean > 0 ? fitted : plain;
    this.#fits.set(task, { moments, atMs: nowMs });
    return moments;
  }

  forget(task: number): void {
    this.#ages.delete(task);
    this.#fits.delete(task);
  }

  save(): (readonly [number, SavedAges])[] {
    return [...this.#ages].map(([task, ages]) => [task, ages.save()] as const);
  }

  load(saved: readonly (readonly [number, SavedAges])[]): void {
    for (const [task, row] of saved) {
      const ages = new Ages();
      ages.load(row);
      this.#ages.set(task, ages);
    }
  }
}

function binned(ages: readonly number[]): Running[] {
  const bins = new Map<number, { sum: number; ranges: number }>();
  for (const age of ages) {
    if (!(age > 0)) continue;
    const key = Math.floor(Math.log(age) * AGE_BINS_PER_E);
    const bin = bins.get(key);
    if (bin === undefined) bins.set(key, { sum: age, ranges: 1 });
    else {
      bin.sum += age;
      bin.ranges++;
    }
  }
  return [...bins.values()].map(({ sum, ranges }) => ({ ageSeconds: sum / ranges, ranges }));
}
