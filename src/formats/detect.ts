/** Which format a file is: by its own marks first, by its name where its text has none. */
import { arrow } from "./arrow.ts";
import { csv } from "./csv.ts";
import { hepmc } from "./hepmc.ts";
import { inputError } from "./input-file.ts";
import { jsonl } from "./jsonl.ts";
import { lhe } from "./lhe.ts";
import { parquet } from "./parquet.ts";
import { root } from "./root.ts";
import type { EventFormat, FormatName } from "./types.ts";

export const FORMATS: Record<FormatName, EventFormat> = {
  root,
  hepmc,
  lhe,
  csv,
  jsonl,
  parquet,
  arrow,
};

/** Binary marks first, then the marks of text formats, then names alone. */
const ORDER: readonly EventFormat[] = [root, parquet, arrow, lhe, hepmc, jsonl, csv];

/**
 * The format of a file from its name and its first 64 KiB, decompressed; the name is that of the
 * input as listed (`.gz` included). Throws `input_unreadable` where nothing fits.
 */
export function detectFormat(path: string, head: Uint8Array): FormatName {
  const found = ORDER.find((format) => format.recognise(path, head));
  if (found) return found.name;
  const names = ORDER.map((format) => format.name).join(", ");
  throw inputError(
    path,
    head.length === 0 ? "is empty" : "is of no known format",
    head.length === 0
      ? "its name does not say a text format"
      : "neither its bytes nor name say one",
    `set input.format to one of ${names}`,
  );
}
