/**
 * What the engine has learned about the cost of ranges, per (task, node type): count, moving mean
 * and variance, largest; and per node type (queue) the start-up time S and the flush time F.
 *
 * Learned from the sums that pilots report, so it costs O(1) a report however many ranges it
 * covers. What is not known yet falls back: this node type -> the task on any node type -> the
 * task file's hints -> unknown (-1). Thin knowledge is blended with its fallback, PRIOR_RANGES
 * strong. Never NaN, never negative: reports that are neither finite nor positive are ignored.
 * A mean of 0 is knowledge (a null payload), not ignorance.
 */
import { gammaQuantile } from "./laws.ts";

/** Structurally the wire's RangeCost: sums over the ranges of a report, seconds. */
export interface CostSums {
  readonly wallSum: number;
  readonly wallSquares: number;
  readonly wallMax: number;
  readonly cpuSum: number;
}

export interface CostHints {
  readonly meanSeconds: number | null;
  readonly cv: number | null;
}

/** Ranges that the moving mean remembers: enough for 2 % at cv 1, few enough to follow a change. */
const MEMORY_RANGES = 2048;
const PRIOR_RANGES = 4;
const CV_DEFAULT = 0.5;
const CV_MAX = 10;
/** Sums beyond it (a billion seconds, squared) are nonsense. */
const SUM_MAX = 1e18;

/** Moving moments of one (task, node type), or of a task on all node types. */
export class Estimate {
  ranges = 0;
  mean = 0;
  squares = 0;
  largest = 0;
  lastMs = 0;

  add(ranges: number, cost: CostSums, nowMs: number): void {
    const weight = ranges / Math.min(this.ranges + ranges, Math.max(ranges, MEMORY_RANGES));
    this.mean += weight * (cost.wallSum / ranges - this.mean);
    this.squares += weight * (cost.wallSquares / ranges - this.squares);
    if (cost.wallMax > this.largest && cost.wallMax <= SUM_MAX) this.largest = cost.wallMax;
    this.ranges += ranges;
    this.lastMs = nowMs;
  }

  /** Spread relative to the mean; the default while fewer than three ranges were seen. */
  cv(fallback: number): number {
    if (this.ranges < 3 || this.mean <= 0) return fallback;
    const variance = this.squares - this.mean * this.mean;
    if (!(variance > 0)) return 0;
    const cv = Math.sqrt(variance) / this.mean;
    return Math.min(cv, CV_MAX);
  }
}

interface TaskCosts {
  readonly overall: Estimate;
  readonly types: Map<string, Estimate>;
  hintMean: number;
  hintCv: number;
}

/** Answer to "what do you know, and how sure are you": seconds, and relative error of the mean. */
export interface CostView {
  readonly known: "measured" | "other nodes" | "hint" | "nothing";
  readonly ranges: number;
  readonly meanSeconds: number;
  readonly cv: number;
  readonly q10: number;
  readonly q50: number;
  readonly q90: number;
  readonly largest: number;
  readonly relativeError: number;
}

type SavedEstimate = readonly [number, number, number, number, number];

export interface SavedCosts {
  readonly tasks: readonly {
    readonly task: number;
    readonly hintMean: number;
    readonly hintCv: number;
    readonly overall: SavedEstimate;
    readonly types: readonly (readonly [string, SavedEstimate])[];
  }[];
  readonly starts: readonly (readonly [string, SavedEstimate])[];
  readonly flushes: readonly (readonly [string, SavedEstimate])[];
}

export class CostModel {
  readonly #tasks = new Map<number, TaskCosts>();
  readonly #starts = new Map<string, Estimate>();
  readonly #flushes = new Map<string, Estimate>();

  setHints(task: number, hints: CostHints): void {
    const costs = this.#taskCosts(task);
    costs.hintMean = isUsable(hints.meanSeconds) ? (hints.meanSeconds as number) : -1;
    costs.hintCv = isUsable(hints.cv) ? (hints.cv as number) : -1;
  }

  observe(task: number, nodeType: string, ranges: number, cost: CostSums, nowMs: number): void {
    if (!(ranges > 0) || !isUsable(cost.wallSum) || !isUsable(cost.wallSquares)) return;
    const costs = this.#taskCosts(task);
    let estimate = costs.types.get(nodeType);
    if (estimate === undefined) {
      estimate = new Estimate();
      costs.types.set(nodeType, estimate);
    }
    estimate.add(ranges, cost, nowMs);
    costs.overall.add(ranges, cost, nowMs);
  }

