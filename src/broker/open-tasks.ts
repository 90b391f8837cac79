/**
 * Tasks that may still have ready ranges, by priority and owner. There may be thousands of them and
 * of owners, and an exchange must not look at all: inside one priority the owner served least comes
 * first, and inside one owner the task of the lowest number, so the first few tasks with ready
 * ranges of the first few owners are all that a plan can use. Where a plan can't use those either (a
 * wall is near, and none of their ranges would end in time), it is shown the next ones.
 *
 *   begin -> next -> plan -> [ next -> plan ... while slots stay empty ]
 *
 * An owner that was served moves behind those that were served less (`served`). Reports change
 * levels too, since a range took longer or shorter than predicted: all are put in order anew with
 * every 32nd walk.
 */
import type { TaskSight } from "../shape/index.ts";
import type { TaskEntry } from "./book.ts";

export interface OpenTask extends TaskSight {
  readonly entry: TaskEntry;
  readonly needsOffsets: boolean;
}

/** What a pilot can run. */
export interface Reach {
  /** Of this owner only; "": of all. */
  readonly owner: string;
  /** Most cores it can give one slot; 0: not told, no limit. */
  readonly cores: number;
}

/** Tasks shown at a time, over all groups; each group that is shown gives one at least. */
const SHOWN_MIN = 32;
/** Of one group, however few ranges are ready in each of its tasks. */
const SHOWN_OF_GROUP_MAX = 64;
/** Groups shown at a time: a plan halves what is wanted from owner to owner. */
const GROUPS_SHOWN = 8;
const WALKS_IN_ORDER = 32;

interface Group {
  readonly priority: number;
  readonly owner: string;
  /** In order of number. */
  readonly tasks: OpenTask[];
  /** What its owner was served, when groups were put in order last. */
  level: number;
  /** Those before it had no ready range when they were looked at last. */
  from: number;
  /** Where the walk stands, if it has come here. */
  at: number;
  walk: number;
}

export class OpenTasks {
  readonly #levelOf: (owner: string) => number;
  readonly #tasks = new Map<number, OpenTask>();
  /** Highest priority first, and in it the owner served least. */
  readonly #groups: Group[] = [];
  #shown: OpenTask[] = [];
  #walk = 0;
  #at = 0;
  /** Groups before it had no ready range when they were looked at last. */
  #from = 0;
  /** Walks until groups are put in order. */
  #inOrder = 0;
  /** Owners whose groups have to move before the next walk. */
  readonly #served: Group[] = [];

  /** `levelOf`: how much an owner was served. */
  constructor(levelOf: (owner: string) => number) {
    this.#levelOf = levelOf;
  }

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

  /** Owners of tasks that have ready ranges; some may come twice. */
  *activeOwners(): Generator<string, void> {
    for (const { owner, tasks } of this.#groups) {
      if (tasks.some(({ ready }) => ready > 0)) yield owner;
    }
  }

  /** In place of the one of the same number, if there is one. */
  add(task: OpenTask): void {
    this.delete(task.task);
    this.#tasks.set(task.task, task);
    const group = this.#groupOf(task);
    let at = group.tasks.length;
    while (at > 0 && (group.tasks[at - 1] as OpenTask).task > task.task) at--;
    group.tasks.splice(at, 0, task);
    this.#rewind(group);
  }

  delete(number: number): void {
    const task = this.#tasks.get(number);
    if (task === undefined) return;
    this.#tasks.delete(number);
    const group = this.#groupOf(task);
    group.tasks.splice(group.tasks.indexOf(task), 1);
    this.#rewind(group);
    if (group.tasks.length === 0) this.#groups.splice(this.#groups.indexOf(group), 1);
  }

