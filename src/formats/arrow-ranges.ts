/**
 * The states of a task's ranges as an Arrow IPC stream: what `GET /api/v1/tasks/ID/ranges` sends.
 *
 *   schema | dictionaries (file, state) | record batch | record batch | ... | end of stream
 *
 * One row is a run of alike ranges of one file, in order; a batch leaves memory as soon as it was
 * sent, so that a stream over 10^8 ranges needs no more than one over ten. Columns whose values may
 * pass 2^32 are uint64. Docs: docs/reference/http-api.md.
 */
import {
  AsyncByteQueue,
  type Data,
  type DataType,
  Dictionary,
  Field,
  Int8,
  Int32,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Uint8,
  Uint32,
  Uint64,
  Utf8,
  type Vector,
  vectorFromArray,
} from "apache-arrow";
import { assert } from "../base/index.ts";
import { RangeRows, type RangeStreamNames } from "./range-rows.ts";

/** Each batch of rows may be reused once the generator asks for the next one. */
export async function* arrowRanges(
  batches: AsyncIterable<RangeRows>,
  names: RangeStreamNames,
): AsyncGenerator<Uint8Array> {
  const file = new Dictionary(new Utf8(), new Int32(), 0);
  const state = new Dictionary(new Utf8(), new Int8(), 1);
  const fileTexts = vectorFromArray([...names.files], new Utf8());
  const stateTexts = vectorFromArray([...names.states], new Utf8());
  const schema = new Schema(fieldsOf(file, state), new Map(names.metadata));
  const writer = new RecordBatchStreamWriter();
  const sink = new Collector();
  writer.reset(sink, schema);
  let empty = true;
  for await (const rows of batches) {
    empty = false;
    writer.write(batchOf(schema, rows, { file, state, fileTexts, stateTexts }));
    yield sink.take();
  }
  // Readers expect the dictionaries of a stream, also of one without a row.
  if (empty)
    writer.write(batchOf(schema, new RangeRows(0), { file, state, fileTexts, stateTexts }));
  writer.close();
  yield sink.take();
}

interface Texts {
  readonly file: Dictionary;
  readonly state: Dictionary;
  readonly fileTexts: Vector;
  readonly stateTexts: Vector;
}

function fieldsOf(file: DataType, state: DataType): Field[] {
  return [
    new Field("firstRange", new Uint64(), false),
    new Field("ranges", new Uint64(), false),
    new Field("file", file, false),
    new Field("firstEvent0", new Uint64(), false),
    new Field("lastEvent0", new Uint64(), false),
    new Field("state", state, false),
    new Field("attempts", new Uint8(), false),
    new Field("failures", new Uint8(), false),
    new Field("losses", new Uint8(), false),
    new Field("lease", new Uint64(), false),
    new Field("bundle", new Uint32(), false),
    new Field("reason", new Utf8(), true),
  ];
}

function batchOf(schema: Schema, rows: RangeRows, texts: Texts): RecordBatch {
  const { length } = rows;
  const plain = (type: DataType, data: unknown) =>
    makeData({ type, length, nullCount: 0, data } as never) as Data;
  const indexed = (type: Dictionary, data: unknown, dictionary: Vector) =>
    makeData({ type, length, nullCount: 0, data, dictionary } as never) as Data;
  const children = [
    plain(new Uint64(), packU64(rows.firstRange, length)),
    plain(new Uint64(), packU64(rows.ranges, length)),
    indexed(texts.file, rows.file.slice(0, length), texts.fileTexts),
    plain(new Uint64(), packU64(rows.firstEvent0, length)),
    plain(new Uint64(), packU64(rows.lastEvent0, length)),
    indexed(texts.state, rows.state.slice(0, length), texts.stateTexts),
    plain(new Uint8(), rows.attempts.slice(0, length)),
    plain(new Uint8(), rows.failures.slice(0, length)),
    plain(new Uint8(), rows.losses.slice(0, length)),
    plain(new Uint64(), packU64(rows.lease, length)),
    plain(new Uint32(), rows.bundle.slice(0, length)),
    vectorFromArray(rows.reason.slice(0, length), new Utf8()).data[0] ?? emptyTexts(),
  ];
  const struct = makeData({ type: new Struct(schema.fields), length, nullCount: 0, children });
  return new RecordBatch(schema, struct);
}

function emptyTexts(): Data {
  const valueOffsets = new Int32Array(1);
  return makeData({
    type: new Utf8(),
    length: 0,
    nullCount: 0,
    valueOffsets,
    data: new Uint8Array(0),
  });
}

function packU64(numbers: Float64Array, length: number): BigUint64Array {
  const halves = new Uint32Array(2 * length);
  for (let row = 0; row < length; row++) {
    const value = numbers[row] as number;
    halves[2 * row] = value % 0x1_0000_0000;
    halves[2 * row + 1] = Math.floor(value / 0x1_0000_0000);
  }
  return new BigUint64Array(halves.buffer);
}

/** Keeps what the Arrow writer emits until it is taken; the writer itself keeps nothing. */
class Collector extends AsyncByteQueue<Uint8Array> {
  #chunks: Uint8Array[] = [];

  override write(chunk: unknown): void {
    assert(ArrayBuffer.isView(chunk), "the Arrow writer emits bytes");
    this.#chunks.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  }

  take(): Uint8Array {
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return bytes;
  }
}
