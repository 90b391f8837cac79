/**
 * Open leases and the deadlines of the pilots that hold them. A deadline belongs to a pilot, not to
 * a lease: one heartbeat renews everything it holds. A pilot that was never renewed has deadline 0
 * and loses its leases at the next look.
 *
 * Leases stand in the order of their last place in the journal (their grant, or the record that
 * carried them forward), so the first one says how far back the journal is needed for leases.
 */
import { assert, type PilotNumber } from "../base/index.ts";
import type { Lease } from "./types.ts";

export interface OpenLease extends Lease {
  /** Sequence of the newest journal record that names it in full. */
  position: number;
}

interface PilotLeases {
  deadlineMs: number;
  readonly leases: Set<OpenLease>;
}

export class LeaseBook {
  readonly #open = new Map<number, OpenLease>();
  readonly #pilots = new Map<number, PilotLeases>();

  get size(): number {
    return this.#open.size;
  }

  get(id: number): OpenLease | undefined {
    return this.#open.get(id);
  }

  all(): IterableIterator<OpenLease> {
    return this.#open.values();
  }

  add(lease: OpenLease): void {
    assert(!this.#open.has(lease.id), `lease ${lease.id} is issued twice`);
    this.#open.set(lease.id, lease);
    this.#pilot(lease.pilot).leases.add(lease);
  }

  /** `count` ranges are no longer held or running under the lease. */
  close(id: number, count: number): void {
    const lease = this.#open.get(id);
    assert(lease !== undefined && lease.open >= count, `lease ${id} has ${count} ranges to close`);
    lease.open -= count;
    if (lease.open === 0) this.remove(lease);
  }

  remove(lease: OpenLease): void {
    this.#open.delete(lease.id);
    this.#pilots.get(lease.pilot)?.leases.delete(lease);
  }

  /** It stands in the journal record `sequence` now. */
  carried(lease: OpenLease, sequence: number): void {
    this.#open.delete(lease.id);
    lease.position = sequence;
    this.#open.set(lease.id, lease);
  }

  oldestPosition(otherwise: number): number {
    for (const lease of this.#open.values()) return lease.position;
    return otherwise;
  }

  /** By identity: what order they were carried in must not be seen by anyone. */
  of(pilot: number): OpenLease[] {
    return [...(this.#pilots.get(pilot)?.leases ?? [])].sort((a, b) => a.id - b.id);
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

  /** Pilots whose deadline is not after `nowMs`; they are forgotten once their leases are gone. */
  due(nowMs: number): PilotNumber[] {
    const due: PilotNumber[] = [];
    for (const [pilot, entry] of this.#pilots) {
      if (entry.deadlineMs <= nowMs) due.push(pilot as PilotNumber);
    }
    return due;
  }

  forget(pilot: number): void {
    assert((this.#pilots.get(pilot)?.leases.size ?? 0) === 0, `pilot ${pilot} still holds leases`);
    this.#pilots.delete(pilot);
  }

  #pilot(pilot: number): PilotLeases {
    let entry = this.#pilots.get(pilot);
    if (entry === undefined) {
      entry = { deadlineMs: 0, leases: new Set() };
      this.#pilots.set(pilot, entry);
    }
    return entry;
  }
}
