/**
 * Allocation shaping: which jobs (nodes x walltime) to submit into the holes of a queue.
 *
 * A hole list is a staircase: the more nodes, the shorter they are all free. It is covered with
 * nested jobs, each a group of neighbouring nodes for as long as the shortest of them is free:
 *
 *   seconds ^
 *     W1    |####|
 *           |#A##|_____            A: n1 nodes for W1
 *     W2    |####|#####|           B: n2-n1 nodes for W2, ...
 *           |####|##B##|____
 *     W3    |####|#####|#C##|
 *           +----+-----+----+--> nodes, sorted by how long they are free
 *                n1    n2   n3
 *
 * What a job is worth (3-scheduling): n * max(0, W - S - F - mu(1+cv^2)/2) useful node-seconds,
 * minus `price` for each node-second charged. Sites cap the walltime of small jobs, so a wider
 * group at a lower step can be worth more than a narrow one at a higher step. A dynamic programme
 * over group borders finds the best partition for every number of jobs. Borders that can matter
 * lie at the steps, and a threshold (of a cap, of the smallest or largest job) away from one;
 * between those the value is linear in the border, so nothing is lost by looking at them only.
 */
import { counted, formatSeconds } from "../base/index.ts";
import { edgeSeconds } from "./laws.ts";

export interface HoleStep {
  /** Nodes that are free for at least `seconds`; rises while seconds falls. */
  readonly nodes: number;
  readonly seconds: number;
}

export interface SiteLimits {
  readonly nodesMin: number;
  readonly nodesMax: number;
  readonly secondsMin: number;
  readonly secondsMax: number;
  readonly jobsMax: number;
  /** Rising: jobs of fewer than `nodesBelow` nodes get at most `seconds`. */
  readonly caps: readonly { readonly nodesBelow: number; readonly seconds: number }[];
}

export interface WorkCosts {
  readonly coresPerNode: number;
  readonly startSeconds: number;
  readonly flushSeconds: number;
  /** Mean range time; 0 when unknown (then only S and F are subtracted). */
  readonly meanSeconds: number;
  readonly cv: number;
  /** Ranges that are left to be done; Infinity: never the limit. */
  readonly rangesLeft: number;
  /** Useful node-seconds that one charged node-second must bring at least (lambda), 0..1. */
  readonly price: number;
}

export interface JobShape {
  readonly nodes: number;
  readonly seconds: number;
  /** Nodes of the staircase before it. */
  readonly firstNode: number;
  readonly usefulNodeSeconds: number;
  readonly ranges: number;
  readonly reason: string;
}

export const NO_LIMITS: SiteLimits = {
  nodesMin: 1,
  nodesMax: Number.POSITIVE_INFINITY,
  secondsMin: 0,
  secondsMax: Number.POSITIVE_INFINITY,
  jobsMax: 64,
  caps: [],
};

/** Steps of nodes that are each free for some seconds: [(count, seconds)] -> staircase. */
export function staircaseOf(groups: readonly { nodes: number; seconds: number }[]): HoleStep[] {
  const bySeconds = [...groups]
    .filter((group) => group.nodes > 0 && group.seconds > 0)
    .sort((a, b) => b.seconds - a.seconds);
  const steps: HoleStep[] = [];
  let nodes = 0;
  for (const group of bySeconds) {
    nodes += group.nodes;
    const last = steps[steps.length - 1];
    if (last !== undefined && last.seconds === group.seconds) steps.pop();
    steps.push({ nodes, seconds: group.seconds });
  }
  return steps;
}

/** Node-seconds that bring events in a job: start-up, flush and edge taken off. */
export function usefulNodeSeconds(nodes: number, seconds: number, costs: WorkCosts): number {
  const edge = edgeSeconds(costs.meanSeconds, costs.cv);
  return nodes * Math.max(0, seconds - costs.startSeconds - costs.flushSeconds - edge);
}

export function walltimeCap(nodes: number, limits: SiteLimits): number {
  for (const cap of limits.caps) {
    if (nodes < cap.nodesBelow) return Math.min(cap.seconds, limits.secondsMax);
  }
  return limits.secondsMax;
}

/**
 * The best jobs for a staircase.
 * @param depth thresholds that a border may lie away from a step; 1 is within a fraction of a
 *   percent of the optimum, 3 is the optimum in every case tried against brute force
 */
export function tileHoles(
  steps: readonly HoleStep[],
  limits: SiteLimits,
  costs: WorkCosts,
  depth = 1,
): JobShape[] {
  if (steps.length === 0) return [];
  const borders = bordersOf(steps, limits, depth);
  const free = new Float64Array(borders.length);
  for (let i = 1, step = 0; i < borders.length; i++) {
    while (steps[step]!.nodes < borders[i]!) step++;
    free[i] = steps[step]!.seconds;
  }
  const jobsMax = Math.min(limits.jobsMax, borders.length - 1);
  const choice = partition(borders, free, jobsMax, limits, costs);
  const jobs: JobShape[] = [];
  for (const [from, to] of choice) {
    const nodes = borders[to]! - borders[from]!;
    const seconds = Math.min(free[to]!, walltimeCap(nodes, limits));
    jobs.push(shapeOf(nodes, seconds, borders[from]!, free[to]!, costs));
  }
  return cutToWork(jobs, costs);
}

