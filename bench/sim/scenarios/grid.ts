/**
 * 440 000 slots in 3 437 nodes over 150 queues on one task of 10^8 events: holes of HPC machines
 * (shaped by the tiling), 8-core grid slots, and preemptible nodes that vanish after an exponential
 * hour. What ends is submitted again at once.
 */
import { tileHoles } from "../../../src/shape/index.ts";
import { Draws, drawTimes } from "../draws.ts";
import { type NodeSpec, plainNode } from "../node-run.ts";
import { type FigureReport, mean } from "../report.ts";
import type { Settings } from "../settings.ts";
import { World } from "../world.ts";
import { COSTS, drawStaircase, TITAN } from "./holes.ts";

const EVENT_SECONDS = 60;
const EVENTS = 1e8;
const EVENTS_PER_RANGE = 10;
const HPC = { queues: 60, nodes: 1237, slots: 302_400 };
/** Fewer queues where fewer nodes are simulated. */
const QUEUE_NODES_MIN = 8;
const GRID = { queues: 60, nodes: 1200, slots: 8 };
const SPOT = { queues: 30, nodes: 1000, slots: 128 };

const KINDS = ["HPC hole", "8-core grid slot", "preemptible node"] as const;
type Kind = (typeof KINDS)[number];

/** One allocation: some nodes from `at` on; `seconds` is what they have, at most the horizon. */
interface Job {
  readonly kind: Kind;
  readonly nodes: number;
  readonly at: number;
  readonly seconds: number;
}

interface Fleet {
  readonly nodes: NodeSpec[];
  readonly jobs: Job[];
}

/** The jobs of every queue from 0 to `horizon`, as nodes with arrivals and ends. */
function fleetOf(draws: Draws, share: number, horizon: number): Fleet {
  const nodes: NodeSpec[] = [];
  const jobs: Job[] = [];
  const submit = (kind: Kind, count: number, seconds: number, spec: NodeSpec) => {
    const at = spec.arriveSeconds;
    jobs.push({ kind, nodes: count, at, seconds: Math.min(seconds, horizon - at) });
    for (let i = 0; i < count; i++) nodes.push(spec);
  };
  const hpcNodes = Math.round(HPC.nodes * share);
  const wide = Math.round(HPC.slots * share) - hpcNodes * Math.floor(HPC.slots / HPC.nodes);
  const queues = Math.min(HPC.queues, Math.ceil(hpcNodes / QUEUE_NODES_MIN));
  let made = 0;
  for (let queue = 0; queue < queues; queue++) {
    // A queue's hole is a piece of the machine: a few nodes wide here, as long as it is there.
    const width =
      Math.floor(((queue + 1) * hpcNodes) / queues) - Math.floor((queue * hpcNodes) / queues);
    const tiles = tileHoles(drawStaircase(draws), TITAN, { ...COSTS, meanSeconds: 600 });
    const wanted = tiles.reduce((sum, job) => sum + job.nodes, 0);
    let left = width;
    for (const [place, job] of tiles.entries()) {
      const share = Math.max(1, Math.round((job.nodes * width) / wanted));
      const count = place === tiles.length - 1 ? left : Math.min(left, share);
      if (count === 0) continue;
      left -= count;
      const slots = Math.floor(HPC.slots / HPC.nodes) + (made < wide ? 1 : 0);
      made += count;
      for (let at = 300 * draws.unit(); at < horizon; at += job.seconds + 900) {
        const wallSeconds = at + job.seconds;
        const spec = { ...plainNode(slots), type: `hpc${queue}`, arriveSeconds: at, wallSeconds };
        submit("HPC hole", count, job.seconds, spec);
      }
    }
  }
  for (let i = 0; i < Math.round(GRID.nodes * share); i++) {
    const type = `grid${i % GRID.queues}`;
    const arriveSeconds = 600 * draws.unit();
    const spec = { ...plainNode(GRID.slots, 1.2), type, arriveSeconds };
    submit("8-core grid slot", 1, horizon, spec);
  }
  for (let i = 0; i < Math.round(SPOT.nodes * share); i++) {
    const type = `spot${i % SPOT.queues}`;
    for (let at = 600 * draws.unit(); at < horizon; ) {
      const diesSeconds = at + draws.exponential(3600);
      const spec = { ...plainNode(SPOT.slots, 0.9), type, arriveSeconds: at, diesSeconds };
      submit("preemptible node", 1, diesSeconds - at, spec);
      at = diesSeconds + 60;
    }
  }
  return { nodes, jobs };
}

