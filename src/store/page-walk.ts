/**
 * Walks every tree of a store file without LMDB, which follows page numbers, offsets and sizes
 * blindly: one flipped bit in a branch page is a SIGBUS, in a free list an overwritten live page.
 * So before LMDB gets the file, everything it would follow is checked here, from the meta record
 * it will start from:
 *
 *   main tree -> one record per named tree -> branch pages -> leaf pages -> overflow pages
 *   free tree -> lists of free pages
 *
 * Checked: page numbers and kinds, offsets and sizes, order of keys within and between pages,
 * depth, counts of pages and entries, every page inside the file, no page in use twice, no page
 * both in use and free. What the values say is guarded by their CRCs, not here; `sink` receives
 * them on request (`verify` reads the whole store through it). Layout: meta-pages.ts; nodes:
 *
 *   node    0 size low u16 | 2 size high u16 | 4 flags u16 | 6 key bytes u16 | 8 key | data
 *           branch: page number = low | high << 16 | flags << 32, no data
 *           flags: 1 data is an overflow record (page u64, transaction u64, pages u64), 2 a tree
 *   free    key: transaction u64; data: count u64, then pages: p, or -n p for p..p+n-1, 0 is empty
 */
import { readSync } from "node:fs";
import { assert } from "../base/index.ts";
import { damaged } from "./damage.ts";
import {
  type MetaRecord,
  NO_ROOT,
  PAGE_HEADER_BYTES,
  readTree,
  readU64,
  type TreeRecord,
} from "./meta-pages.ts";

const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
const NODE_OVERFLOW = 0x01;
const NODE_TREE = 0x02;
const NODE_HEADER_BYTES = 8;
const OVERFLOW_RECORD_BYTES = 24;
const TREE_RECORD_BYTES = 48;
const DEPTH_MAX = 32;
const WINDOW_BYTES = 64 * 1024;

export interface StoreFile {
  readonly path: string;
  readonly descriptor: number;
  readonly bytes: number;
  readonly pageBytes: number;
}

/** Called for each entry of a named tree, in key order; the buffers are reused afterwards. */
export type EntrySink = (tree: string, key: Buffer, value: Buffer) => void;

export interface WalkSummary {
  /** Entries of each named tree. */
  readonly entries: ReadonlyMap<string, number>;
  readonly pagesInUse: number;
  readonly pagesFree: number;
}

interface Counts {
  branch: number;
  leaf: number;
  overflow: number;
  entries: number;
}

interface Bounds {
  /** First key allowed, inclusive; null: any. */
  readonly low: Buffer | null;
  /** First key no longer allowed. */
  readonly high: Buffer | null;
}

type Role = "free" | "main" | "named";

/** Throws `store_damaged` at the first thing that is wrong. */
export function walkStore(file: StoreFile, meta: MetaRecord, sink?: EntrySink): WalkSummary {
  const walk = new PageWalk(file, meta, sink);
  return walk.run();
}

class PageWalk {
  readonly #file: StoreFile;
  readonly #meta: MetaRecord;
  readonly #sink: EntrySink | undefined;
  /** One bit a page: 1 = in use by a tree. */
  readonly #used: Uint8Array;
  readonly #free: Uint8Array;
  readonly #levels: Buffer[] = [];
  readonly #header = Buffer.alloc(PAGE_HEADER_BYTES);
  /** Pages that were read together: mostly a tree's pages lie side by side. */
  readonly #window = Buffer.alloc(WINDOW_BYTES);
  #windowAt = 0;
  #windowFilled = 0;
  readonly #entries = new Map<string, number>();
  /** Latest transaction that wrote a page in use: every transaction rewrites a root. */
  #newest = 0;
  #pagesInUse = 2;
  #pagesFree = 0;

  constructor(file: StoreFile, meta: MetaRecord, sink: EntrySink | undefined) {
    this.#file = file;
    this.#meta = meta;
    this.#sink = sink;
    this.#used = new Uint8Array(Math.ceil((meta.lastPage + 1) / 8));
    this.#free = new Uint8Array(this.#used.length);
    this.#used[0] = 3;
  }

