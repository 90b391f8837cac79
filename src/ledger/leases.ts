/**
 * Open leases and the deadlines of the pilots that hold them. A deadline belongs to a pilot, not to
 * a lease: one heartbeat renews everything it holds. A pilot that was never renewed has deadline 0
 * and loses its leases at the next look.
 *
 * Leases stand in the order of their last place in the journal (their grant, or the record that
 * carried them forward), so the first one says how far back the journal is needed for leases. Both
 * orders, that and a pilot's own, are links in the leases themselves: a grant and a done each touch
 * them, and a Set of objects would cost more than the rest of the decision.
 */
import {
  assert,
  type LeaseId,
  leaseIdOf,
  NumberMap,
  type PilotNumber,
  type TaskId,
} from "../base/index.ts";
import type { Lease } from "./types.ts";

/** An open lease with its places in the two orders. */
export class OpenLease implements Lease {
  readonly id: LeaseId;
  readonly task: TaskId;
  readonly first: number;
  readonly count: number;
  readonly pilot: PilotNumber;
  readonly speculative: boolean;
  open: number;
  recalled = false;
  /** Sequence of the newest journal record that names it in full. */
  position: number;
  before: OpenLease | null = null;
  after: OpenLease | null = null;
  pilotBefore: OpenLease | null = null;
  pilotAfter: OpenLease | null = null;
  /** The entry of its pilot while it stands in the book. */
  holder: PilotLeases | null = null;

  constructor(
    id: number,
    task: TaskId,
    first: number,
    count: number,
    pilot: number,
    speculative: boolean,
    open: number,
    position: number,
  ) {
    this.id = id as LeaseId;
    this.task = task;
    this.first = first;
    this.count = count;
    this.pilot = pilot as PilotNumber;
    this.speculative = speculative;
    this.open = open;
    this.position = position;
  }
}

interface PilotLeases {
  deadlineMs: number;
  newest: OpenLease | null;
  /** Ranges open under its leases. */
  open: number;
}

export class LeaseBook {
  /** By number above `#base`, since small whole numbers are found much faster; older ones by id. */
  readonly #recent = new NumberMap<OpenLease>();
  readonly #older = new NumberMap<OpenLease>();
  readonly #base: number;
  readonly #pilots = new Map<number, PilotLeases>();
  #oldest: OpenLease | null = null;
  #newest: OpenLease | null = null;
  /** The last one asked for: words on ranges of one lease come one behind the other. */
  #last: OpenLease | null = null;

  constructor(epoch: number) {
    this.#base = leaseIdOf(epoch, 0);
  }

  get size(): number {
    return this.#recent.size + this.#older.size;
  }

