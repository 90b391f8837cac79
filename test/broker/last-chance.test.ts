/** Ranges that one more lost pilot would end are granted one at a time; slots must not wait for them. */
import { describe, expect, it } from "vitest";
import { CoreBench } from "./core-bench.ts";

const nodes = (slots: number) => [{ name: "n", cores: slots, gpus: 0, memoryMiB: 1, slots }];

/** Ranges by task that the pilot was granted. */
function granted(bench: CoreBench, connection: number): Record<number, number> {
  const ranges: Record<number, number> = {};
  for (const message of bench.heard(connection)) {
    if (message.type !== "welcome" && message.type !== "grant") continue;
    const { spans } = message.type === "welcome" ? message.grant : message;
    for (const { task, size, count } of spans) {
      for (let i = 0; i < size; i++) ranges[task] = (ranges[task] ?? 0) + (count[i] as number);
    }
  }
  return ranges;
}

/** A pilot takes `ranges` of the only task, starts them and is lost with them. */
function lose(bench: CoreBench, connection: number, ranges: number): void {
  bench.hello(connection, { nodes: nodes(ranges), want: ranges, freeSlots: ranges });
  for (const message of bench.heard(connection)) {
    if (message.type !== "welcome") continue;
    bench.say(connection, { type: "started", spans: message.grant.spans });
  }
  bench.core.closed(connection);
  bench.core.endOfBatch();
  bench.pass(6_000);
}

describe("ranges at their last chance", () => {
  it("go to a pilot one at a time, and its other slots get another task's ranges", () => {
    const bench = new CoreBench();
    const first = bench.task(20, { losses: 2, name: "first" });
    lose(bench, 1, 20);
    const second = bench.task(100, { name: "second" });
    bench.hello(2, { nodes: nodes(8), want: 8, freeSlots: 8 });
    expect(granted(bench, 2)).toEqual({ [first]: 1, [second]: 7 });
    const { lines } = bench.ask("explainPilot", { pilot: "pilot-2" }).answer ?? { lines: [] };
    expect(lines.join("\n")).toContain("a range that one more lost pilot would end");
    bench.core.check();
  });

  it("are charged to their owner only where they were leased", () => {
    const bench = new CoreBench();
    const first = bench.task(40, { losses: 2, name: "first", owner: "a" });
    lose(bench, 1, 40);
    const second = bench.task(1_000, { name: "second", owner: "b" });
    // 32 of them have one of a's ranges each: a was served no more than that.
    for (let pilot = 2; pilot < 34; pilot++) {
      bench.hello(pilot, { nodes: nodes(8), want: 8, freeSlots: 8 });
      expect(granted(bench, pilot)).toEqual({ [first]: 1, [second]: 7 });
    }
    bench.core.check();
  });
});
