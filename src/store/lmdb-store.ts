/**
 * The store on LMDB: one group commit in flight, whole or not at all, acknowledged when it is on
 * disk.
 *
 *   commit(group) -> encode (own buffer)
 *     a journal record and nothing else -> the journal's tail (tail.ts): one write, one flush
 *     else -> batch, with what the tail holds -> write thread: put, visible, fdatasync, meta
 *                                             -> `flushed` -> flush check
 *   -> done(ok)
 *
 * What LMDB was seen to do under failing disks, and the rule here:
 *   - any error of a commit: the ones after it report success falsely. So the first error ends this
 *     store for good (fail-stop): it and every later commit get `ok: false`; the broker exits 74.
 *   - a failed meta write: later writes never settle, and the failing one itself may claim success.
 *     So a watchdog ends in the same outcome, and flush-check.ts looks for the synced meta record.
 *   - a full disk mostly rejects cleanly, before anything became visible: `space: true`, the store
 *     stays usable, and the SAME group may be committed again (that is the probe: the broker grants
 *     nothing until it works). A full disk met after the transaction became visible is fail-stop,
 *     so a commit asks for free space first. A disk that goes on to refuse, and shows free space
 *     all the while, is no full one: fail-stop after a few tries.
 *   - the word for a data page that can't be written overflows the heap: see lmdb-repair.ts.
 *   - both promises of a commit reject; both have handlers.
 * The tail's errors are treated alike; it asks for no free space, since its file has all it needs.
 *
 * Kill points: before-commit (encoded, nothing handed over), after-put (handed to the write
 * thread), before-flush (write thread at work), after-flush (on disk, nobody was told).
 */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import {
  assert,
  COMMIT_WATCHDOG_MS,
  formatBytes,
  JumboError,
  killPoint,
  messageOf,
} from "../base/index.ts";
import {
  appendRecords,
  causeOf,
  type Environment,
  environmentStats,
  WriteHangs,
  writeNow,
} from "./environment.ts";
import { FlushCheck } from "./flush-check.ts";
import { type EncodedGroup, encodeGroup, IDENTITY_KEY, markTail, TAIL_KEY } from "./group.ts";
import { journalKey } from "./keys.ts";
import type { Tail, TailRecord } from "./tail.ts";
import type { CommitGroup, CommitOutcome, Store } from "./types.ts";

/** Records deleted with one commit; they go in lumps, so that most commits don't touch that end. */
const CUT_RECORDS_PER_COMMIT = 256;
const CHECK_MS = 10_000;
/** A lock can be taken from a process that was frozen for 6 s (lock.ts), never from one that runs. */
const LOCK_LOOK_MS = 2_000;
const EIO = 5;
const ENOSPC = 28;
/** Branch pages, free list and table of trees that a commit writes besides its values. */
const TREE_BYTES_MAX = 1024 ** 2;
/** Free space that a commit leaves alone: trees, and what others write while it is under way. */
const SPARE_BYTES = 5 * 1024 ** 2;

/** Times that a commit may find no space on a disk that shows plenty; a try a second. */
const BASELESS_REFUSALS_MAX = 5;

const LOCK_LOST = "its lock was taken by another engine";

/** Where the journal stands. */
export interface JournalState {
  /** First record that is still in the file, 0 if there is none. */
  firstSequence: number;
  /** Last record, 0 if there is none. */
  lastSequence: number;
  /** Records below it are no longer part of the journal, though they may still be in the file. */
  cutBelow: number;
  /** CRC of the last record. */
  chain: number;
}

export interface LmdbStoreParts {
  readonly environment: Environment;
  readonly tail: Tail;
  readonly journal: JournalState;
  /** Gives the store's lock back. */
  readonly release: () => void;
  /** False when another engine took the lock; only a frozen one in another pid namespace can. */
  readonly stillHeld: () => boolean;
  readonly watchdogMs?: number;
  readonly spareBytes?: number;
}

interface Flight {
  readonly encoded: EncodedGroup;
  readonly sequence: number;
  /** The record that goes to the tail; null: all goes to LMDB, and the tail's records with it. */
  readonly tailRecord: TailRecord | null;
  readonly removedBelow: number;
  readonly done: (outcome: CommitOutcome) => void;
  readonly watchdog: NodeJS.Timeout;
  flushed: boolean;
}

/** Bytes that a commit surely finds room in. */
function roomFor(flight: Flight): number {
  return flight.encoded.bytes + TREE_BYTES_MAX;
}

