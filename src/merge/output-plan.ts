/**
 * Which ranges go into which merged file. Derived from the task's own file table alone, never from
 * what succeeded: a failed range leaves a hole in its file but moves no other range, so the plan is
 * the same before and after a crash.
 *
 *   eventsPerFile 0   one file, named as the task file says
 *   eventsPerFile n   NAME-00000.EXT, NAME-00001.EXT ...: a file takes ranges until it holds n
 *                     events or more; the last one takes the rest. Numbered even if there is only
 *                     one, so that a name never depends on how many events there were.
 */
import { join } from "node:path";
import { assert } from "../base/index.ts";
import type { FileTable } from "../task/index.ts";

export interface PlannedOutput {
  readonly index: number;
  /** File name inside the results folder. */
  readonly name: string;
  readonly path: string;
  readonly firstRange: number;
  readonly ranges: number;
  readonly events: number;
}

/** `dimuon.jsonl`, 3 -> `dimuon-00003.jsonl`; `.lhe.gz` and its like count as one extension. */
export function numberedName(name: string, index: number): string {
  const match = /^(.+?)((?:\.[A-Za-z][A-Za-z0-9]{0,7})?\.(?:gz|zst|xz|bz2)|\.[^.]+)$/.exec(name);
  const stem = match ? (match[1] as string) : name;
  const extension = match ? (match[2] as string) : "";
  return `${stem}-${String(index).padStart(5, "0")}${extension}`;
}

/** The first range that starts at or after the `events`-th event counted from range `first` on. */
function cutAfter(table: FileTable, first: number, events: number): number {
  const target = table.eventsBelow(first) + events;
  if (target >= table.events) return table.ranges;
  let low = first + 1;
  let high = table.ranges;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    if (table.eventsBelow(middle) >= target) high = middle;
    else low = middle + 1;
  }
  return low;
}

export function planOutputs(
  table: FileTable,
  output: { readonly name: string; readonly results: string; readonly eventsPerFile: number },
): PlannedOutput[] {
  const planned: PlannedOutput[] = [];
  const { name, results, eventsPerFile } = output;
  for (let first = 0, index = 0; index === 0 || first < table.ranges; index++) {
    const next = eventsPerFile === 0 ? table.ranges : cutAfter(table, first, eventsPerFile);
    assert(next > first || table.ranges === 0, "an output file takes at least one range");
    const fileName = eventsPerFile === 0 ? name : numberedName(name, index);
    planned.push({
      index,
      name: fileName,
      path: join(results, fileName),
      firstRange: first,
      ranges: next - first,
      events: table.eventsBelow(next) - table.eventsBelow(first),
    });
    first = next;
  }
  return planned;
}
