/**
 * All pages of all tasks. A page that is absent is untouched: every range of it is ready. Pages are
 * found through chunks of 1 024, so that a task of 2^53 ranges costs what was touched of it.
 *
 *   TaskPages: chunk number -> Chunk { pages[1024], taken }      taken = ranges that are not ready
 *
 * - The lowest ready range is found from a hint (nothing below it is ready) over whole chunks and
 *   whole pages without ready ranges, so that a finished prefix is walked over once.
 * - Open pages are bounded in bytes: beyond it the ones opened longest ago and not touched since
 *   are packed; finished pages are packed at once.
 * - Dirty pages stand in the order of their oldest change that is not in the store: the first one
 *   says how far back the journal is needed.
 */
import { assert, RANGES_PER_PAGE, RANGES_PER_TASK_MAX } from "../base/index.ts";
import { FIELDS, Page, STATE_MASK } from "./page.ts";
import { decodePage, decodePageHeader, encodePage } from "./page-codec.ts";
import { type OpenCounts, STATE, type TaskPhase, type TaskTerms } from "./types.ts";

const PAGES_PER_CHUNK = 1024;
const RANGES_PER_CHUNK = PAGES_PER_CHUNK * RANGES_PER_PAGE;
export const OPEN_BYTES_MAX = 96 * 1024 * 1024;

interface Chunk {
  readonly pages: (Page | undefined)[];
  taken: number;
}

/** One task's ranges. Plain data: the functions below and transitions.ts change it. */
export class TaskPages implements OpenCounts {
  readonly terms: TaskTerms;
  ranges: number;
  phase: TaskPhase;
  /** Ranges below it are merged; done ones among them are counted in `mergedDone`. */
  mergedBelow: number;
  mergedDone = 0;
  readonly counts: number[];
  /** Payload starts over all ranges. */
  starts = 0;
  readonly chunks = new Map<number, Chunk>();
  /** Running ranges with a speculative copy -> the copy's lease; live only. */
  readonly copies = new Map<number, number>();
  /** No range below it is ready. */
  readyHint = 0;
  #number = -1;
  #chunk: Chunk | undefined;

  constructor(terms: TaskTerms, phase: TaskPhase, mergedBelow: number) {
    assert(terms.ranges >= 0 && terms.ranges <= RANGES_PER_TASK_MAX, "ranges within 2^53");
    this.terms = terms;
    this.ranges = terms.ranges;
    this.phase = phase;
    this.mergedBelow = mergedBelow;
    this.counts = [terms.ranges, 0, 0, 0, 0];
  }

  get id(): number {
    return this.terms.id;
  }

  get ready(): number {
    return this.phase === "cancelled" ? 0 : this.counts[STATE.ready]!;
  }

  get leased(): number {
    if (this.phase === "cancelled") return 0;
    return this.counts[STATE.held]! + this.counts[STATE.running]!;
  }

  page(index: number): Page | undefined {
    const number = Math.floor(index / PAGES_PER_CHUNK);
    return this.chunk(number)?.pages[index - number * PAGES_PER_CHUNK];
  }

  /** The last one asked for is remembered: most work stays in one chunk. */
  chunk(number: number): Chunk | undefined {
    if (number === this.#number) return this.#chunk;
    const chunk = this.chunks.get(number);
    if (chunk !== undefined) {
      this.#number = number;
      this.#chunk = chunk;
    }
    return chunk;
  }

  pageSize(index: number): number {
    return Math.min(RANGES_PER_PAGE, this.ranges - index * RANGES_PER_PAGE);
  }

  /** `count` ranges of `page` go from one state to another. */
  move(page: Page, from: number, to: number, count: number): void {
    page.counts[from]! -= count;
    page.counts[to]! += count;
    this.counts[from]! -= count;
    this.counts[to]! += count;
    if (from === STATE.ready) this.#take(page, count);
    else if (to === STATE.ready) this.#take(page, -count);
  }

  start(page: Page, starts: number): void {
    page.starts += starts;
    this.starts += starts;
  }

  #take(page: Page, count: number): void {
    this.chunk(Math.floor(page.index / PAGES_PER_CHUNK))!.taken += count;
  }

  /** The page, made untouched where there is none (`packed`: to be packed next). */
  pageOrNew(index: number, packed = false): Page {
    const number = Math.floor(index / PAGES_PER_CHUNK);
    let chunk = this.chunk(number);
    if (chunk === undefined) {
      // A small task's only chunk has room for its pages alone; it grows by itself.
      const rest = Math.ceil(this.ranges / RANGES_PER_PAGE) - number * PAGES_PER_CHUNK;
      const places = Math.min(PAGES_PER_CHUNK, rest);
      chunk = { pages: new Array<Page | undefined>(places).fill(undefined), taken: 0 };
      this.chunks.set(number, chunk);
    }
    const at = index - number * PAGES_PER_CHUNK;
    const found = chunk.pages[at];
    if (found !== undefined) return found;
    const page = new Page(this.id, index, this.pageSize(index), packed);
    chunk.pages[at] = page;
    return page;
  }

