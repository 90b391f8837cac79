/**
 * The grant policy: how many ranges of which tasks a pilot gets now. Pure: what it sees comes in
 * as arguments, what it learned can be saved, and it keeps no books about ranges (the ledger's).
 *
 *   room   = min(want, free slots + prefetch - held unstarted)
 *   prefetch = ceil(c * L / mu) + 1     c slots, round trip L, mean range time mu
 *            = 0 while the head of the bag is longer than the residual (work left per slot): what
 *              is queued behind a long range would end the task late
 *            = 0 while fewer ranges are ready than slots are free elsewhere
 *            = 0 in the last 3 mu before a wall, where each start is fitted to the time left
 *            <= the pilot's fair share of what is ready
 *   mu tiny: as much as the pilot wants, up to its fair share, so that null payloads are limited
 *   by the wire and never by the shaper. mu unknown: a few beyond the free slots until the first
 *   report; more would queue hour-long ranges behind each other before anything is known.
 *
 * Tasks: higher priority first; inside a priority the owner served least (owner-turns.ts).
 * plan() runs on every exchange and must stay below a microsecond for one task: numbers are passed
 * as arguments and the one usual allocation is the answer.
 */
import type { SavedAges } from "./ages.ts";
import { CostModel, type CostSums, type SavedCosts } from "./cost-model.ts";
import { FIT_MEANS, fittingSeconds, luckySeconds, usableSeconds, worthStarting } from "./drain.ts";
import { FleetSlots } from "./fleet-slots.ts";
import { Hints, type SavedHints } from "./hints.ts";
import { gammaQuantile } from "./laws.ts";
import { Learning } from "./learning.ts";
import { CostOrder } from "./order.ts";
import { OwnerTurns } from "./owner-turns.ts";
import { Quarantine } from "./quarantine.ts";
import { type HolderSight, type RecallOrder, recallOrders } from "./recall.ts";
import { Shares } from "./shares.ts";
import type { GrantPlan, PilotSight, ShaperOptions, TaskSight } from "./sights.ts";
import { COPY_SHARE_MAX, type CopyCandidate, chooseCopies, slowness } from "./speculate.ts";

export interface SavedShaper {
  readonly version: 1;
  readonly costs: SavedCosts;
  readonly shares: ReturnType<Shares["save"]>;
  readonly hints: readonly (readonly [number, SavedHints])[];
  readonly ages?: readonly (readonly [number, SavedAges])[];
}

const REASON = {
  granted: 0,
  draining: 1,
  wantsNone: 2,
  quarantined: 3,
  noneReady: 4,
  slotsFull: 5,
  wallTooNear: 6,
  nothingFits: 7,
  shareTurn: 8,
} as const;
type Reason = (typeof REASON)[keyof typeof REASON];

/** Below this mean a range is cheaper than its message: the want alone limits. */
const TINY_SECONDS = 1e-3;
/** Round trips are never believed to be shorter: reports of fast loops jitter. */
const ROUND_TRIP_MIN_SECONDS = 0.01;
/** Holding slots empty for a round trip is cheap when ranges are so many times longer. */
const LONG_ROUND_TRIPS = 20;

/** Prefetch while nothing is known of a task's ranges. */
const UNKNOWN_PREFETCH = 16;
const UNLIMITED = Number.POSITIVE_INFINITY; // of tiny ranges

type MutablePlan = { -readonly [Key in keyof GrantPlan]: GrantPlan[Key] };

export class Shaper {
  readonly costs = new CostModel();
  readonly shares = new Shares();
  readonly learning = new Learning();
  readonly #prefetches: boolean;
  readonly #copyShareMax: number;
  readonly #quarantine = new Quarantine();
  readonly #hints = new Map<number, Hints>();
  readonly #savedHints = new Map<number, SavedHints>();
  readonly #owners = new Map<number, { owner: string; cores: number }>();
  readonly #fleet = new FleetSlots();
  /** Most open ranges ever seen of tasks whose cost is unknown. */
  readonly #openMost = new Map<number, number>();
  #reason: Reason = REASON.granted;
  readonly #turns = new OwnerTurns();
  #doneSeconds = 0;
  #copySeconds = 0;

