import { describe, expect, it } from "vitest";
import { numberedName, planOutputs } from "../../src/merge/index.ts";
import { FileTable } from "../../src/task/index.ts";

function plan(events: number[], perRange: number, eventsPerFile: number) {
  const output = { name: "out.lhe", results: "/r", eventsPerFile };
  return planOutputs(new FileTable(events, perRange), output);
}

describe("the plan of output files", () => {
  it("is one file, named as asked, where nothing is to be cut", () => {
    expect(plan([5, 0, 3], 2, 0)).toMatchObject([
      { name: "out.lhe", path: "/r/out.lhe", firstRange: 0, ranges: 5, events: 8 },
    ]);
    expect(plan([], 1, 0)).toMatchObject([{ name: "out.lhe", firstRange: 0, ranges: 0 }]);
    expect(plan([0], 1, 100)).toMatchObject([{ name: "out-00000.lhe", ranges: 0 }]);
  });

  it("cuts at the first range boundary at or after, short last ranges counted as they are", () => {
    // Ranges of 3, 3, 1 | 3, 2 events.
    expect(plan([7, 5], 3, 4).map((file) => file.events)).toEqual([6, 4, 2]);
    expect(plan([7, 5], 3, 7).map((file) => file.events)).toEqual([7, 5]);
    expect(plan([7, 5], 3, 1).map((file) => file.ranges)).toEqual([1, 1, 1, 1, 1]);
    expect(plan([7, 5], 3, 12)).toHaveLength(1);
    expect(plan([7, 5], 3, 1e9)).toHaveLength(1);
  });

  it("covers every range once for any cut", () => {
    for (let eventsPerFile = 1; eventsPerFile < 40; eventsPerFile++) {
      const files = plan([11, 0, 1, 19], 4, eventsPerFile);
      let next = 0;
      files.forEach((file, i) => {
        expect(file.firstRange).toBe(next);
        expect(file.ranges).toBeGreaterThan(0);
        if (i < files.length - 1) expect(file.events).toBeGreaterThanOrEqual(eventsPerFile);
        next += file.ranges;
      });
      expect(next).toBe(9);
    }
  });

  it("is made without walking the ranges of a large task", () => {
    const started = performance.now();
    expect(plan([1e8], 1, 1e6)).toHaveLength(100);
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe("names of several files", () => {
  it("number the stem and keep the extension", () => {
    expect(numberedName("dimuon.jsonl", 3)).toBe("dimuon-00003.jsonl");
    expect(numberedName("events.lhe.gz", 0)).toBe("events-00000.lhe.gz");
    expect(numberedName("v1.2.parquet", 1)).toBe("v1.2-00001.parquet");
    expect(numberedName("plain", 12)).toBe("plain-00012");
    expect(numberedName(".hidden", 1)).toBe(".hidden-00001");
    expect(numberedName("many.csv", 123_456)).toBe("many-123456.csv");
  });
});