  /** First range at or after `from` that may be ready (its page has one), or -1, by counts. */
  pageWithReady(from: number): number {
    let at = from;
    while (at < this.ranges) {
      const number = Math.floor(at / RANGES_PER_CHUNK);
      const chunk = this.chunk(number);
      if (chunk === undefined) return at;
      const chunkStart = number * RANGES_PER_CHUNK;
      const chunkEnd = Math.min(chunkStart + RANGES_PER_CHUNK, this.ranges);
      if (chunk.taken === chunkEnd - chunkStart) {
        at = chunkEnd;
        continue;
      }
      for (let p = Math.floor((at - chunkStart) / RANGES_PER_PAGE); at < chunkEnd; p++) {
        const page = chunk.pages[p];
        if (page === undefined || page.counts[STATE.ready]! > 0) return at;
        at = chunkStart + (p + 1) * RANGES_PER_PAGE;
      }
    }
    return -1;
  }

  /** End of the absent pages and chunks that begin with the absent page of range `at`. */
  untouchedUntil(at: number): number {
    let range = Math.floor(at / RANGES_PER_PAGE) * RANGES_PER_PAGE;
    while (range < this.ranges) {
      const index = range / RANGES_PER_PAGE;
      if (!this.chunks.has(Math.floor(index / PAGES_PER_CHUNK))) {
        range = (Math.floor(index / PAGES_PER_CHUNK) + 1) * RANGES_PER_CHUNK;
        if (this.chunks.size === 0) return this.ranges;
      } else if (this.page(index) === undefined) {
        range += RANGES_PER_PAGE;
      } else {
        break;
      }
    }
    return Math.min(range, this.ranges);
  }

  *touchedPages(fromRange = 0): Generator<Page> {
    const first = Math.floor(fromRange / RANGES_PER_PAGE);
    const numbers = [...this.chunks.keys()].sort((a, b) => a - b);
    for (const number of numbers) {
      const { pages } = this.chunks.get(number)!;
      for (let at = 0; at < pages.length; at++) {
        const page = pages[at];
        if (page !== undefined && page.index >= first) yield page;
      }
    }
  }
}

export interface PageImage {
  readonly task: number;
  readonly page: number;
  readonly value: Uint8Array;
}

export class PageTable {
  readonly tasks = new Map<number, TaskPages>();
  readonly #open = new Set<Page>();
  readonly #dirty = new Set<Page>();
  readonly #openBytesMax: number;
  #openBytes = 0;
  /** Reads of packed pages that shall not open them go through this one. */
  readonly #glass = new Page(0, 0, RANGES_PER_PAGE);
  /** What the glass shows: packed bytes are never changed, so that they say it. */
  #shown: Uint8Array | null = null;

  constructor(openBytesMax = OPEN_BYTES_MAX) {
    this.#openBytesMax = openBytesMax;
  }

  get openBytes(): number {
    return this.#openBytes;
  }
  get dirtyPages(): number {
    return this.#dirty.size;
  }

