import { describe, expect, it } from "vitest";
import { leaseIdOf, type TaskId } from "../../src/base/index.ts";
import {
  decodeBriefly,
  decodePayload,
  type Exchange,
  encodeFrame,
  type Message,
  type Report,
  type SpanBlock,
  SpanBlockBuilder,
  singleSpan,
} from "../../src/wire/index.ts";

const task = 7 as TaskId;
const cost = { wallSum: 0, wallSquares: 0, wallMax: 0, cpuSum: 0 };

function scattered(size: number): SpanBlock {
  return singles(1_000_000, size);
}

/** Every third range from `from` on. */
function singles(from: number, size: number): SpanBlock {
  const builder = new SpanBlockBuilder(task);
  for (let i = 0; i < size; i++) builder.add(from + 3 * i, 1, 1, 1, leaseIdOf(40, 7_000_000 + i));
  return builder.build()[0]!;
}

function exchangeOf(...blocks: SpanBlock[]): Exchange {
  const reports: Report[] = blocks.map((spans) => ({
    outcome: 0,
    spans,
    bundle: 1,
    reason: "",
    cost,
    node: 0,
  }));
  return { type: "exchange", sequence: 1, reports, want: 1, freeSlots: 1, secondsLeft: 60 };
}

const payloadOf = (message: Message): Uint8Array => encodeFrame(message).subarray(4);

describe("sizes on the wire", () => {
  it("needs at most 20 bytes for a contiguous span", () => {
    const empty = encodeFrame({ type: "started", spans: [] }).length;
    const one = singleSpan(task, 1_234_567, 65_535, 1, 1, leaseIdOf(40, 7_000_000));
    expect(encodeFrame({ type: "started", spans: [one] }).length - empty).toBeLessThanOrEqual(20);
  });

  it("needs at most 17.5 bytes a range for 256 scattered ranges, report and all", () => {
    expect(encodeFrame(exchangeOf(scattered(256))).length / 256).toBeLessThanOrEqual(17.5);
  });
});

describe("decodePayload", () => {
  it("does not alias the frame: the buffer may be reused at once", () => {
    const header = [Uint8Array.of(1, 2, 3)];
    const file = {
      task,
      file: 0,
      firstRange: 0,
      ranges: 1,
      events: 1,
      path: "/x",
      tree: "",
      format: "lhe",
      sizeBytes: 5,
      mtimeMs: 1.5,
      seed: "1",
      header,
      footer: [],
    };
    const offsets = [{ task, first: 0, offsets: Float64Array.of(1, 2) }];
    const spans = [scattered(100)];
    const message: Message = {
      type: "grant",
      sequence: 1,
      spans,
      tasks: [],
      files: [file],
      offsets,
    };
    const payload = payloadOf(message);
    const decoded = decodePayload(payload, "engine");
    payload.fill(0xc1);
    expect(encodeFrame(decoded)).toEqual(encodeFrame(message));
  });

  it("decodes from a payload that lies at an odd place of a larger buffer", () => {
    const message = exchangeOf(scattered(33), scattered(5));
    const payload = payloadOf(message);
    for (const shift of [1, 3, 5]) {
      const larger = new Uint8Array(payload.length + 16);
      larger.set(payload, shift);
      const decoded = decodePayload(larger.subarray(shift, shift + payload.length), "pilot");
      expect(encodeFrame(decoded)).toEqual(encodeFrame(message));
    }
  });

  it("names the field, the place and the right form of what it refuses", () => {
    expect(() => decodePayload(Uint8Array.of(0x93, 7, 0xc0, 1), "pilot")).toThrow(
      /freeSlots at byte 2 of 4 is no unsigned integer .*smallest form/,
    );
  });

  it("stays usable after a refusal", () => {
    expect(() => decodePayload(Uint8Array.of(0xc1), "pilot")).toThrow();
    expect(decodePayload(payloadOf({ type: "bye", reason: "x" }), "pilot")).toEqual({
      type: "bye",
      reason: "x",
    });
  });

  it("lends the columns of a brief message until the next one, and keeps those of others", () => {
    const first = (message: Message) =>
      message.type === "started" ? message.spans[0]?.first : undefined;
    const low = payloadOf({ type: "started", spans: [scattered(500)] });
    const high = payloadOf({ type: "started", spans: [singles(2_000_000, 500)] });
    const kept = decodePayload(low, "pilot");
    const brief = decodeBriefly(low, "pilot");
    expect(encodeFrame(brief)).toEqual(encodeFrame(kept));
    decodeBriefly(high, "pilot");
    expect(first(brief)?.[0]).toBe(2_000_000);
    expect(first(kept)?.[0]).toBe(1_000_000);
    expect(() => decodeBriefly(Uint8Array.of(0xc1), "pilot")).toThrow();
    const after = decodePayload(low, "pilot");
    decodeBriefly(high, "pilot");
    expect(first(after)?.[0]).toBe(1_000_000);
    const large = payloadOf({ type: "started", spans: [scattered(65_536)] });
    expect(encodeFrame(decodeBriefly(large, "pilot")).subarray(4)).toEqual(large);
  });

  it("counts spans over all blocks of a message", () => {
    const most = scattered(65_536);
    const frame = encodeFrame({ type: "started", spans: [most] });
    expect(decodePayload(frame.subarray(4), "pilot")).toHaveProperty("spans.0.size", 65_536);
    const one = singleSpan(task, 0, 1, 1, 1, leaseIdOf(1, 1));
    const payload = payloadOf({ type: "started", spans: [most, one] });
    expect(() => decodePayload(payload, "pilot")).toThrow("65537 spans");
  });
});

