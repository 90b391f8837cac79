/**
 * Words for what is wrong with a task file. Every message names the key, the value as written, why
 * it is a problem, and what would be right; a name that is nearly right is recognised.
 */
import { JumboError } from "../base/index.ts";

/** `"key" problem (why) right`, as a JumboError about that key. */
export function taskInvalid(key: string, problem: string, why: string, right: string): JumboError {
  const about = key === "" ? "the task" : `"${key}"`;
  return new JumboError("task_invalid", `${about} ${problem} (${why}) ${right}`, { subject: key });
}

/** A value as it stands in the file, short enough for one line. */
export function show(value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean" || value === null) {
    return String(value);
  }
  if (typeof value === "string") return `the text ${clip(JSON.stringify(value))}`;
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "a group of keys";
  return `a ${typeof value}`;
}

function clip(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 76)}..."`;
}

/** The candidate that `name` was probably meant to be, or null. */
export function nearest(name: string, candidates: Iterable<string>): string | null {
  let best: string | null = null;
  let bestDistance = Math.min(3, Math.max(1, Math.floor(name.length / 2))) + 1;
  for (const candidate of candidates) {
    const distance =
      candidate.toLowerCase() === name.toLowerCase().replaceAll(/[-_ ]/g, "")
        ? 0
        : editDistance(name, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions and replacements that turn `from` into `to` (Levenshtein). */
function editDistance(from: string, to: string): number {
  if (Math.abs(from.length - to.length) > 8) return 9;
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1;
      next.push(
        Math.min(
          (row[j] as number) + 1,
          (next[j - 1] as number) + 1,
          (row[j - 1] as number) + same,
        ),
      );
    }
    row = next;
  }
  return row[to.length] as number;
}
