/** What the merge finds wrong goes back to the pilots, and ends: by a good output or as failed. */
import { closeSync, openSync, readFileSync, rmSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { tableFromArrays, tableToIPC } from "apache-arrow";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bundleUri, openBundle } from "../../src/bundle/index.ts";
import { verifyManifest } from "../../src/merge/index.ts";
import {
  countFiles,
  ended,
  jsonLines,
  type OutputOf,
  openWorld,
  type RangeAt,
  submit,
  TestPilot,
  tableOf,
  temporaryFolder,
  type World,
} from "./harness.ts";

let folder: ReturnType<typeof temporaryFolder>;
let world: World;

beforeEach(async () => {
  folder = temporaryFolder();
  world = await openWorld(folder.path);
});
afterEach(async () => {
  await world.close();
  folder.remove();
});

async function task(name: string, extra: object, events = 12, perRange = 2) {
  const files = countFiles(events);
  const id = await submit(
    world,
    {
      name,
      input: { count: events },
      eventsPerRange: perRange,
      payload: { command: ["true"] },
      output: { name: "all.jsonl", merge: "jsonl" },
      ...extra,
    },
    files,
  );
  return {
    id,
    tables: new Map([[id, tableOf(files, perRange)]]),
    ranges: Math.ceil(events / perRange),
  };
}

/** Lines of 6 ranges of 2 events. */
const ALL = Array.from({ length: 12 }, (_, e) => `{"file":0,"entry0":${e}}\n`).join("");
const resultText = (): string => readFileSync(join(world.results, "all.jsonl"), "utf8");

/** Does all ranges, with a bundle for each half, before any merge looks at them. */
async function doneBefore(name: string, extra: object = {}, outputOf: OutputOf = jsonLines) {
  const made = await task(name, extra);
  const pilot = new TestPilot(world, { tables: made.tables, outputOf, closeBundles: true });
  await pilot.work(made.ranges, 3);
  await pilot.leave();
  return { ...made, pilot };
}

async function mergeWith(made: { id: number; tables: TestPilotTables }, outputOf: OutputOf) {
  const counted = new Map<number, number>();
  const second = new TestPilot(world, {
    tables: made.tables,
    outputOf: (at) => {
      counted.set(at.range, (counted.get(at.range) ?? 0) + 1);
      return outputOf(at);
    },
  });
  void second.work(Number.POSITIVE_INFINITY);
  await world.coordinator.start();
  const view = await ended(world, made.id);
  await second.leave();
  return { view, again: counted };
}
type TestPilotTables = ConstructorParameters<typeof TestPilot>[1]["tables"];