  constructor(options: ShaperOptions = {}) {
    this.#prefetches = options.prefetch ?? true;
    this.#copyShareMax = options.copyShareMax ?? COPY_SHARE_MAX;
  }

  /** What to grant now; empty when nothing. */
  plan(pilot: PilotSight, tasks: readonly TaskSight[], nowMs: number): GrantPlan[] {
    this.#reason = REASON.granted;
    const row = this.#fleet.see(pilot, nowMs);
    const most = this.#most(pilot, nowMs);
    const plans: MutablePlan[] = [];
    if (most <= 0) return plans;
    if (tasks.length === 1) {
      this.#add(plans, pilot, tasks[0]!, this.#room(pilot, tasks[0]!, most, 0));
    } else {
      this.#planMany(plans, pilot, tasks, most);
    }
    for (const plan of plans) this.#fleet.occupy(row, plan.ranges);
    return plans;
  }

  /** The last plan left something wanted because no range of its tasks would end before the wall. */
  get nothingFitted(): boolean {
    return this.#reason === REASON.wallTooNear || this.#reason === REASON.nothingFits;
  }

  /**
   * An owner has a new task while those of `active` owners wait: it begins where the least served
   * of them stands, so that time away earns no credit and nobody starves behind a newcomer.
   */
  join(owner: string, active: Iterable<string>): void {
    let floor = Number.POSITIVE_INFINITY;
    for (const other of active) {
      const level = this.shares.level(other);
      if (level > 0 && level < floor) floor = level;
    }
    if (floor < Number.POSITIVE_INFINITY) this.shares.join(owner, floor);
  }

  /** Ranges of a plan that could not be leased: their charge is taken back. */
  notLeased(task: TaskSight, nodeType: string, ranges: number): void {
    this.#charge(task, nodeType, -ranges);
  }

  /** Why the pilot would (not) get ranges of the task now, for people. Changes nothing. */
  why(pilot: PilotSight, task: TaskSight): string {
    if (pilot.draining) this.#refuse(REASON.draining);
    else if (pilot.want <= 0) this.#refuse(REASON.wantsNone);
    const suspect =
      pilot.failureStreak > 0 && this.#quarantine.isSuspect(pilot.pilot, this.#fleet.size);
    if (suspect) this.#refuse(REASON.quarantined);
    const open = !pilot.draining && pilot.want > 0 && !suspect;
    const room = open ? this.#room(pilot, task, pilot.want, 0) : 0;
    if (room > 0) return `would be granted ${room} ranges now: ${this.#explainRoom(pilot, task)}`;
    const mean = this.#mean(task, pilot.nodeType);
    const left = Math.round(pilot.secondsLeft);
    switch (this.#reason) {
      case REASON.draining:
        return "the pilot is draining: it finishes what runs and takes nothing new";
      case REASON.wantsNone:
        return "the pilot wants nothing now: all its slots are taken";
      case REASON.quarantined:
        return (
          `the pilot is quarantined after ${pilot.failureStreak} failures in a row while others ` +
          `have none; its next probe is one range`
        );
      case REASON.noneReady:
        return `no range is ready: ${task.leased} are leased`;
      case REASON.wallTooNear:
        return (
          `${left} s are left and a range takes ${mean.toFixed(1)} s on average: ` +
          `too few would end in time`
        );
      case REASON.nothingFits:
        return `${left} s are left and no ready range is predicted to end in time`;
      default:
        return (
          `every slot is taken and ${pilot.held - pilot.running} ranges are queued at the pilot: ` +
          this.#explainRoom(pilot, task)
        );
    }
  }

