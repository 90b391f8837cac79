import fc from "fast-check";
import { expect, test } from "vitest";
import { NumberMap, SeededRandom } from "../../src/base/index.ts";

function entriesOf(map: NumberMap<string>): [number, string][] {
  const entries: [number, string][] = [];
  map.forEach((value, key) => {
    entries.push([key, value]);
  });
  return entries.sort(([a], [b]) => a - b);
}

test("answers as a Map does, whatever comes and goes", () => {
  const key = fc.oneof(fc.nat(40), fc.constantFrom(2 ** 32 + 1, 2 ** 33 + 1, 2 ** 35, 2 ** 31));
  const step = fc.record({ what: fc.constantFrom("set", "set", "delete", "get", "clear"), key });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const map = new NumberMap<string>();
      const model = new Map<number, string>();
      for (const [i, { what, key }] of steps.entries()) {
        if (what === "set") {
          map.set(key, `v${i}`);
          model.set(key, `v${i}`);
        } else if (what === "delete") expect(map.delete(key)).toBe(model.delete(key));
        else if (what === "get") expect(map.get(key)).toBe(model.get(key));
        else if (i % 7 === 0) {
          map.clear();
          model.clear();
        }
        expect(map.size).toBe(model.size);
      }
      expect(entriesOf(map)).toEqual([...model].sort(([a], [b]) => a - b));
    }),
  );
});

test("keeps a window that moves on, and a hundred thousand that stay", () => {
  const map = new NumberMap<number>();
  const random = new SeededRandom(5);
  for (let n = 1; n <= 300_000; n++) {
    map.set(n, -n);
    if (n > 100 && random.chance(2 / 3)) map.delete(n - random.below(100));
  }
  let sum = 0;
  map.forEach((value, key) => {
    expect(value).toBe(-key);
    sum++;
  });
  expect(sum).toBe(map.size);
  expect(map.size).toBeGreaterThan(100_000);
  for (let n = 1; n <= 300_000; n++) map.delete(n);
  expect(map.size).toBe(0);
  map.set(7, 7);
  expect(map.get(7)).toBe(7);
});
