/**
 * One page: the truth about up to 4 096 consecutive ranges of a task, as records of five u32
 *
 *   [ start << 16 | grants,  word,  mark,  lease low,  lease high ]
 *   word = state 3 | started 1 | attempts 8 | failures 7 | losses 7 | copy 1 | copy started 1
 *   mark = bundle of a done range, else the last failure's reason
 *
 * in one of three forms:
 *   packed  the encoded bytes (page-codec.ts); nothing can be read but the counts
 *   runs    one record a run of alike ranges, at most RUNS_MAX, neighbours never alike
 *   raw     one record a range: constant-time access where the page is in pieces
 *
 * Records of both open forms look the same, so that everything that judges or changes ranges is
 * written once. `started` is set only in a ready range whose lease expired while it ran: a late
 * `done` must not charge that start twice. The copy flags are of a running range that a second
 * lease runs too; whose, the side map of its task knows (page-table.ts).
 */
import { assert, RANGES_PER_PAGE } from "../base/index.ts";
import { FIELDS, giveCells, takeCells } from "./spare-cells.ts";
import { STATE, type State } from "./types.ts";

export { FIELDS };
/** Beyond so many runs a page is kept as one record a range. */
export const RUNS_MAX = 256;
/** Room for runs that were packed comes in steps. */
const RUNS_STEP = 4;

export const STATE_MASK = 7;
export const STARTED = 8;
export const ATTEMPT = 1 << 4;
export const FAILURE = 1 << 12;
export const LOSS = 1 << 19;
export const COPY = 1 << 26;
export const COPY_STARTED = 1 << 27;
/** Attempts, failures and losses. */
export const CHARGES = COPY - ATTEMPT;

export function stateOf(word: number): State {
  return (word & STATE_MASK) as State;
}
export function attemptsOf(word: number): number {
  return (word >>> 4) & 0xff;
}
export function failuresOf(word: number): number {
  return (word >>> 12) & 0x7f;
}
export function lossesOf(word: number): number {
  return (word >>> 19) & 0x7f;
}
export function leaseOf(low: number, high: number): number {
  return high * 0x1_0000_0000 + low;
}

/** Whether the lease of a record is that one. */
export function holds(cells: Uint32Array, record: number, lease: number): boolean {
  const at = record * FIELDS;
  return leaseOf(cells[at + 3]!, cells[at + 4]!) === lease;
}

const FORM = { packed: 0, runs: 1, raw: 2 } as const;
type Form = (typeof FORM)[keyof typeof FORM];

export class Page {
  readonly task: number;
  readonly index: number;
  /** Ranges in it: 4 096, fewer at the end of a task. */
  size: number;
  #form: Form = FORM.runs;
  packed: Uint8Array | null = null;
  cells: Uint32Array;
  /** Records in use. */
  records = 1;
  /** Ranges by STATE; kept in step by whoever writes. */
  readonly counts: number[];
  /** Sum of its ranges' attempts; kept in step by whoever writes. */
  starts = 0;
  /** Replay skips records up to this sequence. */
  trueAt = 0;
  /** Sequence of the oldest change that no stored page has; 0: none. */
  dirtySince = 0;
  /** Its records are in RAM and counted by the table. */
  isOpen = false;
  /** Looked at since the table last considered packing it. */
  touched = true;

  /** `packed`: no records are made, since it will be packed next. */
  constructor(task: number, index: number, size: number, packed = false) {
    this.task = task;
    this.index = index;
    this.size = size;
    this.cells = packed ? NO_CELLS : takeCells(1).fill(0, 0, FIELDS);
    this.counts = [size, 0, 0, 0, 0];
  }

  get isPacked(): boolean {
    return this.#form === FORM.packed;
  }
  get isRaw(): boolean {
    return this.#form === FORM.raw;
  }
  /** Nothing in it will be granted or reported, unless it is reopened. */
  get isFinal(): boolean {
    return this.counts[STATE.done]! + this.counts[STATE.failed]! === this.size;
  }
  /** Bytes of its records, or of its packed form. */
  get bytes(): number {
    return this.isPacked ? this.packed!.byteLength : this.cells.byteLength;
  }

