/**
 * The cold rows: what the store keeps beside pages and journal. Small, few, rewritten whole. Each
 * is one msgpack array whose first element is the row format's version; encodings live beside the
 * types so that `verify` and the broker read the same thing.
 *
 *   task    [task]               terms, spec, phase, results
 *   file    [task, file index]   the immutable file table
 *   bundle  [bundle]             uri, pilot, whether it was proven lost or was deleted
 *   pilot   [pilot number]       textual identity
 *   reason  [task, reason id]    interned failure text
 *   meta    ["..."]              engine id, epoch, counters, tokens
 */
import type { TaskFile, TaskSpec } from "../task/index.ts";

export type TaskPhaseName = "open" | "merging" | "done" | "failed" | "cancelled";

export interface OutputFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly firstRange: number;
  readonly ranges: number;
}

export interface TaskRow {
  readonly id: number;
  readonly spec: TaskSpec;
  /** sha256 over the spec and the file table: same name and hash = same task, continued. */
  readonly contentHash: string;
  readonly ranges: number;
  readonly events: number;
  readonly files: number;
  readonly phase: TaskPhaseName;
  /** Ranges below it are in merged, renamed, durable files. */
  readonly mergedBelow: number;
  readonly outputs: readonly OutputFile[];
  readonly manifest: string;
  readonly createdWallMs: number;
  readonly finishedWallMs: number;
  /** Why a merge could not be done, or "". */
  readonly problem: string;
}

export interface FileRow extends TaskFile {
  readonly task: number;
  readonly file: number;
  readonly firstRange: number;
  readonly ranges: number;
}

export interface BundleRow {
  readonly id: number;
  readonly uri: string;
  readonly pilot: number;
  readonly state: "open" | "lost" | "deleted";
  /** Tasks that have accepted outputs in it; it may be deleted when all of them are finished. */
  readonly tasks: readonly number[];
}

export interface PilotRow {
  readonly number: number;
  readonly pilotId: string;
  readonly generation: number;
  /** Owner to whom the key that it first came with is bound; absent: to none. */
  readonly owner?: string;
}

export interface ReasonRow {
  readonly task: number;
  readonly id: number;
  readonly text: string;
}
