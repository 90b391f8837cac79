import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type HoleStep,
  harvesterRule,
  hyperQueueRule,
  NO_LIMITS,
  type SiteLimits,
  staircaseOf,
  tileHoles,
  titanRule,
  usefulNodeSeconds,
  type WorkCosts,
  walltimeCap,
} from "../../src/shape/index.ts";

const COSTS: WorkCosts = {
  coresPerNode: 10,
  startSeconds: 900,
  flushSeconds: 5,
  meanSeconds: 1000,
  cv: 0.5,
  rangesLeft: Number.POSITIVE_INFINITY,
  price: 0,
};
const OVERHEAD = 900 + 5 + 625;
const HOUR = 3600;

const useful = (jobs: readonly { usefulNodeSeconds: number }[]) =>
  jobs.reduce((sum, job) => sum + job.usefulNodeSeconds, 0);

/** Best value over every way to put single nodes into jobs, or into none. */
function bruteForce(steps: readonly HoleStep[], limits: SiteLimits, costs: WorkCosts): number {
  const free: number[] = [];
  for (const step of steps) while (free.length < step.nodes) free.push(step.seconds);
  const groups: { nodes: number; seconds: number }[] = [];
  let best = 0;
  const place = (node: number): void => {
    if (node === free.length) {
      let sum = 0;
      for (const { nodes, seconds } of groups) {
        const walltime = Math.min(seconds, walltimeCap(nodes, limits));
        if (nodes < limits.nodesMin || nodes > limits.nodesMax) return;
        if (walltime < limits.secondsMin) return;
        sum += usefulNodeSeconds(nodes, walltime, costs) - costs.price * nodes * walltime;
      }
      best = Math.max(best, sum);
      return;
    }
    place(node + 1);
    for (let at = 0; at <= groups.length && at < limits.jobsMax; at++) {
      const old = groups[at];
      if (old === undefined) groups.push({ nodes: 1, seconds: free[node]! });
      else groups[at] = { nodes: old.nodes + 1, seconds: Math.min(old.seconds, free[node]!) };
      place(node + 1);
      if (old === undefined) groups.pop();
      else groups[at] = old;
    }
  };
  place(0);
  return best;
}