  run(): WalkSummary {
    this.#tree("the free list", this.#meta.free, "free", 0);
    this.#tree("the table of trees", this.#meta.main, "main", 0);
    if (this.#newest !== this.#meta.transaction) {
      throw this.#wrong(
        `its meta record is of transaction ${this.#meta.transaction}, ` +
          `its newest page of ${this.#newest}`,
      );
    }
    for (let i = 0; i < this.#used.length; i++) {
      const both = (this.#used[i] as number) & (this.#free[i] as number);
      if (both !== 0) {
        throw this.#wrong(`page ${i * 8 + 31 - Math.clz32(both)} is both in use and free`);
      }
    }
    return {
      entries: this.#entries,
      pagesInUse: this.#pagesInUse,
      pagesFree: this.#pagesFree,
    };
  }

  #wrong(problem: string): Error {
    return damaged(this.#file.path, problem);
  }

  #tree(name: string, tree: TreeRecord, role: Role, level: number): void {
    const counts: Counts = { branch: 0, leaf: 0, overflow: 0, entries: 0 };
    if (tree.root !== NO_ROOT) {
      if (tree.depth < 1 || tree.depth > DEPTH_MAX) {
        throw this.#wrong(`${name} claims a depth of ${tree.depth}`);
      }
      const bounds = { low: null, high: null };
      this.#page(name, tree.root, role, tree.depth - 1, level, bounds, counts);
    }
    const claims: [string, number, number][] = [
      ["branch pages", counts.branch, tree.branchPages],
      ["leaf pages", counts.leaf, tree.leafPages],
      ["overflow pages", counts.overflow, tree.overflowPages],
      ["entries", counts.entries, tree.entries],
    ];
    for (const [what, found, claimed] of claims) {
      if (found !== claimed) {
        throw this.#wrong(`${name} has ${found} ${what}, not ${claimed} as it claims`);
      }
    }
    if (role === "named") this.#entries.set(name, counts.entries);
  }

  /** Marks pages as in use; they must lie inside the file and be used once. */
  #take(name: string, first: number, count: number): void {
    if (first < 2 || count < 1 || first + count - 1 > this.#meta.lastPage) {
      throw this.#wrong(
        `${name} points to page ${first}, outside ${this.#meta.lastPage + 1} pages`,
      );
    }
    if ((first + count) * this.#file.pageBytes > this.#file.bytes) {
      throw this.#wrong(
        `${name} needs page ${first + count - 1}, ` +
          `but the file ends after ${this.#file.bytes} bytes`,
      );
    }
    for (let page = first; page < first + count; page++) {
      const bit = 1 << (page & 7);
      if (((this.#used[page >> 3] as number) & bit) !== 0) {
        throw this.#wrong(`${name} points to page ${page}, which is in use elsewhere`);
      }
      (this.#used[page >> 3] as number) |= bit;
    }
    this.#pagesInUse += count;
  }

  #read(target: Buffer, position: number): void {
    if (target.length > WINDOW_BYTES) {
      const got = readSync(this.#file.descriptor, target, 0, target.length, position);
      if (got !== target.length) throw this.#unreadable(position);
      return;
    }
    let from = position - this.#windowAt;
    if (from < 0 || from + target.length > this.#windowFilled) {
      this.#windowAt = position;
      this.#windowFilled = readSync(this.#file.descriptor, this.#window, 0, WINDOW_BYTES, position);
      if (this.#windowFilled < target.length) throw this.#unreadable(position);
      from = 0;
    }
    this.#window.copy(target, 0, from, from + target.length);
  }

  #unreadable(position: number): Error {
    return this.#wrong(`it can't be read at byte ${position}`);
  }

  /** Reads and checks a branch or leaf page; `height` 0 is a leaf. */
  #page(
    name: string,
    number: number,
    role: Role,
    height: number,
    level: number,
    bounds: Bounds,
    counts: Counts,
  ): void {
    this.#take(name, number, 1);
    assert(level < 3 * DEPTH_MAX, "trees are nested deeper than LMDB can");
    const page = (this.#levels[level] ??= Buffer.alloc(this.#file.pageBytes));
    this.#read(page, number * this.#file.pageBytes);
    const kind = page.readUInt16LE(18);
    if (readU64(page, 0) !== number || kind !== (height > 0 ? BRANCH : LEAF)) {
      throw this.#wrong(`page ${number} of ${name} is no ${height > 0 ? "branch" : "leaf"} page`);
    }
    this.#newest = Math.max(this.#newest, readU64(page, 8));
    const nodes = this.#nodes(name, number, page, role, height, bounds);
    if (height === 0) {
      counts.leaf++;
      counts.entries += nodes.length;
      for (const node of nodes) this.#leafNode(name, page, node, role, level, counts);
      return;
    }
    counts.branch++;
    const children = nodes.map((at) => branchTarget(page, at));
    const keys = nodes.map((at) => Buffer.from(keyAt(page, at)));
    for (let i = 0; i < children.length; i++) {
      const inner = {
        low: i === 0 ? bounds.low : (keys[i] as Buffer),
        high: keys[i + 1] ?? bounds.high,
      };
      this.#page(name, children[i] as number, role, height - 1, level + 1, inner, counts);
    }
  }

  /** Offsets of a page's nodes, after checking that each lies in the page and the keys rise. */
  #nodes(
    name: string,
    number: number,
    page: Buffer,
    role: Role,
    height: number,
    bounds: Bounds,
  ): number[] {
    const where = `page ${number} of ${name}`;
    const lower = page.readUInt16LE(20);
    const upper = page.readUInt16LE(22);
    const count = lower >> 1;
    // LMDB aborts on a branch with one child, except in its free list.
    const least = height > 0 && role !== "free" ? 2 : 1;
    const room = this.#file.pageBytes - PAGE_HEADER_BYTES;
    if ((lower & 1) !== 0 || lower > upper || upper > room || count < least) {
      throw this.#wrong(`${where} has impossible bounds (${lower}, ${upper})`);
    }
    const nodes: number[] = [];
    // Keys are compared where they lie: a view of each would cost more than all the rest.
    let before = bounds.low;
    let beforeAt = 0;
    let beforeEnd = bounds.low?.length ?? 0;
    let nodeBytes = 0;
    for (let i = 0; i < count; i++) {
      const offset = page.readUInt16LE(PAGE_HEADER_BYTES + 2 * i);
      const at = PAGE_HEADER_BYTES + offset;
      if ((offset & 1) !== 0 || offset < upper || offset + NODE_HEADER_BYTES > room) {
        throw this.#wrong(`node ${i} of ${where} is outside the page`);
      }
      const bytes = this.#nodeBytes(page, at, height, where, i);
      nodeBytes += bytes + (bytes & 1);
      if (at + bytes > this.#file.pageBytes) {
        throw this.#wrong(`node ${i} of ${where} is longer than the page`);
      }
      const keyBegin = at + NODE_HEADER_BYTES;
      const keyEnd = keyBegin + keyBytesAt(page, at);
      if (role === "free" && keyEnd - keyBegin !== 8 && (height === 0 || i > 0)) {
        throw this.#wrong(`node ${i} of ${where} has a key of ${keyEnd - keyBegin} bytes`);
      }
      // The first key of a branch page is not used.
      if (height === 0 || i > 0) {
        const order =
          before === null
            ? 1
            : compareKeys(role, page, keyBegin, keyEnd, before, beforeAt, beforeEnd);
        if (order < 0 || (order === 0 && i > (height > 0 ? 1 : 0))) {
          throw this.#wrong(`the keys of ${where} are out of order at node ${i}`);
        }
        const { high } = bounds;
        if (high !== null && compareKeys(role, page, keyBegin, keyEnd, high, 0, high.length) >= 0) {
          throw this.#wrong(`node ${i} of ${where} belongs to a later page`);
        }
        before = page;
        beforeAt = keyBegin;
        beforeEnd = keyEnd;
      }
      nodes.push(at);
    }
    if (nodeBytes !== room - upper) {
      throw this.#wrong(`the nodes of ${where} take ${nodeBytes} bytes, not ${room - upper}`);
    }
    return nodes;
  }

  #nodeBytes(page: Buffer, at: number, height: number, where: string, index: number): number {
    const head = NODE_HEADER_BYTES + keyBytesAt(page, at);
    if (height > 0) return head;
    const flags = page.readUInt16LE(at + 4);
    if ((flags & NODE_OVERFLOW) !== 0) return head + OVERFLOW_RECORD_BYTES;
    const bytes = sizeAt(page, at);
    if ((flags & NODE_TREE) !== 0 && bytes !== TREE_RECORD_BYTES) {
      throw this.#wrong(`node ${index} of ${where} is a tree record of ${bytes} bytes`);
    }
    return head + bytes;
  }

  #leafNode(
    name: string,
    page: Buffer,
    at: number,
    role: Role,
    level: number,
    counts: Counts,
  ): void {
    const flags = page.readUInt16LE(at + 4);
    if ((flags & ~(role === "main" ? NODE_TREE : NODE_OVERFLOW)) !== 0) {
      throw this.#wrong(`an entry of ${name} has the flags ${flags}`);
    }
    if (role === "main") {
      if ((flags & NODE_TREE) === 0) throw this.#wrong(`${name} holds an entry that is no tree`);
      const key = keyAt(page, at);
      const tree = readTree(page, at + NODE_HEADER_BYTES + key.length);
      if (tree.flags !== 0) throw this.#wrong(`a tree has the flags ${tree.flags}`);
      // lmdb-js ends the names of trees with a zero byte.
      this.#tree(key.toString("latin1").replace(/\0$/, ""), tree, "named", level + 1);
      return;
    }
    const data = at + NODE_HEADER_BYTES + keyBytesAt(page, at);
    const bytes = sizeAt(page, at);
    const isWanted = role === "free" || this.#sink !== undefined;
    if ((flags & NODE_OVERFLOW) === 0) {
      if (isWanted) this.#value(name, role, keyAt(page, at), page.subarray(data, data + bytes));
      return;
    }
    const first = readU64(page, data);
    const pages = readU64(page, data + 16);
    if (pages !== Math.ceil((PAGE_HEADER_BYTES + bytes) / this.#file.pageBytes)) {
      throw this.#wrong(`an entry of ${name} has ${bytes} bytes in ${pages} overflow pages`);
    }
    this.#take(name, first, pages);
    counts.overflow += pages;
    const position = first * this.#file.pageBytes;
    this.#read(this.#header, position);
    const header = this.#header;
    const kind = header.readUInt16LE(18);
    if (readU64(header, 0) !== first || kind !== OVERFLOW || header.readUInt32LE(20) !== pages) {
      throw this.#wrong(`page ${first} of ${name} is no overflow page of ${pages} pages`);
    }
    if (!isWanted) return;
    const value = Buffer.allocUnsafe(bytes);
    this.#read(value, position + PAGE_HEADER_BYTES);
    this.#value(name, role, keyAt(page, at), value);
  }

  #value(name: string, role: Role, key: Buffer, value: Buffer): void {
    if (role === "free") this.#freePages(value);
    else this.#sink?.(name, key, value);
  }

  #freePages(list: Buffer): void {
    const count = list.length >= 8 ? readU64(list, 0) : NO_ROOT;
    if (list.length % 8 !== 0 || (count + 1) * 8 > list.length) {
      throw this.#wrong(`a free list of ${list.length} bytes claims ${count} entries`);
    }
    let run = 1;
    for (let i = 1; i <= count; i++) {
      const entry = Number(list.readBigInt64LE(8 * i));
      if (entry < 0) {
        if (run !== 1 || entry < -(2 ** 40))
          throw this.#wrong(`a free list has the entry ${entry}`);
        run = -entry;
      } else if (entry > 0) {
        this.#release(entry, run);
        run = 1;
      }
    }
  }

  #release(first: number, count: number): void {
    if (first < 2 || first + count - 1 > this.#meta.lastPage) {
      throw this.#wrong(`the free list names page ${first + count - 1}, which is not there`);
    }
    for (let page = first; page < first + count; page++) {
      const bit = 1 << (page & 7);
      if (((this.#free[page >> 3] as number) & bit) !== 0) {
        throw this.#wrong(`the free list names page ${page} twice`);
      }
      (this.#free[page >> 3] as number) |= bit;
    }
    this.#pagesFree += count;
  }
}

function keyAt(page: Buffer, at: number): Buffer {
  const start = at + NODE_HEADER_BYTES;
  return page.subarray(start, start + keyBytesAt(page, at));
}

function keyBytesAt(page: Buffer, at: number): number {
  return page.readUInt16LE(at + 6);
}

function sizeAt(page: Buffer, at: number): number {
  return page.readUInt16LE(at) + page.readUInt16LE(at + 2) * 0x1_0000;
}

function branchTarget(page: Buffer, at: number): number {
  return sizeAt(page, at) + page.readUInt16LE(at + 4) * 0x1_0000_0000;
}

/** Keys are [begin, end) of their buffers: as LMDB orders them, < 0 if a comes first. */
function compareKeys(
  role: Role,
  a: Buffer,
  aBegin: number,
  aEnd: number,
  b: Buffer,
  bBegin: number,
  bEnd: number,
): number {
  if (role === "free") return readU64(a, aBegin) - readU64(b, bBegin);
  const shorter = Math.min(aEnd - aBegin, bEnd - bBegin);
  for (let i = 0; i < shorter; i++) {
    const difference = (a[aBegin + i] as number) - (b[bBegin + i] as number);
    if (difference !== 0) return difference;
  }
  return aEnd - aBegin - (bEnd - bBegin);
}
