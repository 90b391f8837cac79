/** A, B, C: the tail of a task, against an ideal queue, other policies, and with hints. */
import { Draws, drawHints, drawTimes } from "../draws.ts";
import { idealFifoSeconds } from "../ideal.ts";
import { type NodeSpec, plainNode } from "../node-run.ts";
import { plotMap, plotOccupancy } from "../plots.ts";
import type { PolicyName } from "../policies.ts";
import { type FigureReport, mean } from "../report.ts";
import { isYardstick, type Settings, type Spread, spreadName } from "../settings.ts";
import type { Tally } from "../tally.ts";
import { World } from "../world.ts";

export type TailName = "A" | "B" | "C";

interface TailSpec {
  readonly nodes: number;
  readonly slots: number;
  readonly ranges: number;
  readonly mean: number;
  readonly cv: number;
  readonly quickShare: number;
}

const SPECS: Record<TailName, TailSpec> = {
  A: { nodes: 200, slots: 136, ranges: 118_000, mean: 1060, cv: 0.5, quickShare: 0.2 },
  B: { nodes: 1000, slots: 128, ranges: 1_000_000, mean: 1060, cv: 0.5, quickShare: 0.03 },
  C: { nodes: 1000, slots: 128, ranges: 2_000_000, mean: 20, cv: 1, quickShare: 0.03 },
};

const NODE_SPEED_CV = 0.03;
const BASELINES: readonly PolicyName[] = ["raythena", "gss", "fac2", "af", "ss", "yoda"];

export interface TailRun {
  readonly meanWork: number;
  readonly longest: number;
  readonly bound: number;
  readonly fifo: number;
  readonly makespan: number;
  readonly requests: number;
  readonly tally: Tally;
}

export function runTail(
  name: TailName,
  settings: Settings,
  seed: number,
  policy: PolicyName,
  spread: Spread,
): TailRun {
  const spec = SPECS[name];
  const share = settings.quick ? spec.quickShare : 1;
  const draws = new Draws(seed + 500);
  const nodes: NodeSpec[] = Array.from({ length: Math.round(spec.nodes * share) }, () =>
    plainNode(spec.slots, 1 + NODE_SPEED_CV * draws.normal()),
  );
  const ranges = Math.round(spec.ranges * share);
  const times = drawTimes(seed, settings.law, ranges, spec.mean, settings.cv ?? spec.cv);
  const hints = spread === null ? null : drawHints(seed + 1000, times, spread);
  const world = new World({ nodes, times, hints, policy, seed, binSeconds: spec.mean / 20 });
  const tally = world.run();
  let sum = 0;
  let longest = 0;
  for (const time of times) {
    sum += time;
    if (time > longest) longest = time;
  }
  const meanWork = sum / nodes.reduce((slots, node) => slots + node.slots / node.speed, 0);
  return {
    meanWork,
    longest,
    bound: Math.max(meanWork, longest),
    fifo: idealFifoSeconds(times, nodes),
    makespan: tally.makespanSeconds,
    requests: world.engine.requests,
    tally,
  };
}

export function printTail(name: string, label: string, run: TailRun): void {
  const over = (run.makespan - run.meanWork).toFixed(0);
  const ratio = (run.makespan / run.fifo).toFixed(4);
  console.log(
    `  ${name} ${label.padEnd(24)} A ${run.meanWork.toFixed(0)} t_max ${run.longest.toFixed(0)} ` +
      `LB ${run.bound.toFixed(0)} makespan ${run.makespan.toFixed(1)} ` +
      `(A+${over}, ${ratio} x FIFO) ` +
      `idle to 99 % ${(100 * run.tally.idleTo99).toFixed(1)} % requests ${run.requests}`,
  );
}

