/**
 * Natural group commit: one commit in flight; everything that happened meanwhile is the next group,
 * which starts the moment the one before is on disk. No timer, no batching delay: an idle engine
 * commits at once, a busy one commits large groups.
 *
 *   apply -> [ journal + rows + a trickle of pages ] -> flushed -> acknowledge
 *
 * Nothing that a group holds is acknowledged before the store says it is on disk. A failed commit
 * ends the engine (fail-stop): later commits could report success falsely. Only a full disk is
 * waited out: the same group is tried again until there is space, and nothing is granted meanwhile.
 */
import { assert, type Clock } from "../base/index.ts";
import type { Ledger } from "../ledger/index.ts";
import type { CommitGroup, CommitOutcome, Store } from "../store/index.ts";
import type { Book } from "./book.ts";

/**
 * From so many journal bytes behind the oldest page on, so much is written along with every n-th
 * group: one without pages costs a flush less (store/tail.ts).
 */
export interface TrickleStep {
  readonly journalBytes: number;
  readonly pages: number;
  readonly leases: number;
  readonly everyNth: number;
}

export const TRICKLE: readonly TrickleStep[] = [
  { journalBytes: 4 * 1024 ** 2, pages: 16, leases: 1024, everyNth: 4 },
  { journalBytes: 8 * 1024 ** 2, pages: 32, leases: 2048, everyNth: 2 },
  { journalBytes: 16 * 1024 ** 2, pages: 32, leases: 4096, everyNth: 1 },
];
const NO_TRICKLE = { pages: 0, leases: 0 };
const IDLE_PAGES = 16;
const IDLE_LEASES = 1024;
const SPACE_RETRY_MS = 1_000;

export interface CommitterCounters {
  groups: number;
  journalBytes: number;
  pages: number;
  commitMsSum: number;
  commitMsMax: number;
}

export class Committer {
  readonly counters: CommitterCounters = {
    groups: 0,
    journalBytes: 0,
    pages: 0,
    commitMsSum: 0,
    commitMsMax: 0,
  };
  readonly #ledger: Ledger;
  readonly #book: Book;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #steps: readonly TrickleStep[];
  readonly #failStop: (message: string) => void;
  #sequence: number;
  #inFlight = false;
  #stopped = false;
  /** Called after the group that is being gathered is durable. */
  #waiting: (() => void)[] = [];
  #forced = false;
  #retryGroup: { group: CommitGroup; waiting: (() => void)[] } | null = null;
  #retryAtMs = 0;
  /** Sizes of the journal records that may not be cut yet, in order: some 10^5 of them. */
  #kept: number[] = [];
  /** Sequence of the first of them; they have no gaps. */
  #keptFirst = 0;
  #keptBytes = 0;
  /** Those before it are cut. */
  #keptFrom = 0;
  #lastActivityMs = 0;
  #groupsSinceTrickle = 0;

  constructor(parts: {
    ledger: Ledger;
    book: Book;
    store: Store;
    clock: Clock;
    trickle?: readonly TrickleStep[];
    lastSequence: number;
    failStop: (message: string) => void;
  }) {
    this.#ledger = parts.ledger;
    this.#book = parts.book;
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#steps = parts.trickle ?? TRICKLE;
    this.#sequence = parts.lastSequence;
    this.#failStop = parts.failStop;
  }

  /** Journal records found at recovery: they count until they are cut. */
  inherit(sequence: number, bytes: number): void {
    this.#keep(sequence, bytes);
  }

  /** True while the disk is full: grants must wait, since they could not be written down. */
  get blocked(): boolean {
    return this.#retryGroup !== null || this.#stopped;
  }

  get sequence(): number {
    return this.#sequence;
  }

  get journalBytesBehind(): number {
    return this.#keptBytes;
  }

