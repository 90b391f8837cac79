/**
 * Where a pilot's core-seconds went, measured while it works: slots x time is cut into four parts.
 *
 *   start-up   slots not yet busy, from the allocation's begin until the pilot is at full load for
 *              the first time, or asks for ranges and nothing is ready (then it isn't its start)
 *   useful     wall time of ranges that were accepted as done, times the cores of their task
 *   edge       wall time of starts that brought nothing: cut at the wall, lost, failed, stopped, a
 *              copy that came second; and, until its word is here, what runs at this moment
 *   idle       what is left
 *
 * All numbers are core-seconds: a slot is one core for one second. Useful and edge come from the
 * reports' own wall times, total and start-up from the engine's clock; where rounding makes them
 * overlap the sum still is the total, since the parts are cut to what is left (splitSeconds).
 * No clock here, times are arguments; nothing ever is negative or NaN.
 */
import { type Split, splitSeconds } from "./forecast.ts";

export interface MeasuredSplit extends Split {
  /** Part of `edge` that still runs and may become useful. */
  readonly running: number;
}

/** total, startup, useful, edge (core-seconds), whether start-up is over (0, 1). */
export type SavedCoreSeconds = readonly [number, number, number, number, number];

export class CoreSeconds {
  #total = 0;
  #startup = 0;
  #useful = 0;
  #edge = 0;
  #isStarting = true;
  #slots = 0;
  #busy = 0;
  /** Up to which moment slots are counted; -1 while the pilot is away for good. */
  #atMs = -1;

  /** True until the pilot is at full load for the first time, or starves. */
  get isStarting(): boolean {
    return this.#isStarting;
  }

  /** The pilot has `slots` from now on. */
  begin(slots: number, nowMs: number): void {
    this.end(nowMs);
    this.#slots = usable(slots);
    this.#busy = 0;
    this.#atMs = nowMs;
  }

  /** The allocation had its slots already for `seconds` before the pilot's first word. */
  addBefore(seconds: number): void {
    this.#total += this.#slots * usable(seconds);
    this.#startup += this.#slots * usable(seconds);
  }

  /** The pilot is back after `awaySeconds` in which it kept its slots. */
  resume(slots: number, nowMs: number, awaySeconds: number): void {
    this.end(nowMs);
    this.#total += usable(slots) * usable(awaySeconds);
    this.#slots = usable(slots);
    this.#atMs = nowMs;
  }

  /** To be told at each word of the pilot while it starts, and whenever its slots change. */
  see(slots: number, busy: number, starves: boolean, nowMs: number): void {
    this.#count(nowMs);
    this.#slots = usable(slots);
    this.#busy = Math.min(usable(busy), this.#slots);
    if (this.#busy >= this.#slots || starves) this.#isStarting = false;
  }

  addUseful(coreSeconds: number): void {
    this.#useful += usable(coreSeconds);
  }

  addEdge(coreSeconds: number): void {
    this.#edge += usable(coreSeconds);
  }

  /** The pilot is gone. */
  end(nowMs: number): void {
    this.#count(nowMs);
    this.#atMs = -1;
  }

  /** @param running core-seconds of what runs now, so far */
  split(nowMs: number, running = 0): MeasuredSplit {
    this.#count(nowMs);
    const now = this.#atMs < 0 ? 0 : usable(running);
    const edge = this.#edge + now;
    const cut = splitSeconds(this.#total, { useful: this.#useful, startup: this.#startup, edge });
    return { ...cut, running: Math.min(now, cut.edge) };
  }

  save(nowMs: number): SavedCoreSeconds {
    this.#count(nowMs);
    return [this.#total, this.#startup, this.#useful, this.#edge, this.#isStarting ? 0 : 1];
  }

  static restore(saved: SavedCoreSeconds): CoreSeconds {
    const seconds = new CoreSeconds();
    const [total, startup, useful, edge, started] = saved;
    seconds.#total = usable(total);
    seconds.#startup = usable(startup);
    seconds.#useful = usable(useful);
    seconds.#edge = usable(edge);
    seconds.#isStarting = started !== 1;
    return seconds;
  }

  #count(nowMs: number): void {
    if (this.#atMs < 0 || !(nowMs > this.#atMs)) return;
    const seconds = (nowMs - this.#atMs) / 1000;
    this.#atMs = nowMs;
    this.#total += this.#slots * seconds;
    if (this.#isStarting) this.#startup += (this.#slots - this.#busy) * seconds;
  }
}

/** Sums splits; the parts of the sum add up as those of its terms do. */
export function sumSplits(splits: Iterable<MeasuredSplit>): MeasuredSplit {
  const sum = { total: 0, useful: 0, startup: 0, edge: 0, idle: 0, running: 0 };
  for (const split of splits) {
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += split[key];
  }
  return sum;
}

function usable(value: number): number {
  return value > 0 && value < Number.POSITIVE_INFINITY ? value : 0;
}
