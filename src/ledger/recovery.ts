/**
 * From stored pages and the journal back to the state at the last durable group.
 *
 * Tasks first (cold rows), then pages (they stay packed), then journal records in order. A page is
 * true at its own sequence: older records pass it by. So a record may be applied to one page and
 * not to its neighbour, and replaying twice changes nothing.
 *
 * Leases are collected, not counted, while the journal passes: at the end each lease that was
 * granted or carried is looked up in the pages, and is open with as many ranges as still name it.
 * Each page is read through once for that, and not at all where its leases were carried whole and
 * nothing has changed since: a task at rest has some leases in every page, and decoding all of
 * 10^8 ranges would take longer than the rest of the start.
 * A lease of the group that was lost in the crash is in no record: its number is never given out
 * again because the epoch has risen, and `wasIssued` knows it as never issued.
 */
import { assert, leaseEpoch, NumberMap, RANGES_PER_PAGE, type TaskId } from "../base/index.ts";
import type { Books } from "./books.ts";
import { damaged } from "./bytes.ts";
import { DECISION, JournalReader } from "./journal.ts";
import { OpenLease } from "./leases.ts";
import { COPY, FIELDS, leaseOf, type Page, STATE_MASK } from "./page.ts";
import type { TaskPages } from "./page-table.ts";
import { applySpan, applyToTask } from "./transitions.ts";
import { STATE } from "./types.ts";

export interface RecoverySummary {
  readonly tasks: number;
  readonly pages: number;
  readonly records: number;
  readonly decisions: number;
  readonly leases: number;
  readonly leasedRanges: number;
  /** Sequence of the last record replayed. */
  readonly sequence: number;
  readonly epoch: number;
}

/** Columns of the leases seen: id, task, first, count, pilot, sequence, kind. */
const COLUMNS = 7;
/** Rows of one block: a journal of 10^6 decisions has some 500 000, which nobody wants to move. */
const BLOCK_ROWS = 8192;

export class Recovery {
  readonly #books: Books;
  #seen: Float64Array[] = [];
  #seenRows = 0;
  /** Open ranges by lease, of the pages read through. */
  readonly #openIn = new NumberMap<number>();
  readonly #readThrough = new Set<Page>();
  /** The page that was looked at last. */
  #lastTask: TaskPages | null = null;
  #lastIndex = -1;
  /** Of the row that was looked at last. */
  #rowTask: TaskPages | null = null;
  #pages = 0;
  #records = 0;
  #decisions = 0;

  constructor(books: Books) {
    this.#books = books;
  }

  loadPage(taskId: number, index: number, bytes: Uint8Array): void {
    const task = this.#task(taskId);
    const known = index >= 0 && index * RANGES_PER_PAGE < task.ranges;
    if (!known) throw damaged(`page ${index} lies outside task ${taskId}`);
    this.#books.pages.load(task, index, bytes);
    this.#pages++;
    this.#books.taken = Math.max(this.#books.taken, task.page(index)!.trueAt);
  }

  replay(sequence: number, bytes: Uint8Array): void {
    const books = this.#books;
    assert(sequence > 0, "journal records are numbered from 1");
    books.replaying = sequence;
    const reader = new JournalReader(bytes);
    books.issued = Math.max(books.issued, reader.issued);
    while (reader.next()) {
      this.#decisions++;
      this.#apply(reader, sequence);
    }
    books.taken = Math.max(books.taken, sequence);
    this.#records++;
    books.goLive();
  }

  finish(): RecoverySummary {
    const books = this.#books;
    books.goLive();
    books.issuedBefore = books.issued;
    this.#openLeases();
    if (leaseEpoch(books.issued) >= books.epoch) {
      const epoch = leaseEpoch(books.issued) + 1;
      books.bornAt = epoch * 0x1_0000_0000;
      books.raiseEpoch(epoch);
    }
    let leasedRanges = 0;
    for (const lease of books.leases.all()) leasedRanges += lease.open;
    return {
      tasks: books.tasks.size,
      pages: this.#pages,
      records: this.#records,
      decisions: this.#decisions,
      leases: books.leases.size,
      leasedRanges,
      sequence: books.taken,
      epoch: books.epoch,
    };
  }

