/**
 * Making and walking span blocks, for ledger, broker and pilots alike. A builder keeps the order
 * of its spans and starts a new block where one block can't hold them: at another lease epoch, or
 * where firsts lie 2^32 ranges or more apart.
 */
import {
  assert,
  type LeaseId,
  leaseEpoch,
  REASON_CHARACTERS_MAX,
  SPANS_PER_MESSAGE_MAX,
  type TaskId,
} from "../base/index.ts";
import type { Report, SpanBlock, Verdict } from "./messages.ts";

const OFFSET_MAX = 0xffff_ffff;

interface OpenBlock {
  readonly task: TaskId;
  size: number;
  readonly first: number[];
  readonly count: number[];
  readonly attempt: number[];
  readonly grant: number[];
  readonly lease: LeaseId[];
}

export class SpanBlockBuilder {
  readonly task: TaskId;
  /** Those that are full, if any. */
  #full: OpenBlock[] | null = null;
  #open: OpenBlock | null = null;
  #epoch = 0;
  #least = 0;
  #most = 0;

  constructor(task: TaskId) {
    this.task = task;
  }

  /** `count` ranges from `first` on, held under `lease`; see SpanBlock for the other two. */
  add(first: number, count: number, attempt: number, grant: number, lease: LeaseId): void {
    const epoch = leaseEpoch(lease);
    const open = this.#open;
    if (
      open === null ||
      epoch !== this.#epoch ||
      open.size >= SPANS_PER_MESSAGE_MAX ||
      first - this.#least > OFFSET_MAX ||
      this.#most - first > OFFSET_MAX
    ) {
      // Room for one: most blocks have one span, and an empty array makes room for 17 at once.
      if (open !== null) (this.#full ??= []).push(open);
      this.#open = singleSpan(this.task, first, count, attempt, grant, lease);
      this.#epoch = epoch;
      this.#least = first;
      this.#most = first;
      return;
    }
    open.size++;
    open.first.push(first);
    open.count.push(count);
    open.attempt.push(attempt);
    open.grant.push(grant);
    open.lease.push(lease);
    if (first < this.#least) this.#least = first;
    if (first > this.#most) this.#most = first;
  }

  /** The blocks so far, in the order of the adds; the builder is empty afterwards. */
  build(): SpanBlock[] {
    const blocks = this.#full ?? [];
    const open = this.#open;
    this.#full = null;
    this.#open = null;
    if (open === null) return blocks;
    if (blocks.length === 0) return [open];
    blocks.push(open);
    return blocks;
  }
}

/** The same blocks, shared out to messages of at most SPANS_PER_MESSAGE_MAX spans each. */
export function messagesOf(blocks: readonly SpanBlock[]): SpanBlock[][] {
  const messages: SpanBlock[][] = [];
  let room = 0;
  for (const block of blocks) {
    if (block.size > room) {
      messages.push([]);
      room = SPANS_PER_MESSAGE_MAX;
    }
    room -= block.size;
    messages.at(-1)?.push(block);
  }
  return messages;
}

/** A block of one span. */
export function singleSpan(
  task: TaskId,
  first: number,
  count: number,
  attempt: number,
  grant: number,
  lease: LeaseId,
): OpenBlock {
  return {
    task,
    size: 1,
    first: [first],
    count: [count],
    attempt: [attempt],
    grant: [grant],
    lease: [lease],
  };
}

/** Ranges of a block: the sum of its counts. */
export function blockRanges(block: SpanBlock): number {
  let sum = 0;
  for (let i = 0; i < block.size; i++) sum += block.count[i]!;
  return sum;
}

export function blocksRanges(blocks: readonly SpanBlock[]): number {
  let sum = 0;
  for (const block of blocks) sum += blockRanges(block);
  return sum;
}

export type SpanVisitor = (
  task: TaskId,
  first: number,
  count: number,
  attempt: number,
  grant: number,
  lease: LeaseId,
) => void;

/** Calls `visit` for each span of each block, in order. */
export function forEachSpan(blocks: readonly SpanBlock[], visit: SpanVisitor): void {
  for (const block of blocks) {
    for (let i = 0; i < block.size; i++) {
      visit(
        block.task,
        block.first[i]!,
        block.count[i]!,
        block.attempt[i]!,
        block.grant[i]!,
        block.lease[i]!,
      );
    }
  }
}

/** Run-length list of verdicts as it travels: push each run, alike neighbours are joined. */
export class VerdictRuns {
  #runs: number[] = [];

  push(count: number, verdict: Verdict): void {
    const runs = this.#runs;
    const last = runs.length - 1;
    if (count === 0) return;
    if (last > 0 && runs[last] === verdict) runs[last - 1]! += count;
    else runs.push(count, verdict);
  }

  /** The flat list so far; the builder is empty afterwards. */
  take(): number[] {
    const runs = this.#runs;
    this.#runs = [];
    return runs;
  }
}

export type VerdictVisitor = (
  report: Report,
  span: number,
  first: number,
  count: number,
  verdict: Verdict,
) => void;

/**
 * Lays a verdicts message over the reports it answers: one call for each piece of a span that has
 * one verdict, in order. `span` is the index in report.spans. Returns false if the runs cover
 * more or fewer ranges than the reports have (then the peer is broken).
 */
export function layVerdicts(
  reports: readonly Report[],
  runs: readonly number[],
  visit: VerdictVisitor,
): boolean {
  assert(runs.length % 2 === 0, "verdict runs come in pairs");
  let at = 0;
  let left = runs[0] ?? 0;
  for (const report of reports) {
    const block = report.spans;
    for (let i = 0; i < block.size; i++) {
      let first = block.first[i]!;
      let due = block.count[i]!;
      while (due > 0) {
        if (left === 0) {
          at += 2;
          if (at >= runs.length) return false;
          left = runs[at]!;
          continue;
        }
        const count = Math.min(left, due);
        visit(report, i, first, count, runs[at + 1] as Verdict);
        first += count;
        due -= count;
        left -= count;
      }
    }
  }
  return left === 0 && at + 2 >= runs.length;
}

/** `text` as a reason may be: one well-formed piece of at most REASON_CHARACTERS_MAX characters. */
export function clipReason(text: string): string {
  if (text.length <= REASON_CHARACTERS_MAX) return text.toWellFormed();
  let end = REASON_CHARACTERS_MAX - 1;
  const code = text.charCodeAt(end - 1);
  if (code >= 0xd800 && code <= 0xdbff) end--;
  return `${text.slice(0, end).toWellFormed()}…`;
}
