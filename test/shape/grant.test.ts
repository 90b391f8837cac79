import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type PilotSight, Shaper, type TaskSight } from "../../src/shape/index.ts";

const pilot = (over: Partial<PilotSight> = {}): PilotSight => ({
  pilot: 1,
  nodeType: "n",
  slots: 128,
  freeSlots: 1,
  held: 127,
  running: 127,
  want: 1000,
  secondsLeft: Number.POSITIVE_INFINITY,
  roundTripSeconds: 0.5,
  draining: false,
  failureStreak: 0,
  ...over,
});

const task = (over: Partial<TaskSight> = {}): TaskSight => ({
  task: 1,
  owner: "o",
  priority: 0,
  ready: 1_000_000,
  leased: 0,
  coresPerSlot: 1,
  hasHints: false,
  ...over,
});

/** A shaper that measured ranges of `mean` seconds with cv 0.5. */
function taught(mean: number, shaper = new Shaper(), id = 1): Shaper {
  const cost = {
    wallSum: 1000 * mean,
    wallSquares: 1250 * mean * mean,
    wallMax: 3 * mean,
    cpuSum: 0,
  };
  shaper.observe(id, "n", 1000, cost, 0);
  return shaper;
}

const ranges = (shaper: Shaper, at: PilotSight, ...tasks: TaskSight[]) =>
  shaper.plan(at, tasks, 0).reduce((sum, plan) => sum + plan.ranges, 0);