  /** Seconds from an allocation's begin to its first range under way. */
  observeStartup(nodeType: string, seconds: number, nowMs: number): void {
    addOne(this.#starts, nodeType, seconds, nowMs);
  }

  /** Seconds from a range's end to its durable verdict. */
  observeFlush(nodeType: string, seconds: number, nowMs: number): void {
    addOne(this.#flushes, nodeType, seconds, nowMs);
  }

  /** Mean seconds of a range of `task` on `nodeType`; -1 when nothing is known. */
  mean(task: number, nodeType: string): number {
    const costs = this.#tasks.get(task);
    if (costs === undefined) return -1;
    const estimate = costs.types.get(nodeType);
    const here = estimate === undefined ? 0 : estimate.ranges;
    if (here >= 256) return (estimate as Estimate).mean;
    const elsewhere = costs.overall.ranges - here;
    const prior = elsewhere > 0 ? costs.overall.mean : costs.hintMean;
    if (here === 0) return prior;
    const own = (estimate as Estimate).mean;
    if (prior < 0 || elsewhere === 0) return own;
    return (own * here + prior * PRIOR_RANGES) / (here + PRIOR_RANGES);
  }

  /** Spread of range times relative to their mean; 0.5 when nothing is known. */
  cv(task: number, nodeType: string): number {
    const costs = this.#tasks.get(task);
    if (costs === undefined) return CV_DEFAULT;
    const prior = costs.overall.cv(costs.hintCv >= 0 ? costs.hintCv : CV_DEFAULT);
    return costs.types.get(nodeType)?.cv(prior) ?? prior;
  }

  /** Seconds below which a share `probability` of the ranges ends; 0 when nothing is known. */
  quantile(task: number, nodeType: string, probability: number): number {
    return gammaQuantile(this.mean(task, nodeType), this.cv(task, nodeType), probability);
  }

  startupSeconds(nodeType: string): number {
    return this.#starts.get(nodeType)?.mean ?? 0;
  }

  flushSeconds(nodeType: string): number {
    return this.#flushes.get(nodeType)?.mean ?? 0;
  }

  /** Ranges measured of a task on any node. */
  measured(task: number): number {
    return this.#tasks.get(task)?.overall.ranges ?? 0;
  }

  view(task: number, nodeType: string): CostView {
    const costs = this.#tasks.get(task);
    const here = costs?.types.get(nodeType)?.ranges ?? 0;
    const ranges = here > 0 ? here : (costs?.overall.ranges ?? 0);
    const mean = this.mean(task, nodeType);
    const cv = this.cv(task, nodeType);
    const known =
      here > 0 ? "measured" : ranges > 0 ? "other nodes" : mean >= 0 ? "hint" : "nothing";
    return {
      known,
      ranges,
      meanSeconds: mean,
      cv,
      q10: gammaQuantile(mean, cv, 0.1),
      q50: gammaQuantile(mean, cv, 0.5),
      q90: gammaQuantile(mean, cv, 0.9),
      largest: costs?.overall.largest ?? 0,
      relativeError: ranges > 0 ? cv / Math.sqrt(Math.min(ranges, MEMORY_RANGES)) : 1,
    };
  }

  forget(task: number): void {
    this.#tasks.delete(task);
  }

  save(): SavedCosts {
    return {
      tasks: [...this.#tasks].map(([task, costs]) => ({
        task,
        hintMean: costs.hintMean,
        hintCv: costs.hintCv,
        overall: packEstimate(costs.overall),
        types: packAll(costs.types),
      })),
      starts: packAll(this.#starts),
      flushes: packAll(this.#flushes),
    };
  }

  static restore(saved: SavedCosts): CostModel {
    const model = new CostModel();
    for (const row of saved.tasks) {
      const costs = model.#taskCosts(row.task);
      costs.hintMean = row.hintMean;
      costs.hintCv = row.hintCv;
      fillEstimate(costs.overall, row.overall);
      unpackAll(costs.types, row.types);
    }
    unpackAll(model.#starts, saved.starts);
    unpackAll(model.#flushes, saved.flushes);
    return model;
  }

  #taskCosts(task: number): TaskCosts {
    let costs = this.#tasks.get(task);
    if (costs === undefined) {
      costs = { overall: new Estimate(), types: new Map(), hintMean: -1, hintCv: -1 };
      this.#tasks.set(task, costs);
    }
    return costs;
  }
}

function isUsable(seconds: number | null): boolean {
  return seconds !== null && seconds >= 0 && seconds <= SUM_MAX;
}

function addOne(map: Map<string, Estimate>, key: string, seconds: number, nowMs: number): void {
  if (!isUsable(seconds)) return;
  let estimate = map.get(key);
  if (estimate === undefined) map.set(key, (estimate = new Estimate()));
  const cost = { wallSum: seconds, wallSquares: seconds ** 2, wallMax: seconds, cpuSum: 0 };
  estimate.add(1, cost, nowMs);
}

function packEstimate(estimate: Estimate): SavedEstimate {
  return [estimate.ranges, estimate.mean, estimate.squares, estimate.largest, estimate.lastMs];
}

function fillEstimate(estimate: Estimate, saved: SavedEstimate): void {
  const [ranges, mean, squares, largest, lastMs] = saved;
  if (![ranges, mean, squares, largest, lastMs].every((value) => isUsable(value))) return;
  Object.assign(estimate, { ranges, mean, squares, largest, lastMs });
}

function packAll(map: Map<string, Estimate>): (readonly [string, SavedEstimate])[] {
  return [...map].map(([key, estimate]) => [key, packEstimate(estimate)] as const);
}

function unpackAll(
  map: Map<string, Estimate>,
  saved: readonly (readonly [string, SavedEstimate])[],
): void {
  for (const [key, values] of saved) {
    const estimate = new Estimate();
    fillEstimate(estimate, values);
    map.set(key, estimate);
  }
}
