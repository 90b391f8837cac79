/**
 * Fuzzing of the codec. Every message over the whole domain survives a round trip, reads the same
 * in an ordinary msgpack unpacker, and has one byte form; damaged and grammatical nonsense is
 * refused with words, or accepted only if it is exactly what the encoder would have written.
 * `JUMBO_WIRE_MUTATIONS=1000000 JUMBO_SEED=7 npx vitest run test/wire/codec.fuzz.ts` is the long form.
 */
import fc from "fast-check";
import { unpack } from "msgpackr";
import { describe, expect, it } from "vitest";
import { JumboError, SeededRandom } from "../../src/base/index.ts";
import {
  decodeBriefly,
  decodePayload,
  encodeFrame,
  MESSAGE,
  type Message,
} from "../../src/wire/index.ts";
import { toJson } from "../vectors/json.ts";
import { sided } from "./arbitraries.ts";
import { mutate } from "./mutate.ts";

const MUTATIONS = Number(process.env["JUMBO_WIRE_MUTATIONS"] ?? 20_000);
const SEED = Number(process.env["JUMBO_SEED"] ?? 20_260_101);
const GRAMMAR = 10_000;

/** What the decoder accepts, the encoder writes back byte for byte; the rest is refused in words. */
function decodeOrRefuse(payload: Uint8Array, from: "pilot" | "engine"): boolean {
  let message: Message;
  try {
    message = decodePayload(payload, from);
  } catch (error) {
    if (!(error instanceof JumboError)) throw error;
    expect(["protocol", "version"]).toContain(error.code);
    return false;
  }
  const again = encodeFrame(message).subarray(4);
  if (Buffer.compare(again, payload) !== 0) {
    expect(Buffer.from(again).toString("hex")).toBe(Buffer.from(payload).toString("hex"));
  }
  return true;
}

describe("codec", () => {
  it("gives every message back, and msgpackr reads every frame", () => {
    fc.assert(
      fc.property(sided, ({ from, message }) => {
        const payload = encodeFrame(message).subarray(4);
        expect(toJson(decodePayload(payload, from))).toEqual(toJson(message));
        const brief = encodeFrame(decodeBriefly(payload, from)).subarray(4);
        expect(Buffer.compare(brief, payload)).toBe(0);
        const items = unpack(payload) as unknown[];
        const { type } = message;
        expect(items[0]).toBe(MESSAGE[type]);
        expect(leavesOf(items, "string").sort()).toEqual(textsOf(message).sort());
        expect(leavesOf(items, "boolean").sort()).toEqual(leavesOf(message, "boolean").sort());
      }),
      { numRuns: 2_000 },
    );
  });

  it("refuses damaged frames, or finds them to be another proper message", () => {
    const random = new SeededRandom(SEED);
    const frames = fc.sample(sided, { numRuns: 300, seed: 7 }).map(({ from, message }) => ({
      from,
      payload: encodeFrame(message).subarray(4),
    }));
    let accepted = 0;
    for (let i = 0; i < MUTATIONS; i++) {
      const { from, payload } = frames[random.below(frames.length)]!;
      if (decodeOrRefuse(mutate(payload, random), from)) accepted++;
    }
    expect(accepted).toBeGreaterThan(0);
    expect(accepted).toBeLessThan(MUTATIONS);
  }, 600_000);

  it("refuses grammatical msgpack that is no message", () => {
    const random = new SeededRandom(4);
    for (let i = 0; i < GRAMMAR; i++) {
      const bytes: number[] = [0x90 + random.below(16), 1 + random.below(14)];
      for (let items = random.below(16); items > 0; items--) value(bytes, random, 4);
      decodeOrRefuse(Uint8Array.from(bytes), random.chance(0.5) ? "pilot" : "engine");
    }
  });

  it("refuses every proper beginning of a frame", () => {
    for (const { from, message } of fc.sample(sided, { numRuns: 40, seed: 9 })) {
      const payload = encodeFrame(message).subarray(4);
      const step = Math.max(1, Math.floor(payload.length / 200));
      for (let end = 0; end < payload.length; end += step) {
        expect(() => decodePayload(payload.subarray(0, end), from)).toThrow(JumboError);
      }
    }
  });

  it("takes no time and memory that a length promises but no bytes back", () => {
    const heads = [
      [0xdd, 0xff, 0xff, 0xff, 0xff],
      [0x92, 6, 0xdd, 0, 0, 0xff, 0xff],
      [0x92, 6, 0x91, 0x98, 1, 1, 5, 0xc6, 0, 3, 0xff, 0xfc],
      [0x92, 12, 0xdb, 0, 0, 0xff, 0xff],
    ];
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 2_000; i++) {
      for (const head of heads) expect(decodeOrRefuse(Uint8Array.from(head), "pilot")).toBe(false);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
  });
});

/** Every string or boolean inside a value, in order. */
function leavesOf(value: unknown, kind: "string" | "boolean"): unknown[] {
  if (typeof value === kind) return [value];
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return [];
  return Object.values(value).flatMap((item) => leavesOf(item, kind));
}

/** The strings of a message that travel as strings: not its type, nor what has a number. */
function textsOf(message: Message): unknown[] {
  const numbered = { type: 0, mode: 0, channel: 0 };
  return leavesOf(
    JSON.parse(JSON.stringify(toJson(message)), function (this: object, key, item) {
      if (Object.hasOwn(numbered, key) || key === "$bin") return 0;
      return item;
    }),
    "string",
  );
}

/** Appends one random well-formed msgpack value. */
function value(bytes: number[], random: SeededRandom, depth: number): void {
  const kind = random.below(depth > 0 ? 10 : 8);
  const few = random.below(6);
  if (kind === 0) bytes.push(random.below(128));
  else if (kind === 1) bytes.push(0xa0 + few, ...Array<number>(few).fill(0x61));
  else if (kind === 2) bytes.push(0xc4, few, ...Array<number>(few).fill(1));
  else if (kind === 3) bytes.push(0xc0 + [0, 2, 3][random.below(3)]!);
  else if (kind === 4) bytes.push(0xcc, random.below(256));
  else if (kind === 5) bytes.push(0xcb, 0x41, random.below(256), 0, 0, 0, 0, 0, 0);
  else if (kind === 6) bytes.push(0xd4, 0x72, random.below(256));
  else if (kind === 7) bytes.push(0xff - random.below(32));
  else {
    bytes.push((kind === 8 ? 0x90 : 0x80) + few);
    for (let items = kind === 8 ? few : 2 * few; items > 0; items--) {
      value(bytes, random, depth - 1);
    }
  }
}
