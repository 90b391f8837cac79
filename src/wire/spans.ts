/**
 * Span blocks on the wire. Three forms, told apart by the array's length; which one a block takes
 * follows from its size alone, so each block has one byte form:
 *
 *   run     7 items      [task, epoch, first, count, attempt, grant, lease]
 *   tuples  12, 17, 22   [task, epoch, then 5 numbers a span]               2, 3 or 4 spans
 *   columns 8 items      [task, epoch, base, 5 bins]                        5 spans and more
 *
 *   bins of columns, little-endian, n = spans:   first - base   u32   4 n bytes
 *                                                count          u16   2 n
 *                                                attempt        u8      n
 *                                                grant          u16   2 n
 *                                                lease number   u32   4 n
 *
 * `base` is the smallest first of the block. 13 bytes a span, read by one loop a column.
 * Decoded columns are typed arrays of their own (they outlive the frame); short forms are plain
 * arrays, which are cheaper to make.
 */
import {
  assert,
  EPOCH_MAX,
  LEASE_NUMBER_MAX,
  type LeaseId,
  leaseEpoch,
  RANGES_PER_LEASE_MAX,
  RANGES_PER_TASK_MAX,
  SPANS_PER_MESSAGE_MAX,
  TASKS_MAX,
  type TaskId,
} from "../base/index.ts";
import type { SpanBlock } from "./messages.ts";
import type { Reader } from "./reader.ts";
import { tooLarge, type Writer } from "./writer.ts";

export const TUPLES_MAX = 4;
const TWO_32 = 0x1_0000_0000;
const ATTEMPT_MAX = 255;
const GRANT_MAX = 65_535;

export function putBlock(out: Writer, block: SpanBlock): void {
  const size = block.size;
  assert(size >= 1, "a span block is empty");
  assert(
    block.first.length >= size && block.lease.length >= size && block.count.length >= size,
    "columns of a span block are shorter than its size",
  );
  if (size > SPANS_PER_MESSAGE_MAX) throw tooLarge("span block", size, SPANS_PER_MESSAGE_MAX);
  const epoch = leaseEpoch(block.lease[0]!);
  out.array(size <= TUPLES_MAX ? 2 + 5 * size : 8);
  out.unsigned(block.task, TASKS_MAX, "task");
  out.unsigned(epoch, EPOCH_MAX, "epoch");
  if (size > TUPLES_MAX) putColumns(out, block, epoch);
  else for (let i = 0; i < size; i++) putTuple(out, block, epoch, i);
}

function putTuple(out: Writer, block: SpanBlock, epoch: number, i: number): void {
  const first = block.first[i]!;
  const count = block.count[i]!;
  const lease = block.lease[i]! - epoch * TWO_32;
  checkSpan(first, count, lease);
  out.unsigned(first, RANGES_PER_TASK_MAX - 1, "first range");
  out.unsigned(count, RANGES_PER_LEASE_MAX, "count of a span");
  out.unsigned(block.attempt[i]!, ATTEMPT_MAX, "attempt");
  out.unsigned(block.grant[i]!, GRANT_MAX, "grant number");
  out.unsigned(lease, LEASE_NUMBER_MAX, "lease number");
}

function checkSpan(first: number, count: number, lease: number): void {
  assert(lease >= 1 && lease < TWO_32, "leases of a span block differ in epoch, or one is none");
  assert(count >= 1, "a span has no range");
  assert(first + count <= RANGES_PER_TASK_MAX, "a span ends beyond 2^53-1");
}

function putColumns(out: Writer, block: SpanBlock, epoch: number): void {
  const n = block.size;
  const base = leastOf(block.first, n);
  out.unsigned(base, RANGES_PER_TASK_MAX - 1, "base");
  // One past the last range fits too: a column reaches 2^32 beyond its base, checked here.
  assert(base + TWO_32 + RANGES_PER_LEASE_MAX <= RANGES_PER_TASK_MAX || endsWithin(block), ENDS);
  out.reserve(WIRE_SPAN_BYTES * n + 25);
  const firstAt = out.binHeader(4 * n);
  const countAt = out.binHeader(2 * n);
  const attemptAt = out.binHeader(n);
  const grantAt = out.binHeader(2 * n);
  const leaseAt = out.binHeader(4 * n);
  const view = out.view;
  const leaseBase = epoch * TWO_32;
  const { first, count, attempt, grant, lease } = block;
  let sound = true;
  for (let i = 0; i < n; i++) {
    const offset = first[i]! - base;
    const ranges = count[i]!;
    const starts = attempt[i]!;
    const grants = grant[i]!;
    const number = lease[i]! - leaseBase;
    sound =
      sound &&
      offset >>> 0 === offset &&
      (ranges & 0xffff) === ranges &&
      (starts & 0xff) === starts &&
      (grants & 0xffff) === grants &&
      number >>> 0 === number &&
      ranges !== 0 &&
      number !== 0;
    view.setUint32(firstAt + 4 * i, offset, true);
    view.setUint16(countAt + 2 * i, ranges, true);
    view.setUint8(attemptAt + i, starts);
    view.setUint16(grantAt + 2 * i, grants, true);
    view.setUint32(leaseAt + 4 * i, number, true);
  }
  assert(sound, FITS);
}

