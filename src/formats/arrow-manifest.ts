/**
 * Merge manifests as Arrow IPC files (Arrow columnar format 1.x, "file" framing: random access by a
 * footer, read by pyarrow, polars, DuckDB and any other Arrow reader).
 *
 *   ARROW1 | dictionaries (file, bundle, pilot, node, outputFile, reason, state)
 *          | record batches of <= 16 384 rows | footer with schema and metadata | ARROW1
 *
 * Every dictionary is complete before the first batch, so no delta is ever written; a batch leaves
 * memory as soon as it is on its way to the file. Numbers that may pass 2^32 are uint64 and go
 * through pairs of u32, never through bigints. Docs: docs/reference/manifest.md.
 */
import { type FileHandle, open } from "node:fs/promises";
import {
  AsyncByteQueue,
  type Data,
  type DataType,
  Dictionary,
  Field,
  Float64,
  Int8,
  Int32,
  makeData,
  RecordBatch,
  RecordBatchFileWriter,
  RecordBatchReader,
  Schema,
  Struct,
  Uint8,
  Uint32,
  Uint64,
  Utf8,
  type Vector,
  vectorFromArray,
} from "apache-arrow";
import { assert, JumboError, messageOf } from "../base/index.ts";
import { packU64, textColumn, unpackU64 } from "./arrow-columns.ts";
import {
  DICTIONARY_NAMES,
  type DictionaryName,
  MANIFEST_STATE_NAMES,
  ManifestColumns,
  type ManifestDictionaries,
} from "./manifest-columns.ts";

type Numbers = Float64Array | Int32Array | Int8Array;
type ColumnKind = "uint64" | "uint32" | "uint8" | "float64" | "utf8" | "state" | DictionaryName;

/** Order, names and types of the columns: the interface that docs/reference/manifest.md states. */
const COLUMNS: readonly (readonly [name: string, kind: ColumnKind, nullable: boolean])[] = [
  ["range", "uint64", false],
  ["inputIndex", "uint32", false],
  ["file", "file", false],
  ["firstEvent0", "uint64", false],
  ["lastEvent0", "uint64", false],
  ["state", "state", false],
  ["attempt", "uint8", false],
  ["bundle", "bundle", true],
  ["member", "utf8", true],
  ["bytes", "uint64", true],
  ["crc32", "uint32", true],
  ["pilot", "pilot", true],
  ["node", "node", true],
  ["cpuSeconds", "float64", true],
  ["wallSeconds", "float64", true],
  ["epoch", "uint32", true],
  ["lease", "uint32", true],
  ["outputFile", "outputFile", true],
  ["reason", "reason", true],
];

/** The typed array of a batch that holds a column's numbers or dictionary indices. */
function numbersOf(columns: ManifestColumns, name: string): Numbers {
  const key = name === "state" || name in columns ? name : `${name}Index`;
  const found = (columns as unknown as Record<string, unknown>)[key];
  assert(ArrayBuffer.isView(found), `manifest column ${name}`);
  return found as Numbers;
}

function dictionaryTypes(): Map<string, Dictionary> {
  const types = new Map<string, Dictionary>();
  let id = 0;
  for (const name of DICTIONARY_NAMES) {
    types.set(name, new Dictionary(new Utf8(), new Int32(), id++));
  }
  types.set("state", new Dictionary(new Utf8(), new Int8(), id));
  return types;
}

/** Hands on what the Arrow writer emits at once: no queue grows. */
class TargetSink extends AsyncByteQueue<Uint8Array> {
  readonly #target: ManifestTarget;

  constructor(target: ManifestTarget) {
    super();
    this.#target = target;
  }

  override write(chunk: unknown): void {
    assert(ArrayBuffer.isView(chunk), "the Arrow writer emits bytes");
    this.#target.write(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  }
}

/** Where a manifest goes; the bytes are valid during the call only. */
export interface ManifestTarget {
  write(bytes: Uint8Array): void;
}

/** Writes a manifest; the caller makes it durable. */
export class ManifestWriter {
  readonly #writer = new RecordBatchFileWriter();
  readonly #types = dictionaryTypes();
  readonly #texts = new Map<string, Vector>();
  readonly #schema: Schema;
  rows = 0;

