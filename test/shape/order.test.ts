import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CostOrder, Hints } from "../../src/shape/index.ts";

/** Widths of a bucket that two weights may be apart and still swap places. */
const TOLERANCE = 1.02;
const weightsOf = fc.array(fc.double({ min: 0.001, max: 1000, noNaN: true }), {
  minLength: 1,
  maxLength: 200,
});

describe("the order", () => {
  it("hands out every range once, longest first", () => {
    fc.assert(
      fc.property(weightsOf, (weights) => {
        const order = new CostOrder(weights);
        const taken: number[] = [];
        for (let range = order.takeLongest(); range >= 0; range = order.takeLongest()) {
          taken.push(range);
        }
        expect([...taken].sort((a, b) => a - b)).toEqual(weights.map((_, i) => i));
        taken.forEach((range, i) => {
          const next = taken[i + 1];
          if (next !== undefined) {
            expect(weights[range]! * TOLERANCE).toBeGreaterThanOrEqual(weights[next]!);
          }
        });
      }),
      { numRuns: 100 },
    );
  });

  it("takes the largest that fits and never one that doesn't", () => {
    const limit = fc.double({ min: 0.0005, max: 1200, noNaN: true });
    fc.assert(
      fc.property(weightsOf, fc.array(limit, { maxLength: 50 }), (weights, limits) => {
        const order = new CostOrder(weights);
        const left = new Set(weights.keys());
        for (const most of limits) {
          const range = order.takeFitting(most);
          const fitting = [...left].filter((i) => Math.fround(weights[i]!) <= most / TOLERANCE);
          if (range < 0) expect(fitting).toEqual([]);
          else {
            expect(left.delete(range)).toBe(true);
            expect(Math.fround(weights[range]!)).toBeLessThanOrEqual(most);
            const best = Math.max(0, ...fitting.map((i) => weights[i]!));
            expect(weights[range]! * TOLERANCE ** 2).toBeGreaterThanOrEqual(best);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it("gets back what was returned, and starts with what is ready after a restart", () => {
    const order = new CostOrder([1, 8, 4, 2], (range) => range !== 1);
    expect(order.count).toBe(3);
    expect(order.takeLongest()).toBe(2);
    order.giveBack(2);
    order.giveBack(1);
    expect(order.weightLeft).toBeCloseTo(15);
    expect([order.headWeight(), order.shortestWeight()]).toEqual([8, 1]);
    expect([1, 2, 3, 0].map(() => order.takeLongest())).toEqual([1, 2, 3, 0]);
    expect(order.takeLongest()).toBe(-1);
    expect(order.headWeight()).toBe(0);
  });

  it("keeps file order among alike ranges", () => {
    const order = new CostOrder(new Array(100).fill(3));
    expect(Array.from({ length: 100 }, () => order.takeLongest())).toEqual([
      ...new Array(100).keys(),
    ]);
  });
});

describe("hints", () => {
  it("learn the seconds of a weight and how wrong single predictions are", () => {
    const hints = new Hints(new CostOrder([1, 2, 3, 4]), -1);
    expect(hints.meanLeftSeconds()).toBe(-1);
    for (let i = 0; i < 1000; i++) hints.observe(1, i % 2 === 0 ? 90 : 110, 10);
    expect(hints.scale).toBeCloseTo(10, 0);
    expect(hints.spread).toBeCloseTo(0.1, 1);
    expect(hints.meanLeftSeconds()).toBeCloseTo(25, 0);
  });

  it("take their first scale from the task file's mean", () => {
    expect(new Hints(new CostOrder([1, 3]), 10).scale).toBe(5);
  });
});
