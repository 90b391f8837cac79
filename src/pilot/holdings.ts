/**
 * Everything this pilot was granted and has no verdict on: exactly what its hello lists.
 *
 *   unstarted --take--> running --finish--> waiting --toSend--> sent --answered--> (gone)
 *       |                                      ^                 |
 *       +---------- release, takeAll ----------+<-- unsend ------+   (connection lost)
 *
 * A range is in one list at a time. A finish for a range that is not running any more (refused,
 * recalled) is dropped, so a late process can't report for a lease that the engine took away.
 * Nothing here reads a clock or a socket. It is bounded by what was granted, and the pilot wants
 * nothing while more than ITEMS_MAX pieces are here.
 */
import { assert, type LeaseId, type TaskId } from "../base/index.ts";
import {
  forEachSpan,
  OUTCOME,
  type Outcome,
  type SpanBlock,
  SpanBlockBuilder,
} from "../wire/index.ts";
import type { HeldSpan } from "./work.ts";

export const ITEMS_MAX = 8192;

/** A piece with the pilot's last word on it. */
export interface ReportItem {
  readonly span: HeldSpan;
  readonly outcome: Outcome;
  readonly bundle: number;
  readonly reason: string;
  readonly wallSum: number;
  readonly wallSquares: number;
  readonly wallMax: number;
  readonly cpuSum: number;
}

interface Queue {
  /** Pieces from `next` on are unstarted; those before are spent. */
  pieces: { span: HeldSpan; order: number }[];
  next: number;
  ranges: number;
}

function keyOf(lease: LeaseId, range: number): string {
  return `${lease}/${range}`;
}

export class Holdings {
  readonly #unstarted = new Map<TaskId, Queue>();
  readonly #running = new Map<string, HeldSpan>();
  #waiting: ReportItem[] = [];
  readonly #sent = new Map<number, ReportItem[]>();
  #order = 0;
  #unstartedRanges = 0;
  #pieces = 0;

  /** Takes granted spans in. */
  add(blocks: readonly SpanBlock[]): void {
    forEachSpan(blocks, (task, first, count, attempt, grant, lease) => {
      let queue = this.#unstarted.get(task);
      if (queue === undefined) {
        queue = { pieces: [], next: 0, ranges: 0 };
        this.#unstarted.set(task, queue);
      }
      const span = { task, first, count, attempt, grant, lease };
      queue.pieces.push({ span, order: this.#order++ });
      queue.ranges += count;
      this.#unstartedRanges += count;
      this.#pieces++;
    });
  }

  get unstartedRanges(): number {
    return this.#unstartedRanges;
  }

  get runningRanges(): number {
    return this.#running.size;
  }

  get waitingItems(): number {
    return this.#waiting.length;
  }

  get unanswered(): number {
    return this.#sent.size;
  }

  /** Pieces in all lists. */
  get items(): number {
    return this.#pieces;
  }

  unstartedOf(task: TaskId): number {
    return this.#unstarted.get(task)?.ranges ?? 0;
  }

  /** Tasks with unstarted ranges, the one whose next range was granted first in front. */
  tasks(): TaskId[] {
    const heads = [...this.#unstarted].map(([task, queue]) => ({
      task,
      order: queue.pieces[queue.next]!.order,
    }));
    return heads.sort((a, b) => a.order - b.order).map((head) => head.task);
  }

  /** The next range of the task: running from now on. */
  take(task: TaskId): HeldSpan {
    const queue = this.#unstarted.get(task);
    assert(queue !== undefined, "take from a task without unstarted ranges");
    const head = queue.pieces[queue.next]!;
    const range = { ...head.span, count: 1 };
    if (head.span.count === 1) this.#passHead(queue);
    else {
      head.span = { ...head.span, first: head.span.first + 1, count: head.span.count - 1 };
      this.#pieces++;
    }
    this.#spend(task, queue, 1);
    this.#running.set(keyOf(range.lease, range.first), range);
    return range;
  }

