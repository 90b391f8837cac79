/**
 * Cells of pages that were packed or grew, for the next ones: a page that goes to pieces takes ever
 * larger arrays, up to 80 kB, and some hundred pages a second do. All that memory lies outside the
 * JavaScript heap, and V8 collects the whole heap for every 10 MB of it that were asked for.
 *
 * Arrays are kept by size, in records: powers of two.
 */
import { assert, RANGES_PER_PAGE } from "../base/index.ts";

/** u32 of a record. */
export const FIELDS = 5;
const RECORDS_MIN = 4;
/** Kept of each size: of the largest one 2.6 MB, of all others together half of that. */
const KEPT_MAX = 32;

const kept: Uint32Array[][] = Array.from({ length: 32 }, () => []);

/** Room for at least so many records. What is in it is somebody else's. */
export function takeCells(records: number): Uint32Array {
  assert(records >= 1 && records <= RANGES_PER_PAGE, "% records fit a page", records);
  const bits = Math.max(32 - Math.clz32(records - 1), Math.log2(RECORDS_MIN));
  return kept[bits]!.pop() ?? new Uint32Array((1 << bits) * FIELDS);
}

/** Nobody looks at them any more. */
export function giveCells(cells: Uint32Array): void {
  const records = cells.length / FIELDS;
  if (records < RECORDS_MIN || (records & (records - 1)) !== 0) return;
  const spare = kept[31 - Math.clz32(records)]!;
  if (spare.length < KEPT_MAX) spare.push(cells);
}