  #task(id: number): TaskPages {
    const task = this.#books.tasks.get(id);
    if (task === undefined) throw damaged(`task ${id} has no row`);
    return task;
  }

  #apply(reader: JournalReader, sequence: number): void {
    const books = this.#books;
    const { kind, first, count, lease, extra } = reader;
    switch (kind) {
      case DECISION.bundleLost:
        books.lostBundles.add(extra);
        return;
      case DECISION.epochRaised:
        books.issued = Math.max(books.issued, lease);
        return;
    }
    const task = this.#task(reader.task);
    if (first + count > task.ranges) throw damaged(`range ${first + count - 1} is in no task`);
    switch (kind) {
      case DECISION.granted:
      case DECISION.copied:
      case DECISION.carried:
      case DECISION.carriedWhole:
      case DECISION.carriedCopy:
        books.issued = Math.max(books.issued, lease);
        this.#see(lease, task.id, first, count, extra, sequence, kind);
        if (kind !== DECISION.granted && kind !== DECISION.copied) return;
        break;
      case DECISION.bundleReopened:
        books.lostBundles.add(extra);
        applyToTask(books, kind, task, first, extra);
        return;
      case DECISION.retried:
        applyToTask(books, kind, task, first, extra);
        return;
    }
    applySpan(books, kind, task, first, count, lease, extra);
  }

  #see(
    lease: number,
    task: number,
    first: number,
    count: number,
    pilot: number,
    sequence: number,
    kind: number,
  ): void {
    const row = this.#seenRows++ % BLOCK_ROWS;
    if (row === 0) this.#seen.push(new Float64Array(COLUMNS * BLOCK_ROWS));
    const seen = this.#seen[this.#seen.length - 1]!;
    const at = row * COLUMNS;
    seen[at] = lease;
    seen[at + 1] = task;
    seen[at + 2] = first;
    seen[at + 3] = count;
    seen[at + 4] = pilot;
    seen[at + 5] = sequence;
    seen[at + 6] = kind;
  }

  /**
   * Newest place first, so that each lease is counted once, at its newest position. Each row runs
   * through functions of its own, since a start is over before the engine's compiler has made one
   * large loop fast, and it must throw that away wherever rows of another kind begin.
   */
  #openLeases(): void {
    const copies: OpenLease[] = [];
    for (let row = this.#seenRows - 1; row >= 0; row--) {
      const seen = this.#seen[Math.floor(row / BLOCK_ROWS)]!;
      const at = (row % BLOCK_ROWS) * COLUMNS;
      const task = this.#seenTask(seen[at + 1]!);
      if (task.phase !== "open") continue;
      const open = this.#openOf(task, seen, at);
      if (open > 0 || isCopy(seen[at + 6]!)) this.#putOpen(seen, at, open, copies);
    }
    this.#claimCopies(copies);
    this.#seen = [];
    this.#seenRows = 0;
    this.#openIn.clear();
    this.#readThrough.clear();
  }

  #seenTask(id: number): TaskPages {
    if (this.#rowTask?.id !== id) this.#rowTask = this.#books.task(id);
    return this.#rowTask;
  }

  /** How many ranges of the lease in this row are open. */
  #openOf(task: TaskPages, seen: Float64Array, at: number): number {
    const first = seen[at + 2]!;
    const count = seen[at + 3]!;
    const isWhole = seen[at + 6] === DECISION.carriedWhole;
    if (isWhole && isUnchanged(task, first, first + count, seen[at + 5]!)) return count;
    return this.#openUnder(task, seen[at]!, first, first + count);
  }

  #putOpen(seen: Float64Array, at: number, open: number, copies: OpenLease[]): void {
    const { leases } = this.#books;
    const id = seen[at]!;
    if (leases.get(id) !== undefined) return;
    const speculative = isCopy(seen[at + 6]!);
    const task = seen[at + 1]! as TaskId;
    const [first, count, pilot] = [seen[at + 2]!, seen[at + 3]!, seen[at + 4]!];
    const lease = new OpenLease(id, task, first, count, pilot, speculative, open, seen[at + 5]!);
    leases.addOldest(lease);
    if (speculative) copies.push(lease);
  }

  /** Open ranges under the lease, which lies in [first, end). */
  #openUnder(task: TaskPages, lease: number, first: number, end: number): number {
    const last = Math.floor((end - 1) / RANGES_PER_PAGE);
    for (let index = Math.floor(first / RANGES_PER_PAGE); index <= last; index++) {
      // Leases come in order of their ranges, mostly: many in a row lie in one page.
      if (index === this.#lastIndex && task === this.#lastTask) continue;
      this.#lastIndex = index;
      this.#lastTask = task;
      const page = task.page(index);
      if (page === undefined || this.#readThrough.has(page)) continue;
      this.#readThrough.add(page);
      if (page.counts[STATE.held]! + page.counts[STATE.running]! > 0) this.#readPage(page);
    }
    return this.#openIn.get(lease) ?? 0;
  }

  /** Leases may lie in every page of a large task: opening them all would push each other out. */
  #readPage(stored: Page): void {
    const page = this.#books.pages.peek(stored);
    const { cells } = page;
    for (let record = 0; record < page.records; record++) {
      const at = record * FIELDS;
      const state = cells[at + 1]! & STATE_MASK;
      if (state !== STATE.held && state !== STATE.running) continue;
      const lease = leaseOf(cells[at + 3]!, cells[at + 4]!);
      const begin = cells[at]! >>> 16;
      const next = record + 1 < page.records ? cells[at + FIELDS]! >>> 16 : page.size;
      this.#openIn.set(lease, (this.#openIn.get(lease) ?? 0) + next - begin);
    }
  }

  /**
   * A flagged range's copy is the newest copy lease over it: an older one has ended there. One
   * without any range is not open.
   */
  #claimCopies(copies: OpenLease[]): void {
    const books = this.#books;
    copies.sort((a, b) => b.id - a.id);
    for (const lease of copies) {
      const task = books.task(lease.task);
      for (let range = lease.first; range < lease.first + lease.count; range++) {
        if (task.copies.has(range) || !hasCopy(books, task, range)) continue;
        task.copies.set(range, lease.id);
        books.leases.openSome(lease, 1);
      }
      if (lease.open === 0) books.leases.remove(lease);
    }
  }
}

function isCopy(kind: number): boolean {
  return kind === DECISION.copied || kind === DECISION.carriedCopy;
}

/** Whether a range is run by a second lease too. */
function hasCopy(books: Books, task: TaskPages, range: number): boolean {
  const index = Math.floor(range / RANGES_PER_PAGE);
  const page = task.page(index);
  if (page === undefined || page.counts[STATE.running] === 0) return false;
  books.pages.open(page);
  const record = page.find(range - index * RANGES_PER_PAGE);
  return (page.cells[record * FIELDS + 1]! & COPY) !== 0;
}

/** No page of [first, end) has changed since the end of the group `sequence`. */
function isUnchanged(task: TaskPages, first: number, end: number, sequence: number): boolean {
  const last = Math.floor((end - 1) / RANGES_PER_PAGE);
  for (let index = Math.floor(first / RANGES_PER_PAGE); index <= last; index++) {
    const page = task.page(index);
    if (page === undefined || page.trueAt > sequence || page.dirtySince !== 0) return false;
  }
  return true;
}
