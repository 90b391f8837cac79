import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/base/index.ts";
import {
  coldKey,
  decodeColdKey,
  decodeJournalKey,
  decodePageKey,
  describeKey,
  journalKey,
  pageKey,
} from "../../src/store/keys.ts";

const edges = [0, 1, 255, 256, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

describe("keys", () => {
  test("sort as their numbers do, and come back", () => {
    const random = new SeededRandom(7);
    const numbers = [...edges, ...Array.from({ length: 500 }, () => random.nextU32())];
    const pairs = numbers.map((n, i) => [n, numbers[(i * 7 + 3) % numbers.length] as number]);
    const sorted = [...pairs].sort((a, b) => a[0]! - b[0]! || a[1]! - b[1]!);
    const keys = pairs.map((pair) => coldKey("file", pair)).sort(Buffer.compare);
    expect(keys.map((key) => decodeColdKey(key)?.key)).toEqual(sorted);
    const far = [...edges, 2 ** 32, 2 ** 40, 2 ** 41 - 1];
    const pages = [...far]
      .reverse()
      .map((page) => pageKey(3, page))
      .sort(Buffer.compare);
    expect(pages.map((key) => decodePageKey(key))).toEqual(far.map((page) => ({ task: 3, page })));
    const late = [...far.slice(1), 2 ** 52, Number.MAX_SAFE_INTEGER];
    const records = [...late].reverse().map(journalKey).sort(Buffer.compare);
    expect(records.map(decodeJournalKey)).toEqual(late);
  });

  test("refuse what does not fit instead of wrapping", () => {
    for (const bad of [-1, 2 ** 32, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => coldKey("bundle", [bad])).toThrow(/no u32/);
      expect(() => pageKey(bad, 0)).toThrow(/no u32/);
    }
    expect(() => pageKey(1, 2 ** 41)).toThrow(/out of range/);
    expect(() => journalKey(0)).toThrow(/positive safe integer/);
    expect(() => journalKey(2 ** 53)).toThrow(/positive safe integer/);
    expect(() => coldKey("file", [1])).toThrow(/2 components/);
    expect(() => coldKey("bundle", ["1"])).toThrow(/component 0/);
    expect(() => coldKey("meta", [1])).toThrow(/one string/);
    expect(() => coldKey("meta", [""])).toThrow(/key length/);
    expect(() => coldKey("meta", ["x".repeat(401)])).toThrow(/key length/);
  });

  test("are named in people's words", () => {
    expect(describeKey("cold", coldKey("reason", [3, 4]))).toBe("reason [3,4]");
    expect(describeKey("cold", coldKey("meta", ["tökens"]))).toBe('meta ["tökens"]');
    expect(describeKey("pages", pageKey(1, 2))).toBe("page [1, 2]");
    expect(describeKey("journal", journalKey(812))).toBe("journal 812");
    expect(describeKey("journal", Uint8Array.of(1, 2))).toBe("journal key 0x0102");
  });
});