  /** Runs `acknowledge` once everything applied until now is durable; at once if it already is. */
  afterCommit(acknowledge: () => void): void {
    this.#waiting.push(acknowledge);
    if (this.#inFlight) this.#forced = true;
  }

  /** Starts the next commit unless one is in flight or there is nothing to write. */
  pump(): void {
    if (this.#inFlight || this.#stopped || this.#retryGroup) return;
    if (!this.#ledger.pending && !this.#book.pending) {
      // Nothing to write: whatever is awaited was durable with an earlier group.
      const waiting = this.#waiting;
      this.#waiting = [];
      this.#forced = false;
      for (const acknowledge of waiting) acknowledge();
      return;
    }
    this.#lastActivityMs = this.#clock.monotonicMs();
    const rate = this.#trickle();
    this.#commit(rate.pages, rate.leases);
  }

  /** Once in a while: retries a group that found the disk full; writes pages back when idle. */
  tick(): void {
    const nowMs = this.#clock.monotonicMs();
    const retry = this.#retryGroup;
    if (retry && nowMs >= this.#retryAtMs) {
      this.#retryGroup = null;
      this.#inFlight = true;
      this.#start(retry.group, retry.waiting);
      return;
    }
    if (this.#inFlight || this.#stopped || retry) return;
    const idle = nowMs - this.#lastActivityMs > 1_000;
    if (idle && this.#keptBytes > 0 && !this.#ledger.pending) this.#commit(IDLE_PAGES, IDLE_LEASES);
  }

  /** No commit is started from now on; the one in flight may end. */
  stop(): void {
    this.#stopped = true;
  }

  get idle(): boolean {
    return !this.#inFlight && !this.#ledger.pending && !this.#book.pending;
  }

  #trickle(): { pages: number; leases: number } {
    let due: TrickleStep | null = null;
    for (const step of this.#steps) if (this.#keptBytes >= step.journalBytes) due = step;
    if (due === null || ++this.#groupsSinceTrickle < due.everyNth) return NO_TRICKLE;
    this.#groupsSinceTrickle = 0;
    return due;
  }

  #commit(pagesMax: number, leasesMax: number): void {
    const sequence = this.#sequence + 1;
    const checkpoint =
      pagesMax > 0
        ? this.#ledger.checkpoint(sequence, pagesMax, leasesMax)
        : { pages: [], cutBelow: 0 };
    const journal = this.#ledger.takeJournal();
    const rows = this.#book.takeRows();
    if (journal.length > 0) {
      this.#sequence = sequence;
      this.#keep(sequence, journal.length);
    }
    this.#forget(checkpoint.cutBelow);
    const group: CommitGroup = {
      sequence: journal.length > 0 ? sequence : 0,
      journal,
      rows,
      pages: checkpoint.pages,
      cutBelow: checkpoint.cutBelow,
    };
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#forced = false;
    this.#inFlight = true;
    this.counters.groups++;
    this.counters.journalBytes += journal.length;
    this.counters.pages += group.pages.length;
    this.#start(group, waiting);
  }

  #start(group: CommitGroup, waiting: (() => void)[]): void {
    const beganMs = this.#clock.monotonicMs();
    this.#store.commit(group, (outcome: CommitOutcome) => {
      assert(this.#inFlight, "a commit ended that was not in flight");
      this.#inFlight = false;
      if (!outcome.ok) {
        if (outcome.space) {
          this.#retryGroup = { group, waiting };
          this.#retryAtMs = this.#clock.monotonicMs() + SPACE_RETRY_MS;
          return;
        }
        this.#stopped = true;
        this.#failStop(`the store could not be written: ${outcome.error.message}`);
        return;
      }
      const tookMs = this.#clock.monotonicMs() - beganMs;
      this.counters.commitMsSum += tookMs;
      this.counters.commitMsMax = Math.max(this.counters.commitMsMax, tookMs);
      for (const acknowledge of waiting) acknowledge();
      if (this.#forced || this.#ledger.pending || this.#book.pending) this.pump();
    });
  }

  #keep(sequence: number, bytes: number): void {
    if (this.#kept.length === 0) this.#keptFirst = sequence;
    assert(sequence === this.#keptFirst + this.#kept.length, "the journal's sequence has a gap");
    this.#kept.push(bytes);
    this.#keptBytes += bytes;
  }

  #forget(cutBelow: number): void {
    const end = Math.min(this.#kept.length, cutBelow - this.#keptFirst);
    while (this.#keptFrom < end) this.#keptBytes -= this.#kept[this.#keptFrom++] as number;
    if (this.#keptFrom > 1024) {
      this.#kept = this.#kept.slice(this.#keptFrom);
      this.#keptFirst += this.#keptFrom;
      this.#keptFrom = 0;
    }
  }
}