const WIRE_SPAN_BYTES = 13;
const ENDS = "a span ends beyond 2^53-1";
const FITS = "a value does not fit its column (SpanBlockBuilder splits blocks that are too wide)";

function leastOf(values: ArrayLike<number>, n: number): number {
  let least = values[0]!;
  for (let i = 1; i < n; i++) {
    const value = values[i]!;
    if (value < least) least = value;
  }
  return least;
}

function endsWithin(block: SpanBlock): boolean {
  for (let i = 0; i < block.size; i++) {
    if (block.first[i]! + block.count[i]! > RANGES_PER_TASK_MAX) return false;
  }
  return true;
}

export function readBlock(from: Reader): SpanBlock {
  const items = from.array(2 + 5 * TUPLES_MAX, "span block");
  const task = from.unsigned(1, TASKS_MAX, "task") as TaskId;
  const leaseBase = from.unsigned(0, EPOCH_MAX, "epoch") * TWO_32;
  if (items === 8) return readColumns(from, task, leaseBase);
  const size = (items - 2) / 5;
  if (size !== 1 && size !== 2 && size !== 3 && size !== 4) {
    from.fail("span block", `has ${items} items`, "7, 12, 17, 22 (spans) or 8 (columns) items");
  }
  countSpans(from, size);
  const { first, count, attempt, grant, lease } = nextBrief(size) ?? plainColumns();
  for (let i = 0; i < size; i++) {
    const begin = from.unsigned(0, RANGES_PER_TASK_MAX - 1, "first range");
    const ranges = from.unsigned(1, RANGES_PER_LEASE_MAX, "count of a span");
    if (begin > RANGES_PER_TASK_MAX - ranges) from.fail("span", "ends beyond 2^53-1", "less");
    first[i] = begin;
    count[i] = ranges;
    attempt[i] = from.unsigned(0, ATTEMPT_MAX, "attempt");
    grant[i] = from.unsigned(0, GRANT_MAX, "grant number");
    lease[i] = leaseBase + from.unsigned(1, LEASE_NUMBER_MAX, "lease number");
    from.ranges += ranges;
  }
  return { task, size, first, count, attempt, grant, lease: asLeases(lease) };
}

function asLeases(numbers: ArrayLike<number>): ArrayLike<LeaseId> {
  return numbers as ArrayLike<LeaseId>;
}

function countSpans(from: Reader, size: number): void {
  from.spans += size;
  if (from.spans > SPANS_PER_MESSAGE_MAX) {
    from.fail("message", `has ${from.spans} spans`, `at most ${SPANS_PER_MESSAGE_MAX}`);
  }
}

function readColumns(from: Reader, task: TaskId, leaseBase: number): SpanBlock {
  const base = from.unsigned(0, RANGES_PER_TASK_MAX - 1, "base");
  const firstBytes = from.binHeader(4 * SPANS_PER_MESSAGE_MAX, "column of firsts");
  const size = firstBytes >>> 2;
  if (firstBytes !== size * 4 || size <= TUPLES_MAX) {
    from.fail("column of firsts", `has ${firstBytes} bytes`, "4 a span, 5 spans or more");
  }
  countSpans(from, size);
  const firstAt = from.position;
  from.position += firstBytes;
  const countAt = from.column(2 * size, "column of counts");
  const attemptAt = from.column(size, "column of attempts");
  const grantAt = from.column(2 * size, "column of grants");
  const leaseAt = from.column(4 * size, "column of leases");
  const at: ColumnStarts = { firstAt, countAt, attemptAt, grantAt, leaseAt };
  const into = nextBrief(size) ?? (size <= PLAIN_COLUMNS_MAX ? plainColumns() : typedColumns(size));
  fill(into, from, size, base, leaseBase, at);
  const { first, count, attempt, grant, lease } = into;
  const block = { task, size, first, count, attempt, grant, lease: asLeases(lease) };
  if (base + TWO_32 + RANGES_PER_LEASE_MAX > RANGES_PER_TASK_MAX && !endsWithin(block)) {
    from.fail("span", "ends beyond 2^53-1", "less");
  }
  return block;
}

interface ColumnStarts {
  readonly firstAt: number;
  readonly countAt: number;
  readonly attemptAt: number;
  readonly grantAt: number;
  readonly leaseAt: number;
}

