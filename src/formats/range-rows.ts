/** What a stream of ranges (arrow-ranges.ts) is made of. */
/** Rows on their way out; columns of equal capacity, the first `length` entries of each count. */
export class RangeRows {
  readonly capacity: number;
  length = 0;
  readonly firstRange: Float64Array;
  readonly ranges: Float64Array;
  /** Index into the files of `arrowRanges`. */
  readonly file: Int32Array;
  /** 0-based inside the file. */
  readonly firstEvent0: Float64Array;
  /** 0-based inside the file, inclusive. */
  readonly lastEvent0: Float64Array;
  /** Index into the states of `arrowRanges`. */
  readonly state: Int8Array;
  readonly attempts: Uint8Array;
  readonly failures: Uint8Array;
  readonly losses: Uint8Array;
  readonly lease: Float64Array;
  readonly bundle: Uint32Array;
  /** By row, of those that have one. */
  readonly reasons = new Map<number, string>();

  constructor(capacity: number) {
    this.capacity = capacity;
    this.firstRange = new Float64Array(capacity);
    this.ranges = new Float64Array(capacity);
    this.file = new Int32Array(capacity);
    this.firstEvent0 = new Float64Array(capacity);
    this.lastEvent0 = new Float64Array(capacity);
    this.state = new Int8Array(capacity);
    this.attempts = new Uint8Array(capacity);
    this.failures = new Uint8Array(capacity);
    this.losses = new Uint8Array(capacity);
    this.lease = new Float64Array(capacity);
    this.bundle = new Uint32Array(capacity);
  }

  clear(): void {
    this.length = 0;
    this.reasons.clear();
  }
}

export interface RangeStreamNames {
  /** Input files by index; "" for a count task. */
  readonly files: readonly string[];
  readonly states: readonly string[];
  readonly metadata: ReadonlyMap<string, string>;
}
