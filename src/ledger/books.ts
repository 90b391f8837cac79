/**
 * Everything the ledger knows, as plain data in one place: pages, leases, the journal being
 * written, the lost bundles. The rooms around it (reports, reopen, recovery, check) are functions
 * over it.
 *
 * A change happens in two steps that live work and recovery share the second of: *decide* looks,
 * answers and writes the decision into the journal; *apply* (transitions.ts) carries it out.
 */
import { assert, LEASE_NUMBER_MAX, leaseEpoch, leaseIdOf } from "../base/index.ts";
import { DECISION, type DecisionKind, JournalWriter } from "./journal.ts";
import { LeaseBook } from "./leases.ts";
import { PageTable, type TaskPages } from "./page-table.ts";

/** While live, no page is newer than what is applied. */
const LIVE = Number.POSITIVE_INFINITY;

export class Books {
  readonly pages: PageTable;
  readonly leases: LeaseBook;
  readonly journal = new JournalWriter();
  readonly lostBundles = new Set<number>();
  /** The last lease identity issued, by this life or one before. */
  issued = 0;
  /** Identities between `issuedBefore` and `bornAt` were never issued, or were lost in a crash. */
  issuedBefore = 0;
  bornAt: number;
  epoch: number;
  /** Sequence of the last journal record that was taken or replayed. */
  taken = 0;
  /** Sequence of the record being replayed; LIVE otherwise. */
  replaying = LIVE;

  constructor(epoch: number, openBytesMax?: number) {
    this.epoch = epoch;
    this.bornAt = leaseIdOf(epoch, 0);
    this.leases = new LeaseBook(epoch);
    this.pages = new PageTable(openBytesMax);
  }

  get live(): boolean {
    return this.replaying === LIVE;
  }

  /** Sequence of the journal record that the present change belongs to. */
  get sequence(): number {
    return this.live ? this.taken + 1 : this.replaying;
  }

  get tasks(): Map<number, TaskPages> {
    return this.pages.tasks;
  }

  task(id: number): TaskPages {
    const task = this.pages.tasks.get(id);
    assert(task !== undefined, "task % is in the ledger", id);
    return task;
  }

  goLive(): void {
    this.replaying = LIVE;
  }

  record(
    kind: DecisionKind,
    task: number,
    first: number,
    count: number,
    lease: number,
    extra: number,
  ): void {
    assert(this.live, "no decision is taken while the journal is replayed");
    this.journal.add(this.issued, kind, task, first, count, lease, extra);
  }

  /** Whether the identity was ever given out and not lost in a crash. */
  wasIssued(lease: number): boolean {
    return lease > 0 && (lease > this.bornAt ? lease <= this.issued : lease <= this.issuedBefore);
  }

  /** The next identity; raises the epoch once its 2^32-1 numbers are spent. */
  nextLease(): number {
    const last = Math.max(this.issued, this.bornAt);
    if (last >>> 0 === LEASE_NUMBER_MAX) {
      this.raiseEpoch(leaseEpoch(last) + 1);
      return leaseIdOf(this.epoch, 1);
    }
    return last + 1;
  }

  raiseEpoch(epoch: number): void {
    assert(epoch > this.epoch, "an epoch only rises");
    this.epoch = epoch;
    this.record(DECISION.epochRaised, 0, 0, 0, leaseIdOf(epoch, 0), 0);
  }
}
