import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JumboError } from "../../src/base/index.ts";
import { FileTable, payloadSeed } from "../../src/task/index.ts";

describe("FileTable", () => {
  it("cuts each file by itself, with a short last range", () => {
    const table = new FileTable([7, 0, 5], 3);
    expect(table).toMatchObject({ ranges: 5, events: 12, files: 3 });
    expect([0, 1, 2, 3, 4].map((range) => table.locate(range))).toEqual([
      { file: 0, start: 0, count: 3 },
      { file: 0, start: 3, count: 3 },
      { file: 0, start: 6, count: 1 },
      { file: 2, start: 0, count: 3 },
      { file: 2, start: 3, count: 2 },
    ]);
    expect([0, 1, 2].map((file) => table.rangesOf(file))).toEqual([3, 0, 2]);
    expect([0, 1, 2].map((file) => table.firstRange(file))).toEqual([0, 3, 3]);
    expect([0, 1, 2, 3, 4, 5].map((range) => table.eventsBelow(range))).toEqual([
      0, 3, 6, 7, 10, 12,
    ]);
  });

  it("gives one range to a file smaller than a range: 50-event ranges on 6 events", () => {
    const table = new FileTable([6], 50);
    expect(table.ranges).toBe(1);
    expect(table.locate(0)).toEqual({ file: 0, start: 0, count: 6 });
  });

  it("has no ranges where nothing has events", () => {
    expect(new FileTable([], 1)).toMatchObject({ ranges: 0, events: 0, files: 0 });
    expect(new FileTable([0, 0], 9)).toMatchObject({ ranges: 0, events: 0, files: 2 });
    expect(() => new FileTable([0], 1).locate(0)).toThrow(/range 0 of 0/);
  });

  it("covers every event exactly once, in order", () => {
    const files = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 12 });
    fc.assert(
      fc.property(files, fc.integer({ min: 1, max: 50 }), (events, eventsPerRange) => {
        const table = new FileTable(events, eventsPerRange);
        const seen: string[] = [];
        for (let range = 0; range < table.ranges; range++) {
          const { file, start, count } = table.locate(range);
          expect(count).toBeGreaterThan(0);
          expect(table.fileOfRange(range)).toBe(file);
          expect(table.eventsIn(range, 1)).toBe(count);
          for (let event = start; event < start + count; event++) {
            expect(table.rangeOfEvent(file, event)).toBe(range);
            seen.push(`${file}/${event}`);
          }
        }
        const wanted = events.flatMap((n, file) =>
          Array.from({ length: n }, (_, event) => `${file}/${event}`),
        );
        expect(seen).toEqual(wanted);
      }),
    );
  });

  it("stays exact up to 2^53 - 1 events", () => {
    const most = Number.MAX_SAFE_INTEGER;
    const sizes = fc.tuple(
      fc.integer({ min: 0, max: most }),
      fc.integer({ min: 1, max: most }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    );
    fc.assert(
      fc.property(sizes, ([events, eventsPerRange, share]) => {
        const table = new FileTable([3, events > 3 ? events - 3 : events], eventsPerRange);
        const second = BigInt(table.eventsOf(1));
        const each = BigInt(eventsPerRange);
        expect(BigInt(table.rangesOf(1))).toBe((second + each - 1n) / each);
        if (table.ranges === 0) return;
        const range = Math.floor(share * table.ranges);
        const place = table.locate(range);
        const inFile = BigInt(range - table.firstRange(place.file));
        expect(BigInt(place.start)).toBe(inFile * each);
        const left = BigInt(table.eventsOf(place.file)) - BigInt(place.start);
        expect(BigInt(place.count)).toBe(left < each ? left : each);
      }),
    );
  });

  it("refuses a table whose events can't be numbered exactly", () => {
    const table = () => new FileTable([Number.MAX_SAFE_INTEGER, 1], 1);
    expect(table).toThrow(JumboError);
    expect(table).toThrow(/more than 9007199254740991 events at file 1 .* split it/);
  });

  it("answers for 10^8 ranges without storing any", () => {
    const table = new FileTable([100_000_000], 1);
    expect(table.ranges).toBe(100_000_000);
    expect(table.locate(99_999_999)).toEqual({ file: 0, start: 99_999_999, count: 1 });
  });
});

describe("payloadSeed", () => {
  it("is the first 8 bytes, big-endian, of sha256 over 'taskSeed:fileIndex'", () => {
    // printf '0:0' | sha256sum and printf '42:7' | sha256sum
    expect(payloadSeed(0, 0).toString(16).padStart(16, "0")).toBe("ac72368a586a18c1");
    expect(payloadSeed(42, 7).toString(16).padStart(16, "0")).toBe("755dac3729029e2e");
  });
});
