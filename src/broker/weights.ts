/**
 * Cost weights of a task's ranges: one f32 LE each, kept in the store beside the task's row from its
 * submit to its end, so that a restart orders by them again without the files they came from.
 */
import { JumboError } from "../base/index.ts";
import type { Book, TaskEntry } from "./book.ts";

const keyOf = (task: number) => `weights/${task}`;

export function readWeights(book: Book, task: number): Float32Array | null {
  const bytes = book.meta(keyOf(task));
  if (bytes === undefined) return null;
  // A copy: the bytes of a row begin anywhere.
  return new Float32Array(bytes.slice().buffer);
}

/** Keeps the weights of all ranges, in order. Throws `conflict` if they are not as many. */
export function writeWeights(book: Book, entry: TaskEntry, weights: Float32Array): void {
  const { id, ranges } = entry.row;
  if (weights.length !== ranges) {
    throw new JumboError(
      "conflict",
      `task ${id} has ${ranges} ranges and ${weights.length} cost weights came (each has one) submit it again`,
      { subject: "cost.weights" },
    );
  }
  const { buffer, byteOffset, byteLength } = weights;
  book.putMeta(keyOf(id), new Uint8Array(buffer, byteOffset, byteLength).slice());
}

export function dropWeights(book: Book, task: number): void {
  if (book.meta(keyOf(task)) !== undefined) book.putMeta(keyOf(task), null);
}