describe("how much", () => {
  it("is the deficit plus ceil(c L / mu) + 1", () => {
    // 128 slots, 0.5 s round trip, 20 s ranges: 3.2 end meanwhile.
    expect(ranges(taught(20), pilot(), task())).toBe(1 + 4 + 1);
    expect(ranges(taught(20), pilot({ held: 130 }), task())).toBe(1 + 5 - 3);
    expect(ranges(taught(20), pilot({ held: 133 }), task())).toBe(0);
  });

  it("is all that a pilot wants of ranges that cost nothing", () => {
    const small = pilot({ slots: 1, freeSlots: 0, held: 256, running: 1, want: 256 });
    expect(ranges(taught(1e-5), small, task())).toBe(256);
  });

  it("is all that a pilot wants once ranges end without telling a cost", () => {
    const shaper = new Shaper();
    const small = pilot({ slots: 1, freeSlots: 1, held: 0, running: 0, want: 256 });
    const first = ranges(shaper, small, task());
    expect(first).toBeGreaterThan(1);
    expect(first).toBeLessThan(256);
    expect(ranges(shaper, small, task({ ready: 999_000 }))).toBe(256);
  });

  it("is a pilot's fair share of a small bag, however much it wants", () => {
    const shaper = taught(1e-5);
    for (let other = 2; other <= 10; other++) {
      shaper.plan(pilot({ pilot: other, want: 0 }), [task()], 0);
    }
    expect(
      ranges(shaper, pilot({ freeSlots: 0, held: 128, running: 128 }), task({ ready: 100 })),
    ).toBe(10);
  });

  it("prefetches nothing once a range is longer than the work left per slot", () => {
    expect(ranges(taught(20), pilot(), task({ ready: 127 }))).toBe(1);
    expect(ranges(taught(20), pilot({ freeSlots: 0, held: 128 }), task({ ready: 127 }))).toBe(0);
  });

  it("prefetches nothing while slots are free elsewhere for all that is ready", () => {
    const shaper = taught(0.3);
    shaper.plan(pilot({ pilot: 2, freeSlots: 100, held: 28, running: 28, want: 0 }), [task()], 0);
    expect(ranges(shaper, pilot(), task({ ready: 90 }))).toBe(1);
  });

  it("is nothing for a pilot that drains", () => {
    expect(ranges(taught(20), pilot({ draining: true }), task())).toBe(0);
  });

  it("never exceeds want, ready or what makes sense, whatever is known", () => {
    const count = fc.integer({ min: 0, max: 5000 });
    const sight = fc.record({
      slots: fc.integer({ min: 0, max: 500 }),
      freeSlots: fc.integer({ min: 0, max: 500 }),
      held: count,
      running: count,
      want: count,
      secondsLeft: fc.oneof(fc.double({ min: -5, max: 1e5 }), fc.constant(Infinity)),
      roundTripSeconds: fc.double({ min: 0, max: 100, noNaN: true }),
      failureStreak: fc.integer({ min: 0, max: 5 }),
    });
    const mean = fc.oneof(fc.constant(0), fc.double({ min: 1e-6, max: 1e5, noNaN: true }));
    fc.assert(
      fc.property(sight, mean, count, fc.boolean(), (over, seconds, ready, known) => {
        const shaper = known ? taught(seconds) : new Shaper();
        const tasks = [task({ ready }), task({ task: 2, owner: "p", ready: 7, priority: 1 })];
        for (const list of [tasks.slice(0, 1), tasks]) {
          const plans = shaper.plan(pilot(over), list, 0);
          const total = plans.reduce((sum, plan) => sum + plan.ranges, 0);
          expect(total).toBeLessThanOrEqual(over.want);
          for (const plan of plans) {
            expect(Number.isInteger(plan.ranges) && plan.ranges > 0).toBe(true);
            expect(plan.ranges).toBeLessThanOrEqual(plan.task === 2 ? 7 : ready);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("before a wall", () => {
  it("starts what has a fair chance, and prefetches nothing", () => {
    const shaper = taught(1000);
    const free = pilot({ freeSlots: 10, held: 118, running: 118, secondsLeft: 900 });
    expect(ranges(shaper, free, task())).toBe(10);
  });

  it("hands the node back when nothing has", () => {
    const shaper = taught(1000);
    const late = pilot({ freeSlots: 128, held: 0, running: 0, secondsLeft: 120 });
    expect(ranges(shaper, late, task())).toBe(0);
    expect(shaper.why(late, task())).toContain("too few would end in time");
    expect(shaper.handBack(late, [task()])).toContain("120 s left");
    expect(shaper.handBack({ ...late, secondsLeft: 5000 }, [task()])).toBeNull();
    expect(shaper.handBack({ ...late, held: 1 }, [task()])).toBeNull();
    expect(shaper.handBack(late, [task({ ready: 0 })])).toBeNull();
  });

  it("follows a walltime that is shortened or extended at the next exchange", () => {
    const shaper = taught(1000);
    const sight = pilot({ freeSlots: 1, held: 127 });
    expect(ranges(shaper, { ...sight, secondsLeft: 10_000 }, task())).toBeGreaterThan(0);
    expect(ranges(shaper, { ...sight, secondsLeft: 100 }, task())).toBe(0);
    expect(ranges(shaper, { ...sight, secondsLeft: 3000 }, task())).toBeGreaterThan(0);
  });

  it("follows cores that are added or lost at the next exchange", () => {
    const shaper = taught(1000);
    expect(ranges(shaper, pilot({ slots: 256, freeSlots: 129 }), task())).toBeGreaterThanOrEqual(
      129,
    );
    expect(ranges(shaper, pilot({ slots: 64, freeSlots: 0 }), task())).toBeLessThanOrEqual(2);
  });

  it("picks the largest range whose padded prediction fits", () => {
    const shaper = taught(100);
    const weights = Array.from({ length: 200 }, (_, i) => i + 1);
    shaper.setWeights(1, weights);
    for (let i = 0; i < 3000; i++) {
      const cost = { wallSum: 100, wallSquares: 10_000, wallMax: 100, cpuSum: 0 };
      shaper.observe(1, "n", 1, cost, 0, 100);
    }
    const sight = pilot({ freeSlots: 1, secondsLeft: 50.25 });
    const [plan] = shaper.plan(sight, [task({ hasHints: true, ready: 200 })], 0);
    const predicted = weights[plan!.picks![0]!]!;
    expect(predicted).toBeLessThanOrEqual(50);
    expect(predicted).toBeGreaterThan(40);
  });
});

describe("with hints", () => {
  it("hands out the longest first and queues none behind others while it is critical", () => {
    const shaper = taught(10);
    const weights = Array.from({ length: 300 }, (_, i) => (i === 77 ? 5000 : 10));
    shaper.setWeights(1, weights);
    shaper.observe(1, "n", 1, { wallSum: 10, wallSquares: 100, wallMax: 10, cpuSum: 0 }, 0, 10);
    const hinted = task({ hasHints: true, ready: 300 });
    const [plan] = shaper.plan(pilot(), [hinted], 0);
    expect(plan).toMatchObject({ ranges: 1, picks: [77] });
    expect(shaper.predict(1, "n", 77)).toBeCloseTo(5000, 0);
  });

  it("hands out what was given back", () => {
    const shaper = taught(10);
    shaper.setWeights(1, [1, 2]);
    const hinted = task({ hasHints: true, ready: 2 });
    const sight = pilot({ freeSlots: 2, held: 0, running: 0 });
    expect(shaper.plan(sight, [hinted], 0)[0]!.picks).toEqual([1, 0]);
    expect(shaper.plan(sight, [hinted], 0)).toEqual([]);
    shaper.giveBack(1, 0, 1);
    expect(shaper.plan(sight, [hinted], 0)[0]!.picks).toEqual([0]);
  });
});

describe("slots that may not run a task", () => {
  const busy = pilot({ slots: 8, freeSlots: 0, held: 8, running: 8, want: 100 });
  const idle = pilot({ pilot: 2, slots: 100, freeSlots: 100, held: 0, running: 0, want: 0 });
  const few = task({ owner: "a", ready: 50 });

  it("do not keep others from prefetching its ranges", () => {
    const prefetched = (other: PilotSight) => {
      const shaper = taught(1);
      shaper.see(other, 0);
      return ranges(shaper, busy, few);
    };
    const alone = ranges(taught(1), busy, few);
    expect(alone).toBeGreaterThan(0);
    expect(prefetched(idle)).toBe(0);
    expect(prefetched({ ...idle, owner: "a" })).toBe(0);
    expect(prefetched({ ...idle, owner: "b" })).toBe(alone);
    expect(prefetched({ ...idle, draining: true })).toBe(alone);
  });

  it("count again when their pilot is forgotten and comes back with another key", () => {
    const shaper = taught(1);
    shaper.see({ ...idle, owner: "b" }, 0);
    shaper.forgetPilot(idle.pilot);
    shaper.see({ ...idle, owner: "a" }, 0);
    expect(ranges(shaper, busy, few)).toBe(0);
  });
});

describe("which task", () => {
  const free = pilot({ slots: 8, freeSlots: 8, held: 0, running: 0, want: 8 });

  it("is the one of the highest priority", () => {
    const plans = taught(100).plan(free, [task(), task({ task: 2, priority: 5 })], 0);
    expect(plans).toMatchObject([{ task: 2, ranges: 8 }]);
  });

  it("is another when the first has too few", () => {
    const plans = taught(100).plan(free, [task(), task({ task: 2, priority: 5, ready: 3 })], 0);
    const given = Object.fromEntries(plans.map((plan) => [plan.task, plan.ranges]));
    expect(given).toEqual({ 1: 5, 2: 3 });
  });

  it("keeps owners' core-seconds within one lease of their weights", () => {
    const shaper = taught(100);
    taught(10, shaper, 2);
    shaper.shares.setWeight("b", 3);
    const tasks = [task({ owner: "a" }), task({ task: 2, owner: "b" })];
    const seconds: Record<number, number> = { 1: 0, 2: 0 };
    for (let i = 0; i < 2000; i++) {
      for (const plan of shaper.plan(free, tasks, i)) {
        seconds[plan.task]! += plan.ranges * (plan.task === 1 ? 100 : 10);
      }
    }
    expect(Math.abs(seconds[2]! / 3 - seconds[1]!)).toBeLessThan(8 * 100);
  });

  it("does not let a newcomer catch up for the time before it came", () => {
    const shaper = taught(100);
    taught(100, shaper, 2);
    for (let i = 0; i < 500; i++) shaper.plan(free, [task({ owner: "a" })], i);
    shaper.join("b", ["a"]);
    const tasks = [task({ owner: "a" }), task({ task: 2, owner: "b" })];
    let first = 0;
    for (let i = 0; i < 10; i++) {
      for (const plan of shaper.plan(free, tasks, i)) if (plan.task === 1) first += plan.ranges;
    }
    expect(first).toBeGreaterThan(20);
  });
});

describe("a black hole", () => {
  it("gets one untried probe at a time while others succeed, and is free after a success", () => {
    const shaper = taught(100);
    shaper.plan(pilot({ pilot: 2 }), [task()], 0);
    const bad = pilot({ freeSlots: 128, held: 0, running: 0, failureStreak: 128 });
    expect(shaper.plan(bad, [task()], 0)).toEqual([]);
    expect(shaper.why(bad, task())).toContain("quarantined");
    expect(shaper.plan(bad, [task()], 20_000)).toMatchObject([{ ranges: 1, untried: true }]);
    const probing = { ...bad, held: 1, running: 1, freeSlots: 127 };
    expect(shaper.plan(probing, [task()], 21_000)).toEqual([]);
    const healed = { ...bad, failureStreak: 0 };
    expect(ranges(shaper, healed, task())).toBeGreaterThanOrEqual(128);
  });

  it("is not seen where every pilot fails: then the task is bad", () => {
    const shaper = taught(100);
    const bad = [1, 2, 3].map((number) =>
      pilot({ pilot: number, freeSlots: 128, held: 0, running: 0, failureStreak: 10 }),
    );
    for (const one of bad) shaper.plan(one, [task()], 0);
    for (const one of bad) expect(ranges(shaper, one, task())).toBeGreaterThanOrEqual(128);
  });

  it("is never seen in a single pilot", () => {
    const alone = pilot({ freeSlots: 128, held: 0, running: 0, failureStreak: 500 });
    expect(ranges(taught(1), alone, task())).toBeGreaterThanOrEqual(128);
  });
});

describe("a restart", () => {
  it("changes no decision", () => {
    const shaper = taught(20);
    taught(3, shaper, 2);
    const again = Shaper.restore(JSON.parse(JSON.stringify(shaper.save())));
    const tasks = [task(), task({ task: 2, owner: "p" })];
    expect(again.plan(pilot(), tasks, 0)).toEqual(shaper.plan(pilot(), tasks, 0));
    expect(again.costs.view(1, "n")).toEqual(shaper.costs.view(1, "n"));
  });

  it("keeps what was learned of hints", () => {
    const shaper = taught(20);
    shaper.setWeights(1, [1, 2, 3]);
    shaper.observe(1, "n", 1, { wallSum: 14, wallSquares: 196, wallMax: 14, cpuSum: 0 }, 0, 2);
    const again = Shaper.restore(JSON.parse(JSON.stringify(shaper.save())));
    again.setWeights(1, [1, 2, 3]);
    expect(again.predict(1, "n", 2)).toBe(shaper.predict(1, "n", 2));
  });
});
