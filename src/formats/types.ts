/**
 * What each event format must be able to do. One file per format implements `EventFormat`;
 * `index.ts` holds the table and `detectFormat`. Everything about bytes of events is here and nowhere else, so
 * that pilots need no knowledge of formats: they get slices as recipes and count records by rule.
 */

export type FormatName = "root" | "hepmc" | "lhe" | "csv" | "jsonl" | "parquet" | "arrow";

/** A piece of a slice: literal bytes, or [offset, length] of the scanned file. */
export type SlicePiece = Uint8Array | readonly [offset: number, length: number];

/** What one scan of one file finds. `events` is below 2^32. */
export interface FileScan {
  readonly format: FormatName;
  /** Finer kind where merging must not mix: "hepmc2", "hepmc3", "stream", "file" ... else "". */
  readonly variant: string;
  readonly events: number;
  /** ROOT: the tree that was counted. Else "". */
  readonly tree: string;
  /** The path payloads get: the input itself, or its decompressed copy in the scratch folder. */
  readonly path: string;
  /** Size and time of change of `path`: what a pilot checks before and after each use. */
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  /** sha256 of the original input file, hex. */
  readonly sha256: string;
  /** Byte bounds of each event, [begin, end) pairs, or null where the format has none. */
  readonly bounds: Float64Array | null;
  readonly header: readonly SlicePiece[];
  readonly footer: readonly SlicePiece[];
  /** First entry of each cluster (ROOT), row group (Parquet) or batch (Arrow). For `explain`. */
  readonly clusters: readonly number[];
  /** Remarks worth showing: "no footer", "events 3 and 7 have text behind the closing tag" ... */
  readonly notes: readonly string[];
}

export interface ScanOptions {
  readonly tree: string;
  /** Folder for decompressed copies. */
  readonly scratch: string;
  /** Where `prepareInput` already ran for this path: it is not read and hashed a second time. */
  readonly prepared?: PreparedInput;
}

/** An input that is a regular file, hashed, and decompressed where it was a gzip. */
export interface PreparedInput {
  /** The input as named. */
  readonly source: string;
  /** The input itself, or its decompressed copy in the scratch folder. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  /** Of the input as named, hex. */
  readonly sha256: string;
  /** Size and time of the input as named when it was first looked at. */
  readonly sourceSizeBytes: number;
  readonly sourceMtimeMs: number;
}

export interface EventFormat {
  readonly name: FormatName;
  /** True if `path` (by name) and `head` (its first 64 KiB, decompressed) look like this format. */
  recognise(path: string, head: Uint8Array): boolean;
  /** Throws JumboError("input_unreadable") naming the file, the problem, why, and what is right. */
  scan(path: string, options: ScanOptions): Promise<FileScan>;
}

export type MergeKind =
  | "jsonl"
  | "csv"
  | "concat"
  | "hepmc"
  | "lhe"
  | "arrow"
  | "parquet"
  | "zip"
  | "command";

/** One range's output on its way into a merged file, in event order. */
export interface MergePart {
  /** `r<range>`: for messages and for member names of a zip merge. */
  readonly label: string;
  readonly bytes: Uint8Array;
  /** Name of the output file in its attempt's folder: the tail of a zip merge's member name. */
  readonly name?: string;
}

/** Where a merger writes; the merge room makes it durable. `bytes` written in order. */
export interface MergeTarget {
  write(bytes: Uint8Array): Promise<void> | void;
}

/** A broken or unfit part: names the part, so that its range can be reopened or failed. */
export class PartError extends Error {
  override readonly name = "PartError";
  readonly label: string;
  constructor(label: string, message: string) {
    super(message);
    this.label = label;
  }
}

export interface Merger {
  /** Adds the next part; parts come in event order. Throws PartError if it can't be merged. */
  add(part: MergePart): Promise<void> | void;
  /** Writes what ends the file (footer, central directory). */
  finish(): Promise<void> | void;
}

export interface MergeRule {
  readonly kind: MergeKind;
  /** A merger over a fresh target. The same parts give the same bytes. */
  open(target: MergeTarget): Merger;
  /** Records in one part, or null where the kind has no notion of records (concat, zip). */
  countRecords(part: MergePart): number | null;
}