  /** Ranges may have become ready anywhere. */
  lookAgain(): void {
    for (const group of this.#groups) group.from = 0;
    this.#from = 0;
  }

  /** Its owner was charged. Takes effect with the next walk. */
  served(task: OpenTask): void {
    if (this.#groups.length > GROUPS_SHOWN) this.#served.push(this.#groupOf(task));
  }

  begin(): void {
    if (--this.#inOrder < 0) this.#putInOrder();
    else for (const group of this.#served) this.#move(group);
    this.#served.length = 0;
    this.#walk++;
    this.#at = this.#from;
  }

  /**
   * The next tasks, in order of number, that have ready ranges within `reach`: of each group enough
   * for `wanted` ranges. Valid until the next call. None: the walk is over.
   */
  next(wanted: number, reach: Reach): readonly OpenTask[] {
    this.#shown.length = 0;
    if (this.#at === this.#groups.length) this.#at = this.#from;
    const began = this.#at;
    this.#showGroups(this.#groups.length, wanted, reach);
    if (this.#shown.length === 0 && began > this.#from) {
      this.#at = this.#from;
      this.#showGroups(began, wanted, reach);
    }
    if (this.#groups.length > 1) this.#shown.sort((a, b) => a.task - b.task);
    return this.#shown;
  }

  #rewind(group: Group): void {
    group.from = 0;
    this.#from = 0;
  }

  #showGroups(end: number, wanted: number, reach: Reach): void {
    const shown = this.#shown;
    const each = Math.ceil(SHOWN_MIN / Math.min(GROUPS_SHOWN, Math.max(1, this.#groups.length)));
    let ready = 0;
    let count = 0;
    for (; this.#at < end; this.#at++) {
      if (count >= GROUPS_SHOWN && ready >= wanted) return;
      const group = this.#groups[this.#at] as Group;
      if (group.from === group.tasks.length) {
        if (this.#from === this.#at) this.#from++;
        continue;
      }
      if (reach.owner !== "" && reach.owner !== group.owner) continue;
      if (group.walk !== this.#walk) {
        group.walk = this.#walk;
        group.at = group.from;
      }
      const its = showOf(group, shown, each, wanted, reach);
      ready += its;
      if (its > 0) count++;
    }
  }

  #putInOrder(): void {
    this.#inOrder = WALKS_IN_ORDER;
    if (this.#groups.length <= GROUPS_SHOWN) return;
    this.#from = 0;
    for (const group of this.#groups) group.level = this.#levelOf(group.owner);
    this.#groups.sort((a, b) => (comesBefore(a, b) ? -1 : comesBefore(b, a) ? 1 : 0));
  }

  /** To where its owner's level belongs. */
  #move(group: Group): void {
    const groups = this.#groups;
    let at = groups.indexOf(group);
    if (at < 0) return;
    this.#from = Math.min(this.#from, at);
    group.level = this.#levelOf(group.owner);
    for (; at + 1 < groups.length && comesBefore(groups[at + 1] as Group, group); at++) {
      groups[at] = groups[at + 1] as Group;
    }
    groups[at] = group;
  }

  #groupOf({ priority, owner }: OpenTask): Group {
    for (const group of this.#groups) {
      if (group.priority === priority && group.owner === owner) return group;
    }
    const group = { priority, owner, tasks: [], level: 0, from: 0, at: 0, walk: 0 };
    this.#groups.push(group);
    this.#inOrder = 0;
    return group;
  }
}

function comesBefore(one: Group, other: Group): boolean {
  if (one.priority !== other.priority) return one.priority > other.priority;
  return one.level < other.level;
}

/** Adds the group's next tasks to those shown; how many of their ranges are ready. */
function showOf(
  group: Group,
  shown: OpenTask[],
  each: number,
  wanted: number,
  { cores }: Reach,
): number {
  let ready = 0;
  let count = 0;
  for (; group.at < group.tasks.length; group.at++) {
    if (count >= SHOWN_OF_GROUP_MAX || (count >= each && ready >= wanted)) break;
    const task = group.tasks[group.at] as OpenTask;
    const its = task.ready;
    if (its === 0) {
      if (group.from === group.at) group.from++;
      continue;
    }
    if (cores > 0 && task.coresPerSlot > cores) continue;
    shown.push(task);
    ready += its;
    count++;
  }
  return ready;
}
