/** Holes: 20 000 synthetic staircases, ours against the offline optimum and the rules of others. */
import {
  type HoleStep,
  harvesterRule,
  hyperQueueRule,
  type JobShape,
  NO_LIMITS,
  type SiteLimits,
  tileHoles,
  titanRule,
  usefulNodeSeconds,
  type WorkCosts,
} from "../../../src/shape/index.ts";
import { Draws } from "../draws.ts";
import type { FigureReport } from "../report.ts";
import type { Settings } from "../settings.ts";

/** Titan's walltime limits by job size. */
export const TITAN: SiteLimits = {
  ...NO_LIMITS,
  caps: [
    { nodesBelow: 125, seconds: 7200 },
    { nodesBelow: 312, seconds: 21_600 },
    { nodesBelow: Number.POSITIVE_INFINITY, seconds: 43_200 },
  ],
};

export const COSTS: WorkCosts = {
  coresPerNode: 16,
  startSeconds: 900,
  flushSeconds: 5,
  meanSeconds: 1060,
  cv: 0.5,
  rangesLeft: Number.POSITIVE_INFINITY,
  price: 0,
};

/** 2-6 steps, 15-1500 nodes and 0.67-12 h, both log-uniform. */
export function drawStaircase(draws: Draws): HoleStep[] {
  const count = 2 + Math.floor(5 * draws.unit());
  const logUniform = (from: number, to: number) => from * (to / from) ** draws.unit();
  const nodes = Array.from({ length: count }, () => Math.round(logUniform(15, 1500)));
  const seconds = Array.from({ length: count }, () => 3600 * logUniform(0.67, 12));
  nodes.sort((a, b) => a - b);
  seconds.sort((a, b) => b - a);
  const steps: HoleStep[] = [];
  nodes.forEach((wide, i) => {
    if (wide !== nodes[i - 1]) steps.push({ nodes: wide, seconds: seconds[i]! });
  });
  return steps;
}

export function areaOf(steps: readonly HoleStep[]): number {
  let before = 0;
  let area = 0;
  for (const step of steps) {
    area += (step.nodes - before) * step.seconds;
    before = step.nodes;
  }
  return area;
}

const usefulOf = (jobs: readonly JobShape[], costs: WorkCosts) =>
  jobs.reduce((sum, job) => sum + usefulNodeSeconds(job.nodes, job.seconds, costs), 0);

export function holesScenario(settings: Settings, report: FigureReport): void {
  const draws = new Draws(settings.seed);
  const count = settings.quick ? 2000 : 20_000;
  const sums = { ours: 0, best: 0, guessed: 0, titan: 0, harvester: 0, hyper: 0, one: 0, two: 0 };
  // S and mu as learned with errors of 20 %, drawn anew for each staircase.
  for (let i = 0; i < count; i++) {
    const steps = drawStaircase(draws);
    const area = areaOf(steps);
    const guess = {
      ...COSTS,
      startSeconds: COSTS.startSeconds * draws.lognormal(1, 0.2),
      meanSeconds: COSTS.meanSeconds * draws.lognormal(1, 0.2),
    };
    sums.ours += usefulOf(tileHoles(steps, TITAN, COSTS), COSTS) / area;
    sums.guessed += usefulOf(tileHoles(steps, TITAN, guess), COSTS) / area;
    sums.best += usefulOf(tileHoles(steps, TITAN, COSTS, 3), COSTS) / area;
    sums.two += usefulOf(tileHoles(steps, { ...TITAN, jobsMax: 2 }, COSTS), COSTS) / area;
    sums.one += usefulOf(tileHoles(steps, { ...TITAN, jobsMax: 1 }, COSTS), COSTS) / area;
    sums.titan += titanRule(steps, TITAN, COSTS, 3600) / area;
    sums.harvester += harvesterRule(steps, TITAN, COSTS) / area;
    sums.hyper += hyperQueueRule(steps, TITAN, COSTS, 7200, steps[0]!.nodes) / area;
  }
  for (const [name, label] of [
    ["hyper", "HyperQueue rule (2 h, first step's nodes)"],
    ["titan", "Titan rule (at least 1 h)"],
    ["harvester", "Harvester rule"],
    ["one", "best single rectangle"],
    ["two", "best two tiles"],
    ["ours", "ours"],
    ["best", "offline tiled optimum"],
  ] as const) {
    report.add(`holes: useful share of the area, ${label}`, (100 * sums[name]) / count, "%");
  }
  report.add("holes: ours / offline optimum", sums.ours / sums.best, "x", { atLeast: 0.97 });
  const known = "holes: the same, S and mu known to 20 %";
  report.add(known, sums.guessed / sums.best, "x", { atLeast: 0.97 });
  report.add("holes: ours / Titan rule", sums.ours / sums.titan, "x", { atLeast: 1.5 });
  report.add("holes: decision for 64 rows, CPU, median", decisionMs(draws), "ms", { atMost: 5 });
}

function decisionMs(draws: Draws): number {
  const took: number[] = [];
  for (let i = 0; i < 21; i++) {
    const nodes = Array.from({ length: 64 }, () => Math.ceil(3000 * draws.unit()));
    const seconds = Array.from({ length: 64 }, () => 43_200 * draws.unit());
    nodes.sort((a, b) => a - b);
    seconds.sort((a, b) => b - a);
    const steps = nodes
      .map((wide, k) => ({ nodes: wide, seconds: seconds[k]! }))
      .filter((step, k) => step.nodes !== nodes[k - 1]);
    const begin = process.threadCpuUsage();
    tileHoles(steps, TITAN, COSTS);
    const { user, system } = process.threadCpuUsage(begin);
    took.push((user + system) / 1000);
  }
  return took.sort((a, b) => a - b)[10]!;
}
