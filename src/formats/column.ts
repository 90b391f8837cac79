/**
 * One column of an input as numbers, one an event, in the order of the events: for cost weights.
 * CSV columns by their header, JSONL by key, Parquet and Arrow by name. A column that is not there
 * gives null; a value that is no number throws `input_unreadable` with the event's number.
 * LHE and HepMC events have no columns; ROOT branches are not read.
 */
import { closeSync, readFileSync } from "node:fs";
import { inputError, openInput, readFully, sizeOf } from "./input-file.ts";

/** Formats of which a column can be read. */
export const COLUMN_FORMATS: ReadonlySet<string> = new Set(["csv", "jsonl", "parquet", "arrow"]);

export interface ColumnInput {
  readonly source: string;
  readonly path: string;
  readonly format: string;
  readonly events: number;
}

export async function readColumn(input: ColumnInput, name: string): Promise<Float64Array | null> {
  if (input.events === 0) return new Float64Array(0);
  const values = await valuesOf(input, name);
  if (values === null) return null;
  if (values.length !== input.events) {
    throw inputError(
      input.source,
      `has ${values.length} values of ${name}`,
      `it has ${input.events} events`,
      "give each event one",
    );
  }
  return Float64Array.from(values, (value, event) => numberOf(input, name, value, event));
}

async function valuesOf(input: ColumnInput, name: string): Promise<unknown[] | null> {
  switch (input.format) {
    case "csv":
      return csvColumn(readFileSync(input.path, "utf8"), name);
    case "jsonl":
      return jsonlColumn(input, name);
    case "parquet":
      return await parquetColumn(input.path, name);
    case "arrow": {
      const { tableFromIPC } = await import("apache-arrow");
      const column = tableFromIPC(readFileSync(input.path)).getChild(name);
      return column === null ? null : [...column];
    }
    default:
      return null;
  }
}

function numberOf(input: ColumnInput, name: string, value: unknown, event: number): number {
  const isText = typeof value === "string" && value.trim() !== "";
  const number =
    typeof value === "number" || typeof value === "bigint" || isText ? +String(value) : NaN;
  if (number >= 0 && number < Number.POSITIVE_INFINITY) return number;
  throw inputError(
    input.source,
    `has ${JSON.stringify(String(value)).slice(0, 40)} as ${name} of event ${event} (0-based)`,
    "a cost is a number from 0 up",
    "correct it, or name another column",
  );
}

function jsonlColumn(input: ColumnInput, name: string): unknown[] | null {
  const values: unknown[] = [];
  let seen = false;
  for (const line of readFileSync(input.path, "utf8").split("\n")) {
    if (line.trim() === "") continue;
    let record: unknown;
    try {
      record = JSON.parse(line);
    } catch {
      const right = "write one JSON object a line";
      throw inputError(
        input.source,
        `has no JSON in line ${values.length + 1}`,
        "a column is read of it",
        right,
      );
    }
    const has = typeof record === "object" && record !== null && Object.hasOwn(record, name);
    seen ||= has;
    values.push(has ? (record as Record<string, unknown>)[name] : undefined);
  }
  return seen ? values : null;
}

/** RFC 4180 with the separator that stands first in the header, as the scan reads it. */
function csvColumn(text: string, name: string): unknown[] | null {
  const separator = /[,;\t|]/.exec(text.split("\n", 1)[0] ?? "")?.[0] ?? ",";
  const values: unknown[] = [];
  let column = -1;
  let at = 0;
  while (at < text.length) {
    const { fields, next } = csvRecord(text, at, separator);
    at = next;
    if (fields.length === 1 && fields[0]?.trim() === "") continue;
    if (column >= 0) values.push(fields[column]);
    else {
      column = fields.findIndex((field) => field.trim() === name);
      if (column < 0) return null;
    }
  }
  return column < 0 ? null : values;
}

function csvRecord(
  text: string,
  from: number,
  separator: string,
): { fields: string[]; next: number } {
  const fields: string[] = [];
  let at = from;
  for (;;) {
    let field = "";
    if (text[at] === '"') {
      for (at++; at < text.length; at++) {
        if (text[at] !== '"') field += text[at];
        else if (text[at + 1] === '"') field += text[++at];
        else break;
      }
      at++;
    }
    const begin = at;
    while (at < text.length && text[at] !== separator && text[at] !== "\n") at++;
    fields.push(field + text.slice(begin, at).replace(/\r$/, ""));
    if (at >= text.length || text[at] === "\n") return { fields, next: at + 1 };
    at++;
  }
}

async function parquetColumn(path: string, name: string): Promise<unknown[] | null> {
  const { parquetMetadataAsync, parquetReadObjects } = await import("hyparquet");
  const { compressors } = await import("hyparquet-compressors");
  const fd = openInput(path);
  try {
    const byteLength = sizeOf(fd);
    const file = {
      byteLength,
      slice: (start: number, end = byteLength) =>
        new Uint8Array(readFully(fd, start, end - start)).buffer,
    };
    const metadata = await parquetMetadataAsync(file);
    if (!metadata.schema.some((element) => element.name === name)) return null;
    const rows = await parquetReadObjects({ file, metadata, columns: [name], compressors });
    return rows.map((row) => row[name]);
  } finally {
    closeSync(fd);
  }
}