/** Node counts at which a group may begin or end, rising from 0. */
function bordersOf(steps: readonly HoleStep[], limits: SiteLimits, depth: number): Float64Array {
  const total = steps[steps.length - 1]!.nodes;
  const thresholds = limits.caps.map((cap) => cap.nodesBelow);
  if (limits.nodesMin > 1) thresholds.push(limits.nodesMin);
  if (limits.nodesMax < total) thresholds.push(limits.nodesMax);
  const found = new Set<number>([0, ...steps.map((step) => step.nodes)]);
  let latest = [...found];
  for (let round = 0; round < depth; round++) {
    const next: number[] = [];
    for (const border of latest) {
      for (const threshold of thresholds) {
        for (const candidate of [border - threshold, border + threshold]) {
          if (candidate <= 0 || candidate >= total || found.has(candidate)) continue;
          found.add(candidate);
          next.push(candidate);
        }
      }
    }
    latest = next;
  }
  return Float64Array.from(found).sort();
}

/** Dynamic programme: best value of the nodes below each border with so many jobs. */
function partition(
  borders: Float64Array,
  free: Float64Array,
  jobsMax: number,
  limits: SiteLimits,
  costs: WorkCosts,
): [number, number][] {
  const size = borders.length;
  const worth = worthTable(borders, free, limits, costs);
  let best = new Float64Array(size);
  const from: Int32Array[] = [];
  let jobs = 0;
  for (; jobs < jobsMax; jobs++) {
    const next = best.slice();
    const choice = new Int32Array(size).fill(-1);
    let gained = false;
    for (let to = 1; to < size; to++) {
      let top = next[to]!;
      for (let at = 0; at < to; at++) {
        const value = best[at]! + worth[at * size + to]!;
        if (value > top + 1e-9) {
          top = value;
          choice[to] = at;
          gained = true;
        }
      }
      next[to] = top;
      if (next[to - 1]! > top) {
        next[to] = next[to - 1]!;
        choice[to] = -2;
      }
    }
    if (!gained) break;
    from.push(choice);
    best = next;
  }
  const groups: [number, number][] = [];
  let to = size - 1;
  for (let job = from.length - 1; job >= 0 && to > 0; ) {
    const at = from[job]![to]!;
    if (at === -2) to--;
    else {
      if (at >= 0) {
        groups.push([at, to]);
        to = at;
      }
      job--;
    }
  }
  return groups.reverse();
}

/** worth[from, to] of one job on the nodes between two borders; 0 where none may be. */
function worthTable(
  borders: Float64Array,
  free: Float64Array,
  limits: SiteLimits,
  costs: WorkCosts,
): Float64Array {
  const size = borders.length;
  const worth = new Float64Array(size * size);
  const overhead =
    costs.startSeconds + costs.flushSeconds + edgeSeconds(costs.meanSeconds, costs.cv);
  for (let from = 0; from < size; from++) {
    for (let to = from + 1; to < size; to++) {
      const nodes = borders[to]! - borders[from]!;
      if (nodes < limits.nodesMin || nodes > limits.nodesMax) continue;
      const seconds = Math.min(free[to]!, walltimeCap(nodes, limits));
      if (seconds < limits.secondsMin) continue;
      const value = nodes * (Math.max(0, seconds - overhead) - costs.price * seconds);
      if (value > 0) worth[from * size + to] = value;
    }
  }
  return worth;
}

function shapeOf(
  nodes: number,
  seconds: number,
  firstNode: number,
  freeSeconds: number,
  costs: WorkCosts,
): JobShape {
  const useful = usefulNodeSeconds(nodes, seconds, costs);
  const perRange = costs.meanSeconds > 0 ? costs.coresPerNode / costs.meanSeconds : 0;
  const why =
    seconds < freeSeconds
      ? `cut from ${formatSeconds(freeSeconds)} by the site's limit for ${counted(nodes, "node")}`
      : `${nodes === 1 ? "it is" : "they are all"} free for ${formatSeconds(freeSeconds)}`;
  const edge = edgeSeconds(costs.meanSeconds, costs.cv);
  const share = seconds > 0 ? Math.round((100 * useful) / (nodes * seconds)) : 0;
  const reason =
    `${counted(nodes, "node")} for ${formatSeconds(seconds)}: ${why}; ${share} % is useful after ` +
    `${formatSeconds(costs.startSeconds)} of start-up, ${formatSeconds(costs.flushSeconds)} of ` +
    `flush and ${formatSeconds(edge)} lost at the wall`;
  return {
    nodes,
    seconds,
    firstNode,
    usefulNodeSeconds: useful,
    ranges: useful * perRange,
    reason,
  };
}

/** Keeps the most useful jobs that the remaining ranges fill; the last one is made narrower. */
function cutToWork(jobs: JobShape[], costs: WorkCosts): JobShape[] {
  const planned = jobs.reduce((sum, job) => sum + job.ranges, 0);
  if (!(planned > costs.rangesLeft) || costs.meanSeconds <= 0) return jobs;
  const efficiency = (job: JobShape) => job.usefulNodeSeconds / (job.nodes * job.seconds);
  const kept: JobShape[] = [];
  let left = costs.rangesLeft;
  for (const job of [...jobs].sort((a, b) => efficiency(b) - efficiency(a))) {
    if (left <= 0) break;
    if (job.ranges <= left) {
      kept.push(job);
      left -= job.ranges;
      continue;
    }
    const nodes = Math.max(1, Math.ceil((job.nodes * left) / job.ranges));
    const narrow = shapeOf(nodes, job.seconds, job.firstNode, job.seconds, costs);
    kept.push({ ...narrow, reason: `${narrow.reason}; more nodes would find no ranges left` });
    left = 0;
  }
  return kept.sort((a, b) => a.firstNode - b.firstNode);
}
