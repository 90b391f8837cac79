/**
 * The task file after validation: every default filled in, every path absolute. This object, and
 * never the raw file, is what the rest of the engine sees. The format is fixed by
 * docs/reference/task-file.md.
 */

export type MergeKindName =
  | "jsonl"
  | "csv"
  | "concat"
  | "hepmc"
  | "lhe"
  | "arrow"
  | "parquet"
  | "zip"
  | "command";
export type InputFormatName =
  | "auto"
  | "root"
  | "hepmc"
  | "lhe"
  | "csv"
  | "jsonl"
  | "parquet"
  | "arrow";

export interface TaskSpec {
  readonly name: string;
  readonly owner: string;
  /** Absolute folder of the task file: {taskdir}. */
  readonly taskDir: string;
  readonly input: {
    /** Absolute, globs expanded and sorted bytewise; [] for a count task. A path may repeat. */
    readonly files: readonly string[];
    readonly format: InputFormatName;
    readonly tree: string;
    /** null unless the input is a count. */
    readonly count: number | null;
  };
  readonly eventsPerRange: number;
  readonly payload: {
    readonly command: readonly string[];
    readonly mode: "once" | "stream";
    readonly channel: "stdio" | "fd3";
    readonly cores: number;
    readonly environment: Readonly<Record<string, string>>;
    readonly passEnvironment: readonly string[];
    readonly timeoutSeconds: number;
  };
  readonly output: {
    readonly name: string;
    readonly merge: MergeKindName;
    readonly command: readonly string[];
    readonly eventsPerFile: number;
    readonly recordsPerEvent: number | null;
    readonly allowEmpty: boolean;
    /** Absolute folder in which the merged files land. */
    readonly results: string;
  };
  readonly attempts: number;
  readonly losses: number;
  readonly allowPartial: boolean;
  readonly priority: number;
  readonly seed: number;
  readonly cost: {
    readonly meanSeconds: number | null;
    readonly cv: number | null;
    readonly weights: string | null;
  };
}

/** One row of a task's immutable file table, as scanning found it. */
export interface TaskFile {
  /** As the task file names it after expansion (the original input). "" for a count task. */
  readonly source: string;
  /** What payloads open (the decompressed copy for .gz). */
  readonly path: string;
  readonly format: string;
  readonly variant: string;
  readonly tree: string;
  readonly events: number;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly sha256: string;
  /** Index file with (begin, end) f64 LE pairs per event, "" where the format has none. */
  readonly indexPath: string;
  readonly header: readonly (Uint8Array | readonly [number, number])[];
  readonly footer: readonly (Uint8Array | readonly [number, number])[];
  readonly clusters: readonly number[];
  readonly notes: readonly string[];
}
