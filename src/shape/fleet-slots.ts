/**
 * Slots of the pilots that were seen, and which of them are free: what a task may count on. A pilot
 * whose key is of one owner counts for that owner's tasks only, so that idle nodes which may not run
 * a task neither keep others from prefetching its ranges nor take a share of them.
 */
import type { PilotSight } from "./sights.ts";

export interface FleetRow {
  /** Of the pilot's key; "": it may run all tasks. */
  readonly owner: string;
  slots: number;
  free: number;
  running: number;
  lastMs: number;
  /** Slot-seconds spent running, and predicted seconds of what was done: the node's pace. */
  busySeconds: number;
  doneSeconds: number;
}

interface Totals {
  slots: number;
  free: number;
}

export class FleetSlots {
  readonly #rows = new Map<number, FleetRow>();
  /** Of pilots that may run all tasks. */
  readonly #common: Totals = { slots: 0, free: 0 };
  readonly #owned = new Map<string, Totals>();

  /** Pilots that were seen and not forgotten. */
  get size(): number {
    return this.#rows.size;
  }

  row(pilot: number): FleetRow | undefined {
    return this.#rows.get(pilot);
  }

  /** Slots of all pilots that may run the owner's tasks. */
  slotsFor(owner: string): number {
    return this.#common.slots + (this.#ownedBy(owner)?.slots ?? 0);
  }

  /** Those of them that are free, and for which nothing is queued at their pilot. */
  freeFor(owner: string): number {
    return this.#common.free + (this.#ownedBy(owner)?.free ?? 0);
  }

  /** A pilot as it is now: its pace goes on. */
  see(pilot: PilotSight, nowMs: number): FleetRow {
    const row = this.#rows.get(pilot.pilot) ?? this.#add(pilot, nowMs);
    if (nowMs > row.lastMs) row.busySeconds += ((nowMs - row.lastMs) * row.running) / 1000;
    row.lastMs = nowMs;
    row.running = pilot.running;
    const unstarted = pilot.held - pilot.running;
    const free = pilot.freeSlots > unstarted ? pilot.freeSlots - unstarted : 0;
    if (pilot.draining) this.#set(row, 0, 0);
    else this.#set(row, pilot.slots, free);
    return row;
  }

  /** So many ranges were granted to the pilot. */
  occupy(row: FleetRow, ranges: number): void {
    this.#set(row, row.slots, Math.max(0, row.free - ranges));
  }

  forget(pilot: number): void {
    const row = this.#rows.get(pilot);
    if (row === undefined) return;
    this.#set(row, 0, 0);
    this.#rows.delete(pilot);
  }

  #add({ pilot, owner = "" }: PilotSight, nowMs: number): FleetRow {
    const pace = { running: 0, lastMs: nowMs, busySeconds: 0, doneSeconds: 0 };
    const row = { owner, slots: 0, free: 0, ...pace };
    this.#rows.set(pilot, row);
    return row;
  }

  #set(row: FleetRow, slots: number, free: number): void {
    const totals = row.owner === "" ? this.#common : this.#totalsOf(row.owner);
    totals.slots += slots - row.slots;
    totals.free += free - row.free;
    row.slots = slots;
    row.free = free;
    const isEmpty = totals.slots === 0 && totals.free === 0;
    if (isEmpty && row.owner !== "") this.#owned.delete(row.owner);
  }

  #totalsOf(owner: string): Totals {
    let totals = this.#owned.get(owner);
    if (totals === undefined) {
      totals = { slots: 0, free: 0 };
      this.#owned.set(owner, totals);
    }
    return totals;
  }

  #ownedBy(owner: string): Totals | undefined {
    return this.#owned.size === 0 || owner === "" ? undefined : this.#owned.get(owner);
  }
}
