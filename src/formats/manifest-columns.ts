/**
 * The rows of a merge manifest as plain columns, independent of any library: the merge room fills
 * and reads these, arrow-manifest.ts writes them to and reads them from Arrow IPC files.
 *
 * One row is one range. Columns named `...Index` point into the dictionaries, -1 where there is
 * nothing to point at; numbers are -1 where they don't apply (cpu and wall: NaN). A batch is
 * filled up to its capacity, handed over, and reused: memory does not grow with the task.
 */
import { assert } from "../base/index.ts";

/** `state` of a row. */
export const MANIFEST_STATE = { merged: 0, failed: 1 } as const;
export const MANIFEST_STATE_NAMES = ["merged", "failed"] as const;

/** Rows of one record batch. */
export const MANIFEST_BATCH_ROWS = 16_384;

export const DICTIONARY_NAMES = [
  "file",
  "bundle",
  "pilot",
  "node",
  "outputFile",
  "reason",
] as const;
export type DictionaryName = (typeof DICTIONARY_NAMES)[number];

/** Distinct texts a manifest's dictionary columns point into. */
export type ManifestDictionaries = { readonly [name in DictionaryName]: readonly string[] };

export class ManifestColumns {
  readonly capacity: number;
  length = 0;
  /** Range index in the task. */
  readonly range: Float64Array;
  /** Index into the input table; two rows of a file listed twice differ here. */
  readonly inputIndex: Float64Array;
  readonly fileIndex: Int32Array;
  /** First and last event, 0-based in the file, both inclusive. */
  readonly firstEvent0: Float64Array;
  readonly lastEvent0: Float64Array;
  readonly state: Int8Array;
  readonly attempt: Float64Array;
  readonly bundleIndex: Int32Array;
  readonly member: (string | null)[];
  readonly bytes: Float64Array;
  readonly crc32: Float64Array;
  readonly pilotIndex: Int32Array;
  readonly nodeIndex: Int32Array;
  readonly cpuSeconds: Float64Array;
  readonly wallSeconds: Float64Array;
  readonly epoch: Float64Array;
  readonly lease: Float64Array;
  readonly outputFileIndex: Int32Array;
  readonly reasonIndex: Int32Array;

  constructor(capacity: number = MANIFEST_BATCH_ROWS) {
    this.capacity = capacity;
    this.range = new Float64Array(capacity);
    this.inputIndex = new Float64Array(capacity);
    this.fileIndex = new Int32Array(capacity);
    this.firstEvent0 = new Float64Array(capacity);
    this.lastEvent0 = new Float64Array(capacity);
    this.state = new Int8Array(capacity);
    this.attempt = new Float64Array(capacity);
    this.bundleIndex = new Int32Array(capacity);
    this.member = new Array<string | null>(capacity).fill(null);
    this.bytes = new Float64Array(capacity);
    this.crc32 = new Float64Array(capacity);
    this.pilotIndex = new Int32Array(capacity);
    this.nodeIndex = new Int32Array(capacity);
    this.cpuSeconds = new Float64Array(capacity);
    this.wallSeconds = new Float64Array(capacity);
    this.epoch = new Float64Array(capacity);
    this.lease = new Float64Array(capacity);
    this.outputFileIndex = new Int32Array(capacity);
    this.reasonIndex = new Int32Array(capacity);
  }

  /** Opens the next row with everything that may be absent set to absent; returns its index. */
  addRow(): number {
    assert(this.length < this.capacity, "manifest batch is full");
    const row = this.length++;
    this.fileIndex[row] = -1;
    this.bundleIndex[row] = -1;
    this.member[row] = null;
    this.bytes[row] = -1;
    this.crc32[row] = -1;
    this.pilotIndex[row] = -1;
    this.nodeIndex[row] = -1;
    this.cpuSeconds[row] = Number.NaN;
    this.wallSeconds[row] = Number.NaN;
    this.epoch[row] = -1;
    this.lease[row] = -1;
    this.outputFileIndex[row] = -1;
    this.reasonIndex[row] = -1;
    return row;
  }

  get full(): boolean {
    return this.length === this.capacity;
  }

  clear(): void {
    this.length = 0;
  }
}
