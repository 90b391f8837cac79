import { describe, expect, it } from "vitest";
import {
  COPY_SHARE_MAX,
  type CopyCandidate,
  chooseCopies,
  type PilotSight,
  Shaper,
  slowness,
} from "../../src/shape/index.ts";

const candidate = (over: Partial<CopyCandidate>): CopyCandidate => ({
  pilot: 1,
  range: 0,
  ageSeconds: 100,
  predictedSeconds: 1000,
  cv: 0.5,
  slowness: 5,
  ...over,
});

describe("speculation", () => {
  it("never copies a long range of a healthy node", () => {
    expect(chooseCopies([candidate({ slowness: 1, ageSeconds: 9000 })], 10, 1e9)).toEqual([]);
    expect(chooseCopies([candidate({ slowness: 1.3 })], 10, 1e9)).toEqual([]);
  });

  it("copies what has most left on slow nodes, within slots and budget", () => {
    const candidates = [0, 2000, 4000].map((ageSeconds, range) => candidate({ range, ageSeconds }));
    const ranges = (free: number, budget: number) =>
      chooseCopies(candidates, free, budget).map((copy) => copy.range);
    expect(ranges(2, 1e9)).toEqual([0, 1]);
    expect(ranges(9, 1500)).toEqual([0]);
    expect(ranges(9, 0)).toEqual([]);
  });

  it("judges a node only after it has worked for a while", () => {
    const pace = { busySeconds: 50_000, doneSeconds: 10_000, running: 10, meanSeconds: 1000 };
    expect(slowness(pace)).toBeGreaterThan(2);
    expect(slowness({ ...pace, busySeconds: 5000 })).toBe(1);
    expect(slowness({ ...pace, doneSeconds: 45_000 })).toBeLessThan(1.1);
    expect(slowness({ ...pace, meanSeconds: -1 })).toBe(1);
  });

  it("measures a pilot's pace from its exchanges, and keeps copies below their share", () => {
    const shaper = new Shaper();
    const sight = (pilot: number): PilotSight => ({
      pilot,
      nodeType: "n",
      slots: 10,
      freeSlots: 0,
      held: 10,
      running: 10,
      want: 0,
      secondsLeft: Number.POSITIVE_INFINITY,
      roundTripSeconds: 0.1,
      draining: false,
      failureStreak: 0,
    });
    const report = (pilot: number, ranges: number, nowMs: number) => {
      const cost = { wallSum: ranges * 100, wallSquares: ranges * 1e4, wallMax: 100, cpuSum: 0 };
      shaper.observe(1, "n", ranges, cost, nowMs, 0, pilot);
      shaper.plan(sight(pilot), [], nowMs);
    };
    for (let second = 0; second <= 1000; second += 100) {
      report(1, 10, second * 1000);
      report(2, 2, second * 1000);
    }
    expect(shaper.slowness(1, 1, "n")).toBeLessThan(1.2);
    expect(shaper.slowness(2, 1, "n")).toBeGreaterThan(2);
    const done = 11 * 12 * 100;
    const candidates = Array.from({ length: 100 }, (_, range) =>
      candidate({ range, predictedSeconds: 100, ageSeconds: 0 }),
    );
    const copies =
      shaper.copiesFor(candidates, 100).length + shaper.copiesFor(candidates, 100).length;
    expect(copies * 100).toBeLessThanOrEqual(COPY_SHARE_MAX * done);
    expect(copies).toBe(2);
  });
});
