/**
 * What ROOT, Parquet and Arrow share as inputs: the file itself is what payloads open (no copy, no
 * gzip), events have no byte bounds, and there are no slices.
 */
import { EVENTS_PER_FILE_MAX, JumboError, messageOf } from "../base/index.ts";
import { checkUnchanged, inputError, prepareInput } from "./input-file.ts";
import type { EventFormat, FileScan, FormatName, PreparedInput, ScanOptions } from "./types.ts";

export type BinaryScan = Pick<FileScan, "variant" | "events" | "tree" | "clusters" | "notes">;

interface BinaryFormatParts {
  readonly name: FormatName;
  recognise(path: string, head: Uint8Array): boolean;
  /** Throws JumboError, or anything else for a file that its library can't read. */
  scan(input: PreparedInput, options: ScanOptions): Promise<BinaryScan>;
}

/** First entries of at most this many clusters go into the file table. */
const CLUSTERS_MAX = 10_000;

export function binaryFormat(parts: BinaryFormatParts): EventFormat {
  return {
    name: parts.name,
    recognise: parts.recognise,
    async scan(path, options) {
      const input = options.prepared ?? (await prepareInput(path, options.scratch));
      if (input.path !== input.source) {
        throw inputError(
          path,
          `is a gzip around ${parts.name}`,
          "these files have their own compression, and payloads could not open it",
          "unpack it first",
        );
      }
      if (input.sizeBytes === 0) {
        throw inputError(path, "is empty", `0 bytes are no ${parts.name} file`, "write it again");
      }
      const found = await parts.scan(input, options).catch((error: unknown) => {
        if (error instanceof JumboError) throw error;
        throw inputError(
          path,
          `can't be read as ${parts.name}`,
          messageOf(error),
          "it is truncated, damaged or of another format",
        );
      });
      checkUnchanged(input);
      const { path: opened, sizeBytes, mtimeMs, sha256 } = input;
      const of = { format: parts.name, bounds: null, header: [], footer: [] };
      return { ...of, ...found, ...clustersOf(found), path: opened, sizeBytes, mtimeMs, sha256 };
    },
  };
}

function clustersOf(found: BinaryScan): Pick<FileScan, "clusters" | "notes"> {
  const { clusters, notes } = found;
  if (clusters.length <= CLUSTERS_MAX) return { clusters, notes };
  const left = `${clusters.length} clusters; only the first ${CLUSTERS_MAX} are listed`;
  return { clusters: clusters.slice(0, CLUSTERS_MAX), notes: [...notes, left] };
}

/** Throws for a file with more events than can be numbered; before anything is listed by event. */
export function requireNumbered(input: PreparedInput, events: number): void {
  if (events <= EVENTS_PER_FILE_MAX) return;
  throw inputError(
    input.source,
    `holds ${events} events`,
    "events of one file are numbered in 32 bits",
    "split it into several files",
  );
}

/** True if `head` begins with the latin1 text `magic`. */
export function hasMagic(head: Uint8Array, magic: string): boolean {
  return Buffer.from(head.subarray(0, magic.length)).toString("latin1") === magic;
}
