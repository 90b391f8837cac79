import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  chanceWithin,
  edgeSeconds,
  gammaCdf,
  gammaQuantile,
  logGamma,
  meanBeyond,
  normalQuantile,
} from "../../src/shape/index.ts";

describe("laws", () => {
  it("agree with values known in closed form", () => {
    expect(logGamma(1)).toBeCloseTo(0, 9);
    expect(logGamma(5)).toBeCloseTo(Math.log(24), 9);
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.sqrt(Math.PI)), 9);
    // Shape 1 is the exponential law, shape 4 an Erlang law.
    for (const x of [0.1, 1, 3, 20]) {
      expect(gammaCdf(1, x)).toBeCloseTo(1 - Math.exp(-x), 10);
      const erlang = 1 - Math.exp(-x) * (1 + x + x ** 2 / 2 + x ** 3 / 6);
      expect(gammaCdf(4, x)).toBeCloseTo(erlang, 10);
    }
    expect(normalQuantile(0.975)).toBeCloseTo(1.96, 2);
  });

  it("give quantiles that the distribution function takes back", () => {
    for (const cv of [0.2, 0.5, 0.8]) {
      for (const p of [0.05, 0.5, 0.9, 0.99]) {
        expect(chanceWithin(1060, cv, gammaQuantile(1060, cv, p))).toBeCloseTo(p, 1);
      }
    }
  });

  it("lose half a range at the wall when all are alike, and a whole one when exponential", () => {
    expect(edgeSeconds(1000, 0)).toBe(500);
    expect(edgeSeconds(1000, 1)).toBe(1000);
  });

  it("know that an exponential range has as much to go as ever", () => {
    expect(meanBeyond(100, 1, 250) - 250).toBeCloseTo(100, 4);
    expect(meanBeyond(100, 0.5, 0)).toBe(100);
  });

  it("are finite and not negative whatever comes in", () => {
    const positive = fc.double({ min: 0, max: 1e9, noNaN: true });
    const cv = fc.double({ min: 0, max: 3, noNaN: true });
    const chance = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(positive, cv, chance, positive, (mean, spread, p, seconds) => {
        const values = [
          gammaQuantile(mean, spread, p),
          chanceWithin(mean, spread, seconds),
          edgeSeconds(mean, spread),
          meanBeyond(mean, spread, seconds),
        ];
        return values.every((value) => Number.isFinite(value) && value >= 0);
      }),
      { numRuns: 300 },
    );
  });
});
