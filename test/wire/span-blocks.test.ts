import { describe, expect, it } from "vitest";
import { leaseIdOf, type TaskId } from "../../src/base/index.ts";
import {
  blockRanges,
  blocksRanges,
  clipReason,
  decodePayload,
  encodeFrame,
  FRAME_PREFIX_BYTES,
  forEachSpan,
  layVerdicts,
  messagesOf,
  type Report,
  SpanBlockBuilder,
  singleSpan,
  VERDICT,
  VerdictRuns,
} from "../../src/wire/index.ts";

const task = 3 as TaskId;

describe("SpanBlockBuilder", () => {
  it("keeps the order and splits where the epoch changes", () => {
    const builder = new SpanBlockBuilder(task);
    builder.add(0, 2, 1, 1, leaseIdOf(1, 5));
    builder.add(9, 1, 1, 1, leaseIdOf(1, 6));
    builder.add(4, 1, 2, 3, leaseIdOf(2, 1));
    const blocks = builder.build();
    expect(blocks.map((block) => [...(block.first as number[])])).toEqual([[0, 9], [4]]);
    expect(blocks.map(blockRanges)).toEqual([3, 1]);
    expect(blocksRanges(blocks)).toBe(4);
    expect(builder.build()).toEqual([]);
  });

  it("splits where firsts lie too far apart for a column, on either side", () => {
    const builder = new SpanBlockBuilder(task);
    for (const first of [2 ** 32, 2 ** 33 - 1, 2 ** 33, 5]) {
      builder.add(first, 1, 1, 1, leaseIdOf(1, 1));
    }
    expect(builder.build().map((block) => block.size)).toEqual([2, 1, 1]);
  });

  it("splits at the most spans a message may have", () => {
    const builder = new SpanBlockBuilder(task);
    for (let i = 0; i < 65_537; i++) builder.add(i, 1, 1, 1, leaseIdOf(1, 1));
    expect(builder.build().map((block) => block.size)).toEqual([65_536, 1]);
  });
});

describe("messagesOf", () => {
  it("shares blocks out so that each message can be read", () => {
    const builder = new SpanBlockBuilder(task);
    for (let i = 0; i < 140_000; i++) builder.add(2 * i, 1, 1, 1, leaseIdOf(1 + (i % 2), 1 + i));
    const blocks = builder.build();
    const messages = messagesOf(blocks);
    expect(messages.flat()).toEqual(blocks);
    expect(messages.map((some) => some.length)).toEqual([65_536, 65_536, 8_928]);
    for (const spans of messages) {
      const frame = encodeFrame({ type: "recall", spans, stop: true });
      const read = decodePayload(frame.subarray(FRAME_PREFIX_BYTES), "engine");
      expect(read.type === "recall" && read.spans.length).toBe(spans.length);
    }
    expect(messagesOf([])).toEqual([]);
  });
});

describe("forEachSpan", () => {
  it("visits every span of every block in order", () => {
    const seen: number[][] = [];
    const blocks = [
      singleSpan(task, 5, 2, 1, 4, leaseIdOf(1, 9)),
      singleSpan(task, 1, 1, 2, 3, leaseIdOf(2, 8)),
    ];
    forEachSpan(blocks, (...span) => seen.push(span));
    expect(seen).toEqual([
      [3, 5, 2, 1, 4, leaseIdOf(1, 9)],
      [3, 1, 1, 2, 3, leaseIdOf(2, 8)],
    ]);
  });
});

describe("verdict runs", () => {
  const cost = { wallSum: 0, wallSquares: 0, wallMax: 0, cpuSum: 0 };
  const report = (first: number, count: number): Report => ({
    outcome: 0,
    spans: singleSpan(task, first, count, 1, 1, leaseIdOf(1, 1)),
    bundle: 0,
    reason: "",
    cost,
    node: 0,
  });

  it("joins alike neighbours and drops empty runs", () => {
    const runs = new VerdictRuns();
    runs.push(0, VERDICT.stale);
    runs.push(2, VERDICT.accepted);
    runs.push(3, VERDICT.accepted);
    runs.push(1, VERDICT.stale);
    expect(runs.take()).toEqual([5, VERDICT.accepted, 1, VERDICT.stale]);
    expect(runs.take()).toEqual([]);
  });

  it("lie over the reports they answer, cut at both kinds of border", () => {
    const pieces: number[][] = [];
    const runs = [3, VERDICT.accepted, 2, VERDICT.stale, 1, VERDICT.closed];
    const fits = layVerdicts([report(10, 2), report(50, 4)], runs, (_report, span, ...rest) => {
      pieces.push([span, ...rest]);
    });
    expect(fits).toBe(true);
    expect(pieces).toEqual([
      [0, 10, 2, VERDICT.accepted],
      [0, 50, 1, VERDICT.accepted],
      [0, 51, 2, VERDICT.stale],
      [0, 53, 1, VERDICT.closed],
    ]);
  });

  it("tell when they cover too few or too many ranges", () => {
    const ignore = () => {};
    expect(layVerdicts([report(0, 2)], [1, 0], ignore)).toBe(false);
    expect(layVerdicts([report(0, 2)], [3, 0], ignore)).toBe(false);
    expect(layVerdicts([report(0, 2)], [2, 0, 1, 1], ignore)).toBe(false);
    expect(layVerdicts([report(0, 2)], [], ignore)).toBe(false);
    expect(layVerdicts([], [], ignore)).toBe(true);
  });
});

describe("clipReason", () => {
  it("leaves short text alone and cuts long text without breaking a character", () => {
    expect(clipReason("exit code 1")).toBe("exit code 1");
    expect(clipReason("x".repeat(501))).toBe(`${"x".repeat(499)}…`);
    const clipped = clipReason(`${"x".repeat(498)}😀😀`);
    expect(clipped.isWellFormed()).toBe(true);
    expect(clipped.length).toBeLessThanOrEqual(500);
    expect(clipReason("\ud800")).toBe("\ufffd");
  });
});