  /** Forgets the records and keeps `bytes`. */
  pack(bytes: Uint8Array): void {
    giveCells(this.cells);
    this.#form = FORM.packed;
    this.packed = bytes;
    this.cells = NO_CELLS;
    this.records = 0;
  }

  /** Takes over `records` records in run form from a decoder's scratch space. */
  unpack(source: Uint32Array, records: number): void {
    this.packed = null;
    this.#form = FORM.runs;
    this.records = records;
    const capacity = capacityFor(Math.min(records, RUNS_MAX));
    if (records > RUNS_MAX) {
      this.cells = source;
      this.#spread();
      return;
    }
    if (this.cells.length !== capacity * FIELDS) this.cells = new Uint32Array(capacity * FIELDS);
    this.cells.set(source.subarray(0, records * FIELDS));
  }

  /** Record that holds the range at `offset`. */
  find(offset: number): number {
    if (this.isRaw) return offset;
    const cells = this.cells;
    let low = 0;
    let high = this.records - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (cells[middle * FIELDS]! >>> 16 <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** First offset behind the ranges alike to those of `record`, at most `limit`. */
  endOf(record: number, limit: number): number {
    if (!this.isRaw) {
      const next = record + 1;
      const end = next < this.records ? this.cells[next * FIELDS]! >>> 16 : this.size;
      return Math.min(end, limit);
    }
    const cells = this.cells;
    const base = record * FIELDS;
    let end = record + 1;
    for (; end < limit; end++) {
      const at = end * FIELDS;
      if (
        cells[at + 1] !== cells[base + 1] ||
        cells[at + 3] !== cells[base + 3] ||
        ((cells[at]! ^ cells[base]!) & 0xffff) !== 0 ||
        cells[at + 2] !== cells[base + 2] ||
        cells[at + 4] !== cells[base + 4]
      ) {
        break;
      }
    }
    return end;
  }

  /** First offset at or behind `from` whose range is ready, or -1. */
  firstReady(from: number): number {
    const cells = this.cells;
    for (let r = this.find(from); r < this.records; r++) {
      if ((cells[r * FIELDS + 1]! & STATE_MASK) === STATE.ready) {
        return Math.max(from, cells[r * FIELDS]! >>> 16);
      }
    }
    return -1;
  }

  /** Overwrites the ranges from .. to-1, which all lie in `record` (raw: begin at it). */
  write(
    record: number,
    from: number,
    to: number,
    word: number,
    grants: number,
    mark: number,
    low: number,
    high: number,
  ): void {
    if (!this.isRaw && !this.#splice(record, from, to, word, grants, mark, low, high)) {
      const runs = this.cells;
      this.#spread();
      giveCells(runs);
    }
    if (!this.isRaw) return;
    for (let i = from; i < to; i++) this.#set(i, i, word, grants, mark, low, high);
  }

  /** The same, where grants and lease stay as they are. */
  rewrite(record: number, from: number, to: number, word: number, mark: number): void {
    const { cells } = this;
    if (!this.isRaw) {
      const at = record * FIELDS;
      const grants = cells[at]! & 0xffff;
      this.write(record, from, to, word, grants, mark, cells[at + 3]!, cells[at + 4]!);
      return;
    }
    for (let at = from * FIELDS; at < to * FIELDS; at += FIELDS) {
      cells[at + 1] = word;
      cells[at + 2] = mark;
    }
  }

  /** Adds untouched ranges at the end. */
  extend(size: number): void {
    assert(!this.isPacked && size >= this.size && size <= RANGES_PER_PAGE, "a page only grows");
    const from = this.size;
    if (size === from) return;
    this.size = size;
    if (this.isRaw) {
      for (let i = from; i < size; i++) this.#set(i, i, 0, 0, 0, 0, 0);
      this.records = size;
    } else if (!this.#alike(this.records - 1, 0, 0, 0, 0, 0)) {
      this.#reserve(this.records + 1);
      this.#set(this.records++, from, 0, 0, 0, 0, 0);
    }
  }

  #splice(
    record: number,
    from: number,
    to: number,
    word: number,
    grants: number,
    mark: number,
    low: number,
    high: number,
  ): boolean {
    if (this.#alike(record, word, grants, mark, low, high)) return true;
    const keepLeft = from > this.cells[record * FIELDS]! >>> 16;
    const keepRight = to < this.endOf(record, this.size);
    const joinLeft =
      !keepLeft && record > 0 && this.#alike(record - 1, word, grants, mark, low, high);
    const joinRight =
      !keepRight &&
      record + 1 < this.records &&
      this.#alike(record + 1, word, grants, mark, low, high);
    const at = keepLeft ? record + 1 : record;
    const inserted = (joinLeft ? 0 : 1) + (keepRight ? 1 : 0);
    const tail = record + (joinRight ? 2 : 1);
    const records = at + inserted + this.records - tail;
    if (records > RUNS_MAX) return false;
    this.#reserve(records);
    const cells = this.cells;
    const old = record * FIELDS;
    const [oldHead, oldWord, oldMark] = [cells[old]!, cells[old + 1]!, cells[old + 2]!];
    const [oldLow, oldHigh] = [cells[old + 3]!, cells[old + 4]!];
    if (at + inserted !== tail) {
      cells.copyWithin((at + inserted) * FIELDS, tail * FIELDS, this.records * FIELDS);
    }
    this.records = records;
    if (!joinLeft) this.#set(at, from, word, grants, mark, low, high);
    if (keepRight) {
      const right = at + inserted - 1;
      this.#set(right, to, oldWord, oldHead & 0xffff, oldMark, oldLow, oldHigh);
    }
    return true;
  }

  #alike(
    r: number,
    word: number,
    grants: number,
    mark: number,
    low: number,
    high: number,
  ): boolean {
    const cells = this.cells;
    const at = r * FIELDS;
    return (
      cells[at + 1] === word &&
      cells[at + 3] === low &&
      (cells[at]! & 0xffff) === grants &&
      cells[at + 2] === mark &&
      cells[at + 4] === high
    );
  }

  #set(
    r: number,
    start: number,
    word: number,
    grants: number,
    mark: number,
    low: number,
    high: number,
  ): void {
    const cells = this.cells;
    const at = r * FIELDS;
    cells[at] = (start << 16) | grants;
    cells[at + 1] = word;
    cells[at + 2] = mark;
    cells[at + 3] = low;
    cells[at + 4] = high;
  }

  #reserve(records: number): void {
    if (records * FIELDS <= this.cells.length) return;
    const smaller = this.cells;
    this.cells = takeCells(records);
    this.cells.set(smaller);
    giveCells(smaller);
  }

  /** From runs to one record a range. */
  #spread(): void {
    const runs = this.cells;
    const count = this.records;
    this.cells = takeCells(RANGES_PER_PAGE);
    for (let r = 0; r < count; r++) {
      const at = r * FIELDS;
      const end = r + 1 < count ? runs[at + FIELDS]! >>> 16 : this.size;
      const head = runs[at]!;
      for (let i = head >>> 16; i < end; i++) {
        this.#set(i, i, runs[at + 1]!, head & 0xffff, runs[at + 2]!, runs[at + 3]!, runs[at + 4]!);
      }
    }
    this.#form = FORM.raw;
    this.records = this.size;
  }
}

/** A few records more than needed. */
function capacityFor(records: number): number {
  return Math.ceil(records / RUNS_STEP) * RUNS_STEP;
}

const NO_CELLS = new Uint32Array(0);
