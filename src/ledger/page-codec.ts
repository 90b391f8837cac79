/**
 * A page as bytes, in the store and in RAM while nobody looks at it:
 *
 *   version u8 | true-at sequence u48 | ranges | ready | held | running | done | starts  (varints)
 *   classes n, then n x (word with lease? and mark? flags, grants)
 *   runs r, then four columns over the runs:
 *     length   class   lease (of runs whose class has one)   mark (likewise)
 *
 * A column is constant (one value), runs (repeat, difference) or raw (a difference each); the class
 * column of a page with at most 16 classes may also be nibbles. Differences make consecutive leases
 * of single ranges one pair. 45 % done in blocks of 16 takes some 0.2 bytes a range.
 */
import { assert, RANGES_PER_PAGE, STARTS_PER_RANGE_MAX } from "../base/index.ts";
import { ByteReader, ByteWriter, damaged, stamp48 } from "./bytes.ts";
import { FIELDS, type Page } from "./page.ts";
import { STATE } from "./types.ts";

export const PAGE_VERSION = 2;
const SEQUENCE_AT = 1;
const COLUMN = { constant: 0, runs: 1, raw: 2, nibbles: 3 } as const;
const HAS_LEASE = 1;
const HAS_MARK = 2;
/** Up to so many classes are found by looking through them. */
const CLASSES_SEARCHED = 16;

export interface PageHeader {
  readonly trueAt: number;
  readonly size: number;
  readonly counts: readonly number[];
  /** Sum of the ranges' attempts. */
  readonly starts: number;
}

const writer = new ByteWriter(64 * 1024);
const lengths = new Float64Array(RANGES_PER_PAGE);
const classes = new Float64Array(RANGES_PER_PAGE);
const leases = new Float64Array(RANGES_PER_PAGE);
const marks = new Float64Array(RANGES_PER_PAGE);
/** Distinct (word and flags) * 2^16 + grants. */
const classKeys = new Float64Array(RANGES_PER_PAGE);
const scratch = new Uint32Array(RANGES_PER_PAGE * FIELDS);

/** Bytes of the page as it is now, marked true at `sequence`. */
export function encodePage(page: Page, sequence: number): Uint8Array {
  assert(sequence >= 0 && sequence < 2 ** 48, `sequence ${sequence} needs at most 48 bits`);
  if (page.isPacked) {
    const copy = page.packed!.slice();
    stamp48(copy, SEQUENCE_AT, sequence);
    return copy;
  }
  const cells = page.cells;
  let runs = 0;
  let classCount = 0;
  let leaseCount = 0;
  let markCount = 0;
  let classMap: Map<number, number> | null = null;
  let lastKey = -1;
  let lastClass = -1;
  for (let r = 0; r < page.records; ) {
    const at = r * FIELDS;
    const start = cells[at]! >>> 16;
    const end = page.endOf(r, page.size);
    const mark = cells[at + 2]!;
    const lease = cells[at + 4]! * 0x1_0000_0000 + cells[at + 3]!;
    const flags = (lease > 0 ? HAS_LEASE : 0) | (mark > 0 ? HAS_MARK : 0);
    const key = (cells[at + 1]! * 4 + flags) * 0x1_0000 + (cells[at]! & 0xffff);
    if (key !== lastKey) {
      lastKey = key;
      lastClass = classMap === null ? classOf(key, classCount) : (classMap.get(key) ?? -1);
      if (lastClass < 0) {
        lastClass = classCount++;
        classKeys[lastClass] = key;
        if (classMap !== null) classMap.set(key, lastClass);
        else if (classCount > CLASSES_SEARCHED) {
          classMap = new Map();
          for (let i = 0; i < classCount; i++) classMap.set(classKeys[i]!, i);
        }
      }
    }
    lengths[runs] = end - start;
    classes[runs] = lastClass;
    if (lease > 0) leases[leaseCount++] = lease;
    if (mark > 0) marks[markCount++] = mark;
    runs++;
    r = page.isRaw ? end : r + 1;
  }
  writer.byte(PAGE_VERSION);
  writer.fixed48(sequence);
  writer.unsigned(page.size);
  for (let state = 0; state < STATE.failed; state++) writer.unsigned(page.counts[state]!);
  writer.unsigned(page.starts);
  writer.unsigned(classCount);
  for (let i = 0; i < classCount; i++) {
    writer.unsigned(Math.floor(classKeys[i]! / 0x1_0000));
    writer.unsigned(classKeys[i]! % 0x1_0000);
  }
  writer.unsigned(runs);
  writeColumn(lengths, runs, false);
  writeColumn(classes, runs, classCount > 1 && classCount <= 16);
  writeColumn(leases, leaseCount, false);
  writeColumn(marks, markCount, false);
  return writer.take();
}

function classOf(key: number, classCount: number): number {
  for (let i = 0; i < classCount; i++) if (classKeys[i] === key) return i;
  return -1;
}

/** The header alone: what a restart needs of a page that nobody touches. */
export function decodePageHeader(bytes: Uint8Array): PageHeader {
  return readHeader(new ByteReader(bytes));
}

