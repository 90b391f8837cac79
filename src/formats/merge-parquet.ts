/**
 * Merges Parquet outputs into one file with row groups of up to 65 536 rows: parts of a few rows
 * each would make a file of mostly footers. Schemas must be equal; key-value metadata is the first
 * part's.
 *
 * Values travel as what they are on disk. The leaves' logical types (strings, decimals, times) are
 * taken off the schema for reading and writing and are put back in the footer, so that nothing goes
 * through dates, floats or text and loses digits. Maps, variants and INT96 times would be changed
 * on the way and are refused.
 */
import {
  type FileMetaData,
  parquetMetadata,
  parquetReadObjects,
  type SchemaElement,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { messageOf } from "../base/index.ts";
import { bufferOf, partError } from "./merge-text.ts";
import {
  type MergePart,
  type MergeRule,
  type Merger,
  type MergeTarget,
  PartError,
} from "./types.ts";

const ROWS_PER_GROUP = 65_536;
/** Bytes of parts after which rows are written, whatever their number. */
const BUFFERED_BYTES_MAX = 64 * 1024 * 1024;

export const parquetRule: MergeRule = {
  kind: "parquet",
  open: (target) => new ParquetMerger(target),
  countRecords: (part) =>
    part.bytes.length === 0 ? 0 : Number(metadataOf(part, arrayBufferOf(part)).num_rows),
};

/** A byte writer whose finished bytes can be taken off its front. */
class DrainedWriter extends ByteWriter {
  takeBytes(): Uint8Array {
    const bytes = new Uint8Array(this.getBuffer());
    this.index = 0;
    return bytes;
  }
}

class ParquetMerger implements Merger {
  readonly #target: MergeTarget;
  readonly #bytes = new DrainedWriter();
  #writer: ParquetWriter | null = null;
  #schema: readonly SchemaElement[] = [];
  #schemaKey = "";
  #label = "";
  #columns: { name: string; data: unknown[] }[] = [];
  #bufferedBytes = 0;

  constructor(target: MergeTarget) {
    this.#target = target;
  }

  async add(part: MergePart): Promise<void> {
    if (part.bytes.length === 0) return;
    const buffer = arrayBufferOf(part);
    const metadata = metadataOf(part, buffer);
    this.#takeSchema(part, metadata);
    await this.#readRows(part, buffer, metadata);
    this.#bufferedBytes += part.bytes.length;
    const rows = this.#columns[0]?.data.length ?? 0;
    if (rows >= ROWS_PER_GROUP || this.#bufferedBytes >= BUFFERED_BYTES_MAX) await this.#flush();
  }

  async finish(): Promise<void> {
    if (this.#writer === null) return;
    await this.#flush();
    this.#writer.schema = [...this.#schema];
    await this.#writer.finish();
    await this.#target.write(this.#bytes.takeBytes());
  }

  #takeSchema(part: MergePart, metadata: FileMetaData): void {
    const { schema } = metadata;
    const key = JSON.stringify(schema);
    if (this.#writer !== null) {
      if (key === this.#schemaKey) return;
      throw partError(
        part,
        "has another schema",
        firstDifference(this.#schema, schema, this.#label),
        "write the same columns for every range",
      );
    }
    checkSchema(part, schema);
    this.#schema = schema;
    this.#schemaKey = key;
    this.#label = part.label;
    this.#columns = topLevelNames(schema).map((name) => ({ name, data: [] }));
    this.#writer = new ParquetWriter({
      writer: this.#bytes,
      schema: schema.map(bareElement),
      codec: "SNAPPY",
      statistics: false,
      createdBy: "jumbo",
      ...(metadata.key_value_metadata ? { kvMetadata: metadata.key_value_metadata } : {}),
    });
  }

  async #readRows(part: MergePart, file: ArrayBuffer, metadata: FileMetaData): Promise<void> {
    const bare = { ...metadata, schema: metadata.schema.map(bareElement) };
    try {
      const options = { file, metadata: bare, compressors, utf8: false, geoparquet: false };
      const rows = await parquetReadObjects(options);
      if (BigInt(rows.length) !== metadata.num_rows) {
        throw new Error(`${rows.length} rows read of ${metadata.num_rows}`);
      }
      for (const { name, data } of this.#columns) {
        for (const row of rows) data.push(row[name]);
      }
    } catch (error) {
      throw partError(part, "can't be read as Parquet", messageOf(error), "write it again");
    }
  }

  async #flush(): Promise<void> {
    this.#bufferedBytes = 0;
    if (this.#writer === null || (this.#columns[0]?.data.length ?? 0) === 0) return;
    await this.#writer.write({
      columnData: this.#columns as { name: string; data: [] }[],
      rowGroupSize: ROWS_PER_GROUP,
    });
    this.#columns = this.#columns.map(({ name }) => ({ name, data: [] }));
    await this.#target.write(this.#bytes.takeBytes());
  }
}

function arrayBufferOf(part: MergePart): ArrayBuffer {
  return new Uint8Array(part.bytes).buffer;
}

function metadataOf(part: MergePart, file: ArrayBuffer): FileMetaData {
  try {
    if (bufferOf(part.bytes).toString("latin1", 0, 4) !== "PAR1") {
      throw new Error("it does not begin with PAR1");
    }
    return parquetMetadata(file, { geoparquet: false });
  } catch (error) {
    throw partError(part, "is no whole Parquet file", messageOf(error), "close it in the payload");
  }
}

function checkSchema(part: MergePart, schema: readonly SchemaElement[]): void {
  for (const element of schema) {
    const kind = element.logical_type?.type ?? element.converted_type ?? element.type ?? "";
    if (!["MAP", "MAP_KEY_VALUE", "VARIANT", "INT96"].includes(kind)) continue;
    throw new PartError(
      part.label,
      `output ${part.label} has a column ${element.name} of kind ${kind} (its values would ` +
        "change when they are written again) merge with zip, or write another type",
    );
  }
}

/** A leaf as its physical type alone; groups keep what makes them lists. */
function bareElement(element: SchemaElement): SchemaElement {
  if (element.num_children !== undefined) return element;
  const { name, type, type_length, repetition_type, field_id } = element;
  const bare: SchemaElement = { name };
  if (type !== undefined) bare.type = type;
  if (type_length !== undefined) bare.type_length = type_length;
  if (repetition_type !== undefined) bare.repetition_type = repetition_type;
  if (field_id !== undefined) bare.field_id = field_id;
  return bare;
}

/** Names of the columns: children of the schema's root, which is its first element. */
function topLevelNames(schema: readonly SchemaElement[]): string[] {
  const names: string[] = [];
  for (let at = 1; at < schema.length; at = behindSubtree(schema, at)) {
    names.push((schema[at] as SchemaElement).name);
  }
  return names;
}

function behindSubtree(schema: readonly SchemaElement[], at: number): number {
  let next = at + 1;
  for (let left = schema[at]?.num_children ?? 0; left > 0; left--) {
    next = behindSubtree(schema, next);
  }
  return next;
}

function firstDifference(
  wanted: readonly SchemaElement[],
  found: readonly SchemaElement[],
  label: string,
): string {
  const at = wanted.findIndex((element, i) => JSON.stringify(element) !== JSON.stringify(found[i]));
  const show = (element: SchemaElement | undefined) =>
    element
      ? `${element.name} ${element.type ?? "group"} ${element.repetition_type ?? ""}`
      : "none";
  const i = at < 0 ? wanted.length : at;
  return `column ${show(found[i]).trim()} where output ${label} has ${show(wanted[i]).trim()}`;
}
