/**
 * Merges Arrow IPC outputs, file or stream variant, into one IPC file, record batch by record
 * batch. Columns must have equal names, types and nullability in all parts; key-value metadata is
 * the first part's.
 *
 * Dictionary columns are written as their plain values: dictionaries differ from part to part, and
 * the file variant allows none to be replaced. ZSTD bodies are read; LZ4 ones are refused.
 */
import { zstdDecompressSync } from "node:zlib";
import {
  CompressionType,
  compressionRegistry,
  type Data,
  type DataType,
  type Dictionary,
  Field,
  Message,
  makeBuilder,
  makeData,
  RecordBatch,
  RecordBatchFileWriter,
  RecordBatchReader,
  Schema,
  Struct,
  Type,
} from "apache-arrow";
import { messageOf } from "../base/index.ts";
import { walkArrow } from "./arrow-walk.ts";
import { bufferOf, partError } from "./merge-text.ts";
import type { MergePart, MergeRule, Merger, MergeTarget } from "./types.ts";

compressionRegistry.set(CompressionType.ZSTD, {
  decode: (bytes) => new Uint8Array(zstdDecompressSync(bytes)),
});

export const arrowRule: MergeRule = {
  kind: "arrow",
  open: (target) => new ArrowMerger(target),
  countRecords: (part) => (part.bytes.length === 0 ? 0 : walkPart(part)),
};

/** The library's file writer with its output in `pieces`, to be taken after each batch. */
class PieceWriter extends RecordBatchFileWriter {
  pieces: Uint8Array[] = [];

  protected override _write(chunk: ArrayBufferView): this {
    if (this._started && chunk.byteLength > 0) {
      this.pieces.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      this._position += chunk.byteLength;
    }
    return this;
  }
}

class ArrowMerger implements Merger {
  readonly #target: MergeTarget;
  readonly #writer = new PieceWriter();
  #schema: Schema | null = null;
  #fieldsKey: Buffer = Buffer.alloc(0);
  #label = "";

  constructor(target: MergeTarget) {
    this.#target = target;
  }

  async add(part: MergePart): Promise<void> {
    if (part.bytes.length === 0) return;
    walkPart(part);
    try {
      // A copy: typed arrays over the columns need aligned bytes.
      const reader = RecordBatchReader.from(new Uint8Array(part.bytes)).open();
      const plain = plainSchema(reader.schema);
      this.#takeSchema(part, plain);
      for (const batch of reader) this.#writeBatch(batch);
    } catch (error) {
      if (error instanceof Error && error.name === "PartError") throw error;
      throw partError(part, "can't be read as Arrow", messageOf(error), "write it again");
    }
    await this.#flush();
  }

  async finish(): Promise<void> {
    if (this.#schema === null) return;
    this.#writer.finish();
    await this.#flush();
  }

  #takeSchema(part: MergePart, schema: Schema): void {
    const bare = new Schema(schema.fields.map((f) => new Field(f.name, f.type, f.nullable)));
    const key = Buffer.from(Message.encode(Message.from(bare)));
    if (this.#schema === null) {
      this.#schema = schema;
      this.#fieldsKey = key;
      this.#label = part.label;
      this.#writer.reset(undefined, schema);
    } else if (!key.equals(this.#fieldsKey)) {
      throw partError(
        part,
        `has the columns ${describe(schema)}`,
        `output ${this.#label} has ${describe(this.#schema)}`,
        "write the same columns for every range",
      );
    }
  }

  #writeBatch(batch: RecordBatch): void {
    if (batch.numRows === 0) return;
    const schema = this.#schema as Schema;
    const children = batch.data.children.map((child) => plainData(child as Data));
    const type = new Struct(schema.fields);
    const data = makeData({ type, length: batch.numRows, nullCount: 0, children });
    this.#writer.write(new RecordBatch(schema, data));
  }

  async #flush(): Promise<void> {
    const { pieces } = this.#writer;
    this.#writer.pieces = [];
    if (pieces.length > 0) await this.#target.write(Buffer.concat(pieces));
  }
}

function walkPart(part: MergePart): number {
  const bytes = bufferOf(part.bytes);
  try {
    return walkArrow((at, length) => bytes.subarray(at, at + length), bytes.length).rows;
  } catch (error) {
    throw partError(part, "is no whole Arrow file", messageOf(error), "close it in the payload");
  }
}

function describe(schema: Schema): string {
  const fields = schema.fields.map((f) => `${f.name}: ${f.type}${f.nullable ? "" : " not null"}`);
  const text = fields.join(", ");
  return text.length > 300 ? `${text.slice(0, 300)}...` : text;
}

/** The schema with dictionary columns as plain ones. */
function plainSchema(schema: Schema): Schema {
  const fields = schema.fields.map((field) => {
    const type: DataType = field.type;
    if (type.typeId === Type.Dictionary) {
      return new Field(field.name, (type as Dictionary).dictionary, field.nullable, field.metadata);
    }
    if (hasDictionary(type)) {
      throw new Error(`its column ${field.name} has a dictionary inside a nested type`);
    }
    return field;
  });
  return new Schema(fields, schema.metadata);
}

function hasDictionary(type: DataType): boolean {
  const children = (type.children ?? []) as Field[];
  return type.typeId === Type.Dictionary || children.some((child) => hasDictionary(child.type));
}

function plainData(data: Data): Data {
  const type: DataType = data.type;
  if (type.typeId !== Type.Dictionary) return data;
  const builder = makeBuilder({
    type: (type as Dictionary).dictionary,
    nullValues: [null, undefined],
  });
  const indices = data.values as ArrayLike<number>;
  for (let i = 0; i < data.length; i++) {
    builder.append(data.getValid(i) ? data.dictionary?.get(indices[i] as number) : null);
  }
  return builder.finish().flush();
}
