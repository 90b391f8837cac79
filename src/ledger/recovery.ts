/**
 * From stored pages and the journal back to the state at the last durable group.
 *
 * Tasks first (cold rows), then pages (they stay packed), then journal records in order. A page is
 * true at its own sequence: older records pass it by. So a record may be applied to one page and
 * not to its neighbour, and replaying twice changes nothing.
 *
 * Leases are collected, not counted, while the journal passes: at the end each lease that was
 * granted or carried is looked up in the pages, and is open with as many ranges as still name it.
 * A lease of the group that was lost in the crash is in no record: its number is never given out
 * again because the epoch has risen, and `wasIssued` knows it as never issued.
 */
import { assert, leaseEpoch, RANGES_PER_PAGE } from "../base/index.ts";
import type { Books } from "./books.ts";
import { damaged } from "./bytes.ts";
import { DECISION, JournalReader } from "./journal.ts";
import { OpenLease } from "./leases.ts";
import { COPY, FIELDS, STATE_MASK } from "./page.ts";
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

/** Columns of the leases seen, six numbers each: id, task, first, count, pilot, sequence. */
const COLUMNS = 6;

export class Recovery {
  readonly #books: Books;
  #seen = new Float64Array(COLUMNS * 4096);
  #seenSize = 0;
  /** Index in `#seen` / COLUMNS of leases given as copies. */
  readonly #copies = new Set<number>();
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
      case DECISION.carriedCopy:
        books.issued = Math.max(books.issued, lease);
        if (kind === DECISION.copied || kind === DECISION.carriedCopy) {
          this.#copies.add(this.#seenSize / COLUMNS);
        }
        this.#see(lease, task.id, first, count, extra, sequence);
        if (kind === DECISION.carried || kind === DECISION.carriedCopy) return;
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
  ): void {
    const at = this.#seenSize;
    if (at === this.#seen.length) {
      const larger = new Float64Array(2 * at);
      larger.set(this.#seen);
      this.#seen = larger;
    }
    const seen = this.#seen;
    seen[at] = lease;
    seen[at + 1] = task;
    seen[at + 2] = first;
    seen[at + 3] = count;
    seen[at + 4] = pilot;
    seen[at + 5] = sequence;
    this.#seenSize = at + COLUMNS;
  }

  /** Newest place first, so that each lease is counted once, at its newest position. */
  #openLeases(): void {
    const books = this.#books;
    const seen = this.#seen;
    const found: OpenLease[] = [];
    const done = new Set<number>();
    for (let row = this.#seenSize / COLUMNS - 1; row >= 0; row--) {
      const at = row * COLUMNS;
      const id = seen[at]!;
      const task = books.task(seen[at + 1]!);
      if (task.phase !== "open" || done.has(id)) continue;
      const first = seen[at + 2]!;
      const count = seen[at + 3]!;
      const speculative = this.#copies.has(row);
      const open = countOpen(books, task, id, first, count);
      if (open === 0 && !speculative) continue;
      done.add(id);
      const pilot = seen[at + 4]!;
      const position = seen[at + 5]!;
      found.push(
        new OpenLease(id, task.terms.id, first, count, pilot, speculative, open, position),
      );
    }
    this.#claimCopies(found);
    for (let i = found.length - 1; i >= 0; i--) {
      if (found[i]!.open > 0) books.leases.add(found[i]!);
    }
    this.#seen = new Float64Array(0);
    this.#seenSize = 0;
    this.#copies.clear();
  }

  /** A flagged range's copy is the newest copy lease over it: an older one has ended there. */
  #claimCopies(leases: readonly OpenLease[]): void {
    const books = this.#books;
    const copies = leases.filter((lease) => lease.speculative).sort((a, b) => b.id - a.id);
    for (const lease of copies) {
      const task = books.task(lease.task);
      for (let range = lease.first; range < lease.first + lease.count; range++) {
        if (task.copies.has(range) || !hasCopy(books, task, range)) continue;
        task.copies.set(range, lease.id);
        lease.open++;
      }
    }
  }
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

function countOpen(
  books: Books,
  task: TaskPages,
  lease: number,
  first: number,
  count: number,
): number {
  const low = lease >>> 0;
  const high = Math.floor(lease / 0x1_0000_0000);
  const end = first + count;
  let open = 0;
  for (let at = first; at < end; ) {
    const index = Math.floor(at / RANGES_PER_PAGE);
    const base = index * RANGES_PER_PAGE;
    const to = Math.min(end - base, RANGES_PER_PAGE);
    const stored = task.page(index);
    if (stored !== undefined && stored.counts[STATE.held]! + stored.counts[STATE.running]! > 0) {
      // Leases may lie in every page of a large task: opening them all would push each other out.
      const page = books.pages.peek(stored);
      for (let offset = at - base; offset < to; ) {
        const record = page.find(offset);
        const next = page.endOf(record, to);
        const cells = page.cells;
        const cell = record * FIELDS;
        const state = cells[cell + 1]! & STATE_MASK;
        const leased = state === STATE.held || state === STATE.running;
        if (leased && cells[cell + 3] === low && cells[cell + 4] === high) open += next - offset;
        offset = next;
      }
    }
    at = base + to;
  }
  return open;
}