  get(id: number): OpenLease | undefined {
    if (this.#last !== null && this.#last.id === id) return this.#last;
    const lease = id > this.#base ? this.#recent.get(id - this.#base) : this.#older.get(id);
    if (lease !== undefined) this.#last = lease;
    return lease;
  }

  /** In the order of their records. */
  *all(): Generator<OpenLease, void> {
    for (let lease = this.#oldest; lease !== null; ) {
      const next: OpenLease | null = lease.after;
      yield lease;
      lease = next;
    }
  }

  get oldest(): OpenLease | null {
    return this.#oldest;
  }

  add(lease: OpenLease): void {
    this.#put(lease);
    this.#append(lease);
  }

  /** For recovery, which finds the newest leases first. */
  addOldest(lease: OpenLease): void {
    this.#put(lease);
    lease.after = this.#oldest;
    if (this.#oldest !== null) this.#oldest.before = lease;
    else this.#newest = lease;
    this.#oldest = lease;
  }

  #put(lease: OpenLease): void {
    assert(this.get(lease.id) === undefined, "lease % is issued once", lease.id);
    if (lease.id > this.#base) this.#recent.set(lease.id - this.#base, lease);
    else this.#older.set(lease.id, lease);
    const pilot = this.#pilot(lease.pilot);
    pilot.open += lease.open;
    lease.holder = pilot;
    lease.pilotBefore = pilot.newest;
    if (pilot.newest !== null) pilot.newest.pilotAfter = lease;
    pilot.newest = lease;
  }

  /** `count` more ranges are held or running under the lease. */
  openSome(lease: OpenLease, count: number): void {
    lease.open += count;
    lease.holder!.open += count;
  }

  /** `count` ranges are no longer held or running under the lease. */
  close(id: number, count: number): void {
    const lease = this.get(id);
    assert(lease !== undefined && lease.open >= count, "lease % has % ranges to close", id, count);
    this.closeSome(lease, count);
  }

  closeSome(lease: OpenLease, count: number): void {
    lease.open -= count;
    lease.holder!.open -= count;
    if (lease.open === 0) this.remove(lease);
  }

  remove(lease: OpenLease): void {
    if (this.#last === lease) this.#last = null;
    if (lease.id > this.#base) this.#recent.delete(lease.id - this.#base);
    else this.#older.delete(lease.id);
    this.#unlink(lease);
    const { pilotBefore, pilotAfter } = lease;
    const holder = lease.holder!;
    holder.open -= lease.open;
    lease.holder = null;
    if (pilotBefore !== null) pilotBefore.pilotAfter = pilotAfter;
    if (pilotAfter !== null) pilotAfter.pilotBefore = pilotBefore;
    else holder.newest = pilotBefore;
    lease.pilotBefore = lease.pilotAfter = null;
  }

  /** It stands in the journal record `sequence` now. */
  carried(lease: OpenLease, sequence: number): void {
    this.#unlink(lease);
    lease.position = sequence;
    this.#append(lease);
  }

  oldestPosition(otherwise: number): number {
    return this.#oldest?.position ?? otherwise;
  }

  /** By identity: what order they were carried in must not be seen by anyone. */
  of(pilot: number): OpenLease[] {
    const leases: OpenLease[] = [];
    let lease = this.#pilots.get(pilot)?.newest ?? null;
    for (; lease !== null; lease = lease.pilotBefore) leases.push(lease);
    return leases.sort((a, b) => a.id - b.id);
  }

  /** Ranges open under the pilot's leases. */
  heldBy(pilot: number): number {
    return this.#pilots.get(pilot)?.open ?? 0;
  }

  renew(pilot: number, deadlineMs: number): void {
    this.#pilot(pilot).deadlineMs = deadlineMs;
  }

  deadline(pilot: number): number | undefined {
    return this.#pilots.get(pilot)?.deadlineMs;
  }

  renewAll(deadlineMs: number): void {
    for (const pilot of this.#pilots.values()) pilot.deadlineMs = deadlineMs;
  }

  /** Pilots whose deadline is not after `nowMs`. */
  due(nowMs: number): PilotNumber[] {
    const due: PilotNumber[] = [];
    for (const [pilot, entry] of this.#pilots) {
      if (entry.deadlineMs <= nowMs) due.push(pilot as PilotNumber);
    }
    return due;
  }

  forget(pilot: number): void {
    const newest = this.#pilots.get(pilot)?.newest ?? null;
    assert(newest === null, "pilot % holds no lease when it is forgotten", pilot);
    this.#pilots.delete(pilot);
  }

  #append(lease: OpenLease): void {
    lease.before = this.#newest;
    if (this.#newest !== null) this.#newest.after = lease;
    else this.#oldest = lease;
    this.#newest = lease;
  }

  #unlink(lease: OpenLease): void {
    const { before, after } = lease;
    if (before !== null) before.after = after;
    else this.#oldest = after;
    if (after !== null) after.before = before;
    else this.#newest = before;
    lease.before = lease.after = null;
  }

  #pilot(pilot: number): PilotLeases {
    let entry = this.#pilots.get(pilot);
    if (entry === undefined) {
      entry = { deadlineMs: 0, newest: null, open: 0 };
      this.#pilots.set(pilot, entry);
    }
    return entry;
  }
}
