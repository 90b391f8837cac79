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
  const firsts = block.first;
  let base = firsts[0]!;
  for (let i = 1; i < n; i++) if (firsts[i]! < base) base = firsts[i]!;
  out.unsigned(base, RANGES_PER_TASK_MAX - 1, "base");
  for (let i = 0; i < n; i++) {
    checkSpan(firsts[i]!, block.count[i]!, block.lease[i]! - epoch * TWO_32);
  }
  putColumn32(out, firsts, base, n, "first range");
  putColumn16(out, block.count, n, RANGES_PER_LEASE_MAX, "count of a span");
  putColumn8(out, block.attempt, n);
  putColumn16(out, block.grant, n, GRANT_MAX, "grant number");
  putColumn32(out, block.lease, epoch * TWO_32, n, "lease number");
}

function putColumn32(
  out: Writer,
  from: ArrayLike<number>,
  base: number,
  n: number,
  what: string,
): void {
  let at = out.binHeader(4 * n);
  const bytes = out.bytes;
  for (let i = 0; i < n; i++) {
    const value = from[i]! - base;
    const whole = value >>> 0;
    assert(whole === value, `${what} does not fit a column (SpanBlockBuilder splits such blocks)`);
    bytes[at++] = whole;
    bytes[at++] = whole >>> 8;
    bytes[at++] = whole >>> 16;
    bytes[at++] = whole >>> 24;
  }
}

function putColumn16(
  out: Writer,
  from: ArrayLike<number>,
  n: number,
  max: number,
  what: string,
): void {
  let at = out.binHeader(2 * n);
  const bytes = out.bytes;
  for (let i = 0; i < n; i++) {
    const value = from[i]!;
    assert(value >>> 0 === value && value <= max, `${what} does not fit a column`);
    bytes[at++] = value;
    bytes[at++] = value >>> 8;
  }
}

function putColumn8(out: Writer, from: ArrayLike<number>, n: number): void {
  let at = out.binHeader(n);
  const bytes = out.bytes;
  for (let i = 0; i < n; i++) {
    const value = from[i]!;
    assert(value >>> 0 === value && value <= ATTEMPT_MAX, "attempt does not fit a column");
    bytes[at++] = value;
  }
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
  const first: number[] = [];
  const count: number[] = [];
  const attempt: number[] = [];
  const grant: number[] = [];
  const lease: LeaseId[] = [];
  for (let i = 0; i < size; i++) {
    const begin = from.unsigned(0, RANGES_PER_TASK_MAX - 1, "first range");
    const ranges = from.unsigned(1, RANGES_PER_LEASE_MAX, "count of a span");
    if (begin > RANGES_PER_TASK_MAX - ranges) from.fail("span", "ends beyond 2^53-1", "less");
    first.push(begin);
    count.push(ranges);
    attempt.push(from.unsigned(0, ATTEMPT_MAX, "attempt"));
    grant.push(from.unsigned(0, GRANT_MAX, "grant number"));
    lease.push((leaseBase + from.unsigned(1, LEASE_NUMBER_MAX, "lease number")) as LeaseId);
    from.ranges += ranges;
  }
  return { task, size, first, count, attempt, grant, lease };
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
  const bytes = from.bytes;
  const first = new Float64Array(size);
  const count = new Uint16Array(size);
  const grant = new Uint16Array(size);
  const lease = new Float64Array(size) as unknown as Float64Array & ArrayLike<LeaseId>;
  const least = readColumn32(bytes, firstAt, size, base, first);
  if (least !== 0) from.fail("base", "is not the smallest first", "the smallest first as base");
  const ranges = readColumn16(bytes, countAt, size, count);
  if (ranges < 0) from.fail("column of counts", "holds a 0", "1 or more ranges a span");
  const last = endOf(first, count, size);
  if (last > RANGES_PER_TASK_MAX) from.fail("span", "ends beyond 2^53-1", "less");
  from.ranges += ranges;
  const attempt = new Uint8Array(size);
  for (let i = 0; i < size; i++) attempt[i] = bytes[attemptAt + i]!;
  readColumn16(bytes, grantAt, size, grant);
  if (readColumn32(bytes, leaseAt, size, leaseBase, lease) === 0) {
    from.fail("column of leases", "holds a 0", "lease numbers from 1");
  }
  return { task, size, first, count, attempt, grant, lease };
}

/** Fills `to` with base + column; returns the smallest entry of the column. */
function readColumn32(
  bytes: Uint8Array,
  start: number,
  n: number,
  base: number,
  to: Float64Array,
): number {
  let least = TWO_32;
  let at = start;
  for (let i = 0; i < n; i++) {
    const value =
      (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
    at += 4;
    if (value < least) least = value;
    to[i] = base + value;
  }
  return least;
}

/** Fills `to` and returns the sum of its entries, or -1 if one of them is 0. */
function readColumn16(bytes: Uint8Array, start: number, n: number, to: Uint16Array): number {
  let sum = 0;
  let least = 0x1_0000;
  let at = start;
  for (let i = 0; i < n; i++) {
    const value = bytes[at]! | (bytes[at + 1]! << 8);
    at += 2;
    if (value < least) least = value;
    sum += value;
    to[i] = value;
  }
  return least === 0 ? -1 : sum;
}

/** One past the largest range of the block. */
function endOf(first: Float64Array, count: Uint16Array, n: number): number {
  let end = 0;
  for (let i = 0; i < n; i++) {
    const here = first[i]! + count[i]!;
    if (here > end) end = here;
  }
  return end;
}