  #passHead(queue: Queue): void {
    queue.next++;
    if (queue.next >= 64 && queue.next * 2 > queue.pieces.length) {
      queue.pieces.splice(0, queue.next);
      queue.next = 0;
    }
  }

  #spend(task: TaskId, queue: Queue, ranges: number): void {
    queue.ranges -= ranges;
    this.#unstartedRanges -= ranges;
    if (queue.ranges === 0) this.#unstarted.delete(task);
  }

  /** All unstarted pieces of a task (or of all tasks), no longer held: the caller reports them. */
  takeUnstarted(only?: TaskId): HeldSpan[] {
    const spans: HeldSpan[] = [];
    for (const [task, queue] of [...this.#unstarted]) {
      if (only !== undefined && task !== only) continue;
      for (let i = queue.next; i < queue.pieces.length; i++) spans.push(queue.pieces[i]!.span);
      this.#spend(task, queue, queue.ranges);
    }
    this.#pieces -= spans.length;
    return spans;
  }

  /** The unstarted parts of `first .. first+count-1` under that lease, no longer held. */
  release(task: TaskId, first: number, count: number, lease: LeaseId): HeldSpan[] {
    const queue = this.#unstarted.get(task);
    if (queue === undefined) return [];
    const released: HeldSpan[] = [];
    const kept: { span: HeldSpan; order: number }[] = [];
    let ranges = 0;
    for (let i = queue.next; i < queue.pieces.length; i++) {
      const piece = queue.pieces[i]!;
      const { span } = piece;
      const from = Math.max(first, span.first);
      const to = Math.min(first + count, span.first + span.count);
      if (span.lease !== lease || from >= to) {
        kept.push(piece);
        continue;
      }
      released.push({ ...span, first: from, count: to - from });
      ranges += to - from;
      const behind = span.first + span.count - to;
      if (from > span.first) {
        kept.push({ span: { ...span, count: from - span.first }, order: piece.order });
      }
      if (behind > 0) {
        kept.push({ span: { ...span, first: to, count: behind }, order: piece.order });
      }
    }
    this.#pieces += kept.length - (queue.pieces.length - queue.next);
    queue.pieces = kept;
    queue.next = 0;
    if (ranges > 0) this.#spend(task, queue, ranges);
    return released;
  }

  /** True if an unstarted or running range lies in `first .. first+count-1` of the task. */
  overlaps(task: TaskId, first: number, count: number): boolean {
    const inside = (span: HeldSpan) =>
      span.task === task && span.first < first + count && span.first + span.count > first;
    const queue = this.#unstarted.get(task);
    if (queue?.pieces.some((piece, i) => i >= queue.next && inside(piece.span))) return true;
    return [...this.#running.values()].some(inside);
  }

  /** Running ranges inside a span. */
  runningIn(first: number, count: number, lease: LeaseId): HeldSpan[] {
    const found: HeldSpan[] = [];
    for (const span of this.#running.values()) {
      if (span.lease === lease && span.first >= first && span.first < first + count) {
        found.push(span);
      }
    }
    return found;
  }

  isRunning(span: HeldSpan): boolean {
    return this.#running.has(keyOf(span.lease, span.first));
  }

  running(): Iterable<HeldSpan> {
    return this.#running.values();
  }

  /** The last word on a running range. False, and nothing happens, if it is held no more. */
  finish(item: ReportItem): boolean {
    if (!this.#running.delete(keyOf(item.span.lease, item.span.first))) return false;
    this.#waiting.push(item);
    return true;
  }

  /** The last word on pieces that never ran here (returned, or done without a process). */
  report(item: ReportItem): void {
    this.#waiting.push(item);
    this.#pieces++;
  }

  /**
   * The oldest waiting items, at most `itemsMax` that cover at most `rangesMax` ranges together;
   * sent as exchange `sequence` from now on.
   */
  toSend(sequence: number, itemsMax: number, rangesMax: number): ReportItem[] {
    let take = 0;
    let ranges = 0;
    for (const { span } of this.#waiting) {
      ranges += span.count;
      if (take === itemsMax || ranges > rangesMax) break;
      take++;
    }
    const items = this.#waiting.slice(0, take);
    this.#waiting = this.#waiting.slice(take);
    if (items.length > 0) this.#sent.set(sequence, items);
    return items;
  }

  /** The verdicts of an exchange are here: its items are held no more. */
  answered(sequence: number): ReportItem[] | null {
    const items = this.#sent.get(sequence);
    if (items === undefined) return null;
    this.#sent.delete(sequence);
    this.#pieces -= items.length;
    return items;
  }

  /** The connection is gone: what was sent and not answered waits again, oldest first. */
  unsend(): void {
    const again = [...this.#sent.keys()].sort((a, b) => a - b).flatMap((s) => this.#sent.get(s)!);
    this.#sent.clear();
    this.#waiting = [...again, ...this.#waiting];
  }

  /** Drops what the engine does not honour; returns the running ranges that must be stopped. */
  refuse(blocks: readonly SpanBlock[]): HeldSpan[] {
    const stop: HeldSpan[] = [];
    forEachSpan(blocks, (task, first, count, _attempt, _grant, lease) => {
      this.release(task, first, count, lease);
      for (const span of this.runningIn(first, count, lease)) {
        this.#running.delete(keyOf(lease, span.first));
        this.#pieces--;
        stop.push(span);
      }
      const before = this.#waiting.length;
      this.#waiting = this.#waiting.flatMap((item) => without(item, first, count, lease));
      this.#pieces += this.#waiting.length - before;
    });
    return stop;
  }

  /** All that is held, as hello lists it. */
  held(): SpanBlock[] {
    const byTask = new Map<TaskId, HeldSpan[]>();
    const add = (span: HeldSpan) => {
      const list = byTask.get(span.task);
      if (list === undefined) byTask.set(span.task, [span]);
      else list.push(span);
    };
    for (const queue of this.#unstarted.values()) {
      for (let i = queue.next; i < queue.pieces.length; i++) add(queue.pieces[i]!.span);
    }
    for (const span of this.#running.values()) add(span);
    for (const items of [this.#waiting, ...this.#sent.values()]) {
      for (const item of items) add(item.span);
    }
    return [...byTask].flatMap(([task, spans]) => spanBlocks(task, joined(spans)));
  }

  heldTasks(): Set<TaskId> {
    return new Set(this.held().map((block) => block.task));
  }

  /** Bundles that unanswered reports name. */
  bundles(): Set<number> {
    const numbers = new Set<number>();
    for (const items of [this.#waiting, ...this.#sent.values()]) {
      for (const item of items) if (item.bundle !== 0) numbers.add(item.bundle);
    }
    return numbers;
  }
}

/** What is left of an item once part of its lease was refused; its cost stays with the rest. */
function without(item: ReportItem, first: number, count: number, lease: LeaseId): ReportItem[] {
  const { span } = item;
  const end = first + count;
  const spanEnd = span.first + span.count;
  if (span.lease !== lease || span.first >= end || spanEnd <= first) return [item];
  const left: ReportItem[] = [];
  if (span.first < first) left.push({ ...item, span: { ...span, count: first - span.first } });
  if (spanEnd > end) left.push({ ...item, span: { ...span, first: end, count: spanEnd - end } });
  return left;
}

/** Neighbours of one lease as one span, sorted. */
export function joined(spans: readonly HeldSpan[]): HeldSpan[] {
  const sorted = [...spans].sort((a, b) => a.lease - b.lease || a.first - b.first);
  const out: HeldSpan[] = [];
  for (const span of sorted) {
    const last = out.at(-1);
    if (
      last !== undefined &&
      last.lease === span.lease &&
      last.attempt === span.attempt &&
      last.first + last.count === span.first
    ) {
      out[out.length - 1] = { ...last, count: last.count + span.count };
    } else out.push(span);
  }
  return out;
}

export function spanBlocks(task: TaskId, spans: readonly HeldSpan[]): SpanBlock[] {
  const builder = new SpanBlockBuilder(task);
  for (const span of spans) {
    builder.add(span.first, span.count, span.attempt, span.grant, span.lease);
  }
  return builder.build();
}

export function returnedItem(span: HeldSpan): ReportItem {
  return {
    span,
    outcome: OUTCOME.returned,
    bundle: 0,
    reason: "",
    wallSum: 0,
    wallSquares: 0,
    wallMax: 0,
    cpuSum: 0,
  };
}
