/**
 * What LHE, HepMC, CSV and JSONL share as inputs: gzip allowed, events with byte bounds, slices,
 * 0 bytes = 0 events. A format says only how it is recognised and how its bytes are walked.
 */
import { type ByteScanner, scanFileBytes, TextDefect } from "./byte-scan.ts";
import { checkUnchanged, inputError, prepareInput } from "./input-file.ts";
import type { EventFormat, FileScan, FormatName, PreparedInput } from "./types.ts";

type TextScan = Pick<FileScan, "variant" | "events" | "bounds" | "header" | "footer" | "notes">;

interface TextFormatParts {
  readonly name: FormatName;
  /** Lower case, with the dot; `.gz` may follow in a file's name. */
  readonly extensions: readonly string[];
  /** Head of the decompressed file as latin1. */
  looksAlike(head: string): boolean;
  /** Throws TextDefect. */
  scan(input: PreparedInput): TextScan;
}

export function scanText(input: PreparedInput, scanner: ByteScanner): void {
  scanFileBytes(input.path, scanner);
}

/** Lower-case name without `.gz` ends with one of the extensions. */
export function hasExtension(path: string, extensions: readonly string[]): boolean {
  const name = path.toLowerCase().replace(/\.gz$/, "");
  return extensions.some((extension) => name.endsWith(extension));
}

export function textFormat(parts: TextFormatParts): EventFormat {
  return {
    name: parts.name,
    recognise(path, head) {
      if (head.length === 0) return hasExtension(path, parts.extensions);
      return parts.looksAlike(Buffer.from(head).toString("latin1"));
    },
    async scan(path, options) {
      const input = options.prepared ?? (await prepareInput(path, options.scratch));
      try {
        const found = parts.scan(input);
        checkUnchanged(input);
        const { path: opened, sizeBytes, mtimeMs, sha256 } = input;
        const of = { format: parts.name, tree: "", clusters: [] };
        return { ...of, ...found, path: opened, sizeBytes, mtimeMs, sha256 };
      } catch (error) {
        if (!(error instanceof TextDefect)) throw error;
        throw inputError(path, error.message, error.why, error.right);
      }
    },
  };
}
