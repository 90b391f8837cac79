import { crc32 as zlibCrc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { crc32 } from "../../src/base/index.ts";

describe("crc32", () => {
  it("is the CRC of zip", () => {
    expect(crc32(Buffer.from("123456789", "latin1"))).toBe(0xcbf4_3926);
    expect(crc32(new Uint8Array(0))).toBe(0);
  });

  it("is one and the same for short and for long bytes, and goes on from a seed", () => {
    for (let length = 0; length < 40; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 151 + length) & 0xff);
      for (const seed of [0, 1, 0x8000_0000, 0xffff_ffff]) {
        expect(crc32(bytes, seed)).toBe(zlibCrc32(bytes, seed));
      }
      const cut = length >> 1;
      const inTwo = crc32(bytes.subarray(cut), crc32(bytes.subarray(0, cut)));
      expect(inTwo).toBe(crc32(bytes));
    }
  });
});
