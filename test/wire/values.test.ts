import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packValue, unpackValue } from "../../src/wire/index.ts";

const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }).map((value) => (Object.is(value, -0) ? 0 : value)),
    fc.string({ unit: "binary" }),
    fc.uint8Array().map((bytes) => Uint8Array.from(bytes)),
    fc.array(tie("value")),
    fc.dictionary(
      fc.string().filter((key) => key !== "__proto__"),
      tie("value"),
    ),
  ),
})).value;

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));

describe("packValue and unpackValue", () => {
  it("give plain values back", () => {
    fc.assert(
      fc.property(plain, (value) => {
        expect(canonical(unpackValue(packValue(value)))).toEqual(canonical(value));
      }),
      { numRuns: 500 },
    );
  });

  it("refuse what is no plain data", () => {
    for (const value of [new Date(), new Map(), new Float64Array(1), () => 0, [Symbol("x")]]) {
      expect(() => packValue(value)).toThrow(/to pack/);
    }
  });

  it("own their buffer, so that a store may keep it", () => {
    const bytes = packValue({ a: 1 });
    expect(bytes.buffer.byteLength).toBe(bytes.length);
  });

  it("refuse ext types, record definitions, cut values and bytes after the value", () => {
    const refused = ["", "c1", "d47240", "93d472409161", "c70100ff", "92c0", "a561", "c0c0"];
    refused.push("dfffffffff", "ddffffffff", "c6ffffffff", "cb00", "9191".repeat(40), "81a161");
    for (const hex of refused) {
      const code = expect.objectContaining({ code: "protocol" });
      expect(() => unpackValue(bytesOf(hex)), hex).toThrow(code);
    }
  });

  it("never break on damaged bytes: a value or a refusal", () => {
    fc.assert(
      fc.property(plain, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 }))), (value, changes) => {
        const bytes = packValue(value);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        try {
          unpackValue(bytes);
        } catch (error) {
          expect((error as { code?: string }).code).toBe("protocol");
        }
      }),
      { numRuns: 1000 },
    );
  });
});

/** Objects without a prototype and Buffers compare like plain ones. */
function canonical(value: unknown): unknown {
  if (value instanceof Uint8Array) return { bytes: [...value] };
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value).map(([key, item]) => [key, canonical(item)]);
}