/** The checks that need the whole columns; the loops gather what they need on the way. */
function checkColumns(from: Reader, least: number, leastCount: number, leastLease: number): void {
  if (least !== 0) from.fail("base", "is not the smallest first", "the smallest first as base");
  if (leastCount === 0) from.fail("column of counts", "holds a 0", "1 or more ranges a span");
  if (leastLease === 0) from.fail("column of leases", "holds a 0", "lease numbers from 1");
}

/** Where a block's columns go. */
interface Columns {
  readonly first: Float64Array | number[];
  readonly count: Uint32Array | Uint16Array | number[];
  readonly attempt: Uint8Array | number[];
  readonly grant: Uint16Array | number[];
  readonly lease: Float64Array | number[];
}

function fill(
  { first, count, attempt, grant, lease }: Columns,
  from: Reader,
  size: number,
  base: number,
  leaseBase: number,
  { firstAt, countAt, attemptAt, grantAt, leaseAt }: ColumnStarts,
): void {
  const view = from.view();
  let least = TWO_32;
  let leastCount = TWO_32;
  let leastLease = TWO_32;
  let sum = 0;
  for (let i = 0; i < size; i++) {
    const offset = view.getUint32(firstAt + 4 * i, true);
    const ranges = view.getUint16(countAt + 2 * i, true);
    const number = view.getUint32(leaseAt + 4 * i, true);
    if (offset < least) least = offset;
    if (ranges < leastCount) leastCount = ranges;
    if (number < leastLease) leastLease = number;
    first[i] = base + offset;
    count[i] = ranges;
    attempt[i] = view.getUint8(attemptAt + i);
    grant[i] = view.getUint16(grantAt + 2 * i, true);
    lease[i] = leaseBase + number;
    sum += ranges;
  }
  from.ranges += sum;
  checkColumns(from, least, leastCount, leastLease);
}

/** Up to here plain arrays are cheaper to make than five views. */
const PLAIN_COLUMNS_MAX = 32;

function plainColumns(): Columns {
  return { first: [], count: [], attempt: [], grant: [], lease: [] };
}

/**
 * Typed columns are cut from a slab that blocks share: an ArrayBuffer for each would cost more
 * than the decoding. A block that is kept keeps its slab, at most SLAB_BYTES, alive.
 */
const SLAB_BYTES = 64 * 1024;
const SPAN_BYTES = 21;
let slab = new ArrayBuffer(SLAB_BYTES);
let slabUsed = 0;
let claimed = slab;

function typedColumns(size: number): Columns {
  const start = claim((SPAN_BYTES * size + 7) & ~7);
  const buffer = claimed;
  return {
    first: new Float64Array(buffer, start, size),
    lease: new Float64Array(buffer, start + 8 * size, size),
    count: new Uint16Array(buffer, start + 16 * size, size),
    grant: new Uint16Array(buffer, start + 18 * size, size),
    attempt: new Uint8Array(buffer, start + 20 * size, size),
  };
}

/** Sets `claimed` to a buffer with `need` bytes free (a multiple of 8) and returns where. */
function claim(need: number): number {
  if (need > SLAB_BYTES / 4) {
    claimed = new ArrayBuffer(need);
    return 0;
  }
  if (slabUsed + need > SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES);
    slabUsed = 0;
  }
  const start = slabUsed;
  slabUsed += need;
  claimed = slab;
  return start;
}

/**
 * Columns of blocks that nobody keeps (`decodeBriefly`), used again for each message: memory outside
 * the JavaScript heap, asked for thousands of times a second, makes V8 collect the whole heap every
 * 150 ms; and whoever reads them meets one kind of array only. They are longer than their blocks.
 */
class BriefColumns {
  readonly first = new Float64Array(BRIEF_SPANS);
  readonly count = new Uint32Array(BRIEF_SPANS);
  readonly attempt = new Uint8Array(BRIEF_SPANS);
  readonly grant = new Uint16Array(BRIEF_SPANS);
  readonly lease = new Float64Array(BRIEF_SPANS);
}

const BRIEF_SPANS = 1024;
/** 23 kB each. */
const BRIEF_BLOCKS_MAX = 32;
const briefColumns: BriefColumns[] = [];
let briefUsed = 0;
let isBrief = false;

/** Whether blocks read from now on may be overwritten by those of the next message. */
export function readBriefly(brief: boolean): void {
  isBrief = brief;
  briefUsed = 0;
}

/** null: the message may be kept, the block is too long, or its message has too many. */
function nextBrief(size: number): BriefColumns | null {
  if (!isBrief || size > BRIEF_SPANS || briefUsed === BRIEF_BLOCKS_MAX) return null;
  if (briefUsed === briefColumns.length) briefColumns.push(new BriefColumns());
  return briefColumns[briefUsed++] as BriefColumns;
}
