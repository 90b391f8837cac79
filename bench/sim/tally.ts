/**
 * What a simulated run is measured by: makespan, idle slot time until 99 % are done, useful and
 * cut seconds, first starts, the lead of the last words before walls, and the plots' bins.
 */
import type { Ages } from "../../src/shape/index.ts";
import { type EngineSide, TASK } from "./engine-side.ts";

const MAP_ROWS = 160;
const MAP_COLUMNS = 240;

export class Tally {
  readonly ranges: number;
  readonly binSeconds: number;
  /** Busy slot-seconds by time bin. */
  readonly occupancy: number[] = [];
  /** Counts of finished ranges by [time bin, index bin], for the event map. */
  readonly map: { x: Float32Array; y: Float32Array; size: number };
  done = 0;
  failedForGood = 0;
  makespanSeconds = 0;
  /** Slot-seconds idle (slots alive - busy). */
  idleSeconds = 0;
  capacitySeconds = 0;
  /** Slots alive at once, at most. */
  slotsMost = 0;
  idleTo99Seconds = 0;
  capacityTo99Seconds = 0;
  usefulSeconds = 0;
  /** Slot-seconds of what was running when a node ended. */
  cutSeconds = 0;
  cutRanges = 0;
  /** Done at a pilot that vanished before it could tell. */
  untold = 0;
  starts = 0;
  firstStartSeconds: Float64Array;
  leavingSeconds = 0;
  flushLeadSeconds = 0;
  readonly nodeBusySeconds: Float64Array;
  readonly nodeDone: Uint32Array;
  /** Set to learn range times as the engine could. */
  ages: Ages | null = null;
  finishedRanges = 0;
  #markIdle = 0;
  #markCapacity = 0;
  #busy = 0;
  #capacity = 0;
  #now = 0;
  #stride: number;

  constructor(ranges: number, binSeconds: number, nodes: number) {
    this.ranges = ranges;
    this.binSeconds = binSeconds;
    this.firstStartSeconds = new Float64Array(nodes).fill(Number.NaN);
    this.nodeBusySeconds = new Float64Array(nodes);
    this.nodeDone = new Uint32Array(nodes);
    this.#stride = Math.max(1, Math.floor(ranges / (MAP_ROWS * MAP_COLUMNS)));
    const points = Math.ceil(ranges / this.#stride) + 1;
    this.map = { x: new Float32Array(points), y: new Float32Array(points), size: 0 };
  }

  /** Idle share of slot time from now on: see `idleSinceMark`. */
  mark(): void {
    this.#markIdle = this.idleSeconds;
    this.#markCapacity = this.capacitySeconds;
  }

  get idleSinceMark(): number {
    const capacity = this.capacitySeconds - this.#markCapacity;
    return capacity > 0 ? (this.idleSeconds - this.#markIdle) / capacity : 0;
  }

  advance(now: number): void {
    const step = now - this.#now;
    if (step <= 0) return;
    const idle = (this.#capacity - this.#busy) * step;
    this.idleSeconds += idle;
    this.capacitySeconds += this.#capacity * step;
    this.#fillBins(now);
    this.#now = now;
  }

  /** A step that crosses bins counts in each of them for its own part. */
  #fillBins(now: number): void {
    const { binSeconds, occupancy } = this;
    const last = Math.floor(now / binSeconds);
    while (occupancy.length <= last) occupancy.push(0);
    let from = this.#now;
    for (let bin = Math.floor(from / binSeconds); bin < last; bin++) {
      occupancy[bin]! += this.#busy * ((bin + 1) * binSeconds - from);
      from = (bin + 1) * binSeconds;
    }
    occupancy[last]! += this.#busy * (now - from);
  }

  capacity(slots: number): void {
    this.#capacity += slots;
    this.slotsMost = Math.max(this.slotsMost, this.#capacity);
  }

  start(node: number, sinceArrival: number): void {
    this.#busy++;
    this.ages?.started(1, this.#now * 1000);
    this.starts++;
    if (Number.isNaN(this.firstStartSeconds[node]!)) this.firstStartSeconds[node] = sinceArrival;
  }

  stop(node: number, seconds: number): void {
    this.#busy--;
    this.nodeBusySeconds[node]! += seconds;
    this.nodeDone[node]!++;
  }

  cut(node: number, seconds: number): void {
    this.#busy--;
    this.nodeBusySeconds[node]! += seconds;
    this.cutSeconds += seconds;
    this.cutRanges++;
  }

  finished(range: number, seconds: number, now: number): void {
    this.usefulSeconds += seconds;
    this.finishedRanges++;
    this.ages?.ended(1, seconds, now * 1000);
    if (range % this.#stride !== 0) return;
    const at = this.map.size++;
    if (at >= this.map.x.length) return;
    this.map.x[at] = now;
    this.map.y[at] = range;
  }

  accepted(ranges: number, now: number): void {
    if (ranges === 0) return;
    const mark = Math.ceil(this.ranges * 0.99);
    const crossed = this.done < mark && this.done + ranges >= mark;
    this.done += ranges;
    if (crossed) {
      this.idleTo99Seconds = this.idleSeconds;
      this.capacityTo99Seconds = this.capacitySeconds;
    }
    this.makespanSeconds = now;
  }

  leaving(now: number): void {
    this.leavingSeconds = now;
  }

  flushed(now: number): void {
    this.flushLeadSeconds = Math.max(this.flushLeadSeconds, now - this.leavingSeconds);
  }

  close(engine: EngineSide): void {
    const counts = engine.ledger.counts(TASK);
    this.failedForGood = counts.failed;
    const sum = counts.ready + counts.leased + counts.done + counts.failed;
    if (sum !== counts.total || counts.done !== this.done) {
      throw new Error(`books don't balance: ${JSON.stringify(counts)}, accepted ${this.done}`);
    }
  }

  /** Share of slot time idle until 99 % of the ranges were done. */
  get idleTo99(): number {
    return this.capacityTo99Seconds > 0 ? this.idleTo99Seconds / this.capacityTo99Seconds : 0;
  }
}
