/**
 * Mergers of line-based outputs and of plain bytes.
 *
 *   jsonl   every line must be JSON; blank lines are dropped, the last line gets its line feed
 *   csv     one header line, equal in all parts; every record has as many fields as the header
 *   concat  the parts' bytes, one behind the other
 *
 * A part of 0 bytes (an allowed empty output) adds nothing and needs no header.
 */
import { messageOf } from "../base/index.ts";
import { scanBytes, TextDefect } from "./byte-scan.ts";
import { LineScanner } from "./line-scanner.ts";
import {
  type MergePart,
  type MergeRule,
  type Merger,
  type MergeTarget,
  PartError,
} from "./types.ts";

const NEWLINE = Buffer.from("\n");

/** Runs `scan`; a defect of the text becomes a PartError that names the part. */
export function withPart<Result>(part: MergePart, scan: () => Result): Result {
  try {
    return scan();
  } catch (error) {
    if (!(error instanceof TextDefect)) throw error;
    throw partError(part, error.message, error.why, error.right);
  }
}

export function partError(part: MergePart, problem: string, why: string, right: string): PartError {
  return new PartError(part.label, `output ${part.label} ${problem} (${why}) ${right}`);
}

export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export const jsonlRule: MergeRule = {
  kind: "jsonl",
  open: (target) => ({
    async add(part) {
      const bytes = bufferOf(part.bytes);
      const scanner = scanLines(part, { header: false, quoted: false });
      const bounds = scanner.bounds.take();
      for (let i = 0; i < bounds.length; i += 2) checkJson(part, bytes, bounds, i);
      await writeRecords(target, bytes, bounds, scanner.endsWithNewline);
    },
    finish() {},
  }),
  countRecords: (part) => scanLines(part, { header: false, quoted: false }).bounds.events,
};

export const csvRule: MergeRule = {
  kind: "csv",
  open: (target) => new CsvMerger(target),
  countRecords: (part) => scanLines(part, { header: true, quoted: true }).bounds.events,
};

export const concatRule: MergeRule = {
  kind: "concat",
  open: (target) => ({ add: (part) => target.write(part.bytes), finish() {} }),
  countRecords: () => null,
};

function scanLines(part: MergePart, options: { header: boolean; quoted: boolean }): LineScanner {
  const scanner = new LineScanner(options);
  withPart(part, () => scanBytes(part.bytes, scanner));
  return scanner;
}

function checkJson(part: MergePart, bytes: Buffer, bounds: Float64Array, i: number): void {
  try {
    JSON.parse(bytes.toString("utf8", bounds[i], bounds[i + 1]));
  } catch (error) {
    throw partError(
      part,
      `has a record ${i / 2 + 1} that is no JSON`,
      messageOf(error),
      "write one JSON value a line",
    );
  }
}

/** Writes records in as few pieces as blank lines between them allow. */
async function writeRecords(
  target: MergeTarget,
  bytes: Buffer,
  bounds: Float64Array,
  endsWithNewline: boolean,
): Promise<void> {
  for (let i = 0; i < bounds.length; ) {
    const begin = bounds[i] as number;
    let end = bounds[i + 1] as number;
    for (i += 2; i < bounds.length && bounds[i] === end; i += 2) end = bounds[i + 1] as number;
    await target.write(bytes.subarray(begin, end));
    if (end === bytes.length && !endsWithNewline) await target.write(NEWLINE);
  }
}

class CsvMerger implements Merger {
  readonly #target: MergeTarget;
  #header = "";
  #headerLabel = "";
  #delimiter = 0;
  #fields = 0;

  constructor(target: MergeTarget) {
    this.#target = target;
  }

  async add(part: MergePart): Promise<void> {
    const scanner = scanLines(part, { header: true, quoted: true });
    if (scanner.headerBegin < 0) {
      if (part.bytes.length === 0) return;
      throw partError(part, "has no header line", "all its lines are blank", "write one");
    }
    const bytes = bufferOf(part.bytes);
    const header = bytes.toString("latin1", scanner.headerBegin, scanner.headerEnd).trimEnd();
    if (this.#headerLabel === "") {
      this.#headerLabel = part.label;
      this.#header = header;
      this.#delimiter = scanner.delimiter;
      this.#fields = countFields(Buffer.from(header, "latin1"), this.#delimiter);
      await this.#target.write(Buffer.from(`${header}\n`, "latin1"));
    } else if (header !== this.#header) {
      throw partError(
        part,
        `has the header ${JSON.stringify(header.slice(0, 200))}`,
        `output ${this.#headerLabel} has ${JSON.stringify(this.#header.slice(0, 200))}`,
        "write the same columns for every range",
      );
    }
    const bounds = scanner.bounds.take();
    for (let i = 0; i < bounds.length; i += 2) {
      const fields = countFields(bytes.subarray(bounds[i], bounds[i + 1]), this.#delimiter);
      if (fields === this.#fields) continue;
      throw partError(
        part,
        `has ${fields} fields in record ${i / 2 + 1}`,
        `its header has ${this.#fields}: the record was cut off or is broken`,
        "write whole records",
      );
    }
    await writeRecords(this.#target, bytes, bounds, scanner.endsWithNewline);
  }

  finish(): void {}
}

/** Fields of one record; delimiters inside quotes are none. */
function countFields(record: Buffer, delimiter: number): number {
  let fields = 1;
  let inQuotes = false;
  let atStart = true;
  let closedAt = -2;
  for (let i = 0; i < record.length; i++) {
    const byte = record[i];
    if (byte === 0x22 && (inQuotes || atStart || i === closedAt + 1)) {
      if (inQuotes) closedAt = i;
      inQuotes = !inQuotes;
    }
    atStart = byte === delimiter && !inQuotes;
    if (atStart) fields++;
  }
  return fields;
}
