/**
 * Walltimes that end in mid-task, on real processes that burn CPU by a heavy-tailed law: what had
 * finished is never done again, little time passes between a stop and the wall, and `show` tells
 * where the core-seconds went. A third pilot then ends the task, and its bytes are exact.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { node, payload, until, useBench, writeTask } from "./support/bench.ts";
import { countedText } from "./support/counted.ts";
import { expectFinal } from "./support/documents.ts";
import { Serving } from "./support/serving.ts";

const bench = useBench();
const TIMEOUT_MS = 120_000;
const EVENTS = 140;
const WALL_SECONDS = 6;
const LEAD_SECONDS_MAX = 1;

interface Split {
  readonly total: number;
  readonly useful: number;
  readonly startup: number;
  readonly edge: number;
  readonly idle: number;
}

interface Shown {
  readonly split: Split;
  readonly forecast: { readonly seconds: number };
  readonly allocations: readonly { allocation: string; taskCoreSeconds: number; split: Split }[];
}

/** How often each range started, and which had ended, from the payloads' side file. */
function sideOf(path: string): { starts: Map<number, number>; ended: Set<number> } {
  const starts = new Map<number, number>();
  const ended = new Set<number>();
  for (const line of readFileSync(path, "utf8").trimEnd().split("\n")) {
    const [what, range] = line.split(" ");
    if (what === "end") ended.add(Number(range));
    else starts.set(Number(range), (starts.get(Number(range)) ?? 0) + 1);
  }
  return { starts, ended };
}

/** Seconds before the wall at which a pilot stopped what still ran; null: nothing did. */
function leadOf(log: string): number | null {
  const found = /stopping \d+ range\(s\): the walltime ends, ([\d.]+) s left/.exec(log);
  return found ? Number(found[1]) : null;
}

test("two walls in mid-task cost what was running, and a third pilot ends it exactly", {
  timeout: TIMEOUT_MS,
}, async () => {
  const serving = new Serving(bench);
  await serving.start();
  const side = join(serving.folder, "side");
  const id = await serving.submit(
    writeTask(serving.folder, {
      name: "skewed",
      input: { count: EVENTS },
      payload: { mode: "stream", command: [node, payload("skewed.ts"), side, "0.1", "1.2"] },
      output: { name: "skewed.jsonl", merge: "jsonl", recordsPerEvent: 1 },
      seed: 7,
    }),
  );
  const wall = ["--walltime", `${WALL_SECONDS}s`, "--queue", "q"];
  const pilots = ["one", "two"].map((name) =>
    serving.pilot(1, [...wall, "--allocation", name, "--id", name]),
  );
  const ends = await Promise.all(pilots.map((pilot) => pilot.ended));
  expect(ends.map(({ code }) => code)).toEqual([0, 0]);
  const before = sideOf(side);
  await until("their leases' end", async () => (await serving.show(id)).ranges.leased === 0);
  const halfway = await serving.show(id);
  // All that had ended is done, and nothing else is.
  expect(halfway.ranges.done).toBe(before.ended.size);
  expect(halfway.ranges.ready).toBe(EVENTS - before.ended.size);
  expect(before.ended.size).toBeGreaterThan(0);
  const leads = ends.map(({ stderr }) => leadOf(stderr)).filter((lead) => lead !== null);
  for (const lead of leads) expect(lead).toBeLessThan(LEAD_SECONDS_MAX);

  const { allocations, split } = halfway as unknown as Shown;
  expect(allocations.map(({ allocation }) => allocation).sort()).toEqual(["one", "two"]);
  for (const { split: one, taskCoreSeconds } of allocations) {
    const { total, useful, startup, edge, idle } = one;
    expect(useful + startup + edge + idle).toBeCloseTo(total, 6);
    expect(total).toBeLessThan(2 * WALL_SECONDS);
    expect(taskCoreSeconds).toBe(useful);
  }
  expect(split.useful).toBeGreaterThan(0);
  expect(split.startup).toBeGreaterThan(0);
  const shown = await serving.ask(["show", String(id)]);
  expect(shown.stdout).toMatch(/cores {4}\d+ core-s: [\d.]+ % useful, [\d.]+ % start-up, /);
  expect(shown.stdout).toMatch(/ {4}q\/one \(ended\): \d+ core-s/);
  expect(shown.stdout).toMatch(/done {5}unknown: no connected pilot can take its ranges/);
  const share = (part: number) => `${((100 * part) / split.total).toFixed(1)} %`;
  console.log(
    `two walls of ${WALL_SECONDS} s: ${before.ended.size} of ${EVENTS} ranges, ` +
      `${share(split.useful)} useful, ${share(split.startup)} start-up, ${share(split.edge)} edge, ` +
      `${share(split.idle)} idle; leads ${leads.map((lead) => lead.toFixed(2)).join(", ")} s`,
  );

  serving.pilot(2, ["--id", "three"]);
  const document = await serving.wait(id);
  expectFinal(document, EVENTS);
  expect(readFileSync(document.files[0]?.path ?? "", "utf8")).toBe(countedText(EVENTS));
  const after = sideOf(side);
  const again = [...before.ended].filter((range) => (after.starts.get(range) ?? 0) > 1);
  expect(again).toEqual([]);
  await serving.stop();
});