export class LmdbStore implements Store {
  readonly #environment: Environment;
  readonly #tail: Tail;
  /** LMDB says that there is a tail, so that a start will look for it. */
  #tailMarked = false;
  /** Last record that is in LMDB; those behind it are in the tail. */
  #lastInLmdb: number;
  readonly #journal: JournalState;
  readonly #release: () => void;
  readonly #stillHeld: () => boolean;
  /** When the lock was last seen to be ours. */
  #heldMs = performance.now();
  readonly #watchdogMs: number;
  readonly #spareBytes: number;
  readonly #flushCheck: FlushCheck;
  readonly #readerCheck: NodeJS.Timeout;
  #flushedTransaction: number;
  #flight: Flight | null = null;
  /** Commits in a row that found no space where the file system showed some. */
  #baselessRefusals = 0;
  #failure: JumboError | null = null;
  /** True after the watchdog: LMDB's write thread may hang, and nothing of it may be touched. */
  #hung = false;
  /** The last commit failed in any way; LMDB's promises of it never settle. */
  #broken = false;
  #closed = false;
  #onIdle: (() => void)[] = [];

  constructor(parts: LmdbStoreParts) {
    this.#environment = parts.environment;
    this.#tail = parts.tail;
    this.#lastInLmdb = parts.journal.lastSequence;
    this.#journal = { ...parts.journal };
    this.#release = parts.release;
    this.#stillHeld = parts.stillHeld;
    this.#watchdogMs = parts.watchdogMs ?? COMMIT_WATCHDOG_MS;
    this.#spareBytes = parts.spareBytes ?? SPARE_BYTES;
    this.#flushCheck = new FlushCheck(parts.environment.path);
    this.#flushedTransaction = this.#flushCheck.flushedTransaction();
    this.#readerCheck = setInterval(() => this.#check(), CHECK_MS);
    this.#readerCheck.unref();
  }