  /**
   * Learns from a report of `ranges` finished ranges. `weightSum`: sum of their weights where the
   * task has hints (see weightOf), else 0. `pilot`: who ran them, so that slow nodes are known.
   */
  observe(
    task: number,
    nodeType: string,
    ranges: number,
    cost: CostSums,
    nowMs: number,
    weightSum = 0,
    pilot = 0,
  ): void {
    if (!(ranges > 0)) return;
    const row = pilot === 0 ? undefined : this.#fleet.row(pilot);
    if (row !== undefined) row.doneSeconds += this.#predicted(task, nodeType, ranges, weightSum);
    const info = this.#owners.get(task);
    if (info !== undefined) {
      const mean = this.costs.mean(task, nodeType);
      const predicted = ranges * (mean < 0 ? 1 : mean);
      this.shares.charge(info.owner, (cost.wallSum - predicted) * info.cores);
    }
    this.costs.observe(task, nodeType, ranges, cost, nowMs);
    this.learning.observe(task, ranges, cost.wallSum);
    if (cost.wallSum > 0) this.#doneSeconds += cost.wallSum;
    if (weightSum > 0) this.#hints.get(task)?.observe(ranges, cost.wallSum, weightSum);
  }

  /** Looks at a pilot that is granted nothing: its pace goes on all the same, or it drains now. */
  see(pilot: PilotSight, nowMs: number): void {
    this.#fleet.see(pilot, nowMs);
  }

  /** How many times slower than predicted the pilot's node is; 1 while too little was seen. */
  slowness(pilot: number, task: number, nodeType: string): number {
    const row = this.#fleet.row(pilot);
    if (row === undefined) return 1;
    const meanSeconds = this.costs.mean(task, nodeType);
    const { busySeconds, doneSeconds, running } = row;
    return slowness({ busySeconds, doneSeconds, running, meanSeconds });
  }

  /** What to take back now: see recall.ts. `hungry`: free slots that nothing ready can fill. */
  recallFor(holders: readonly HolderSight[], hungry: number): RecallOrder[] {
    return recallOrders(holders, hungry);
  }

  /** Which running ranges get a second copy now: see speculate.ts. Charges the budget. */
  copiesFor(candidates: readonly CopyCandidate[], freeSlots: number): CopyCandidate[] {
    const budget = this.#copyShareMax * this.#doneSeconds - this.#copySeconds;
    const chosen = chooseCopies(candidates, freeSlots, budget);
    for (const { predictedSeconds } of chosen) this.#copySeconds += predictedSeconds;
    return chosen;
  }

  /** A chosen copy found no slot: its charge is taken back. */
  copyNotMade(chosen: CopyCandidate): void {
    this.#copySeconds -= chosen.predictedSeconds;
  }

  /** Seconds from an allocation's begin to its first start: the S of its queue. */
  observeStart(nodeType: string, seconds: number, nowMs: number): void {
    this.costs.observeStartup(nodeType, seconds, nowMs);
  }

  setHints(task: number, meanSeconds: number | null, cv: number | null): void {
    this.costs.setHints(task, { meanSeconds, cv });
  }

  /** Cost weight of every range of a task: from now on its plans carry picks, longest first. */
  setWeights(task: number, weights: ArrayLike<number>, isReady?: (range: number) => boolean): void {
    const hinted = this.costs.measured(task) > 0 ? -1 : this.costs.mean(task, "");
    const hints = new Hints(new CostOrder(weights, isReady), hinted);
    const saved = this.#hints.get(task)?.save() ?? this.#savedHints.get(task);
    if (saved !== undefined) hints.load(saved);
    this.#hints.set(task, hints);
  }

  /** Mean seconds of the ranges left, by their weights; -1: it has none, or their scale is unknown. */
  meanLeft(task: number): number {
    return this.#hints.get(task)?.meanLeftSeconds() ?? -1;
  }

  /** Ranges left in the task's order; -1: it has no weights. */
  inOrder(task: number): number {
    return this.#hints.get(task)?.order.count ?? -1;
  }