describe("a damaged bundle", () => {
  it("that is gone is done again as a whole, uncharged", async () => {
    const made = await doneBefore("gone", { attempts: 1 });
    rmSync(made.pilot.bundlePaths[0]!);
    const { view, again } = await mergeWith(made, jsonLines);
    expect(view.state).toBe("done");
    expect([...again.keys()].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(resultText()).toBe(ALL);
    expect((await verifyManifest(view.manifest)).ok).toBe(true);
  });

  it("with one bad byte gives back that range only, uncharged", async () => {
    const made = await doneBefore("flipped", { attempts: 1 });
    const path = made.pilot.bundlePaths[0]!;
    const reader = await openBundle(bundleUri(path));
    const member = [...reader.members()].find((each) => each.range === 3)!;
    await reader.close();
    const fd = openSync(path, "r+");
    writeSync(fd, "X", member.offset + 2);
    closeSync(fd);
    const { view, again } = await mergeWith(made, jsonLines);
    expect(view.state).toBe("done");
    expect([...again]).toEqual([[3, 1]]);
    expect(resultText()).toBe(ALL);
    expect(view.attempts).toBe(7);
  });

  it("that was cut off gives back what was behind the cut", async () => {
    const made = await doneBefore("cut");
    const path = made.pilot.bundlePaths[0]!;
    const reader = await openBundle(bundleUri(path));
    const member = [...reader.members()].find((each) => each.range === 4)!;
    await reader.close();
    truncateSync(path, member.offset + 1);
    const { view, again } = await mergeWith(made, jsonLines);
    expect(view.state).toBe("done");
    expect([...again.keys()].sort()).toEqual([4, 5]);
    expect(resultText()).toBe(ALL);
  });

  it("of a pilot that died, without a central directory, merges as it is", async () => {
    const made = await task("salvaged", {});
    const options = { tables: made.tables, outputOf: jsonLines, closeBundles: false };
    const pilot = new TestPilot(world, options);
    await pilot.work(made.ranges);
    await pilot.leave();
    const reader = await openBundle(bundleUri(pilot.bundlePaths[0]!));
    expect(reader.salvaged).toBe(true);
    await reader.close();
    await world.coordinator.start();
    expect((await ended(world, made.id)).state).toBe("done");
    expect(resultText()).toBe(ALL);
  });
});

describe("an output that is unfit", () => {
  it("is charged, done again, and merges when it comes out right", async () => {
    let tries = 0;
    const outputOf = (at: RangeAt): Uint8Array =>
      at.range === 2 && tries++ === 0 ? Buffer.from("{not json\n") : jsonLines(at);
    const made = await doneBefore("once-bad", { attempts: 3 }, outputOf);
    const { view, again } = await mergeWith(made, outputOf);
    expect(view.state).toBe("done");
    expect([...again]).toEqual([[2, 1]]);
    expect(resultText()).toBe(ALL);
  });

  it("every time ends as failed with its reason, and the rest is merged", async () => {
    const outputOf = (at: RangeAt): Uint8Array =>
      at.range === 2 ? Buffer.from("{not json\n") : jsonLines(at);
    const made = await doneBefore("always-bad", { attempts: 2 }, outputOf);
    const { view, again } = await mergeWith(made, outputOf);
    expect(view.state).toBe("failed");
    expect([...again]).toEqual([[2, 1]]);
    expect(view.failures[0]).toMatchObject({ ranges: 1, example: 2 });
    expect(view.failures[0]!.reason).toContain("unfit for the merge");
    expect(await verifyManifest(view.manifest)).toMatchObject({ ok: true, covered: 10, failed: 2 });
  });

  it("with attempts spent at once is merged without waiting for anybody", async () => {
    const outputOf = (at: RangeAt): Uint8Array =>
      at.range === 5 ? Buffer.from("[1,\n") : jsonLines(at);
    const made = await doneBefore("one-try", { attempts: 1 }, outputOf);
    await world.coordinator.start();
    const view = await ended(world, made.id);
    expect(view.ranges).toMatchObject({ failed: 1 });
    expect(resultText()).not.toContain('"entry0":10');
  });

  it("by its header can't go round for ever: CSV headers, LHE init blocks", async () => {
    const lhe = (at: RangeAt, init: string): Uint8Array =>
      Buffer.from(
        `<LesHouchesEvents version="1.0">\n<init>\n2212 2212 ${init}\n</init>\n` +
          `<event>\n${at.start}\n</event>\n</LesHouchesEvents>\n`,
      );
    for (const [merge, outputOf] of [
      ["csv", (at: RangeAt) => Buffer.from(`a,b${at.range === 1 ? ",c" : ""}\n1,2\n`)],
      ["lhe", (at: RangeAt) => lhe(at, at.range === 1 ? "7000" : "6500")],
    ] as const) {
      const output = { name: `all.${merge}`, merge };
      const made = await doneBefore(`header-${merge}`, { attempts: 2, output }, outputOf);
      const { view } = await mergeWith(made, outputOf);
      expect(view.ranges, merge).toMatchObject({ failed: 1, merged: 5 });
      expect((await verifyManifest(view.manifest)).ok).toBe(true);
    }
  });

  it("in arrow has its rows counted here, where pilots can't count them", async () => {
    const rows = (count: number): Uint8Array =>
      tableToIPC(
        tableFromArrays({ x: Float64Array.from({ length: count }, (_, i) => i) }),
        "stream",
      );
    const outputOf = (at: RangeAt): Uint8Array => rows(at.range === 4 ? 1 : at.count);
    const output = { name: "all.arrow", merge: "arrow", recordsPerEvent: 1 };
    const made = await doneBefore("rows", { attempts: 1, output }, outputOf);
    await world.coordinator.start();
    const view = await ended(world, made.id);
    expect(view.ranges).toMatchObject({ failed: 1, merged: 5 });
    expect(view.failures[0]!.reason).toContain("1 records (2 events give 2");
  });
});