export function tailScenario(name: TailName, settings: Settings, report: FigureReport): void {
  const seeds = Array.from({ length: settings.seeds }, (_, i) => settings.seed + i);
  if (settings.policy !== null || settings.hints !== undefined) {
    const policy = settings.policy ?? "jumbo";
    const spread = settings.hints ?? null;
    for (const seed of seeds) {
      const run = runTail(name, settings, seed, policy, spread);
      printTail(name, `${policy}, seed ${seed}`, run);
      report.add(
        `${name}: makespan, ${policy}, ${spreadName(spread)}, seed ${seed}`,
        run.makespan,
        "s",
      );
    }
    return;
  }
  const plain = sizeBlind(name, settings, seeds, report);
  const hints = hinted(name, settings, seeds, report);
  plotOccupancy(`occupancy-${name}`, `Scenario ${name}, seed ${settings.seed}`, plain.meanWork, [
    ["no hints", plain.tally],
    ["hints 30 % wrong", hints.wrong.tally],
    ["perfect hints", hints.perfect.tally],
  ]);
  plotMap(`map-${name}`, [
    [`Scenario ${name}: when ranges end, no hints`, plain.tally],
    ["the same, hints 30 % wrong", hints.wrong.tally],
  ]);
}

function sizeBlind(
  name: TailName,
  settings: Settings,
  seeds: readonly number[],
  report: FigureReport,
): TailRun {
  const runs = seeds.map((seed) => runTail(name, settings, seed, "jumbo", null));
  for (const run of runs) printTail(name, "jumbo, no hints", run);
  const ratios = runs.map((run) => run.makespan / run.fifo);
  report.add(`${name}: makespan / ideal FIFO, no hints, mean`, mean(ratios), "x", { atMost: 1.02 });
  report.add(`${name}: the same, worst seed`, Math.max(...ratios), "x");
  const ours = mean(runs.map((run) => run.makespan));
  report.add(`${name}: mean makespan, no hints`, ours, "s");
  let best = Number.POSITIVE_INFINITY;
  for (const policy of BASELINES) {
    const others = seeds.map((seed) => {
      const run = runTail(name, settings, seed, policy, null);
      printTail(name, policy, run);
      return run.makespan;
    });
    report.add(`${name}: mean makespan, ${policy}`, mean(others), "s");
    best = Math.min(best, mean(others));
  }
  // The best of six noisy means needs the full size and five seeds to mean anything.
  const goal = settings.quick ? null : { atMost: 1.02 };
  report.add(`${name}: makespan / best size-blind policy`, ours / best, "x", goal);
  const idle = mean(runs.map((run) => run.tally.idleTo99));
  report.add(`${name}: idle until 99 % are done, no hints`, 100 * idle, "%");
  return runs[0]!;
}

function hinted(
  name: TailName,
  settings: Settings,
  seeds: readonly number[],
  report: FigureReport,
): { wrong: TailRun; perfect: TailRun } {
  const wrong = seeds.map((seed) => runTail(name, settings, seed, "jumbo", 0.3));
  const perfect = seeds.map((seed) => runTail(name, settings, seed, "jumbo", 0));
  for (const run of wrong) printTail(name, "jumbo, hints 30 % wrong", run);
  for (const run of perfect) printTail(name, "jumbo, perfect hints", run);
  const own = isYardstick(settings);
  if (name === "C") {
    const over = wrong.map((run) => run.makespan - run.bound);
    const goal = own ? { atMost: 12 } : null;
    report.add("C: makespan - LB, hints 30 % wrong, worst", Math.max(...over), "s", goal);
  } else {
    const over = wrong.map((run) => (run.makespan - run.meanWork) / run.longest);
    const goal = own ? { atMost: 0.26 } : null;
    report.add(`${name}: over A / t_max, hints 30 % wrong, mean`, mean(over), "x", goal);
    report.add(`${name}: the same, worst seed`, Math.max(...over), "x");
  }
  const ratio = mean(perfect.map((run) => run.makespan)) / mean(wrong.map((run) => run.makespan));
  report.add(`${name}: makespan, perfect / 30 % wrong hints`, ratio, "x", { atMost: 1 });
  return { wrong: wrong[0]!, perfect: perfect[0]! };
}
