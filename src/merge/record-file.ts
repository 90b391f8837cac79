/**
 * Two kinds of scratch file that keep a merge's memory bounded, both plain records of f64:
 *
 *   runs   first, count, state, attempts, lease, bundle, reason     what the books say of the
 *          ranges of one output file; written by the coordinator, rebuilt at every try
 *   rows   range, bytes, crc32, attempt, cpu, wall, node, fileName  one a merged member, found
 *          while its file was merged; durable before the file is renamed, so that the manifest
 *          never needs a bundle again. The last two index the texts of the trailer:
 *
 *          [records] [texts: JSON] [u32 crc32 of all before] [u32 length of texts] "JBR1"
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { assert, crc32 } from "../base/index.ts";
import { DurableFile } from "./durable-file.ts";

const RECORDS_PER_READ = 4096;
const RUN_FIELDS = 7;
const ROW_FIELDS = 8;
const ROWS_MAGIC = "JBR1";
const TRAILER_BYTES = 12;

/** State of a run of ranges, as `ranges` answers it. */
export const RUN_STATE = { done: 3, failed: 4, merged: 5 } as const;

export interface RangeRunRecord {
  first: number;
  count: number;
  state: number;
  attempts: number;
  lease: number;
  bundle: number;
  reason: number;
}

export class RunFileWriter {
  readonly #fd: number;
  readonly #buffer = new Float64Array(RUN_FIELDS * RECORDS_PER_READ);
  #used = 0;

  constructor(path: string) {
    this.#fd = openSync(path, "w");
  }

