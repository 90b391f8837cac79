import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FRAME_BYTES_MAX, JumboError } from "../../src/base/index.ts";
import { encodeFrame, FrameBatch, FrameSplitter } from "../../src/wire/index.ts";

function frameOf(payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(4 + payload.length);
  new DataView(frame.buffer).setUint32(0, payload.length);
  frame.set(payload, 4);
  return frame;
}

describe("FrameSplitter", () => {
  it("gives the same payloads however the stream is cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 9000 }), { maxLength: 6 }),
        fc.array(fc.nat({ max: 40_000 }), { maxLength: 12 }),
        (payloads, cuts) => {
          const stream = Buffer.concat(payloads.map(frameOf));
          const splitter = new FrameSplitter(9000);
          const seen: Uint8Array[] = [];
          let at = 0;
          for (const cut of [...cuts.map((c) => c % (stream.length + 1)), stream.length].sort(
            (a, b) => a - b,
          )) {
            for (const payload of splitter.push(stream.subarray(at, cut))) {
              seen.push(Uint8Array.from(payload));
            }
            at = cut;
          }
          expect(seen.map((p) => Buffer.from(p))).toEqual(payloads.map((p) => Buffer.from(p)));
          expect(splitter.pendingBytes).toBe(0);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("works byte by byte", () => {
    const stream = Buffer.concat([frameOf(Uint8Array.of(1, 2, 3)), frameOf(Uint8Array.of(9))]);
    const splitter = new FrameSplitter(16);
    const seen = [...stream].flatMap((byte) => splitter.push(Uint8Array.of(byte)));
    expect(seen.map((payload) => [...payload])).toEqual([[1, 2, 3], [9]]);
  });

  it("hands out whole frames as views of the chunk", () => {
    const chunk = frameOf(Uint8Array.of(5, 6));
    expect(new FrameSplitter(16).push(chunk)[0]!.buffer).toBe(chunk.buffer);
  });

  it("refuses a length over the limit before anything of the frame is kept", () => {
    for (const pieces of [
      [[0, 0, 1, 1, 7]],
      [
        [0, 0],
        [1, 1],
      ],
    ]) {
      const splitter = new FrameSplitter(256);
      expect(() => {
        for (const piece of pieces) splitter.push(Uint8Array.from(piece));
      }).toThrow(expect.objectContaining({ code: "protocol" }));
      expect(splitter.pendingBytes).toBeLessThanOrEqual(4);
    }
  });

  it("refuses an empty frame and a limit outside its range", () => {
    expect(() => new FrameSplitter(16).push(new Uint8Array(4))).toThrow(JumboError);
    expect(() => new FrameSplitter(0)).toThrow("limit");
    expect(() => new FrameSplitter(FRAME_BYTES_MAX + 1)).toThrow("limit");
  });

  it("applies a new limit from the next push on", () => {
    const splitter = new FrameSplitter(2);
    splitter.setLimit(3);
    expect(splitter.push(frameOf(Uint8Array.of(1, 2, 3)))).toHaveLength(1);
  });

  it("reserves no more than twice what a slow peer has sent", () => {
    const splitter = new FrameSplitter(FRAME_BYTES_MAX);
    const head = new Uint8Array(10_000);
    new DataView(head.buffer).setUint32(0, FRAME_BYTES_MAX);
    const before = process.memoryUsage().arrayBuffers;
    const splitters = Array.from({ length: 50 }, () => new FrameSplitter(FRAME_BYTES_MAX));
    for (const one of splitters) one.push(head);
    const grown = process.memoryUsage().arrayBuffers - before;
    expect(grown).toBeLessThan(50 * 2 * head.length + 1024 * 1024);
    expect(splitter.pendingBytes).toBe(0);
  });
});

describe("FrameBatch", () => {
  it("concatenates frames and starts over after take", () => {
    const batch = new FrameBatch();
    const pulse = encodeFrame({ type: "pulse" });
    const bye = encodeFrame({ type: "bye", reason: "x".repeat(70_000).slice(0, 65_536) });
    expect(batch.append({ type: "pulse" })).toBe(pulse.length);
    expect(batch.append({ type: "bye", reason: "x".repeat(65_536) })).toBe(bye.length);
    expect(Buffer.from(batch.take())).toEqual(Buffer.concat([pulse, bye]));
    expect(batch.take()).toHaveLength(0);
  });

  it("keeps what was appended when a message can't be encoded", () => {
    const batch = new FrameBatch();
    batch.append({ type: "pulse" });
    expect(() => batch.append({ type: "bye", reason: "x".repeat(65_537) })).toThrow("limit");
    expect(batch.byteLength).toBe(encodeFrame({ type: "pulse" }).length);
  });
});