/** Opens a page from its packed bytes; fewer ranges than it has now are filled up as untouched. */
export function decodePage(page: Page, bytes: Uint8Array): void {
  const reader = new ByteReader(bytes);
  const { size } = readHeader(reader);
  if (size > page.size) throw damaged(`a page has ${size} ranges where ${page.size} are`);
  const classCount = bounded(reader.unsigned(), RANGES_PER_PAGE, "classes");
  for (let i = 0; i < classCount; i++) {
    const word = reader.unsigned();
    classKeys[i] = word * 0x1_0000 + bounded(reader.unsigned(), 0xffff, "grants");
  }
  const runs = bounded(reader.unsigned(), RANGES_PER_PAGE, "runs");
  readColumn(reader, lengths, runs);
  readColumn(reader, classes, runs);
  let leaseCount = 0;
  let markCount = 0;
  let start = 0;
  for (let r = 0; r < runs; r++) {
    const kind = classes[r]!;
    if (!(kind >= 0 && kind < classCount)) throw damaged("a run has no class");
    const key = classKeys[kind]!;
    const word = Math.floor(key / 0x1_0000);
    if (word & HAS_LEASE) leaseCount++;
    if (word & HAS_MARK) markCount++;
    const at = r * FIELDS;
    scratch[at] = (start << 16) | (key % 0x1_0000);
    // Flags ride along in bits 0 and 1 until the lease and mark columns are read.
    scratch[at + 1] = word;
    if (!(lengths[r]! >= 1)) throw damaged("a run is empty");
    start += bounded(lengths[r]!, size - start, "lengths");
  }
  if (start !== size) throw damaged(`its runs cover ${start} of ${size} ranges`);
  readColumn(reader, leases, leaseCount);
  readColumn(reader, marks, markCount);
  leaseCount = 0;
  markCount = 0;
  for (let r = 0; r < runs; r++) {
    const at = r * FIELDS;
    const flagged = scratch[at + 1]!;
    const lease = flagged & HAS_LEASE ? leases[leaseCount++]! : 0;
    scratch[at + 1] = flagged >>> 2;
    scratch[at + 2] = flagged & HAS_MARK ? marks[markCount++]! : 0;
    scratch[at + 3] = lease >>> 0;
    scratch[at + 4] = Math.floor(lease / 0x1_0000_0000);
  }
  const full = page.size;
  page.size = size;
  page.unpack(scratch, runs);
  page.extend(full);
}

function readHeader(reader: ByteReader): PageHeader {
  const version = reader.byte();
  if (version !== PAGE_VERSION) throw damaged(`page version ${version} is not ${PAGE_VERSION}`);
  const trueAt = reader.fixed48();
  const size = bounded(reader.unsigned(), RANGES_PER_PAGE, "ranges");
  const counts: number[] = [];
  let rest = size;
  for (let state = 0; state < STATE.failed; state++) {
    counts.push(bounded(reader.unsigned(), rest, "counts"));
    rest -= counts[state]!;
  }
  counts.push(rest);
  const starts = bounded(reader.unsigned(), size * STARTS_PER_RANGE_MAX, "starts");
  return { trueAt, size, counts, starts };
}

function bounded(value: number, max: number, what: string): number {
  if (value > max) throw damaged(`its ${what} reach ${value}, more than ${max}`);
  return value;
}

function signedBytes(value: number): number {
  let rest = Math.floor(Math.abs(value) / 64);
  let bytes = 1;
  for (; rest > 0; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

function writeColumn(values: Float64Array, count: number, asNibbles: boolean): void {
  if (count === 0) return;
  let rawBytes = 0;
  let runBytes = 0;
  let repeated = 0;
  let step = Number.NaN;
  let previous = 0;
  let constant = true;
  for (let i = 0; i < count; i++) {
    const difference = values[i]! - previous;
    previous = values[i]!;
    const bytes = difference < 64 && difference > -64 ? 1 : signedBytes(difference);
    rawBytes += bytes;
    if (i > 0 && difference !== 0) constant = false;
    if (difference === step) {
      if (++repeated === 128) runBytes++;
    } else {
      step = difference;
      repeated = 1;
      runBytes += 1 + bytes;
    }
  }
  const nibbleBytes = asNibbles ? (count + 1) >>> 1 : Number.POSITIVE_INFINITY;
  if (constant) {
    writer.byte(COLUMN.constant);
    writer.unsigned(values[0]!);
  } else if (nibbleBytes < runBytes && nibbleBytes < rawBytes) {
    writer.byte(COLUMN.nibbles);
    for (let i = 0; i < count; i += 2) {
      writer.byte(values[i]! | ((i + 1 < count ? values[i + 1]! : 0) << 4));
    }
  } else if (runBytes < rawBytes) {
    writer.byte(COLUMN.runs);
    writeRuns(values, count);
  } else {
    writer.byte(COLUMN.raw);
    previous = 0;
    for (let i = 0; i < count; i++) {
      writer.signed(values[i]! - previous);
      previous = values[i]!;
    }
  }
}

function writeRuns(values: Float64Array, count: number): void {
  let previous = 0;
  for (let i = 0; i < count; ) {
    const step = values[i]! - previous;
    let repeated = 0;
    for (; i < count && values[i]! - previous === step; i++) {
      previous = values[i]!;
      repeated++;
    }
    writer.unsigned(repeated);
    writer.signed(step);
  }
}

function readColumn(reader: ByteReader, values: Float64Array, count: number): void {
  if (count === 0) return;
  const column = reader.byte();
  let previous = 0;
  if (column === COLUMN.constant) {
    values.fill(reader.unsigned(), 0, count);
  } else if (column === COLUMN.runs) {
    for (let i = 0; i < count; ) {
      const end = i + reader.unsigned();
      const step = reader.signed();
      if (end > count || end === i) throw damaged("a column's repeats don't fit its runs");
      for (; i < end; i++) values[i] = previous += step;
    }
  } else if (column === COLUMN.raw) {
    for (let i = 0; i < count; i++) values[i] = previous += reader.signed();
  } else if (column === COLUMN.nibbles) {
    for (let i = 0; i < count; i += 2) {
      const pair = reader.byte();
      values[i] = pair & 15;
      if (i + 1 < count) values[i + 1] = pair >>> 4;
    }
  } else {
    throw damaged(`column form ${column} is none`);
  }
}