  /** Sum of the weights of ranges first .. first+count-1; 0 without weights. */
  weightOf(task: number, first: number, count: number): number {
    const order = this.#hints.get(task)?.order;
    if (order === undefined) return 0;
    let sum = 0;
    for (let range = first; range < first + count; range++) sum += order.weightOf(range);
    return sum;
  }

  /** Predicted seconds of one range; -1 if unknown. */
  predict(task: number, nodeType: string, range: number): number {
    const hints = this.#hints.get(task);
    if (hints === undefined || hints.scale < 0) return this.costs.mean(task, nodeType);
    return hints.order.weightOf(range) * hints.scale;
  }

  /** Ranges are ready again: to be called for tasks with weights, a no-op for others. */
  giveBack(task: number, first: number, count: number): void {
    const order = this.#hints.get(task)?.order;
    if (order === undefined) return;
    for (let range = first; range < first + count; range++) order.giveBack(range);
  }

  forgetPilot(pilot: number): void {
    this.#fleet.forget(pilot);
    this.#quarantine.forget(pilot);
  }

  forgetTask(task: number): void {
    this.costs.forget(task);
    this.learning.forget(task);
    this.#hints.delete(task);
    this.#savedHints.delete(task);
    this.#owners.delete(task);
    this.#openMost.delete(task);
  }

  /** A reason to hand the node back, when nothing will ever fit its time left again; else null. */
  handBack(pilot: PilotSight, tasks: Iterable<TaskSight>): string | null {
    if (pilot.draining || pilot.held > 0 || pilot.secondsLeft === Number.POSITIVE_INFINITY) {
      return null;
    }
    let waiting = 0;
    for (const task of tasks) {
      if (task.ready === 0) continue;
      waiting += task.ready;
      if (this.#room(pilot, task, 1, 0) > 0) return null;
      if (this.#reason !== REASON.wallTooNear && this.#reason !== REASON.nothingFits) return null;
    }
    if (waiting === 0) return null;
    return `${Math.round(pilot.secondsLeft)} s left and none of ${waiting} ready ranges fits`;
  }

  save(): SavedShaper {
    return {
      version: 1,
      costs: this.costs.save(),
      shares: this.shares.save(),
      hints: [...this.#hints].map(([task, hints]) => [task, hints.save()] as const),
      ages: this.learning.save(),
    };
  }

  static restore(saved: SavedShaper, options: ShaperOptions = {}): Shaper {
    const shaper = new Shaper(options);
    Object.assign(shaper, {
      costs: CostModel.restore(saved.costs),
      shares: Shares.restore(saved.shares),
    });
    for (const [task, hints] of saved.hints) shaper.#savedHints.set(task, hints);
    shaper.learning.load(saved.ages ?? []);
    return shaper;
  }

  #predicted(task: number, nodeType: string, ranges: number, weightSum: number): number {
    const scale = weightSum > 0 ? (this.#hints.get(task)?.scale ?? -1) : -1;
    if (scale > 0) return scale * weightSum;
    return ranges * Math.max(0, this.costs.mean(task, nodeType));
  }

  /** The most the pilot may get of anything. */
  #most(pilot: PilotSight, nowMs: number): number {
    if (pilot.draining) return this.#refuse(REASON.draining);
    if (pilot.want <= 0) return this.#refuse(REASON.wantsNone);
    const allowance = this.#quarantine.allowance(
      pilot.pilot,
      pilot.failureStreak,
      pilot.held,
      this.#fleet.size,
      nowMs,
    );
    if (allowance <= 0) return this.#refuse(REASON.quarantined);
    return Math.min(pilot.want, allowance);
  }

  #refuse(reason: Reason): number {
    this.#reason = reason;
    return 0;
  }