describe("encodeFrame", () => {
  const refuses = (message: unknown, why: string | RegExp) =>
    expect(() => encodeFrame(message as Message)).toThrow(why);

  it("refuses what is too large as an operating error", () => {
    const code = expect.objectContaining({ code: "protocol" });
    expect(() => encodeFrame({ type: "bye", reason: "x".repeat(65_537) })).toThrow(code);
    expect(() => encodeFrame({ type: "bye", reason: "é".repeat(40_000) })).toThrow(code);
    const report = { ...exchangeOf(scattered(1)).reports[0]!, reason: "x".repeat(1501) };
    expect(() => encodeFrame({ ...exchangeOf(), reports: [report] })).toThrow(code);
    const runs = Array<number>(2 * 1_048_576 + 2).fill(1);
    expect(() => encodeFrame({ type: "verdicts", sequence: 1, runs })).toThrow(code);
    const nodes = { name: "x".repeat(60_000), cores: 1, gpus: 0, memoryMiB: 0, slots: 1 };
    const many = Array(100).fill(nodes);
    expect(() => encodeFrame({ type: "resources", nodes: many, secondsLeft: 1 })).toThrow(code);
  });

  it("asserts on values that have no meaning", () => {
    const heartbeat = { type: "heartbeat", freeSlots: 1, secondsLeft: 1 };
    for (const freeSlots of [-1, 0.5, 300.5, Number.NaN, undefined]) {
      refuses({ ...heartbeat, freeSlots }, /freeSlots/);
    }
    for (const secondsLeft of [-2, -0.5, Number.NaN, Number.POSITIVE_INFINITY, undefined]) {
      refuses({ ...heartbeat, secondsLeft }, /secondsLeft/);
    }
    refuses({ ...exchangeOf(), sequence: 2 ** 32 + 0.5 }, /sequence/);
    refuses({ type: "nonsense" }, /unhandled/);
    refuses({ type: "verdicts", sequence: 1, runs: [0, 0] }, /empty/);
    refuses({ type: "verdicts", sequence: 1, runs: [1] }, /pairs/);
  });

  it("asserts on span blocks that break a rule, in every form", () => {
    const started = (spans: SpanBlock) => ({ type: "started", spans: [spans] });
    const broken = (size: number, change: (block: Record<string, number[]>) => void) => {
      const block = structuredClone(scattered(size)) as unknown as Record<string, number[]>;
      change(block);
      return started(block as unknown as SpanBlock);
    };
    for (const size of [1, 3, 5, 40]) {
      const last = size - 1;
      refuses(
        broken(size, (b) => b["lease"]!.splice(last, 1, 0)),
        /lease|column|fit/,
      );
      refuses(
        broken(size, (b) => b["count"]!.splice(last, 1, 0)),
        /range|column/,
      );
      refuses(
        broken(size, (b) => b["count"]!.splice(last, 1, 65_536)),
        /count|column/,
      );
      refuses(
        broken(size, (b) => b["attempt"]!.splice(last, 1, 256)),
        /attempt|column/,
      );
      refuses(
        broken(size, (b) => b["grant"]!.splice(last, 1, -1)),
        /grant|column/,
      );
      refuses(
        broken(size, (b) => b["first"]!.splice(last, 1, 0.5)),
        /first|column|base/,
      );
      refuses(
        broken(size, (b) => b["first"]!.splice(last, 1, 2 ** 53 - 1)),
        /ends|column/,
      );
    }
    refuses(
      broken(3, (b) => b["lease"]!.splice(1, 1, leaseIdOf(41, 1))),
      /epoch/,
    );
    refuses(
      broken(9, (b) => b["lease"]!.splice(1, 1, leaseIdOf(41, 1))),
      /column/,
    );
    refuses(started({ ...scattered(1), size: 0 }), /empty/);
  });

  it("replaces lone surrogates instead of writing text that no peer accepts", () => {
    const payload = payloadOf({ type: "bye", reason: "a\ud800b" });
    expect(decodePayload(payload, "pilot")).toEqual({ type: "bye", reason: "a\ufffdb" });
  });
});
