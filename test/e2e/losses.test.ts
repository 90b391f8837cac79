/**
 * Pilots that die, bundles that are damaged, grants that are lost: each costs what the documents
 * say and nothing else, and the merged file is the undisturbed one.
 */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { node, payload, until, useBench, writeTask } from "./support/bench.ts";
import { countedTask, countedText, startsByRange } from "./support/counted.ts";
import { documentOf, expectFinal, manifestRows } from "./support/documents.ts";
import { Serving } from "./support/serving.ts";

const bench = useBench();
const TIMEOUT_MS = 120_000;
/** Local pilots end within a quarter of a second when their engine is gone. */
const PILOTS_END_MS = 1_500;

test.concurrent.each(["once", "stream"] as const)(
  "an event that kills its pilot each time fails after its losses, its neighbours are done (%s)",
  {
    timeout: TIMEOUT_MS,
  },
  async (mode) => {
    const folder = bench.place();
    const words = [node, payload("misbehaving.ts"), mode, "kill-pilot"];
    const task = writeTask(folder, {
      name: "killer",
      input: { count: 30 },
      payload: {
        mode,
        command: mode === "once" ? [...words, "{start}", "{count}", "{output}"] : words,
      },
      output: { name: "killer.jsonl", merge: "jsonl", recordsPerEvent: 1 },
      losses: 3,
    });
    const args = ["run", task, "--slots", "4", "--results", folder, "--output", "json"];
    const document = documentOf(await bench.jumbo(args, { timeoutMs: TIMEOUT_MS }), 1);
    expectFinal(document, 29, 1);
    expect(document.failures).toEqual([
      { reason: "the pilot vanished while it ran", ranges: 1, example: 5 },
    ]);
    const failed = manifestRows(document.manifest).filter((row) => row["state"] === "failed");
    expect(failed).toMatchObject([{ attempt: 3, firstEvent0: 5n }]);
  },
);

const RANGES = 60;
const EVENTS_PER_RANGE = 5;
const EVENTS = RANGES * EVENTS_PER_RANGE;

function slowTask(folder: string, more: Record<string, unknown> = {}) {
  return countedTask({
    mode: "stream",
    events: EVENTS,
    eventsPerRange: EVENTS_PER_RANGE,
    starts: join(folder, "starts"),
    millisecondsPerRange: 40,
    more,
  });
}

const startsIn = (folder: string): number => {
  try {
    return startsByRange(join(folder, "starts")).size;
  } catch {
    return 0;
  }
};

function bundlesIn(folder: string): string[] {
  const paths = readdirSync(folder).map((name) => join(folder, name));
  return paths.filter((path) => path.endsWith(".zip") && statSync(path).size > 0);
}

/** One byte of the first member's content becomes another. */
function corrupt(bundle: string): void {
  const bytes = readFileSync(bundle);
  const at = bytes.indexOf('"draw":"') + 8;
  expect(at).toBeGreaterThan(8);
  bytes[at] = bytes[at] === 0x7a ? 0x79 : 0x7a;
  writeFileSync(bundle, bytes);
}

test.concurrent.each([
  ["deleted", (bundle: string) => rmSync(bundle)],
  ["corrupted", corrupt],
] as const)(
  "a bundle %s before the merge is reopened and done again",
  { timeout: TIMEOUT_MS },
  async (_how, damage) => {
    const folder = bench.place();
    const store = join(folder, "store");
    const task = writeTask(folder, slowTask(folder));
    const args = ["run", task, "--store", store, "--results", folder, "--slots", "2"];
    const life = bench.start([...args, "--inline"], { timeoutMs: TIMEOUT_MS });
    await until("half of the ranges", () => life.over || startsIn(folder) >= RANGES / 2);
    await life.kill9();
    await sleep(PILOTS_END_MS);
    const bundles = bundlesIn(join(store, "bundles"));
    // A pilot that for a moment held nothing of the task has closed its first one.
    expect(bundles.length).toBeGreaterThan(0);
    const before = startsIn(folder);
    for (const bundle of bundles) damage(bundle);
    const again = await bench.jumbo([...args, "--output", "json"], { timeoutMs: TIMEOUT_MS });
    expectFinal(documentOf(again), RANGES);
    expect(readFileSync(join(folder, "counted.jsonl"), "utf8")).toBe(countedText(EVENTS));
    const starts = startsByRange(join(folder, "starts"));
    const twice = [...starts.values()].filter((count) => count > 1).length;
    // All that the bundle held, and never what was done after it.
    expect(twice).toBeGreaterThan(0);
    expect(twice).toBeLessThanOrEqual(before);
  },
);

test.concurrent("a dead pilot's bundle without central directory is merged", {
  timeout: TIMEOUT_MS,
}, async () => {
  const serving = new Serving(bench);
  await serving.start(["--lease-term", "2s", "--keep-bundles"]);
  const id = await serving.submit(writeTask(serving.folder, slowTask(serving.folder)));
  const first = serving.pilot(2, ["--id", "first"]);
  await until("half of the ranges", () => startsIn(serving.folder) >= RANGES / 2);
  // Reports come behind what has started, on a busy machine far behind.
  await until("its reports", async () => (await serving.done(id)) > RANGES / 4);
  await first.kill9();
  const [orphan] = bundlesIn(serving.bundles) as [string];
  const endOfDirectory = Buffer.from([0x50, 0x4b, 5, 6]);
  expect(readFileSync(orphan).includes(endOfDirectory)).toBe(false);
  serving.pilots.splice(0);
  serving.pilot(2, ["--id", "second"]);
  const document = await serving.wait(id);
  expectFinal(document, RANGES);
  const merged = readFileSync(document.files[0]?.path ?? "", "utf8");
  expect(merged).toBe(countedText(EVENTS));
  const byPilot = new Map<unknown, number>();
  for (const row of manifestRows(document.manifest)) {
    byPilot.set(row["pilot"], (byPilot.get(row["pilot"]) ?? 0) + 1);
  }
  expect([...byPilot.keys()].sort()).toEqual(["first", "second"]);
  expect(byPilot.get("first")).toBeGreaterThan(RANGES / 4);
  await serving.stop();
});

test.concurrent.each([
  ["before-commit", 4],
  ["before-flush", 7],
  ["after-put", 9],
])(
  "what a crash at %s, hit %d, forgot is never taken for what came after",
  { timeout: TIMEOUT_MS },
  async (point, hit) => {
    const folder = bench.place();
    const task = writeTask(folder, slowTask(folder));
    const place = ["--store", join(folder, "store"), "--results", folder, "--slots", "2"];
    const args = ["run", task, ...place, "--keep-bundles", "--output", "json"];
    const env = { JUMBO_KILL_POINT: `${point}:${hit}` };
    const life = await bench.jumbo([...args, "--inline"], { env, timeoutMs: TIMEOUT_MS });
    expect(life.signal).toBe("SIGKILL");
    const document = documentOf(await bench.jumbo(args, { timeoutMs: TIMEOUT_MS }));
    expectFinal(document, RANGES);
    expect(readFileSync(join(folder, "counted.jsonl"), "utf8")).toBe(countedText(EVENTS));
    const rows = manifestRows(document.manifest);
    const fences = rows.map((row) => `${row["epoch"]}.${row["lease"]}.${row["range"]}`);
    expect(new Set(fences).size).toBe(RANGES);
    // The second life's leases are of its own epoch.
    expect(Math.max(...rows.map((row) => Number(row["epoch"])))).toBeGreaterThan(1);
  },
);
