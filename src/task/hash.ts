/**
 * The identity of a task's content: same name and same hash = the same task, continued; same name
 * and another hash = a conflict.
 *
 * In it: the whole spec and, of each file, what was scanned: source, size, sha256, events. Left
 * out: `owner` and `output.results`, since whose a task is and where its files land change nothing
 * of what is computed (a `run` repeated from another folder continues); and the scan's own traces
 * (copies, index files, times), which differ from scan to scan of the same bytes.
 */
import { createHash } from "node:crypto";
import type { TaskFile, TaskSpec } from "./types.ts";

/** Version of the hashed form; part of it. */
const FORM = "content/1";

/** sha256 in hex. */
export function contentHash(spec: TaskSpec, files: readonly TaskFile[]): string {
  const { owner: _owner, output, input, ...rest } = spec;
  const { results: _results, ...kept } = output;
  const { files: _files, ...source } = input;
  const hash = createHash("sha256");
  hash.update(canonical([FORM, { ...rest, output: kept, input: source }]));
  for (const file of files) {
    hash.update(canonical([file.source, file.sizeBytes, file.sha256, file.events]));
  }
  return hash.digest("hex");
}

/** JSON with sorted keys, ended by a line feed: equal values give equal bytes. */
function canonical(value: unknown): string {
  const text = JSON.stringify(value, (_, node: unknown) => {
    if (typeof node !== "object" || node === null || Array.isArray(node)) return node;
    const entries = Object.entries(node).sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(entries);
  });
  return `${text}\n`;
}