  /** Makes the records of a page readable and writable; may pack others. */
  open(page: Page): void {
    page.touched = true;
    if (page.isOpen) return;
    page.isOpen = true;
    if (page.isPacked) decodePage(page, page.packed!);
    this.#open.add(page);
    this.#openBytes += page.bytes;
    if (this.#openBytes > this.#openBytesMax) this.#packSome(page);
  }

  /** The page, or a transient copy of it: for reading, until the next call. */
  peek(page: Page): Page {
    if (!page.isPacked) return page;
    if (this.#shown === page.packed && this.#glass.size === page.size) return this.#glass;
    this.#shown = null;
    this.#glass.size = page.size;
    decodePage(this.#glass, page.packed!);
    this.#shown = page.packed;
    return this.#glass;
  }

  /** After a change to an open page: it is dirty, may have grown, and may be finished. */
  changed(page: Page, bytesBefore: number, sequence: number): void {
    this.#openBytes += page.bytes - bytesBefore;
    if (page.dirtySince === 0) {
      page.dirtySince = sequence;
      this.#dirty.add(page);
    }
    if (page.isFinal) this.#pack(page);
    if (this.#openBytes > this.#openBytesMax) this.#packSome(page);
  }

  /** A page of the store, at a restart; it keeps `bytes`, and stays packed until it is touched. */
  load(task: TaskPages, index: number, bytes: Uint8Array): void {
    const header = decodePageHeader(bytes);
    const page = task.pageOrNew(index, true);
    assert(page.trueAt === 0 && !page.isOpen, "page % is loaded twice", index);
    assert(header.size <= page.size, "page % has more ranges than its task", index);
    const untouched = page.counts[STATE.ready]!;
    for (const state of [STATE.held, STATE.running, STATE.done, STATE.failed]) {
      task.move(page, STATE.ready, state, header.counts[state]!);
    }
    page.starts = header.starts;
    task.starts += header.starts;
    const added = page.size - header.size;
    assert(
      page.counts[STATE.ready] === header.counts[STATE.ready]! + added && untouched === page.size,
      "a page's header adds up",
    );
    page.trueAt = header.trueAt;
    page.pack(bytes);
  }

  extend(task: TaskPages, ranges: number): void {
    const before = task.ranges;
    assert(ranges > 0 && before + ranges <= RANGES_PER_TASK_MAX, "a task grows within 2^53");
    task.ranges += ranges;
    task.counts[STATE.ready]! += ranges;
    const last = Math.floor(before / RANGES_PER_PAGE);
    const page = task.page(last);
    if (page === undefined) return;
    this.open(page);
    const bytesBefore = page.bytes;
    const size = task.pageSize(last);
    page.counts[STATE.ready]! += size - page.size;
    page.extend(size);
    this.#openBytes += page.bytes - bytesBefore;
  }

  /** Sequence of the oldest change that is only in the journal; `otherwise` if there is none. */
  oldestDirty(otherwise: number): number {
    for (const page of this.#dirty) return page.dirtySince;
    return otherwise;
  }

  /** Encodes up to `pagesMax` pages changed at or before `oldEnough`, oldest first. */
  writeBack(sequence: number, pagesMax: number, oldEnough: number): PageImage[] {
    const images: PageImage[] = [];
    for (const page of this.#dirty) {
      if (images.length >= pagesMax || page.dirtySince > oldEnough) break;
      images.push({ task: page.task, page: page.index, value: encodePage(page, sequence) });
      page.dirtySince = 0;
      this.#dirty.delete(page);
    }
    return images;
  }

  #pack(page: Page): void {
    if (!page.isOpen) return;
    page.isOpen = false;
    this.#open.delete(page);
    this.#openBytes -= page.bytes;
    page.pack(encodePage(page, 0));
  }

  #packSome(except: Page): void {
    for (const page of this.#open) {
      if (this.#openBytes <= this.#openBytesMax) return;
      if (page === except) continue;
      if (page.touched) {
        page.touched = false;
        this.#open.delete(page);
        this.#open.add(page);
      } else {
        this.#pack(page);
      }
    }
  }
}

export interface ReadyRun {
  first: number;
  count: number;
  attempts: number;
  grants: number;
}

/** Lowest run of ready ranges with equal attempts and grants at or after `from`, or null. */
export function nextReady(
  table: PageTable,
  task: TaskPages,
  from: number,
  countMax: number,
): ReadyRun | null {
  const fromHint = from <= task.readyHint;
  let first = fromHint ? task.readyHint : from;
  for (;;) {
    first = task.pageWithReady(first);
    if (first < 0) break;
    const index = Math.floor(first / RANGES_PER_PAGE);
    const page = task.page(index);
    if (page === undefined) break;
    table.open(page);
    const offset = page.firstReady(first - index * RANGES_PER_PAGE);
    first = index * RANGES_PER_PAGE + (offset < 0 ? page.size : offset);
    if (offset >= 0) break;
  }
  if (fromHint) task.readyHint = first < 0 ? task.ranges : first;
  if (first < 0 || first >= task.ranges) return null;
  return alikeReady(table, task, first, countMax);
}

function alikeReady(table: PageTable, task: TaskPages, first: number, countMax: number): ReadyRun {
  const limit = Math.min(first + countMax, task.ranges);
  let attempts = -1;
  let grants = -1;
  let at = first;
  walk: while (at < limit) {
    const index = Math.floor(at / RANGES_PER_PAGE);
    const base = index * RANGES_PER_PAGE;
    const page = task.page(index);
    if (page === undefined) {
      if (attempts > 0 || grants > 0) break;
      attempts = grants = 0;
      at = Math.min(base + RANGES_PER_PAGE, limit);
      continue;
    }
    if (page.counts[STATE.ready] === 0) break;
    table.open(page);
    const end = Math.min(limit - base, page.size);
    let offset = at - base;
    while (offset < end) {
      const record = page.find(offset);
      const head = page.cells[record * FIELDS]!;
      const word = page.cells[record * FIELDS + 1]!;
      const wordAttempts = (word >>> 4) & 0xff;
      if (attempts < 0) {
        attempts = wordAttempts;
        grants = head & 0xffff;
      }
      const fits =
        (word & STATE_MASK) === STATE.ready &&
        wordAttempts === attempts &&
        (head & 0xffff) === grants;
      if (!fits) break walk;
      offset = page.endOf(record, end);
      at = base + offset;
    }
  }
  return { first, count: at - first, attempts, grants };
}