  /** Ranges of `task` for the pilot beyond the `given` ones of this plan, `had` of this task. */
  #room(pilot: PilotSight, task: TaskSight, most: number, given: number, had = 0): number {
    const ready = task.ready - had;
    if (ready <= 0) return this.#refuse(REASON.noneReady);
    const hints = task.hasHints ? this.#hints.get(task.task) : undefined;
    const mean = this.#mean(task, pilot.nodeType);
    const deficit = pilot.freeSlots - (pilot.held - pilot.running) - given;
    if (pilot.secondsLeft < Number.POSITIVE_INFINITY && mean > 0) {
      if (!this.#fits(pilot, task, hints, mean)) return 0;
    }
    const prefetch = this.#prefetches
      ? this.#prefetch(pilot, task, ready, hints, mean, deficit)
      : 0;
    const queued =
      prefetch === UNLIMITED ? this.#fairShare(pilot, task, ready) : deficit + prefetch;
    const room = Math.min(most, Math.max(deficit, queued), ready);
    return room > 0 ? room : this.#refuse(REASON.slotsFull);
  }

  #mean(task: TaskSight, nodeType: string): number {
    if (task.hasHints) {
      const mean = this.#hints.get(task.task)?.meanLeftSeconds() ?? -1;
      if (mean >= 0) return mean;
    }
    return this.costs.mean(task.task, nodeType);
  }

  #fits(pilot: PilotSight, task: TaskSight, hints: Hints | undefined, mean: number): boolean {
    const flush = this.costs.flushSeconds(pilot.nodeType);
    const usable = usableSeconds(pilot.secondsLeft, pilot.roundTripSeconds, flush);
    if (usable >= mean * FIT_MEANS) return true;
    if (hints !== undefined && hints.scale > 0) {
      const shortest = hints.order.shortestWeight() * hints.scale;
      if (shortest <= luckySeconds(usable, hints.spread)) return true;
      return this.#refuse(REASON.nothingFits) > 0;
    }
    const cv = this.costs.cv(task.task, pilot.nodeType);
    return worthStarting(mean, cv, usable) || this.#refuse(REASON.wallTooNear) > 0;
  }

  #prefetch(
    pilot: PilotSight,
    task: TaskSight,
    ready: number,
    hints: Hints | undefined,
    mean: number,
    deficit: number,
  ): number {
    const spare = ready - Math.max(deficit, 0);
    if (spare <= 0) return 0;
    if (mean >= 0 && mean < TINY_SECONDS) return UNLIMITED;
    const elsewhere = this.#fleet.freeFor(task.owner) - (this.#fleet.row(pilot.pilot)?.free ?? 0);
    if (spare <= elsewhere) return 0;
    if (mean < 0) {
      if (hints !== undefined) return 0;
      if (this.#endsUnmeasured(task)) return UNLIMITED;
      return Math.min(UNKNOWN_PREFETCH, this.#fairShare(pilot, task, ready));
    }
    const trip = Math.max(ROUND_TRIP_MIN_SECONDS, pilot.roundTripSeconds);
    const head =
      hints !== undefined && hints.scale > 0 ? hints.order.headWeight() * hints.scale : mean;
    if (head > 2 * trip && head * this.#fleet.slotsFor(task.owner) > ready * mean) return 0;
    if (pilot.secondsLeft < FIT_MEANS * mean && mean > LONG_ROUND_TRIPS * trip) return 0;
    const believed = Math.max(trip, pilot.believedTripSeconds ?? 0);
    const covering = Math.ceil((pilot.slots * believed) / mean) + 1;
    return Math.min(covering, this.#fairShare(pilot, task, ready));
  }

  /** Ranges have ended and none told a cost: they cost nothing worth telling. */
  #endsUnmeasured(task: TaskSight): boolean {
    const open = task.ready + task.leased;
    const before = this.#openMost.get(task.task) ?? 0;
    if (open >= before) this.#openMost.set(task.task, open);
    return open < before;
  }

  /** The pilot's part of what is ready, by slots; at least one range. */
  #fairShare(pilot: PilotSight, task: TaskSight, ready: number): number {
    const slots = Math.max(this.#fleet.slotsFor(task.owner), pilot.slots);
    return Math.max(1, Math.floor((ready * pilot.slots) / slots));
  }

  #add(plans: MutablePlan[], pilot: PilotSight, task: TaskSight, room: number): number {
    if (room <= 0) return 0;
    let picks: number[] | null = null;
    if (task.hasHints) {
      picks = this.#pick(pilot, task, room);
      if (picks !== null && picks.length === 0) return 0;
    }
    const ranges = picks === null ? room : picks.length;
    this.#charge(task, pilot.nodeType, ranges);
    for (const plan of plans) {
      if (plan.task !== task.task) continue;
      plan.ranges += ranges;
      plan.picks = picks === null ? null : [...(plan.picks ?? []), ...picks];
      return ranges;
    }
    plans.push({ task: task.task, ranges, picks, untried: pilot.failureStreak > 0 });
    return ranges;
  }

  #charge(task: TaskSight, nodeType: string, ranges: number): void {
    const mean = this.#mean(task, nodeType);
    const info = this.#owners.get(task.task);
    if (info === undefined || info.cores !== task.coresPerSlot) {
      this.#owners.set(task.task, { owner: task.owner, cores: task.coresPerSlot });
    }
    this.shares.charge(task.owner, ranges * (mean < 0 ? 1 : mean) * task.coresPerSlot);
  }

  /**
   * The very ranges: longest first; where a wall is known the longest of those that are predicted
   * to end before it, and when none is, the shortest as long as it has a fair chance.
   */
  #pick(pilot: PilotSight, task: TaskSight, room: number): number[] | null {
    const hints = this.#hints.get(task.task);
    if (hints === undefined) return null;
    const flush = this.costs.flushSeconds(pilot.nodeType);
    const usable = usableSeconds(pilot.secondsLeft, pilot.roundTripSeconds, flush);
    const mean = hints.meanLeftSeconds();
    const bounded = usable < Number.POSITIVE_INFINITY && hints.scale > 0;
    const weightMax = bounded ? fittingSeconds(usable, hints.spread, mean) / hints.scale : 0;
    const luckyMax = bounded ? luckySeconds(usable, hints.spread) / hints.scale : 0;
    const { order } = hints;
    const picks: number[] = [];
    while (picks.length < room) {
      let range = bounded ? order.takeFitting(weightMax) : order.takeLongest();
      if (range < 0 && order.shortestWeight() <= luckyMax) range = order.takeShortest();
      if (range < 0) break;
      picks.push(range);
    }
    if (picks.length === 0) this.#refuse(REASON.nothingFits);
    return picks;
  }

  /**
   * Several tasks, in turns: where owners compete, quanta of half the room that is left alternate.
   */
  #planMany(
    plans: MutablePlan[],
    pilot: PilotSight,
    tasks: readonly TaskSight[],
    most: number,
  ): void {
    const turns = this.#turns;
    turns.begin(tasks, this.shares);
    let given = 0;
    while (given < most) {
      const at = turns.next();
      if (at < 0) break;
      const task = tasks[at]!;
      const room = this.#room(pilot, task, most - given, given, turns.had(at));
      const quantum = turns.rivals && room > 1 ? Math.ceil(room / 2) : room;
      const got = this.#add(plans, pilot, task, quantum);
      given += got;
      turns.took(at, got, this.shares);
    }
    if (given === 0 && this.#reason === REASON.granted) this.#refuse(REASON.noneReady);
  }

  #explainRoom(pilot: PilotSight, task: TaskSight): string {
    const view = this.costs.view(task.task, pilot.nodeType);
    if (view.known === "nothing") return "nothing is known yet of how long its ranges take";
    const q90 = gammaQuantile(view.meanSeconds, view.cv, 0.9);
    return (
      `ranges take ${view.meanSeconds.toPrecision(3)} s (q90 ${q90.toPrecision(3)} s, ` +
      `known from: ${view.known}, ${view.ranges} ranges)`
    );
  }
}