describe("tiling holes", () => {
  it("nests jobs: the long-free nodes for long, the others for as long as they are free", () => {
    const steps = [
      { nodes: 10, seconds: 10 * HOUR },
      { nodes: 30, seconds: 2 * HOUR },
    ];
    const jobs = tileHoles(steps, NO_LIMITS, COSTS);
    expect(jobs).toMatchObject([
      { nodes: 10, seconds: 10 * HOUR, firstNode: 0 },
      { nodes: 20, seconds: 2 * HOUR, firstNode: 10 },
    ]);
    expect(jobs[0]!.usefulNodeSeconds).toBe(10 * (10 * HOUR - OVERHEAD));
    expect(jobs[0]!.ranges).toBeCloseTo((10 * 10 * (10 * HOUR - OVERHEAD)) / 1000);
    expect(jobs[0]!.reason).toContain("free for 10h 0m");
  });

  it("finds holes worthless that start-up, flush and edge use up", () => {
    expect(tileHoles([{ nodes: 99, seconds: OVERHEAD }], NO_LIMITS, COSTS)).toEqual([]);
    expect(tileHoles([], NO_LIMITS, COSTS)).toEqual([]);
  });

  it("asks for fewer, wider jobs when the site allows few", () => {
    const steps = [10, 20, 30].map((nodes) => ({ nodes, seconds: ((40 - nodes) / 3) * HOUR }));
    const limits = { ...NO_LIMITS, jobsMax: 2 };
    expect(tileHoles(steps, limits, COSTS)).toHaveLength(2);
  });

  it("widens a job to come under a longer walltime limit, and says so", () => {
    const limits: SiteLimits = { ...NO_LIMITS, caps: [{ nodesBelow: 20, seconds: 2 * HOUR }] };
    const steps = [
      { nodes: 15, seconds: 12 * HOUR },
      { nodes: 100, seconds: 8 * HOUR },
    ];
    const jobs = tileHoles(steps, limits, COSTS);
    expect(jobs).toMatchObject([{ nodes: 100, seconds: 8 * HOUR }]);
    const narrow = tileHoles([steps[0]!], limits, COSTS);
    expect(narrow).toMatchObject([{ nodes: 15, seconds: 2 * HOUR }]);
    expect(narrow[0]!.reason).toContain("cut from 12h 0m by the site's limit");
  });

  it("does not ask for more than the ranges that are left", () => {
    const steps = [{ nodes: 100, seconds: 5 * HOUR }];
    const [job] = tileHoles(steps, NO_LIMITS, { ...COSTS, rangesLeft: 1000 });
    expect(job!.nodes).toBeLessThan(10);
    expect(job!.ranges).toBeGreaterThanOrEqual(1000);
    expect(job!.reason).toContain("no ranges left");
  });

  it("does not pay more for charged time than it is worth", () => {
    const steps = [
      { nodes: 5, seconds: 10 * HOUR },
      { nodes: 9, seconds: 0.6 * HOUR },
    ];
    expect(tileHoles(steps, NO_LIMITS, COSTS)).toHaveLength(2);
    expect(tileHoles(steps, NO_LIMITS, { ...COSTS, price: 0.5 })).toHaveLength(1);
  });

  it("is as good as trying every set of jobs", () => {
    const group = fc.record({
      nodes: fc.integer({ min: 1, max: 3 }),
      seconds: fc.integer({ min: 1000, max: 12 * HOUR }),
    });
    const limits = fc.record({
      nodesMin: fc.integer({ min: 1, max: 2 }),
      nodesMax: fc.integer({ min: 2, max: 7 }),
      jobsMax: fc.integer({ min: 1, max: 4 }),
      cap: fc.integer({ min: 2, max: 5 }),
      capHours: fc.integer({ min: 1, max: 6 }),
      price: fc.constantFrom(0, 0.3),
    });
    fc.assert(
      fc.property(fc.array(group, { minLength: 1, maxLength: 3 }), limits, (groups, drawn) => {
        const steps = staircaseOf(groups);
        fc.pre(steps[steps.length - 1]!.nodes <= 7);
        const site: SiteLimits = {
          ...NO_LIMITS,
          ...drawn,
          secondsMin: 0.5 * HOUR,
          caps: [
            { nodesBelow: drawn.cap, seconds: drawn.capHours * HOUR },
            { nodesBelow: Number.POSITIVE_INFINITY, seconds: 10 * HOUR },
          ],
        };
        const costs = { ...COSTS, price: drawn.price };
        const jobs = tileHoles(steps, site, costs, 3);
        const paid = jobs.reduce((sum, job) => sum + costs.price * job.nodes * job.seconds, 0);
        expect(useful(jobs) - paid).toBeCloseTo(bruteForce(steps, site, costs), 3);
        let used = 0;
        for (const job of jobs) {
          expect(job.firstNode).toBeGreaterThanOrEqual(used);
          used = job.firstNode + job.nodes;
          const shortest = steps.find((step) => step.nodes >= used)!.seconds;
          expect(job.seconds).toBeLessThanOrEqual(shortest);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("builds the staircase from groups of nodes in any order", () => {
    expect(
      staircaseOf([
        { nodes: 3, seconds: 100 },
        { nodes: 2, seconds: 900 },
        { nodes: 0, seconds: 500 },
        { nodes: 1, seconds: 100 },
      ]),
    ).toEqual([
      { nodes: 2, seconds: 900 },
      { nodes: 6, seconds: 100 },
    ]);
  });
});

describe("the rules of others", () => {
  const steps = [
    { nodes: 10, seconds: 10 * HOUR },
    { nodes: 40, seconds: 2 * HOUR },
  ];

  it("take one rectangle each", () => {
    expect(titanRule(steps, NO_LIMITS, COSTS, HOUR)).toBe(40 * (2 * HOUR - 120 - OVERHEAD));
    expect(titanRule(steps, NO_LIMITS, COSTS, 3 * HOUR)).toBe(10 * (10 * HOUR - 120 - OVERHEAD));
    expect(harvesterRule(steps, NO_LIMITS, COSTS)).toBe(10 * (10 * HOUR - OVERHEAD));
    expect(hyperQueueRule(steps, NO_LIMITS, COSTS, 2 * HOUR, 40)).toBe(40 * (2 * HOUR - OVERHEAD));
    expect(hyperQueueRule(steps, NO_LIMITS, COSTS, 3 * HOUR, 40)).toBe(0);
  });

  it("never beat the tiling", () => {
    const ours = useful(tileHoles(steps, NO_LIMITS, COSTS));
    expect(ours).toBeGreaterThan(titanRule(steps, NO_LIMITS, COSTS, HOUR));
    expect(ours).toBeGreaterThan(harvesterRule(steps, NO_LIMITS, COSTS));
  });
});
