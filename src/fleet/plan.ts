/**
 * From what is free and what there is to do to the jobs to submit, with the reason for each. Pure.
 *
 *   free nodes - those our own jobs were given -> whole minutes, a lead before what ends the hole
 *     -> staircase -> nested jobs (src/shape/holes.ts) -> cut to the ranges that are left
 *
 * Each shape names its nodes: the longest holes come first, so that a long job gets the nodes that
 * are free for long and not those of its neighbour.
 */
import { counted, formatSeconds } from "../base/index.ts";
import {
  edgeSeconds,
  type HoleStep,
  type JobShape,
  type SiteLimits,
  staircaseOf,
  tileHoles,
  type WorkCosts,
} from "../shape/index.ts";
import type { QueueSettings } from "./settings.ts";
import type { FreeNode, SiteSight } from "./types.ts";
import type { Work } from "./work.ts";

export interface PlanInput {
  readonly sight: SiteSight;
  readonly settings: QueueSettings;
  readonly work: Work;
  /** S as learned, or as the settings guess it. */
  readonly startSeconds: number;
  /** Our jobs that are pending or running. */
  readonly jobsLive: number;
  /** Nodes that jobs of ours were given, also those of the site's other queues. */
  readonly taken: ReadonlySet<string>;
  /** Ranges that our live allocations will do. */
  readonly claimed: number;
}

export interface Hole {
  readonly nodes: readonly string[];
  readonly cores: number;
  readonly seconds: number;
  readonly endsSeconds: number;
  readonly why: string;
}

export interface Shape {
  readonly nodes: readonly string[];
  readonly seconds: number;
  readonly usefulNodeSeconds: number;
  /** Ranges it is expected to do; 0 where their time is not known. */
  readonly ranges: number;
  readonly reason: string;
}

export interface Plan {
  readonly holes: readonly Hole[];
  readonly steps: readonly HoleStep[];
  readonly shapes: readonly Shape[];
  /** Why there are no shapes; "" where there are. */
  readonly none: string;
  readonly notes: readonly string[];
}

/** Walltime where neither site nor settings nor anything planned ends a hole. */
const ENDLESS_SECONDS = 86_400;

export function planShapes(input: PlanInput): Plan {
  const { sight, settings, work } = input;
  const free = sight.nodes
    .filter((node) => !input.taken.has(node.name))
    .map((node) => ({ node, seconds: usableSeconds(node, sight, settings) }))
    .sort((a, b) => b.seconds - a.seconds || compareNames(a.node.name, b.node.name));
  const steps = staircaseOf(free.map(({ seconds }) => ({ nodes: 1, seconds })));
  const base = { holes: holesOf(sight), steps, notes: sight.notes };
  const places = placesPerNode(input);
  const rangesLeft = Math.max(0, work.ready - input.claimed);
  const none = whyNone(input, steps, rangesLeft);
  if (none !== "") return { ...base, shapes: [], none };
  const costs: WorkCosts = {
    coresPerNode: places,
    startSeconds: input.startSeconds,
    flushSeconds: settings.flushSeconds,
    meanSeconds: work.meanSeconds,
    cv: work.cv,
    rangesLeft,
    price: settings.price,
  };
  const limits = limitsOf(input);
  const jobs = tileHoles(steps, limits, costs);
  const nodesUseful = Math.ceil(rangesLeft / places);
  const shapes = cutToNodes(jobs, nodesUseful, limits.nodesMin).map((job): Shape => {
    const nodes = free.slice(job.firstNode, job.firstNode + job.nodes).map(({ node }) => node.name);
    const seconds = wholeMinutes(job.seconds);
    return {
      nodes,
      seconds,
      usefulNodeSeconds: job.usefulNodeSeconds,
      ranges: job.ranges,
      reason: job.reason,
    };
  });
  if (shapes.length > 0) return { ...base, shapes, none: "" };
  return { ...base, shapes, none: tooShort(steps, limits, costs) };
}

function whyNone(input: PlanInput, steps: readonly HoleStep[], rangesLeft: number): string {
  const { work, settings, jobsLive } = input;
  if (work.ready === 0) return "no range is ready: there is nothing to ask nodes for";
  if (rangesLeft === 0) return `our jobs under way will do the ${work.ready} ranges that are ready`;
  if (jobsLive >= settings.jobsMax) {
    return `${jobsLive} of ${settings.jobsMax} jobs are under way (the queue's jobsMax)`;
  }
  if (steps.length > 0) return "";
  if (input.sight.nodes.length > 0 && input.sight.nodes.every((node) => input.taken.has(node.name)))
    return "every free node is taken by our own jobs already";
  return input.sight.nodes.length === 0
    ? `none of ${input.sight.nodesTotal} nodes is free`
    : "what is free is wanted again within a minute";
}

