/**
 * 440 000 slots in 3 437 nodes over 150 queues on one task of 10^8 events: holes of HPC machines
 * (shaped by the tiling), 8-core grid slots, and preemptible nodes that vanish after an exponential
 * hour. What ends is submitted again at once.
 */
import { tileHoles } from "../../../src/shape/index.ts";
import { Draws, drawTimes } from "../draws.ts";
import { type NodeSpec, plainNode } from "../node-run.ts";
import type { FigureReport } from "../report.ts";
import type { Settings } from "../settings.ts";
import { World } from "../world.ts";
import { COSTS, drawStaircase, TITAN } from "./holes.ts";

const EVENT_SECONDS = 60;
const EVENTS = 1e8;
const EVENTS_PER_RANGE = 10;
const HPC = { queues: 60, nodes: 1237, slots: 302_400 };
const GRID = { queues: 60, nodes: 1200, slots: 8 };
const SPOT = { queues: 30, nodes: 1000, slots: 128 };

interface Fleet {
  readonly nodes: NodeSpec[];
  /** Shapes asked for, by kind: jobs, nodes, node-seconds. */
  readonly shapes: Map<string, { jobs: number; nodes: number; seconds: number }>;
}

/** The jobs of every queue from 0 to `horizon`, as nodes with arrivals and ends. */
function fleetOf(draws: Draws, share: number, horizon: number): Fleet {
  const nodes: NodeSpec[] = [];
  const shapes: Fleet["shapes"] = new Map();
  const submit = (kind: string, count: number, seconds: number, make: () => NodeSpec) => {
    const shape = shapes.get(kind) ?? { jobs: 0, nodes: 0, seconds: 0 };
    shapes.set(kind, shape);
    shape.jobs++;
    shape.nodes += count;
    shape.seconds += count * Math.min(seconds, horizon);
    for (let i = 0; i < count; i++) nodes.push(make());
  };
  const hpcNodes = Math.round(HPC.nodes * share);
  const wide = Math.round(HPC.slots * share) - hpcNodes * Math.floor(HPC.slots / HPC.nodes);
  let left = hpcNodes;
  let number = 0;
  for (let queue = 0; left > 0; queue = (queue + 1) % HPC.queues) {
    for (const job of tileHoles(drawStaircase(draws), TITAN, { ...COSTS, meanSeconds: 600 })) {
      // A queue's hole is a piece of the machine: a few nodes wide here, as long as it is there.
      const count = Math.min(left, Math.max(1, Math.round(job.nodes / 16)));
      const slots = Math.floor(HPC.slots / HPC.nodes) + (number++ < wide / count ? 1 : 0);
      left -= count;
      for (let at = 300 * draws.unit(); at < horizon; at += job.seconds + 900) {
        const wallSeconds = at + job.seconds;
        const spec = { ...plainNode(slots), type: `hpc${queue}`, arriveSeconds: at, wallSeconds };
        submit("HPC hole", count, job.seconds, () => spec);
      }
      if (left === 0) break;
    }
  }
  for (let i = 0; i < Math.round(GRID.nodes * share); i++) {
    const type = `grid${i % GRID.queues}`;
    const arriveSeconds = 600 * draws.unit();
    const spec = { ...plainNode(GRID.slots, 1.2), type, arriveSeconds };
    submit("8-core grid slot", 1, horizon, () => spec);
  }
  for (let i = 0; i < Math.round(SPOT.nodes * share); i++) {
    const type = `spot${i % SPOT.queues}`;
    for (let at = 600 * draws.unit(); at < horizon; ) {
      const diesSeconds = at + draws.exponential(3600);
      const spec = { ...plainNode(SPOT.slots, 0.9), type, arriveSeconds: at, diesSeconds };
      submit("preemptible node", 1, diesSeconds - at, () => spec);
      at = diesSeconds + 60;
    }
  }
  return { nodes, shapes };
}

export function gridScenario(settings: Settings, report: FigureReport): void {
  const share = settings.quick ? 0.02 : 1;
  const ranges = Math.round((EVENTS / EVENTS_PER_RANGE) * share);
  const mean = EVENT_SECONDS * EVENTS_PER_RANGE;
  const { nodes, shapes } = fleetOf(new Draws(settings.seed), share, 40_000);
  const cv = 0.5 / Math.sqrt(EVENTS_PER_RANGE);
  const world = new World({
    nodes,
    times: drawTimes(settings.seed, settings.law, ranges, mean, cv),
    seed: settings.seed,
    lossesMax: 100,
    gapSeconds: 0.5,
  });
  const begin = performance.now();
  const tally = world.run();
  const took = (performance.now() - begin) / 1000;
  for (const [kind, { jobs, nodes: count, seconds }] of shapes) {
    const wide = (count / jobs).toFixed(1);
    const hours = (seconds / count / 3600).toFixed(2);
    console.log(`  ${kind.padEnd(20)} ${jobs} jobs, on average ${wide} nodes for ${hours} h`);
  }
  const done: Record<string, number> = {};
  for (const node of world.nodes) {
    const kind = node.spec.type.replace(/\d+$/, "");
    done[kind] = (done[kind] ?? 0) + tally.nodeDone[node.index]!;
  }
  console.log(`  ranges done by kind: ${JSON.stringify(done)}`);
  let present = 0;
  for (const { spec } of world.nodes) if (spec.arriveSeconds < 600) present += spec.slots;
  report.add("440 000 slots: slots that arrive in the first 10 minutes", present, "");
  const missing = ranges - tally.done;
  report.add("440 000 slots: ranges not done exactly once", missing, "", { atMost: 0 });
  report.add("440 000 slots: events", ranges * EVENTS_PER_RANGE, "");
  report.add("440 000 slots: virtual makespan", tally.makespanSeconds, "s");
  report.add("440 000 slots: idle until 99 % are done", 100 * tally.idleTo99, "%");
  report.add("440 000 slots: this run took", took, "s");
}
