/** The simulated pilots' frames, made with the production codec. */
import type { LeaseId } from "../../src/base/index.ts";
import {
  encodeFrame,
  OUTCOME,
  type Report,
  type SpanBlock,
  SpanBlockBuilder,
} from "../../src/wire/index.ts";
import { TASK, type Word } from "./engine-side.ts";

export function spread(block: SpanBlock, ranges: number[], leases: number[]): void {
  for (let i = 0; i < block.size; i++) {
    for (let k = 0; k < block.count[i]!; k++) {
      ranges.push(block.first[i]! + k);
      leases.push(block.lease[i]!);
    }
  }
}

/** Neighbours under one lease travel as one span. */
export function blocksOf(ranges: readonly number[], leases: readonly number[]): SpanBlock[] {
  const builder = new SpanBlockBuilder(TASK);
  for (let i = 0; i < ranges.length; ) {
    let count = 1;
    while (leases[i + count] === leases[i] && ranges[i + count] === ranges[i]! + count) count++;
    builder.add(ranges[i]!, count, 1, 1, leases[i] as LeaseId);
    i += count;
  }
  return builder.build();
}

/** The pilot's frames: its cost is not the engine's and is not timed. */
export function encodeWord(word: Word, sequence: number): Uint8Array[] {
  const frames: Uint8Array[] = [];
  if (word.startedRanges.length > 0) {
    const spans = blocksOf(word.startedRanges, word.startedLeases);
    frames.push(encodeFrame({ type: "started", spans }));
  }
  const wallSum = word.doneSeconds.reduce((sum, seconds) => sum + seconds, 0);
  const wallSquares = word.doneSeconds.reduce((sum, seconds) => sum + seconds * seconds, 0);
  const cost = { wallSum, wallSquares, wallMax: Math.max(0, ...word.doneSeconds), cpuSum: wallSum };
  const reports: Report[] = blocksOf(word.doneRanges, word.doneLeases).map((spans) => ({
    outcome: OUTCOME.done,
    spans,
    bundle: 0,
    reason: "",
    cost,
    node: 0,
  }));
  const { freeSlots, waiting, secondsLeft } = word;
  frames.push(
    encodeFrame({
      type: "exchange",
      sequence,
      reports,
      want: Math.max(0, freeSlots - waiting),
      freeSlots,
      secondsLeft: Number.isFinite(secondsLeft) ? secondsLeft : -1,
    }),
  );
  return frames;
}
