/** Nodes that vanish, that are slow, that fail everything, that lie about their cores. */
import { Draws, drawTimes } from "../draws.ts";
import { type NodeSpec, plainNode } from "../node-run.ts";
import type { FigureReport } from "../report.ts";
import type { Settings } from "../settings.ts";
import { World } from "../world.ts";

const MEAN = 1060;
const SLOTS = 136;

/** Preemptible nodes: each lives an exponential hour, and is replaced at once. */
export function spotScenario(settings: Settings, report: FigureReport): void {
  const draws = new Draws(settings.seed);
  const lines = settings.quick ? 20 : 100;
  const horizon = 4 * 3600;
  const nodes: NodeSpec[] = [];
  for (let line = 0; line < lines; line++) {
    for (let at = 0; at < horizon; ) {
      const end = at + draws.exponential(3600);
      nodes.push({ ...plainNode(64), arriveSeconds: at, diesSeconds: end });
      at = end;
    }
  }
  const ranges = Math.ceil((lines * 64 * horizon) / MEAN) * 2;
  const world = new World({
    nodes,
    times: drawTimes(settings.seed, settings.law, ranges, MEAN, 0.5),
    seed: settings.seed,
    untilSeconds: horizon,
    lossesMax: 50,
  });
  const tally = world.run();
  const bound = tally.capacitySeconds - tally.cutSeconds - runningSeconds(world, horizon);
  const useful = tally.usefulSeconds / bound;
  report.add("spot: useful / bound for started work", useful, "", { atLeast: 0.99 });
  const share = tally.untold / Math.max(1, tally.finishedRanges);
  report.add("spot: done but untold at a kill, share of done", share, "", { atMost: 0.001 });
  report.add("spot: share of slot time lost with killed nodes", cutShare(world), "");
}

function cutShare(world: World): number {
  return world.tally.cutSeconds / world.tally.capacitySeconds;
}

/** What still runs at the end is neither useful nor lost yet. */
function runningSeconds(world: World, horizon: number): number {
  let sum = 0;
  for (const node of world.nodes) {
    if (node.alive)
      for (const { ageSeconds } of world.runningOn(node.index, horizon)) sum += ageSeconds;
  }
  return sum;
}

interface Team {
  readonly makespan: number;
  readonly world: World;
}

function team(settings: Settings, odd: Partial<NodeSpec> | null, copies: boolean): Team {
  const count = settings.quick ? 30 : 100;
  const nodes: NodeSpec[] = Array.from({ length: count }, () => plainNode(SLOTS));
  if (odd === null) nodes.pop();
  else nodes[count - 1] = { ...nodes[count - 1]!, ...odd };
  const times = drawTimes(settings.seed, settings.law, count * 590, MEAN, 0.5);
  const world = new World({ nodes, times, seed: settings.seed, speculation: copies });
  return { makespan: world.run().makespanSeconds, world };
}

export function oddNodeScenario(settings: Settings, report: FigureReport): void {
  const without = team(settings, null, false).makespan;
  for (const [name, speed] of [
    ["slow node (5 x)", 5],
    ["node with half the cores it says", 2],
  ] as const) {
    const plain = team(settings, { speed }, false);
    const helped = team(settings, { speed }, true);
    const { tally, engine } = helped.world;
    report.add(`${name}: makespan / without it, no copies`, plain.makespan / without, "x");
    report.add(`${name}: makespan / without it`, helped.makespan / without, "x", { atMost: 1.05 });
    const extra = engine.copySeconds / tally.usefulSeconds;
    report.add(`${name}: extra work by copies`, extra, "", { atMost: 0.02 });
    report.add(`${name}: copies`, engine.copiesMade, "");
  }
  const hole = team(settings, { failSeconds: 1 }, false);
  const { tally, engine } = hole.world;
  report.add("black hole: makespan / without it", hole.makespan / without, "x", { atMost: 1.02 });
  report.add("black hole: ranges failed for good", tally.failedForGood, "", { atMost: 0 });
  report.add("black hole: starts burnt / its slots", engine.failures / SLOTS, "x", { atMost: 2 });
}