  constructor(
    target: ManifestTarget,
    metadata: Map<string, string>,
    dictionaries: ManifestDictionaries,
  ) {
    const texts: Record<string, readonly string[]> = {
      ...dictionaries,
      state: MANIFEST_STATE_NAMES,
    };
    for (const [name] of this.#types) {
      this.#texts.set(name, vectorFromArray(texts[name] as string[], new Utf8()));
    }
    const fields = COLUMNS.map(
      ([name, kind, nullable]) => new Field(name, this.#typeOf(kind), nullable),
    );
    this.#schema = new Schema(fields, metadata);
    this.#writer.reset(new TargetSink(target), this.#schema);
  }

  /** Appends the batch's rows; the batch may be cleared and reused afterwards. */
  write(columns: ManifestColumns): void {
    const children = COLUMNS.map(([name, kind, nullable]) =>
      this.#column(columns, name, kind, nullable),
    );
    const struct = makeData({
      type: new Struct(this.#schema.fields),
      length: columns.length,
      nullCount: 0,
      children,
    });
    this.#writer.write(new RecordBatch(this.#schema, struct));
    this.rows += columns.length;
  }

  /** Writes the footer. A manifest without a row still gets its dictionaries. */
  finish(): void {
    if (this.rows === 0) this.write(new ManifestColumns(0));
    this.#writer.close();
  }

  #typeOf(kind: ColumnKind): DataType {
    if (kind === "uint64") return new Uint64();
    if (kind === "uint32") return new Uint32();
    if (kind === "uint8") return new Uint8();
    if (kind === "float64") return new Float64();
    if (kind === "utf8") return new Utf8();
    return this.#types.get(kind) as Dictionary;
  }

  #column(columns: ManifestColumns, name: string, kind: ColumnKind, nullable: boolean): Data {
    const length = columns.length;
    const type = this.#typeOf(kind);
    if (kind === "utf8") return textColumn((row) => columns.member[row], length);
    const numbers = numbersOf(columns, name);
    const valid = nullable ? validity(numbers, length) : { nullCount: 0, nullBitmap: null };
    const data = packNumbers(kind, numbers, length);
    const dictionary = this.#texts.get(kind);
    return makeData({ type, length, ...valid, data, ...(dictionary && { dictionary }) } as never);
  }
}

/** Absent is -1 or NaN in a batch; Arrow wants a bitmap, least significant bit first. */
function validity(
  numbers: Numbers,
  length: number,
): { nullCount: number; nullBitmap: Uint8Array | null } {
  const nullBitmap = new Uint8Array((length + 7) >>> 3);
  let nullCount = 0;
  for (let row = 0; row < length; row++) {
    if ((numbers[row] as number) >= 0) nullBitmap[row >>> 3]! |= 1 << (row & 7);
    else nullCount++;
  }
  return nullCount === 0 ? { nullCount, nullBitmap: null } : { nullCount, nullBitmap };
}

function packNumbers(kind: ColumnKind, numbers: Numbers, length: number): unknown {
  if (kind === "float64") return numbers.slice(0, length);
  if (kind === "uint8") return Uint8Array.from(numbers.subarray(0, length));
  if (kind === "state") return Int8Array.from(numbers.subarray(0, length));
  if (kind === "uint32") return packU32(numbers, length);
  if (kind === "uint64") return packU64(numbers, length);
  // An index of -1 is hidden behind the bitmap, and 0 is always a safe thing to point at.
  const indices = new Int32Array(length);
  for (let row = 0; row < length; row++) indices[row] = Math.max(0, numbers[row] as number);
  return indices;
}

function packU32(numbers: Numbers, length: number): Uint32Array {
  const packed = new Uint32Array(length);
  for (let row = 0; row < length; row++) packed[row] = Math.max(0, numbers[row] as number);
  return packed;
}

/** An open manifest: its metadata and dictionaries at once, its rows batch by batch. */
export interface ManifestReader {
  readonly metadata: ReadonlyMap<string, string>;
  readonly dictionaries: ManifestDictionaries;
  /** Each batch is valid until the next one is asked for. Call once. */
  batches(): AsyncIterable<ManifestColumns>;
  close(): Promise<void>;
}

/** Throws JumboError("input_unreadable") if `path` is no manifest, "not_found" if it is missing. */
export async function openManifest(path: string): Promise<ManifestReader> {
  let handle: FileHandle;
  try {
    handle = await open(path, "r");
  } catch (error) {
    throw new JumboError(
      "not_found",
      `no manifest at ${path} (${messageOf(error)}) it lies beside the merged result`,
      { subject: path },
    );
  }
  try {
    const reader = await RecordBatchReader.from(handle);
    await reader.open({ autoDestroy: false });
    checkSchema(reader.schema, path);
    // Dictionaries come with the first batch; each manifest has at least one, if only an empty one.
    const batches = reader[Symbol.asyncIterator]() as AsyncIterator<RecordBatch>;
    const first = await batches.next();
    if (first.done) throw unreadable(path, "it has no record batch");
    return {
      metadata: reader.schema.metadata,
      dictionaries: dictionariesOf(first.value),
      batches: () => readBatches(first.value, batches, path),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close().catch(() => undefined);
    throw error instanceof JumboError ? error : unreadable(path, messageOf(error));
  }
}

async function* readBatches(
  first: RecordBatch,
  rest: AsyncIterator<RecordBatch>,
  path: string,
): AsyncGenerator<ManifestColumns> {
  let columns = new ManifestColumns(0);
  for (let batch: RecordBatch | null = first; batch !== null; ) {
    if (columns.capacity < batch.numRows) columns = new ManifestColumns(batch.numRows);
    columns.length = batch.numRows;
    for (const [name, kind, nullable] of COLUMNS) readColumn(batch, columns, name, kind, nullable);
    yield columns;
    try {
      const next: IteratorResult<RecordBatch> = await rest.next();
      batch = next.done ? null : next.value;
    } catch (error) {
      throw unreadable(path, messageOf(error));
    }
  }
}

function readColumn(
  batch: RecordBatch,
  columns: ManifestColumns,
  name: string,
  kind: ColumnKind,
  nullable: boolean,
): void {
  const child = batch.getChild(name);
  const data = child?.data[0] as Data | undefined;
  assert(child && data, `manifest column ${name}`);
  if (kind === "utf8") {
    for (let row = 0; row < batch.numRows; row++) columns.member[row] = child.get(row);
    return;
  }
  const target = numbersOf(columns, name);
  const absent = kind === "float64" ? Number.NaN : -1;
  const values = data.values as ArrayLike<number>;
  if (kind === "uint64") unpackU64(data.values as BigUint64Array, target, batch.numRows);
  else for (let row = 0; row < batch.numRows; row++) target[row] = values[row] as number;
  if (!nullable || data.nullCount === 0) return;
  for (let row = 0; row < batch.numRows; row++) if (!data.getValid(row)) target[row] = absent;
}

function dictionariesOf(batch: RecordBatch): ManifestDictionaries {
  const found: Partial<Record<DictionaryName, string[]>> = {};
  for (const name of DICTIONARY_NAMES) {
    const texts = batch.getChild(name)?.data[0]?.dictionary;
    found[name] = texts ? [...(texts as Vector<Utf8>)].map((text) => text ?? "") : [];
  }
  return found as ManifestDictionaries;
}

function checkSchema(schema: Schema, path: string): void {
  const names = schema.fields.map((field) => field.name);
  const missing = COLUMNS.filter(([name]) => !names.includes(name)).map(([name]) => name);
  if (missing.length > 0) throw unreadable(path, `it has no column ${missing.join(", ")}`);
}

function unreadable(path: string, why: string): JumboError {
  return new JumboError(
    "input_unreadable",
    `${path} is no manifest of this version (${why}) ` +
      "name the NAME.manifest.arrow that the merge wrote",
    { subject: path },
  );
}
