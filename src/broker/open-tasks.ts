/**
 * Tasks that may still have ready ranges, by priority and owner. A task owner may have thousands of
 * them open, and an exchange must not look at all: inside one priority and owner they are served in
 * order of their numbers, so the first few with ready ranges are all that a plan can use. Where a
 * plan can't use those either (a wall is near, and none of their ranges would end in time), it is
 * shown the next ones.
 *
 *   begin -> next -> plan -> [ next -> plan ... while slots stay empty ]
 */
import type { TaskSight } from "../shape/index.ts";
import type { TaskEntry } from "./book.ts";

export interface OpenTask extends TaskSight {
  readonly entry: TaskEntry;
  readonly needsOffsets: boolean;
}

/** Tasks shown at a time, over all groups; each group shows one at least. */
const SHOWN_MIN = 32;
/** Of one group, however few ranges are ready in each of its tasks. */
const SHOWN_OF_GROUP_MAX = 64;

interface Group {
  readonly priority: number;
  readonly owner: string;
  /** In order of number. */
  readonly tasks: OpenTask[];
  /** Those before it had no ready range when they were looked at last. */
  from: number;
  /** Where the walk stands. */
  at: number;
}

export class OpenTasks {
  readonly #tasks = new Map<number, OpenTask>();
  readonly #groups: Group[] = [];
  #shown: OpenTask[] = [];

  get size(): number {
    return this.#tasks.size;
  }
  get(task: number): OpenTask | undefined {
    return this.#tasks.get(task);
  }
  has(task: number): boolean {
    return this.#tasks.has(task);
  }
  keys(): IterableIterator<number> {
    return this.#tasks.keys();
  }
  values(): IterableIterator<OpenTask> {
    return this.#tasks.values();
  }

  /** In place of the one of the same number, if there is one. */
  add(task: OpenTask): void {
    this.delete(task.task);
    this.#tasks.set(task.task, task);
    const group = this.#groupOf(task);
    let at = group.tasks.length;
    while (at > 0 && (group.tasks[at - 1] as OpenTask).task > task.task) at--;
    group.tasks.splice(at, 0, task);
    group.from = 0;
  }

  delete(number: number): void {
    const task = this.#tasks.get(number);
    if (task === undefined) return;
    this.#tasks.delete(number);
    const group = this.#groupOf(task);
    group.tasks.splice(group.tasks.indexOf(task), 1);
    group.from = 0;
    if (group.tasks.length === 0) this.#groups.splice(this.#groups.indexOf(group), 1);
  }

  /** Ranges may have become ready anywhere. */
  lookAgain(): void {
    for (const group of this.#groups) group.from = 0;
  }

  begin(): void {
    for (const group of this.#groups) group.at = group.from;
  }

  /**
   * The next tasks, in order of number, that have ready ranges and that `fits` lets through: of each
   * group enough for `wanted` ranges. Valid until the next call. None: the walk is over.
   */
  next(wanted: number, fits: (task: OpenTask) => boolean): readonly OpenTask[] {
    const shown = this.#shown;
    shown.length = 0;
    const each = Math.ceil(SHOWN_MIN / Math.max(1, this.#groups.length));
    for (const group of this.#groups) showOf(group, shown, each, wanted, fits);
    if (this.#groups.length > 1) shown.sort((a, b) => a.task - b.task);
    return shown;
  }

  #groupOf({ priority, owner }: OpenTask): Group {
    for (const group of this.#groups) {
      if (group.priority === priority && group.owner === owner) return group;
    }
    const group = { priority, owner, tasks: [], from: 0, at: 0 };
    this.#groups.push(group);
    return group;
  }
}

function showOf(
  group: Group,
  shown: OpenTask[],
  each: number,
  wanted: number,
  fits: (task: OpenTask) => boolean,
): void {
  let ready = 0;
  let count = 0;
  for (; group.at < group.tasks.length; group.at++) {
    if (count >= SHOWN_OF_GROUP_MAX || (count >= each && ready >= wanted)) return;
    const task = group.tasks[group.at] as OpenTask;
    const its = task.ready;
    if (its === 0) {
      if (group.from === group.at) group.from++;
      continue;
    }
    if (!fits(task)) continue;
    shown.push(task);
    ready += its;
    count++;
  }
}
