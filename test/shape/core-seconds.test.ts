import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CoreSeconds, type MeasuredSplit, sumSplits } from "../../src/shape/index.ts";

const partsOf = ({ useful, startup, edge, idle }: MeasuredSplit) => [useful, startup, edge, idle];
const sumOf = (split: MeasuredSplit) => partsOf(split).reduce((sum, part) => sum + part, 0);

type Step = readonly [kind: number, seconds: number, value: number];
const steps = fc.array(
  fc.tuple(
    fc.nat(6),
    fc.oneof(fc.double({ min: 0, max: 1e4, noNaN: true }), fc.constant(0)),
    fc.oneof(fc.nat(300), fc.double(), fc.constant(Number.NaN), fc.constant(-5)),
  ),
  { maxLength: 40 },
);

/** Plays what a pilot may go through; slots x time as this test itself adds it up. */
function play(list: readonly Step[]): { split: MeasuredSplit; slotSeconds: number } {
  let seconds = new CoreSeconds();
  let nowMs = 0;
  let slots = 4;
  let isThere = true;
  let slotSeconds = 0;
  seconds.begin(slots, nowMs);
  const pass = (passed: number) => {
    nowMs += passed * 1000;
    if (isThere) slotSeconds += slots * passed;
  };
  for (const [kind, passed, value] of list) {
    pass(passed);
    const whole = Number.isFinite(value) ? Math.abs(Math.trunc(value)) % 300 : 0;
    if (kind === 0) seconds.addUseful(value);
    else if (kind === 1) seconds.addEdge(value);
    else if (kind === 2 && isThere) {
      slots = whole;
      seconds.see(slots, value, false, nowMs);
    } else if (kind === 3 && isThere) seconds.see(slots, whole, whole % 2 === 0, nowMs);
    else if (kind === 4) {
      seconds.end(nowMs);
      isThere = false;
    } else if (kind === 5 && !isThere) {
      seconds.resume(slots, nowMs, passed);
      slotSeconds += slots * passed;
      isThere = true;
    } else if (kind === 6) {
      seconds = CoreSeconds.restore(seconds.save(nowMs));
      if (isThere) seconds.resume(slots, nowMs, 0);
    }
  }
  return { split: seconds.split(nowMs, list.length), slotSeconds };
}

describe("the split of a pilot's core-seconds", () => {
  it("adds up to slots x time, whatever happens; no part is negative", () => {
    fc.assert(
      fc.property(steps, (list) => {
        const { split, slotSeconds } = play(list);
        expect(split.total).toBeCloseTo(slotSeconds, 3);
        expect(Math.abs(sumOf(split) - split.total)).toBeLessThan(1e-6 * (1 + split.total));
        for (const part of partsOf(split)) expect(part).toBeGreaterThanOrEqual(0);
        expect(split.running).toBeLessThanOrEqual(split.edge);
      }),
      { numRuns: 500 },
    );
  });

  it("keeps adding up when pilots are summed", () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 5 }), (pilots) => {
        const sum = sumSplits(pilots.map((list) => play(list).split));
        expect(Math.abs(sumOf(sum) - sum.total)).toBeLessThan(1e-6 * (1 + sum.total));
      }),
      { numRuns: 50 },
    );
  });

  it("knows start-up, work, cut and idle time of an allocation of 2 slots and 100 s", () => {
    const seconds = new CoreSeconds();
    seconds.begin(2, 0);
    seconds.addBefore(10);
    seconds.see(2, 0, false, 20_000);
    seconds.see(2, 1, false, 20_000);
    seconds.see(2, 2, false, 30_000);
    seconds.addUseful(60);
    seconds.addEdge(15);
    seconds.end(90_000);
    expect(seconds.split(500_000)).toEqual({
      total: 200,
      startup: 20 + 40 + 10,
      useful: 60,
      edge: 15,
      idle: 55,
      running: 0,
    });
  });

  it("counts what runs as edge until its word is here", () => {
    const seconds = new CoreSeconds();
    seconds.begin(1, 0);
    seconds.see(1, 1, false, 0);
    expect(seconds.split(8_000, 8)).toMatchObject({ edge: 8, running: 8, useful: 0, idle: 0 });
    seconds.addUseful(8);
    expect(seconds.split(8_000)).toMatchObject({ edge: 0, running: 0, useful: 8 });
  });

  it("does not blame the start of a pilot that finds nothing to do", () => {
    const seconds = new CoreSeconds();
    seconds.begin(4, 0);
    seconds.see(4, 0, true, 1_000);
    expect(seconds.split(11_000)).toMatchObject({ startup: 4, idle: 40 });
  });
});
