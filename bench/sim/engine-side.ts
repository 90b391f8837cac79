/**
 * The engine's half of the simulator: the production ledger and shaper, and where asked the
 * production codec on both directions, under virtual time. It stands where the broker stands;
 * what it adds itself is only the list of pilots whose want is parked.
 *
 * CPU is this thread's time between a frame's arrival and its answers' bytes (codec runs only).
 */
import {
  type LeaseId,
  NO_BUNDLE,
  type PilotNumber,
  type RangeIndex,
  type ReasonId,
  type TaskId,
} from "../../src/base/index.ts";
import { Ledger } from "../../src/ledger/index.ts";
import {
  type CopyCandidate,
  type HolderSight,
  type PilotSight,
  type RecallOrder,
  Shaper,
  SLOW_FROM,
  type TaskSight,
} from "../../src/shape/index.ts";
import { decodePayload, encodeFrame, FRAME_PREFIX_BYTES } from "../../src/wire/index.ts";
import { blocksOf, encodeWord, spread } from "./frames.ts";
import { Baseline, type PolicyName } from "./policies.ts";

export const TASK = 1 as TaskId;
const READY = 0;
/** The broker's write-back: so many pages and leases ride along from so much journal on. */
const TRICKLE_FROM_BYTES = 4 * 1024 ** 2;
const TRICKLE_PAGES = 16;
const TRICKLE_LEASES = 1024;

/** What a pilot tells in one exchange: parallel arrays of ranges, leases and seconds. */
export interface Word {
  readonly node: number;
  hello: boolean;
  bye: boolean;
  startedRanges: number[];
  startedLeases: number[];
  doneRanges: number[];
  doneLeases: number[];
  doneSeconds: number[];
  failedRanges: number[];
  failedLeases: number[];
  lostRanges: number[];
  lostLeases: number[];
  returnedRanges: number[];
  returnedLeases: number[];
  freeSlots: number;
  waiting: number;
  secondsLeft: number;
}

export interface Answer {
  readonly node: number;
  readonly ranges: number[];
  readonly leases: number[];
  /** Beyond the network (baselines' own slowness). */
  readonly delaySeconds: number;
}

export interface Desk {
  readonly node: number;
  readonly slots: number;
  readonly type: string;
  held: number;
  freeSlots: number;
  secondsLeft: number;
  wantMax: number;
  streak: number;
  parked: boolean;
  recallAgainSeconds: number;
  gone: boolean;
}

export interface EngineOptions {
  readonly ranges: number;
  readonly nodes: number;
  readonly policy: PolicyName;
  readonly hints: Float32Array | null;
  readonly hintMeanSeconds: number | null;
  readonly roundTripSeconds: number;
  readonly codec: boolean;
  readonly attemptsMax: number;
  readonly lossesMax: number;
  /** Uniform draws for the baselines' delays. */
  readonly unit: () => number;
}