  add(run: Readonly<RangeRunRecord>): void {
    const at = this.#used;
    this.#buffer[at] = run.first;
    this.#buffer[at + 1] = run.count;
    this.#buffer[at + 2] = run.state;
    this.#buffer[at + 3] = run.attempts;
    this.#buffer[at + 4] = run.lease;
    this.#buffer[at + 5] = run.bundle;
    this.#buffer[at + 6] = run.reason;
    this.#used += RUN_FIELDS;
    if (this.#used === this.#buffer.length) this.#flush();
  }

  close(): void {
    this.#flush();
    closeSync(this.#fd);
  }

  #flush(): void {
    const bytes = new Uint8Array(this.#buffer.buffer, 0, this.#used * 8);
    for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
    this.#used = 0;
  }
}

/** The runs of a file in order; the object is reused from one to the next. */
export function* readRuns(path: string): Generator<Readonly<RangeRunRecord>> {
  const run = { first: 0, count: 0, state: 0, attempts: 0, lease: 0, bundle: 0, reason: 0 };
  for (const block of readBlocks(path, RUN_FIELDS, 0)) {
    for (let at = 0; at < block.length; at += RUN_FIELDS) {
      run.first = block[at] as number;
      run.count = block[at + 1] as number;
      run.state = block[at + 2] as number;
      run.attempts = block[at + 3] as number;
      run.lease = block[at + 4] as number;
      run.bundle = block[at + 5] as number;
      run.reason = block[at + 6] as number;
      yield run;
    }
  }
}

export interface MemberRow {
  range: number;
  bytes: number;
  crc32: number;
  attempt: number;
  cpuSeconds: number;
  wallSeconds: number;
  node: string;
  fileName: string;
}

/** Distinct texts of the rows of one file. */
export interface RowTexts {
  readonly nodes: readonly string[];
  readonly fileNames: readonly string[];
}

function intern(texts: Map<string, number>, text: string): number {
  let index = texts.get(text);
  if (index === undefined) {
    index = texts.size;
    texts.set(text, index);
  }
  return index;
}

export class RowFileWriter {
  readonly #file: DurableFile;
  readonly #nodes = new Map<string, number>();
  readonly #fileNames = new Map<string, number>();
  readonly #record = new Float64Array(ROW_FIELDS);
  readonly #bytes = new Uint8Array(this.#record.buffer);
  #crc = 0;

  constructor(path: string) {
    this.#file = new DurableFile(path);
  }

  add(row: Readonly<MemberRow>): void {
    this.#record[0] = row.range;
    this.#record[1] = row.bytes;
    this.#record[2] = row.crc32;
    this.#record[3] = row.attempt;
    this.#record[4] = row.cpuSeconds;
    this.#record[5] = row.wallSeconds;
    this.#record[6] = intern(this.#nodes, row.node);
    this.#record[7] = intern(this.#fileNames, row.fileName);
    this.#write(this.#bytes);
  }

  seal(): void {
    const texts: RowTexts = {
      nodes: [...this.#nodes.keys()],
      fileNames: [...this.#fileNames.keys()],
    };
    const encoded = Buffer.from(JSON.stringify(texts));
    this.#write(encoded);
    const trailer = Buffer.alloc(TRAILER_BYTES);
    trailer.writeUInt32LE(this.#crc, 0);
    trailer.writeUInt32LE(encoded.length, 4);
    trailer.write(ROWS_MAGIC, 8, "latin1");
    this.#file.write(trailer);
    this.#file.seal();
  }

  discard(): void {
    this.#file.discard();
  }

  #write(bytes: Uint8Array): void {
    this.#crc = crc32(bytes, this.#crc);
    this.#file.write(bytes);
  }
}

/** True if a rows file is there, whole and of this version; it is then safe to build upon. */
export function rowsAreWhole(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return false;
  }
  try {
    const { size } = fstatSync(fd);
    const trailer = Buffer.alloc(TRAILER_BYTES);
    if (size < TRAILER_BYTES) return false;
    readSync(fd, trailer, 0, TRAILER_BYTES, size - TRAILER_BYTES);
    if (trailer.toString("latin1", 8) !== ROWS_MAGIC) return false;
    const records = size - TRAILER_BYTES - trailer.readUInt32LE(4);
    if (records < 0 || records % (ROW_FIELDS * 8) !== 0) return false;
    return crcOfPrefix(fd, size - TRAILER_BYTES) === trailer.readUInt32LE(0);
  } finally {
    closeSync(fd);
  }
}

function crcOfPrefix(fd: number, bytes: number): number {
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  let crc = 0;
  for (let at = 0; at < bytes; ) {
    const read = readSync(fd, buffer, 0, Math.min(buffer.length, bytes - at), at);
    if (read === 0) return -1;
    crc = crc32(buffer.subarray(0, read), crc);
    at += read;
  }
  return crc;
}

/** The texts that a rows file's records point at. */
export function readRowTexts(path: string): RowTexts {
  const fd = openSync(path, "r");
  try {
    const { size } = fstatSync(fd);
    const trailer = Buffer.alloc(TRAILER_BYTES);
    readSync(fd, trailer, 0, TRAILER_BYTES, size - TRAILER_BYTES);
    assert(trailer.toString("latin1", 8) === ROWS_MAGIC, `rows file ${path}`);
    const texts = Buffer.alloc(trailer.readUInt32LE(4));
    readSync(fd, texts, 0, texts.length, size - TRAILER_BYTES - texts.length);
    return JSON.parse(texts.toString()) as RowTexts;
  } finally {
    closeSync(fd);
  }
}

/** The rows of a file in order; the object is reused from one to the next. */
export function* readRows(path: string): Generator<Readonly<MemberRow>> {
  const texts = readRowTexts(path);
  const tail = Buffer.byteLength(JSON.stringify(texts)) + TRAILER_BYTES;
  const row: MemberRow = {
    range: 0,
    bytes: 0,
    crc32: 0,
    attempt: 0,
    cpuSeconds: 0,
    wallSeconds: 0,
    node: "",
    fileName: "",
  };
  for (const block of readBlocks(path, ROW_FIELDS, tail)) {
    for (let at = 0; at < block.length; at += ROW_FIELDS) {
      row.range = block[at] as number;
      row.bytes = block[at + 1] as number;
      row.crc32 = block[at + 2] as number;
      row.attempt = block[at + 3] as number;
      row.cpuSeconds = block[at + 4] as number;
      row.wallSeconds = block[at + 5] as number;
      row.node = texts.nodes[block[at + 6] as number] as string;
      row.fileName = texts.fileNames[block[at + 7] as number] as string;
      yield row;
    }
  }
}

/** Whole records of `fields` f64 each, up to `tailBytes` before the end of the file. */
function* readBlocks(path: string, fields: number, tailBytes: number): Generator<Float64Array> {
  const fd = openSync(path, "r");
  try {
    const end = fstatSync(fd).size - tailBytes;
    const buffer = new Float64Array(fields * RECORDS_PER_READ);
    const bytes = new Uint8Array(buffer.buffer);
    for (let at = 0; at < end; ) {
      const wanted = Math.min(bytes.length, end - at);
      let got = 0;
      while (got < wanted) {
        const read = readSync(fd, bytes, got, wanted - got, at + got);
        assert(read > 0, `${path} ended early`);
        got += read;
      }
      yield buffer.subarray(0, wanted / 8);
      at += wanted;
    }
  } finally {
    closeSync(fd);
  }
}
