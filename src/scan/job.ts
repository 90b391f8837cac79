/** What crosses between `scanTask` and the worker that walks one file. */
import type { ErrorCode } from "../base/index.ts";
import type { FormatName } from "../formats/index.ts";
import type { TaskFile } from "../task/index.ts";

export interface ScanJob {
  /** Absolute path of the input as listed. */
  readonly source: string;
  readonly format: FormatName | "auto";
  readonly tree: string;
  /** Folder for decompressed copies and `index/`. */
  readonly scratch: string;
}

/** Errors cross threads as values: a class would arrive as a bare Error. */
export type ScanAnswer =
  | { readonly ok: true; readonly file: TaskFile }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      readonly subject: string | undefined;
    };