export function gridScenario(settings: Settings, report: FigureReport): void {
  const share = settings.quick ? 0.02 : 1;
  const ranges = Math.round((EVENTS / EVENTS_PER_RANGE) * share);
  const rangeSeconds = EVENT_SECONDS * EVENTS_PER_RANGE;
  const { nodes, jobs } = fleetOf(new Draws(settings.seed), share, 40_000);
  const cv = 0.5 / Math.sqrt(EVENTS_PER_RANGE);
  const world = new World({
    nodes,
    times: drawTimes(settings.seed, settings.law, ranges, rangeSeconds, cv),
    seed: settings.seed,
    lossesMax: 100,
    gapSeconds: 0.5,
  });
  const begin = performance.now();
  const tally = world.run();
  const took = (performance.now() - begin) / 1000;
  for (const kind of KINDS) reportKind(kind, jobs, world, report);
  const queues = new Set(nodes.map(({ type }) => type));
  report.add("440 000 slots: queues", queues.size, "");
  report.add("440 000 slots: slots alive at once, at most", tally.slotsMost, "");
  const missing = ranges - tally.done;
  report.add("440 000 slots: ranges not done exactly once", missing, "", { atMost: 0 });
  report.add("440 000 slots: events", ranges * EVENTS_PER_RANGE, "");
  report.add("440 000 slots: virtual makespan", tally.makespanSeconds, "s");
  report.add("440 000 slots: idle until 99 % are done", 100 * tally.idleTo99, "%");
  report.add("440 000 slots: this run took", took, "s");
}

/** What each kind of resource was asked for and given, as far as the task lasted. */
function reportKind(kind: Kind, jobs: readonly Job[], world: World, report: FigureReport): void {
  const used = jobs.filter((job) => job.kind === kind && job.at < world.tally.makespanSeconds);
  const prefix = { "HPC hole": "hpc", "8-core grid slot": "grid", "preemptible node": "spot" }[
    kind
  ];
  const nodes = world.nodes.filter(
    (node) => node.spec.type.startsWith(prefix) && node.firstGrant > 0,
  );
  const seconds = used.reduce((sum, job) => sum + job.nodes * job.seconds, 0);
  const count = used.reduce((sum, job) => sum + job.nodes, 0);
  const done = nodes.reduce((sum, node) => sum + world.tally.nodeDone[node.index]!, 0);
  const slots = mean(nodes.map((node) => node.spec.slots));
  report.add(`440 000 slots, ${kind}: jobs`, used.length, "");
  report.add(`440 000 slots, ${kind}: nodes of a job, mean`, count / used.length, "");
  report.add(`440 000 slots, ${kind}: the widest job`, widest(used), "nodes");
  report.add(`440 000 slots, ${kind}: walltime, mean over nodes`, seconds / count / 3600, "h");
  report.add(`440 000 slots, ${kind}: slots of a node, mean`, slots, "");
  const first = mean(nodes.map((node) => node.firstGrant));
  report.add(`440 000 slots, ${kind}: first grant of a node, mean`, first, "ranges");
  report.add(`440 000 slots, ${kind}: ranges that ended there`, done, "");
}

function widest(jobs: readonly Job[]): number {
  return jobs.reduce((most, job) => Math.max(most, job.nodes), 0);
}