  commit(group: CommitGroup, done: (outcome: CommitOutcome) => void): void {
    assert(this.#flight === null, "a commit is already in flight");
    assert(!this.#closed, "the store is closed");
    if (this.#failure !== null) {
      const error = this.#failure;
      setImmediate(() => done({ ok: false, error, space: false }));
      return;
    }
    const journal = this.#journal;
    if (group.journal.length > 0) {
      assert(group.sequence === journal.lastSequence + 1, "the journal's sequence has a gap");
    }
    const encoded = encodeGroup(group, journal.chain, journal.cutBelow);
    if (encoded.journal === null && encoded.cold.length + encoded.pages.length === 0) {
      setImmediate(() => done({ ok: true }));
      return;
    }
    const tailRecord = this.#tailRecordOf(encoded);
    const full = tailRecord === null ? this.#tooFull(encoded) : null;
    if (full !== null) {
      // LMDB has not seen the group: whoever comes again with it finds everything as it was.
      setImmediate(() => done({ ok: false, error: full, space: true }));
      return;
    }
    const flight: Flight = {
      encoded,
      sequence: encoded.journal === null ? journal.lastSequence : group.sequence,
      tailRecord,
      removedBelow: this.#removableBelow(),
      done,
      watchdog: setTimeout(() => this.#bark(), this.#watchdogMs),
      flushed: false,
    };
    this.#flight = flight;
    killPoint("before-commit");
    try {
      if (tailRecord === null) this.#hand(flight);
      else this.#append(flight, tailRecord);
    } catch (error) {
      setImmediate(() => this.#fail(flight, `the group was refused: ${messageOf(error)}`));
      return;
    }
    killPoint("after-put");
    setImmediate(() => {
      if (this.#flight === flight) killPoint("before-flush");
    });
  }

  /** Free bytes and share for unprivileged processes on the file system that holds the store. */
  space(): { freeBytes: number; freeShare: number } {
    const status = statfsSync(dirname(this.#environment.path));
    return {
      freeBytes: status.bavail * status.bsize,
      freeShare: status.blocks === 0 ? 0 : status.bavail / status.blocks,
    };
  }

  /**
   * LMDB must not meet the end of the disk: behind the visible meta record that is fail-stop, and
   * a life ends. So a commit begins only with room to spare.
   */
  #tooFull(encoded: EncodedGroup): JumboError | null {
    const { freeBytes } = this.space();
    const bytes = encoded.bytes + this.#tail.heldBytes;
    const wanted = this.#spareBytes === 0 ? 0 : 2 * bytes + this.#spareBytes;
    return freeBytes < wanted ? this.#full() : null;
  }

  #full(cause?: unknown): JumboError {
    return new JumboError(
      "store_io",
      `the disk of ${this.#environment.path} is full (a commit found no space) ` +
        "free some space: the engine goes on by itself",
      { subject: this.#environment.path, cause },
    );
  }

  /** Waits for the commit in flight. After a watchdog failure it leaves LMDB alone. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#flight !== null) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
    clearInterval(this.#readerCheck);
    await this.#emptyTail();
    this.#flushCheck.close();
    if (this.#hung) return;
    this.#tail.close();
    await this.#environment.close(this.#broken);
    this.#release();
  }

  /**
   * From now on LMDB's file alone is the whole store. Where that fails nothing is lost: the next
   * start does it. Not where another engine has the store by now: the mark is that of its tail.
   */
  async #emptyTail(): Promise<void> {
    if (!this.#tailMarked || this.#broken || this.#failure !== null || !this.#stillHeld()) return;
    const { cold } = this.#environment;
    try {
      await writeNow(this.#environment, this.#watchdogMs, () => {
        appendRecords(this.#environment, this.#tail.held).catch(() => undefined);
        cold.remove(TAIL_KEY);
      });
    } catch (error) {
      if (error instanceof WriteHangs) this.#hung = true;
      this.#broken = true;
    }
  }

  /** LMDB's counters of this environment, for benchmarks and metrics. */
  stats(): ReturnType<typeof environmentStats> & { readonly tailBlocks: number } {
    return { ...environmentStats(this.#environment), tailBlocks: this.#tail.blocksWritten };
  }

  /** Removal starts when a whole lump is due, and never takes the last record: it is the anchor. */
  #removableBelow(): number {
    const { firstSequence, cutBelow } = this.#journal;
    const due = Math.min(cutBelow, this.#lastInLmdb) - firstSequence;
    return due >= CUT_RECORDS_PER_COMMIT ? firstSequence + CUT_RECORDS_PER_COMMIT : firstSequence;
  }

  /** The tail takes lone records, behind a first one in LMDB and behind the mark. */
  #tailRecordOf({ cold, pages, journal }: EncodedGroup): TailRecord | null {
    if (!this.#tailMarked || this.#lastInLmdb === 0 || cold.length + pages.length > 0) return null;
    if (!journal?.value || !this.#tail.takes(journal.value)) return null;
    return { key: journal.key, value: journal.value };
  }

  #append(flight: Flight, record: TailRecord): void {
    this.#tail.append(record, flight.sequence, (error) => {
      if (this.#flight !== flight) return;
      if (error !== null) {
        this.#judge(flight, error);
        return;
      }
      try {
        this.#requireLock();
        this.#tail.acknowledge(flight.sequence);
      } catch (failure) {
        this.#fail(flight, messageOf(failure), failure);
        return;
      }
      this.#settle(flight);
    });
  }

  /**
   * Between flush and acknowledgement: an engine that takes the store over reads the tail after it
   * has the lock, so what is on disk while the lock is ours is found.
   */
  #requireLock(): void {
    const nowMs = performance.now();
    if (nowMs - this.#heldMs < LOCK_LOOK_MS) return;
    if (!this.#stillHeld()) throw new Error(LOCK_LOST);
    this.#heldMs = nowMs;
  }

  #hand(flight: Flight): void {
    const { root, cold, pages, journal } = this.#environment;
    const { encoded } = flight;
    let appended: Promise<boolean> = Promise.resolve(true);
    const committed = root.batch(() => {
      for (const { key, value } of encoded.cold) value ? cold.put(key, value) : cold.remove(key);
      for (const { key, value } of encoded.pages) value ? pages.put(key, value) : pages.remove(key);
      if (this.#journal.firstSequence > 0) {
        for (let n = this.#journal.firstSequence; n < flight.removedBelow; n++) {
          journal.remove(journalKey(n));
        }
      }
      const { key, value } = encoded.journal ?? { key: null, value: null };
      const last = key && value ? [{ key, value }] : [];
      appended = appendRecords(this.#environment, [...this.#tail.held, ...last]);
      if (!this.#tailMarked) cold.put(TAIL_KEY, markTail());
    });
    const flushed = Promise.resolve(root.flushed);
    Promise.all([committed, appended, flushed]).then(
      ([, isNew]) => this.#flushed(flight, isNew),
      (error: unknown) => this.#rejected(flight, error),
    );
    appended.catch(() => undefined);
    flushed.catch(() => undefined);
  }

  #flushed(flight: Flight, appended: boolean): void {
    if (this.#flight !== flight) return;
    if (!appended) {
      this.#fail(
        flight,
        `journal record ${flight.sequence} is already there (someone else wrote it)`,
      );
      return;
    }
    let transaction = 0;
    try {
      transaction = this.#flushCheck.flushedTransaction();
      // Any read fails once LMDB has given the environment up; only that tells of a failed write of
      // the synced record whose repair in the page cache went well.
      this.#environment.cold.doesExist(IDENTITY_KEY);
    } catch (error) {
      this.#fail(flight, `the flush can't be confirmed (${messageOf(error)})`, error);
      return;
    }
    if (transaction <= this.#flushedTransaction) {
      this.#fail(flight, "LMDB reported a flush, but its synced meta record was not written");
      return;
    }
    this.#flushedTransaction = transaction;
    this.#tailMarked = true;
    this.#tail.restart();
    this.#lastInLmdb = flight.sequence;
    const journal = this.#journal;
    if (journal.firstSequence > 0) journal.firstSequence = flight.removedBelow;
    else if (flight.encoded.journal) journal.firstSequence = flight.sequence;
    this.#settle(flight);
  }

  /** The group is on disk. */
  #settle(flight: Flight): void {
    this.#baselessRefusals = 0;
    flight.flushed = true;
    killPoint("after-flush");
    const journal = this.#journal;
    journal.lastSequence = flight.sequence;
    journal.cutBelow = flight.encoded.cutBelow;
    journal.chain = flight.encoded.chain;
    this.#land(flight, { ok: true });
  }

  #rejected(flight: Flight, error: unknown): void {
    void causeOf(error).then((cause) => this.#judge(flight, cause));
  }

  #judge(flight: Flight, error: unknown): void {
    if (this.#flight !== flight) return;
    if (this.#foundNoSpace(flight, error) && this.#nothingBecameVisible()) {
      const { freeBytes } = this.space();
      if (freeBytes < roomFor(flight)) this.#baselessRefusals = 0;
      else if (++this.#baselessRefusals >= BASELESS_REFUSALS_MAX) {
        const shown = `the disk takes no writes, although it shows ${formatBytes(freeBytes)} free`;
        this.#fail(flight, `${shown}: ${messageOf(error)}`, error);
        return;
      }
      this.#land(flight, { ok: false, error: this.#full(error), space: true });
      return;
    }
    this.#fail(flight, messageOf(error), error);
  }

  /** LMDB reports a write that was cut short by a full disk as EIO; the tail's errors are Node's. */
  #foundNoSpace(flight: Flight, error: unknown): boolean {
    const { code } = error as { code?: unknown };
    if (flight.tailRecord !== null) return code === "ENOSPC";
    if (code === ENOSPC) return true;
    return code === EIO && this.space().freeBytes < roomFor(flight);
  }

  #nothingBecameVisible(): boolean {
    try {
      return environmentStats(this.#environment).lastTxnId === this.#flushedTransaction;
    } catch {
      // LMDB has given the environment up (MDB_PANIC).
      return false;
    }
  }

  #bark(): void {
    const flight = this.#flight;
    if (flight === null) return;
    this.#hung = true;
    this.#environment.disarm();
    this.#fail(flight, `a commit did not end within ${this.#watchdogMs} ms`);
  }

  #fail(flight: Flight, problem: string, cause?: unknown): void {
    if (this.#flight !== flight) return;
    this.#failure = this.#failed(problem, cause);
    this.#land(flight, { ok: false, error: this.#failure, space: false });
  }

  #land(flight: Flight, outcome: CommitOutcome): void {
    clearTimeout(flight.watchdog);
    this.#broken = !outcome.ok;
    this.#flight = null;
    flight.done(outcome);
    if (this.#flight !== null) return;
    const idle = this.#onIdle;
    this.#onIdle = [];
    for (const wake of idle) wake();
  }

  /** By timer: forget readers of dead processes, and make sure that the store is still ours. */
  #check(): void {
    let problem = "";
    try {
      this.#environment.root.readerCheck();
      if (!this.#stillHeld()) problem = LOCK_LOST;
    } catch (error) {
      problem = messageOf(error);
    }
    if (problem !== "") this.#failure ??= this.#failed(problem);
  }

  #failed(problem: string, cause?: unknown): JumboError {
    return new JumboError(
      "store_io",
      `the store ${this.#environment.path} can't be written any more (${problem}) ` +
        "look at the disk and start the engine again: it goes on from what is durable",
      { subject: this.#environment.path, cause },
    );
  }
}
