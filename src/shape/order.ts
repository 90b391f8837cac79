/**
 * Longest first, and the largest that still fits: the order in which ranges with cost hints are
 * handed out. Ranges are sorted once into logarithmic buckets of predicted cost (counting sort,
 * 4 bytes a range); taking one is O(1), and the order inside a bucket is that of the file, so that
 * files finish early where it costs nothing.
 *
 *   bucket      0 (shortest) ............ n (longest)
 *   #sorted     | ranges of bucket 0 | ranges of bucket 1 | ...
 *   #head       next one to take of each bucket; #back: ranges that came back
 *   #filled     one bit a bucket: has any left
 *
 * The order proposes, the ledger disposes: a range that is taken here but not ready there is just
 * skipped, and one that becomes ready again is given back with `giveBack`.
 */
import { assert } from "../base/index.ts";

const BUCKETS = 2048;
/** Width of a bucket at least: predictions are never better than this. */
const STEP_MIN = 0.005;

export class CostOrder {
  readonly #weights: Float32Array;
  readonly #sorted: Uint32Array;
  readonly #head = new Uint32Array(BUCKETS);
  readonly #end = new Uint32Array(BUCKETS);
  readonly #filled = new Uint32Array(BUCKETS / 32);
  readonly #back = new Map<number, number[]>();
  readonly #logMin: number;
  readonly #step: number;
  /** One bit a range: is in the order. What is given back twice is in it once. */
  readonly #inside: Uint32Array;
  #count = 0;
  #weightLeft = 0;

  /**
   * @param weights predicted cost of each range in any unit, > 0 (others count as the smallest)
   * @param isReady tells which ranges to hand out at all, after a restart; all where absent
   */
  constructor(weights: ArrayLike<number>, isReady?: (range: number) => boolean) {
    assert(weights.length < 0xffff_ffff, "an order holds at most 2^32-2 ranges");
    this.#weights = Float32Array.from(weights, (weight) =>
      Number.isFinite(weight) && weight > 0 ? weight : 0,
    );
    this.#inside = new Uint32Array(Math.ceil(weights.length / 32));
    let min = Number.POSITIVE_INFINITY;
    let max = 0;
    for (const weight of this.#weights) {
      if (weight > max) max = weight;
      if (weight > 0 && weight < min) min = weight;
    }
    this.#logMin = max > 0 ? Math.log(min) : 0;
    const span = max > 0 ? Math.log(max) - this.#logMin : 0;
    this.#step = Math.max(STEP_MIN, span / (BUCKETS - 1));
    this.#sorted = this.#sort(isReady);
  }

  /** Ranges left to take. */
  get count(): number {
    return this.#count;
  }

  /** Sum of the weights of what is left. */
  get weightLeft(): number {
    return Math.max(this.#weightLeft, 0);
  }

  weightOf(range: number): number {
    return this.#weights[range] ?? 0;
  }

  /** Weight of the longest range left, 0 if none is. */
  headWeight(): number {
    const bucket = this.#highest(BUCKETS - 1);
    return bucket < 0 ? 0 : this.#weights[this.#peek(bucket)]!;
  }

  /** Weight of the shortest range left, 0 if none is. */
  shortestWeight(): number {
    const bucket = this.#lowest();
    return bucket < 0 ? 0 : this.#weights[this.#peek(bucket)]!;
  }

  /** Takes the longest range; -1 if none is left. */
  takeLongest(): number {
    return this.#take(this.#highest(BUCKETS - 1));
  }

  /** Takes the shortest range; -1 if none is left. */
  takeShortest(): number {
    return this.#take(this.#lowest());
  }

  /** Takes the longest range whose weight is at most `weight` (within a bucket); -1 if none is. */
  takeFitting(weight: number): number {
    if (!(weight > 0)) return -1;
    const bucket = this.#bucketOf(weight);
    const found = this.#highest(bucket);
    if (found < 0) return -1;
    if (found === bucket && this.#weights[this.#peek(found)]! > weight) {
      return this.#take(this.#highest(bucket - 1));
    }
    return this.#take(found);
  }

  /** A range is ready again (returned, expired, failed with attempts left). */
  giveBack(range: number): void {
    if (range < 0 || range >= this.#weights.length || this.#has(range)) return;
    this.#flip(range);
    const bucket = this.#bucketOf(this.#weights[range]!);
    const list = this.#back.get(bucket);
    if (list === undefined) this.#back.set(bucket, [range]);
    else list.push(range);
    this.#filled[bucket >>> 5]! |= 1 << (bucket & 31);
    this.#count++;
    this.#weightLeft += this.#weights[range]!;
  }

  #sort(isReady: ((range: number) => boolean) | undefined): Uint32Array {
    const weights = this.#weights;
    const counts = new Uint32Array(BUCKETS);
    for (let range = 0; range < weights.length; range++) {
      if (isReady !== undefined && !isReady(range)) continue;
      counts[this.#bucketOf(weights[range]!)]!++;
      this.#count++;
      this.#weightLeft += weights[range]!;
    }
    let at = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      this.#head[bucket] = at;
      at += counts[bucket]!;
      this.#end[bucket] = this.#head[bucket]!;
      if (counts[bucket]! > 0) this.#filled[bucket >>> 5]! |= 1 << (bucket & 31);
    }
    const sorted = new Uint32Array(this.#count);
    for (let range = 0; range < weights.length; range++) {
      if (isReady !== undefined && !isReady(range)) continue;
      sorted[this.#end[this.#bucketOf(weights[range]!)]!++] = range;
      this.#flip(range);
    }
    return sorted;
  }

  #has(range: number): boolean {
    return (this.#inside[range >>> 5]! & (1 << (range & 31))) !== 0;
  }

  #flip(range: number): void {
    this.#inside[range >>> 5]! ^= 1 << (range & 31);
  }

  #bucketOf(weight: number): number {
    if (!(weight > 0)) return 0;
    const bucket = Math.floor((Math.log(weight) - this.#logMin) / this.#step);
    return bucket < 0 ? 0 : bucket >= BUCKETS ? BUCKETS - 1 : bucket;
  }

  #highest(from: number): number {
    if (from < 0) return -1;
    let word = from >>> 5;
    let bits = this.#filled[word]! & (0xffff_ffff >>> (31 - (from & 31)));
    while (bits === 0) {
      if (word === 0) return -1;
      bits = this.#filled[--word]!;
    }
    return (word << 5) + 31 - Math.clz32(bits);
  }

  #lowest(): number {
    for (let word = 0; word < this.#filled.length; word++) {
      const bits = this.#filled[word]!;
      if (bits !== 0) return (word << 5) + 31 - Math.clz32(bits & -bits);
    }
    return -1;
  }

  #peek(bucket: number): number {
    const back = this.#back.get(bucket);
    if (back !== undefined) return back[back.length - 1]!;
    return this.#sorted[this.#head[bucket]!]!;
  }

  #take(bucket: number): number {
    if (bucket < 0) return -1;
    const range = this.#peek(bucket);
    const back = this.#back.get(bucket);
    if (back === undefined) this.#head[bucket]!++;
    else if (back.length === 1) this.#back.delete(bucket);
    else back.pop();
    if (this.#head[bucket] === this.#end[bucket] && !this.#back.has(bucket)) {
      this.#filled[bucket >>> 5]! &= ~(1 << (bucket & 31));
    }
    this.#flip(range);
    this.#count--;
    this.#weightLeft -= this.#weights[range]!;
    return range;
  }
}
