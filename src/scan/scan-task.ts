/**
 * From a task's list of inputs to its immutable file table. Each distinct file is one job in the
 * pool; a file listed twice is scanned once and becomes two instances. The first error in the order
 * of the list is the one that is thrown, so that the same mistake gives the same message.
 */
import { JumboError } from "../base/index.ts";
import type { TaskFile, TaskSpec } from "../task/index.ts";
import type { ScanAnswer, ScanJob } from "./job.ts";
import runScanJob from "./scan-worker.ts";

/** A piscina pool, or anything that runs the default export of a module with one argument. */
export interface ScanPool {
  run(job: unknown, options: { filename: string }): Promise<unknown>;
}

export interface ScanTaskOptions {
  /** Folder that the pilots' nodes see: decompressed copies, and `index/` with byte indexes. */
  readonly scratch: string;
  /** Absent: the files are walked in this thread, one after the other. */
  readonly pool?: ScanPool;
}

/** Jobs handed to the pool at once. */
const JOBS_IN_FLIGHT_MAX = 16;

/** The module whose default export is the scan job, for a pool. */
export const SCAN_WORKER = new URL(
  import.meta.url.endsWith(".ts") ? "./scan-worker.ts" : "./scan-worker.js",
  import.meta.url,
).href;

/**
 * Scans all inputs of a task. A count task has one pseudo file without path. Throws
 * `input_unreadable` naming the file and what is wrong, or `task_invalid` for input.tree.
 */
export async function scanTask(spec: TaskSpec, options: ScanTaskOptions): Promise<TaskFile[]> {
  const { files, format, tree, count } = spec.input;
  if (count !== null) return [countFile(count)];
  const distinct = [...new Set(files)];
  const answers = new Map<string, ScanAnswer>();
  let next = 0;
  let failed = false;
  const lane = async (): Promise<void> => {
    while (next < distinct.length && !failed) {
      const source = distinct[next++] as string;
      const job: ScanJob = { source, format, tree, scratch: options.scratch };
      const answer = options.pool
        ? ((await options.pool.run(job, { filename: SCAN_WORKER })) as ScanAnswer)
        : await runScanJob(job);
      answers.set(source, answer);
      failed ||= !answer.ok;
    }
  };
  const lanes = options.pool ? JOBS_IN_FLIGHT_MAX : 1;
  await Promise.all(Array.from({ length: Math.min(lanes, distinct.length) }, lane));
  for (const source of distinct) {
    const answer = answers.get(source);
    if (answer && !answer.ok) {
      throw new JumboError(answer.code, answer.message, { subject: answer.subject ?? source });
    }
  }
  return files.map((source) => (answers.get(source) as { ok: true; file: TaskFile }).file);
}

/** N events numbered 0 .. N-1 that come from no file; -1: nothing to check before a use. */
function countFile(events: number): TaskFile {
  const identity = { source: "", path: "", format: "count", variant: "", tree: "", sha256: "" };
  const pieces = { indexPath: "", header: [], footer: [], clusters: [], notes: [] };
  return { ...identity, ...pieces, events, sizeBytes: -1, mtimeMs: -1 };
}
