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
import { packU64, textColumn } from "./arrow-columns.ts";
import { RangeRows, type RangeStreamNames } from "./range-rows.ts";

/** Two for each of the five columns of 64 bits. */
const U64_WORDS = 10;

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
  const texts = { file, state, fileTexts, stateTexts };
  let room = new Uint32Array(0);
  let empty = true;
  for await (const rows of batches) {
    empty = false;
    if (room.length < U64_WORDS * rows.length) room = new Uint32Array(U64_WORDS * rows.capacity);
    writer.write(batchOf(schema, rows, texts, room));
    yield sink.take();
  }
  // Readers expect the dictionaries of a stream, also of one without a row.
  if (empty) writer.write(batchOf(schema, new RangeRows(0), texts, room));
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

/**
 * `room` has U64_WORDS a row for what is made of numbers, and serves each batch: memory outside the
 * heap waits for V8.
 */
function batchOf(schema: Schema, rows: RangeRows, texts: Texts, room: Uint32Array): RecordBatch {
  const { length } = rows;
  const plain = (type: DataType, data: unknown) =>
    makeData({ type, length, nullCount: 0, data } as never) as Data;
  const indexed = (type: Dictionary, data: unknown, dictionary: Vector) =>
    makeData({ type, length, nullCount: 0, data, dictionary } as never) as Data;
  let used = 0;
  const u64 = (numbers: Float64Array) => {
    const halves = room.subarray(used, used + 2 * length);
    used += halves.length;
    return plain(new Uint64(), packU64(numbers, length, halves));
  };
  const children = [
    u64(rows.firstRange),
    u64(rows.ranges),
    indexed(texts.file, rows.file.subarray(0, length), texts.fileTexts),
    u64(rows.firstEvent0),
    u64(rows.lastEvent0),
    indexed(texts.state, rows.state.subarray(0, length), texts.stateTexts),
    plain(new Uint8(), rows.attempts.subarray(0, length)),
    plain(new Uint8(), rows.failures.subarray(0, length)),
    plain(new Uint8(), rows.losses.subarray(0, length)),
    u64(rows.lease),
    plain(new Uint32(), rows.bundle.subarray(0, length)),
    textColumn((row) => rows.reasons.get(row), length),
  ];
  const struct = makeData({ type: new Struct(schema.fields), length, nullCount: 0, children });
  return new RecordBatch(schema, struct);
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
