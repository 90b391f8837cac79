import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CostModel } from "../../src/shape/index.ts";

const sums = (...seconds: number[]) => ({
  wallSum: seconds.reduce((sum, x) => sum + x, 0),
  wallSquares: seconds.reduce((sum, x) => sum + x * x, 0),
  wallMax: Math.max(...seconds),
  cpuSum: 0,
});

describe("the cost model", () => {
  it("knows nothing at first and says so", () => {
    const model = new CostModel();
    expect(model.mean(1, "a")).toBe(-1);
    expect(model.view(1, "a")).toMatchObject({ known: "nothing", meanSeconds: -1, q90: 0 });
  });

  it("falls back from this node type to other nodes to hints", () => {
    const model = new CostModel();
    model.setHints(1, { meanSeconds: 30, cv: 0.1 });
    expect(model.view(1, "a")).toMatchObject({ known: "hint", meanSeconds: 30, cv: 0.1 });
    model.observe(1, "b", 4, sums(10, 20, 20, 30), 0);
    expect(model.view(1, "a")).toMatchObject({ known: "other nodes", meanSeconds: 20 });
    model.observe(1, "a", 1000, sums(...new Array(1000).fill(5)), 0);
    expect(model.mean(1, "a")).toBe(5);
    expect(model.view(1, "a").known).toBe("measured");
    expect(model.view(1, "a").relativeError).toBeLessThan(model.view(1, "b").relativeError);
  });

  it("measures the spread, and follows ranges that become slower", () => {
    const model = new CostModel();
    for (let i = 0; i < 500; i++) model.observe(1, "a", 2, sums(50, 150), i);
    expect(model.mean(1, "a")).toBeCloseTo(100, 6);
    expect(model.cv(1, "a")).toBeCloseTo(0.5, 6);
    for (let i = 0; i < 5000; i++) model.observe(1, "a", 2, sums(200, 200), i);
    expect(model.mean(1, "a")).toBeGreaterThan(198);
  });

  it("takes a cost of zero as knowledge", () => {
    const model = new CostModel();
    model.observe(1, "a", 256, sums(0), 0);
    expect(model.mean(1, "a")).toBe(0);
    expect(model.view(1, "a").known).toBe("measured");
  });

  it("learns start-up and flush times of a queue", () => {
    const model = new CostModel();
    expect(model.startupSeconds("q")).toBe(0);
    model.observeStartup("q", 800, 0);
    model.observeStartup("q", 1000, 1);
    model.observeFlush("q", 2, 1);
    expect(model.startupSeconds("q")).toBe(900);
    expect(model.flushSeconds("q")).toBe(2);
  });

  it("is never NaN or negative, and survives a restart unchanged", () => {
    const wild = fc.oneof(fc.double(), fc.double({ min: 0, max: 1e6, noNaN: true }));
    const report = fc.record({
      type: fc.constantFrom("a", "b"),
      ranges: fc.oneof(fc.integer({ min: -1, max: 100 }), fc.constant(Number.NaN)),
      cost: fc.record({ wallSum: wild, wallSquares: wild, wallMax: wild, cpuSum: wild }),
    });
    fc.assert(
      fc.property(fc.array(report, { maxLength: 30 }), (reports) => {
        const model = new CostModel();
        for (const { type, ranges, cost } of reports) model.observe(1, type, ranges, cost, 5);
        const again = CostModel.restore(JSON.parse(JSON.stringify(model.save())));
        for (const type of ["a", "b", "c"]) {
          const view = model.view(1, type);
          expect(again.view(1, type)).toEqual(view);
          for (const value of [view.cv, view.q10, view.q50, view.q90, view.relativeError]) {
            expect(value).toBeGreaterThanOrEqual(0);
          }
          expect(view.meanSeconds).toBeGreaterThanOrEqual(-1);
        }
      }),
      { numRuns: 200 },
    );
  });
});
