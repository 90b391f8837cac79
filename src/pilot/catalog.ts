/**
 * What grants told about tasks, files and byte places, once a session each. A range finds its file
 * by binary search over the file table's first ranges; byte places are kept while a range that
 * they cover is held.
 */
import { assert, type TaskId } from "../base/index.ts";
import type { FileInfo, GrantBody, OffsetColumn, TaskInfo } from "../wire/index.ts";

interface Known {
  readonly info: TaskInfo;
  /** Sorted by firstRange. */
  files: FileInfo[];
  offsets: OffsetColumn[];
}

export class Catalog {
  readonly #tasks = new Map<TaskId, Known>();

  learn(body: GrantBody): void {
    for (const info of body.tasks) {
      const old = this.#tasks.get(info.task);
      this.#tasks.set(info.task, { info, files: old?.files ?? [], offsets: old?.offsets ?? [] });
    }
    for (const file of body.files) {
      const known = this.#tasks.get(file.task);
      if (known !== undefined) place(known.files, file);
    }
    for (const column of body.offsets) this.#tasks.get(column.task)?.offsets.push(column);
  }

  task(task: TaskId): TaskInfo {
    const known = this.#tasks.get(task);
    assert(known !== undefined, `task ${task} was granted without being told`);
    return known.info;
  }

  has(task: TaskId): boolean {
    return this.#tasks.has(task);
  }

  /** The file of a range, or null if the engine never told it. */
  file(task: TaskId, range: number): FileInfo | null {
    const files = this.#tasks.get(task)?.files ?? [];
    const file = files[firstBehind(files, range) - 1];
    return file !== undefined && range < file.firstRange + file.ranges ? file : null;
  }

  /** Some file of the task, for what all its files share. */
  anyFile(task: TaskId): FileInfo | null {
    return this.#tasks.get(task)?.files[0] ?? null;
  }

  /** Columns of byte places that are kept. */
  get columns(): number {
    let columns = 0;
    for (const known of this.#tasks.values()) columns += known.offsets.length;
    return columns;
  }

  bytesOf(task: TaskId, range: number): readonly [number, number] | null {
    for (const { first, offsets } of this.#tasks.get(task)?.offsets ?? []) {
      const at = 2 * (range - first);
      if (at >= 0 && at + 1 < offsets.length) return [offsets[at]!, offsets[at + 1]!];
    }
    return null;
  }

  /** Forgets byte places of which `isHeld(task, first, count)` says that no range is held. */
  prune(isHeld: (task: TaskId, first: number, count: number) => boolean): void {
    for (const [task, known] of this.#tasks) {
      known.offsets = known.offsets.filter(({ first, offsets }) =>
        isHeld(task, first, offsets.length / 2),
      );
    }
  }

  /** A new session is told everything again: tasks of which nothing is held are forgotten. */
  retain(held: ReadonlySet<TaskId>): void {
    for (const task of this.#tasks.keys()) if (!held.has(task)) this.#tasks.delete(task);
  }
}

/** Index of the first file that begins behind `range`. */
function firstBehind(files: readonly FileInfo[], range: number): number {
  let low = 0;
  let high = files.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (files[middle]!.firstRange <= range) low = middle + 1;
    else high = middle;
  }
  return low;
}

function place(files: FileInfo[], file: FileInfo): void {
  const at = firstBehind(files, file.firstRange);
  if (files[at - 1]?.firstRange === file.firstRange) files[at - 1] = file;
  else files.splice(at, 0, file);
}
