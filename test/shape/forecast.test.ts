import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../src/base/index.ts";
import {
  Ages,
  completedRanges,
  forecastAllocation,
  forecastTask,
  residualChance,
  splitSeconds,
} from "../../src/shape/index.ts";

/** Sums of four exponentials: gamma with cv 0.5. */
function erlang(random: SeededRandom, mean: number): number {
  let product = 1;
  for (let i = 0; i < 4; i++) product *= 1 - random.nextUnit();
  return (-mean / 4) * Math.log(product);
}

describe("forecasts", () => {
  it("predict what slots complete before a wall", () => {
    const random = new SeededRandom(3);
    const slots = 2000;
    let done = 0;
    for (let slot = 0; slot < slots; slot++) {
      let at = 0;
      for (;;) {
        at += erlang(random, 1000);
        if (at > 6000) break;
        done++;
      }
    }
    const moments = { mean: 1000, cv: 0.5 };
    const known = forecastAllocation(slots, 7000, 900, 100, moments, 0.005);
    expect(known.ranges / done).toBeCloseTo(1, 1);
    expect(known.low).toBeLessThan(done);
    expect(known.high).toBeGreaterThan(done);
    expect(completedRanges(slots, 0, moments)).toBe(0);
    expect(forecastAllocation(slots, 500, 900, 5, moments, 0).ranges).toBe(0);
  });

  it("learn the true mean while most ranges still run", () => {
    const random = new SeededRandom(5);
    const ages = new Ages();
    let short = 0;
    let ended = 0;
    for (let slot = 0; slot < 4000; slot++) {
      let at = 0;
      for (;;) {
        ages.started(1, at * 1000);
        const seconds = erlang(random, 1060);
        if (at + seconds > 600) break;
        at += seconds;
        short += seconds;
        ended++;
        ages.ended(1, seconds, at * 1000);
      }
    }
    expect(short / ended).toBeLessThan(500);
    const learned = ages.learn(600_000);
    expect(learned.mean / 1060).toBeGreaterThan(0.9);
    expect(learned.mean / 1060).toBeLessThan(1.1);
    expect(learned.cv).toBeGreaterThan(0.4);
    expect(learned.cv).toBeLessThan(0.6);
    expect(new Ages().learn(1000)).toEqual({ mean: 0, cv: 0.5 });
  });

  it("give a task an ETA between its work alone and a long tail", () => {
    const moments = { mean: 1060, cv: 0.5 };
    const eta = forecastTask(118_000, 27_200, moments, 0.01);
    const work = (118_000 * 1060) / 27_200;
    expect(eta.low).toBeLessThan(work);
    expect(eta.seconds).toBeGreaterThan(work);
    expect(eta.high).toBeGreaterThan(eta.seconds);
    expect(forecastTask(0, 5, moments, 0)).toEqual({ seconds: 0, low: 0, high: 0 });
    expect(forecastTask(5, 0, moments, 0).seconds).toBe(Number.POSITIVE_INFINITY);
    const single = forecastTask(5, 1, { mean: 10, cv: 0 }, 0);
    expect(single.seconds).toBeGreaterThan(45);
    expect(single.seconds).toBeLessThanOrEqual(50);
  });

  it("know residuals: the mean age law at work", () => {
    expect(residualChance({ mean: 100, cv: 0 }, 25)).toBe(0.75);
    expect(residualChance({ mean: 100, cv: 1 }, 100)).toBeCloseTo(Math.exp(-1), 6);
    expect(residualChance({ mean: 100, cv: 0.5 }, 0)).toBe(1);
  });

  it("split core-seconds into four parts that add up, whatever is reported", () => {
    for (const parts of [
      { useful: 70, startup: 12, edge: 9 },
      { useful: 999, startup: 12, edge: 9 },
      { useful: -5, startup: Number.NaN, edge: 300 },
    ]) {
      const split = splitSeconds(100, parts);
      expect(split.useful + split.startup + split.edge + split.idle).toBeCloseTo(100, 9);
      expect(Math.min(split.useful, split.startup, split.edge, split.idle)).toBeGreaterThanOrEqual(
        0,
      );
    }
  });
});