function tooShort(steps: readonly HoleStep[], limits: SiteLimits, costs: WorkCosts): string {
  const longest = steps[0]?.seconds ?? 0;
  const lost = costs.startSeconds + costs.flushSeconds + edgeSeconds(costs.meanSeconds, costs.cv);
  if (longest <= lost) {
    return (
      `the longest hole of ${formatSeconds(longest)} brings nothing: ${formatSeconds(lost)} are ` +
      "lost at start-up, flush and wall"
    );
  }
  return (
    `no hole fits the limits: ${counted(limits.nodesMin, "node")} and ${formatSeconds(limits.secondsMin)} ` +
    `at least, and worth its price`
  );
}

/** Holes as they are, before lead and rounding: nodes with the same end and reason together. */
export function holesOf(sight: SiteSight): Hole[] {
  const groups = new Map<string, FreeNode[]>();
  for (const node of sight.nodes) {
    const key = `${node.endsSeconds} ${node.why} ${node.cores}`;
    const group = groups.get(key);
    if (group) group.push(node);
    else groups.set(key, [node]);
  }
  return [...groups.values()]
    .map((group): Hole => {
      const [first] = group as [FreeNode, ...FreeNode[]];
      return {
        nodes: group.map((node) => node.name).sort(compareNames),
        cores: first.cores,
        seconds: first.endsSeconds - sight.nowSeconds,
        endsSeconds: first.endsSeconds,
        why: first.why,
      };
    })
    .sort((a, b) => b.seconds - a.seconds);
}

/**
 * Whole minutes that a job may have on the node. The lead is for the time from this look to the
 * job's begin; where only the place's own limit ends the hole, nobody waits and none is needed.
 */
function usableSeconds(node: FreeNode, sight: SiteSight, settings: QueueSettings): number {
  const free = node.endsSeconds - sight.nowSeconds;
  const limit = sight.limits.walltimeSecondsMax;
  if (!Number.isFinite(free) && !Number.isFinite(limit)) return ENDLESS_SECONDS;
  return wholeMinutes(free >= limit ? limit : free - settings.leadSeconds);
}

const wholeMinutes = (seconds: number) => Math.max(0, Math.floor(seconds / 60) * 60);

function limitsOf({ sight, settings, jobsLive }: PlanInput): SiteLimits {
  const { limits } = sight;
  const most = settings.walltimeSecondsMax || Number.POSITIVE_INFINITY;
  return {
    nodesMin: Math.max(settings.nodesMin, limits.nodesMin),
    nodesMax: Math.min(settings.nodesMax || Number.POSITIVE_INFINITY, limits.nodesMax),
    secondsMin: Math.max(60, settings.walltimeSecondsMin),
    secondsMax: floorFinite(Math.min(most, limits.walltimeSecondsMax)),
    jobsMax: settings.jobsMax - jobsLive,
    caps: settings.caps.map((cap) => ({ ...cap, seconds: wholeMinutes(cap.seconds) })),
  };
}

const floorFinite = (seconds: number) =>
  Number.isFinite(seconds) ? wholeMinutes(seconds) : seconds;

/** Payloads that run at once on one node. */
export function placesPerNode({ sight, settings, work }: PlanInput): number {
  if (settings.slots > 0) return settings.slots;
  const cores = sight.nodes.reduce((sum, node) => sum + node.cores, 0);
  const perNode = sight.nodes.length > 0 ? cores / sight.nodes.length : 1;
  return Math.max(1, Math.floor(perNode / Math.max(1, work.coresMean)));
}

/** No more nodes than can each get a range per place: the shorter jobs go first. */
function cutToNodes(jobs: readonly JobShape[], nodesMost: number, nodesMin: number): JobShape[] {
  const kept: JobShape[] = [];
  let left = nodesMost;
  for (const job of jobs) {
    if (left <= 0) break;
    const nodes = Math.max(Math.min(job.nodes, left), Math.min(nodesMin, job.nodes));
    left -= nodes;
    if (nodes === job.nodes) kept.push(job);
    else {
      const share = nodes / job.nodes;
      kept.push({
        ...job,
        nodes,
        usefulNodeSeconds: job.usefulNodeSeconds * share,
        ranges: job.ranges * share,
        reason: `${job.reason}; ${nodes} of these nodes, more would find no ranges left`,
      });
    }
  }
  return kept;
}

/** n2 before n10. */
export function compareNames(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
