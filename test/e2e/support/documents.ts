/** What commands print with `--output json`, and the manifest beside a result. */
import { readFileSync } from "node:fs";
import { tableFromIPC } from "apache-arrow";
import { expect } from "vitest";
import { expectCode, type Finished } from "./bench.ts";

export interface Counts {
  readonly total: number;
  readonly ready: number;
  readonly leased: number;
  readonly done: number;
  readonly failed: number;
}

/** `task/1`. */
export interface TaskDocument {
  readonly schema: "task/1";
  readonly id: number;
  readonly name: string;
  readonly state: "open" | "merging" | "done" | "failed" | "cancelled";
  readonly events: Counts;
  readonly ranges: Counts;
  readonly attempts: number;
  readonly files: readonly { path: string; bytes: number; sha256: string }[];
  readonly manifest: string;
  readonly failures: readonly { reason: string; ranges: number; example: number }[];
  readonly seconds: number;
  readonly problem?: string;
}

/** The one document on standard output of a command that ended with `code`. */
export function documentOf<Document = TaskDocument>(finished: Finished, code = 0): Document {
  expectCode(finished, code);
  return JSON.parse(finished.stdout) as Document;
}

/** Checks that nothing is left open and every count adds up. */
export function expectFinal(task: TaskDocument, done: number, failed = 0): void {
  const { ready, leased, total } = task.ranges;
  expect({ ready, leased, total, done: task.ranges.done, failed: task.ranges.failed }).toEqual({
    ready: 0,
    leased: 0,
    total: done + failed,
    done,
    failed,
  });
}

export type ManifestRow = Record<string, unknown>;

/** Rows of a manifest, in the order of ranges. */
export function manifestRows(path: string): ManifestRow[] {
  const table = tableFromIPC(readFileSync(path));
  return table.toArray().map((row) => ({ ...row.toJSON() }));
}