export class EngineSide {
  readonly ledger: Ledger;
  readonly shaper = new Shaper();
  readonly desks = new Map<number, Desk>();
  readonly #options: EngineOptions;
  readonly #baseline: Baseline | null;
  readonly #task: { -readonly [K in keyof TaskSight]: TaskSight[K] };
  readonly #tasks: readonly TaskSight[];
  readonly #copied = new Set<number>();
  #cpuMs = 0;
  requests = 0;
  bytesIn = 0;
  bytesOut = 0;
  journalBytes = 0;
  pageBytes = 0;
  #sequence = 0;
  #keptBytes = 0;
  #cut = 0;
  readonly #kept: { sequence: number; bytes: number }[] = [];
  accepted = 0;
  refused = 0;
  granted = 0;
  grantSpans = 0;
  copiesMade = 0;
  failures = 0;
  copySeconds = 0;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#baseline = options.policy === "jumbo" ? null : new Baseline(options.policy);
    this.ledger = new Ledger({ epoch: 1 });
    this.ledger.addTask(
      {
        id: TASK,
        ranges: options.ranges,
        attemptsMax: options.attemptsMax,
        lossesMax: options.lossesMax,
      },
      { cancelled: false, finished: false, mergedBelow: 0 },
    );
    if (options.hintMeanSeconds !== null) {
      this.shaper.setHints(TASK, options.hintMeanSeconds, null);
    }
    if (options.hints !== null) this.shaper.setWeights(TASK, options.hints);
    this.#task = {
      task: TASK,
      owner: "o",
      priority: 0,
      ready: options.ranges,
      leased: 0,
      coresPerSlot: 1,
      hasHints: options.hints !== null,
    };
    this.#tasks = [this.#task];
  }

  get cpuSeconds(): number {
    return this.#cpuMs / 1000;
  }

  get ready(): number {
    return this.ledger.counts(TASK).ready;
  }

  get open(): number {
    const counts = this.ledger.counts(TASK);
    return counts.ready + counts.leased;
  }

  /** A pilot's first frame: answered with its first grant. */
  hello(desk: Desk, nowSeconds: number): Answer {
    this.desks.set(desk.node, desk);
    this.ledger.renew(numberOf(desk.node), Number.MAX_SAFE_INTEGER);
    return this.#timed(() => this.#grant(desk, nowSeconds));
  }

  /** Reports and want of one pilot; answers with grants for it and for parked others. */
  exchange(word: Word, nowSeconds: number): Answer[] {
    const desk = this.desks.get(word.node);
    if (desk === undefined || desk.gone) return [];
    this.requests++;
    const frames = this.#options.codec ? encodeWord(word, this.requests) : null;
    return this.#timed(() => {
      const readyBefore = this.ready;
      if (frames === null) this.#apply(word, desk, nowSeconds);
      else this.#applyFrames(frames, word, desk, nowSeconds);
      desk.freeSlots = word.freeSlots;
      desk.secondsLeft = word.secondsLeft;
      const answers = [this.#grant(desk, nowSeconds)];
      if (this.ready > readyBefore) this.#servePark(answers, nowSeconds);
      if (this.#options.codec) this.#encodeAnswers(answers, word);
      return answers;
    });
  }

  /** The pilot was silent for its lease term: what it held is lost or returns. */
  expire(node: number, nowSeconds: number): Answer[] {
    const desk = this.desks.get(node);
    if (desk === undefined || desk.gone) return [];
    desk.gone = true;
    desk.parked = false;
    const leases = this.ledger.leasesOf(numberOf(node));
    const touched = leases.map((lease) => [lease.first, lease.count] as const);
    this.ledger.expirePilot(numberOf(node));
    this.shaper.forgetPilot(numberOf(node));
    for (const [first, count] of touched) this.#giveBackReady(first, count);
    const answers: Answer[] = [];
    this.#servePark(answers, nowSeconds);
    return answers;
  }

  /** The pilot said bye. */
  leave(node: number): void {
    const desk = this.desks.get(node);
    if (desk === undefined) return;
    desk.gone = true;
    desk.parked = false;
    this.shaper.forgetPilot(numberOf(node));
  }

  /** Pilots with free slots and an unmet want get another look (probes, walls). */
  poll(nowSeconds: number): Answer[] {
    const answers: Answer[] = [];
    this.#timed(() => this.#servePark(answers, nowSeconds));
    return answers;
  }

  /** What to take back from whom, now that nothing is ready; at most once in five seconds each. */
  recalls(nowSeconds: number): RecallOrder[] {
    const holders: HolderSight[] = [];
    let hungry = 0;
    for (const desk of this.desks.values()) {
      if (desk.gone) continue;
      const unstarted = desk.held - Math.min(desk.held, desk.slots - desk.freeSlots);
      if (desk.parked) hungry += Math.max(0, desk.freeSlots - unstarted);
      if (unstarted === 0 || nowSeconds < desk.recallAgainSeconds) continue;
      holders.push({
        pilot: desk.node,
        slots: desk.slots,
        freeSlots: desk.freeSlots,
        unstarted,
        meanSeconds: this.shaper.costs.mean(TASK, desk.type),
        roundTripSeconds: this.#options.roundTripSeconds,
        secondsLeft: desk.secondsLeft,
        draining: false,
      });
    }
    const orders = this.shaper.recallFor(holders, hungry);
    for (const order of orders) {
      this.desks.get(order.pilot)!.recallAgainSeconds = nowSeconds + 5;
    }
    return orders;
  }

  /** Second copies of what runs on slow nodes, for the free slots of the others. */
  copies(runningOn: (node: number) => readonly { range: number; ageSeconds: number }[]): Answer[] {
    const free: Desk[] = [];
    const candidates: CopyCandidate[] = [];
    let freeSlots = 0;
    for (const desk of this.desks.values()) {
      if (desk.gone || desk.held === 0) continue;
      const slow = this.shaper.slowness(numberOf(desk.node), TASK, desk.type);
      if (slow < SLOW_FROM) continue;
      for (const { range, ageSeconds } of runningOn(desk.node)) {
        if (this.#copied.has(range)) continue;
        const predictedSeconds = this.shaper.predict(TASK, desk.type, range);
        const cv = this.shaper.costs.cv(TASK, desk.type);
        candidates.push({
          pilot: desk.node,
          range,
          ageSeconds,
          predictedSeconds,
          cv,
          slowness: slow,
        });
      }
    }
    if (candidates.length === 0) return [];
    for (const desk of this.desks.values()) {
      const slow = this.shaper.slowness(numberOf(desk.node), TASK, desk.type) >= SLOW_FROM;
      if (desk.gone || !desk.parked || slow || desk.streak > 0) continue;
      free.push(desk);
      freeSlots += desk.freeSlots;
    }
    const answers: Answer[] = [];
    for (const copy of this.shaper.copiesFor(candidates, freeSlots)) {
      while (free.length > 0 && free[free.length - 1]!.freeSlots === 0) free.pop();
      const desk = free[free.length - 1];
      if (desk === undefined) break;
      const pilot = numberOf(desk.node);
      const lease = this.ledger.grantCopy(TASK, copy.range as RangeIndex, 1, pilot);
      this.#copied.add(copy.range);
      this.copiesMade++;
      this.copySeconds += copy.predictedSeconds;
      desk.freeSlots--;
      desk.held++;
      answers.push({ node: desk.node, ranges: [copy.range], leases: [lease.id], delaySeconds: 0 });
    }
    return answers;
  }

  /** One durable group: what the journal would write. */
  commit(): void {
    if (!this.ledger.pending) return;
    this.#timed(() => {
      const sequence = ++this.#sequence;
      if (this.#keptBytes >= TRICKLE_FROM_BYTES) {
        const done = this.ledger.checkpoint(sequence, TRICKLE_PAGES, TRICKLE_LEASES);
        for (const page of done.pages) this.pageBytes += page.value.length;
        this.#forget(done.cutBelow);
      }
      const bytes = this.ledger.takeJournal().length;
      this.journalBytes += bytes;
      this.#keptBytes += bytes;
      this.#kept.push({ sequence, bytes });
    });
  }

  #forget(cutBelow: number): void {
    for (; this.#cut < this.#kept.length; this.#cut++) {
      const record = this.#kept[this.#cut]!;
      if (record.sequence >= cutBelow) break;
      this.#keptBytes -= record.bytes;
    }
  }

  sightOf(desk: Desk): PilotSight {
    return {
      pilot: numberOf(desk.node),
      nodeType: desk.type,
      slots: desk.slots,
      freeSlots: desk.freeSlots,
      held: desk.held,
      running: Math.min(desk.held, desk.slots - desk.freeSlots),
      want: desk.wantMax - desk.held,
      secondsLeft: desk.secondsLeft,
      roundTripSeconds: this.#options.roundTripSeconds,
      draining: false,
      failureStreak: desk.streak,
    };
  }

  taskSight(): TaskSight {
    const counts = this.ledger.counts(TASK);
    this.#task.ready = counts.ready;
    this.#task.leased = counts.leased;
    return this.#task;
  }

  #timed<T>(work: () => T): T {
    if (!this.#options.codec) return work();
    const begin = process.threadCpuUsage();
    const result = work();
    const { user, system } = process.threadCpuUsage(begin);
    this.#cpuMs += (user + system) / 1000;
    return result;
  }

  #apply(word: Word, desk: Desk, nowSeconds: number): void {
    const { ledger } = this;
    const pilot = numberOf(desk.node);
    const none = 0 as ReasonId;
    for (let i = 0; i < word.startedRanges.length; i++) {
      const range = word.startedRanges[i] as RangeIndex;
      ledger.started(pilot, word.startedLeases[i] as LeaseId, TASK, range, 1, IGNORED);
    }
    let sum = 0;
    let squares = 0;
    let largest = 0;
    let weights = 0;
    const before = this.accepted;
    for (let i = 0; i < word.doneRanges.length; i++) {
      const range = word.doneRanges[i] as RangeIndex;
      ledger.done(pilot, word.doneLeases[i] as LeaseId, TASK, range, 1, NO_BUNDLE, this);
      const seconds = word.doneSeconds[i]!;
      sum += seconds;
      squares += seconds * seconds;
      if (seconds > largest) largest = seconds;
      if (this.#task.hasHints) weights += this.shaper.weightOf(TASK, range, 1);
    }
    desk.held -= word.doneRanges.length;
    if (this.accepted > before) {
      desk.streak = 0;
      const cost = { wallSum: sum, wallSquares: squares, wallMax: largest, cpuSum: sum };
      const ranges = word.doneRanges.length;
      this.shaper.observe(TASK, desk.type, ranges, cost, nowSeconds * 1000, weights, pilot);
    }
    this.#applyBad(word, desk, pilot, none);
  }

  #applyBad(word: Word, desk: Desk, pilot: PilotNumber, none: ReasonId): void {
    const { ledger } = this;
    for (let i = 0; i < word.failedRanges.length; i++) {
      const range = word.failedRanges[i] as RangeIndex;
      const lease = word.failedLeases[i] as LeaseId;
      ledger.failed(pilot, lease, TASK, range, 1, none, false, IGNORED);
      this.#giveBackReady(range, 1);
    }
    desk.streak += word.failedRanges.length;
    this.failures += word.failedRanges.length;
    for (let i = 0; i < word.lostRanges.length; i++) {
      const range = word.lostRanges[i] as RangeIndex;
      ledger.lost(pilot, word.lostLeases[i] as LeaseId, TASK, range, 1, none, IGNORED);
      this.#giveBackReady(range, 1);
    }
    for (let i = 0; i < word.returnedRanges.length; i++) {
      const range = word.returnedRanges[i] as RangeIndex;
      ledger.returned(pilot, word.returnedLeases[i] as LeaseId, TASK, range, 1, IGNORED);
      this.#giveBackReady(range, 1);
    }
    desk.held -= word.failedRanges.length + word.lostRanges.length + word.returnedRanges.length;
  }

  #giveBackReady(first: number, count: number): void {
    if (!this.#task.hasHints) return;
    for (let range = first; range < first + count; range++) {
      if (this.ledger.rangeAt(TASK, range as RangeIndex).state === READY) {
        this.shaper.giveBack(TASK, range, 1);
      }
    }
  }

  /** VerdictSink: counts what was accepted. */
  push(count: number, verdict: number): void {
    if (verdict === 0) this.accepted += count;
    else this.refused += count;
  }

  #grant(desk: Desk, nowSeconds: number): Answer {
    const ranges: number[] = [];
    const leases: number[] = [];
    const sight = this.sightOf(desk);
    if (this.#baseline !== null) {
      this.#grantRun(desk, this.#baselineCount(sight), ranges, leases);
      const unit = this.#options.unit();
      return { node: desk.node, ranges, leases, delaySeconds: this.#baseline.delaySeconds(unit) };
    }
    this.taskSight();
    for (const plan of this.shaper.plan(sight, this.#tasks, nowSeconds * 1000)) {
      if (plan.picks === null) {
        const from = plan.untried ? this.#firstUntried() : 0;
        this.#grantRun(desk, plan.ranges, ranges, leases, from);
      } else {
        for (const range of plan.picks) {
          if (this.ledger.rangeAt(TASK, range as RangeIndex).state !== READY) continue;
          this.#lease(desk, range, 1, ranges, leases);
        }
      }
    }
    desk.parked = desk.freeSlots > desk.held - sight.running;
    return { node: desk.node, ranges, leases, delaySeconds: 0 };
  }

  #baselineCount(sight: PilotSight): number {
    return this.#baseline!.count({
      node: sight.pilot,
      slots: sight.slots,
      freeSlots: sight.freeSlots,
      waiting: sight.held - sight.running,
      ready: this.ready,
      nodes: this.#options.nodes,
      meanSeconds: this.shaper.costs.mean(TASK, sight.nodeType),
      cv: this.shaper.costs.cv(TASK, sight.nodeType),
    });
  }

  /** Where the ranges begin that never started; 0 if all have. */
  #firstUntried(): number {
    for (let from = 0; ; ) {
      const run = this.ledger.nextReady(TASK, from, 1);
      if (run === null) return 0;
      if (run.attempts === 0) return run.first;
      from = run.first + 1;
    }
  }

  #grantRun(desk: Desk, count: number, ranges: number[], leases: number[], from = 0): void {
    let left = count;
    while (left > 0) {
      const run = this.ledger.nextReady(TASK, from, left);
      if (run === null) break;
      this.#lease(desk, run.first, run.count, ranges, leases);
      left -= run.count;
    }
  }

  #lease(desk: Desk, first: number, count: number, ranges: number[], leases: number[]): void {
    const lease = this.ledger.grant(TASK, first as RangeIndex, count, numberOf(desk.node));
    for (let i = 0; i < count; i++) {
      ranges.push(first + i);
      leases.push(lease.id);
    }
    desk.held += count;
    this.granted += count;
    this.grantSpans++;
  }

  #servePark(answers: Answer[], nowSeconds: number): void {
    if (this.#baseline !== null && this.#baseline.name === "yoda") return;
    for (const desk of this.desks.values()) {
      if (!desk.parked || desk.gone) continue;
      if (this.ready === 0) return;
      const answer = this.#grant(desk, nowSeconds);
      if (answer.ranges.length > 0) answers.push(answer);
    }
  }

  #applyFrames(frames: readonly Uint8Array[], word: Word, desk: Desk, nowSeconds: number): void {
    const read: Word = { ...word, startedRanges: [], startedLeases: [], doneRanges: [] };
    read.doneLeases = [];
    for (const frame of frames) {
      this.bytesIn += frame.length;
      const message = decodePayload(frame.subarray(FRAME_PREFIX_BYTES), "pilot");
      if (message.type === "started") {
        for (const block of message.spans) {
          spread(block, read.startedRanges, read.startedLeases);
        }
      } else if (message.type === "exchange") {
        for (const report of message.reports) {
          spread(report.spans, read.doneRanges, read.doneLeases);
        }
      }
    }
    this.#apply(read, desk, nowSeconds);
  }

  #encodeAnswers(answers: readonly Answer[], word: Word): void {
    for (const answer of answers) {
      const spans = blocksOf(answer.ranges, answer.leases);
      const body = {
        type: "grant",
        sequence: 1,
        spans,
        tasks: [],
        files: [],
        offsets: [],
      } as const;
      this.bytesOut += encodeFrame(body).length;
    }
    if (word.doneRanges.length === 0) return;
    const runs = [word.doneRanges.length, 0];
    this.bytesOut += encodeFrame({ type: "verdicts", sequence: 1, runs }).length;
  }
}

/** Nodes count from 0, the ledger's pilots from 1. */
function numberOf(node: number): PilotNumber {
  return (node + 1) as PilotNumber;
}

const IGNORED = { push(): void {} };
