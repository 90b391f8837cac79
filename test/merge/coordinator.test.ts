/** Bundles to files through the real core: what lands on disk, what goes back, what is kept. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openPool } from "../../src/broker/index.ts";
import { MERGE_WORKER, MergeCoordinator, verifyManifest } from "../../src/merge/index.ts";
import {
  countFiles,
  ended,
  fileOf,
  jsonLines,
  openWorld,
  specOf,
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

const LINES = { payload: { command: ["true"] }, output: { name: "all.jsonl", merge: "jsonl" } };

function resultText(name: string): string {
  return readFileSync(join(world.results, name), "utf8");
}

describe("a task whose ranges are all done", () => {
  it("becomes one file in event order, with a certificate, and leaves nothing behind", async () => {
    const files = [fileOf("/in/a", 7), fileOf("/in/empty", 0), fileOf("/in/a", 5)];
    const task = await submit(
      world,
      { ...LINES, name: "lines", input: { count: 1 }, eventsPerRange: 3 },
      files,
    );
    const tables = new Map([[task, tableOf(files, 3)]]);
    await world.coordinator.start();
    const pilot = new TestPilot(world, { tables, outputOf: jsonLines });
    await pilot.work(5);
    await pilot.leave();
    const view = await ended(world, task);
    await world.coordinator.idle();
    const expected = [0, 1, 2, 3, 4, 5, 6].map((e) => `{"file":0,"entry0":${e}}\n`);
    expected.push(...[0, 1, 2, 3, 4].map((e) => `{"file":2,"entry0":${e}}\n`));
    expect(view.state).toBe("done");
    expect(resultText("all.jsonl")).toBe(expected.join(""));
    const certificate = await verifyManifest(view.manifest);
    expect(certificate).toMatchObject({
      ok: true,
      ranges: 5,
      events: 12,
      covered: 12,
      failed: 0,
      missing: 0,
      duplicated: 0,
    });
    expect(readdirSync(world.results).sort()).toEqual(["all.jsonl", "all.jsonl.manifest.arrow"]);
    await expect.poll(() => existsSync(pilot.bundlePaths[0]!)).toBe(false);
  });

  it("is cut into several files at the first range boundary at or after", async () => {
    const files = countFiles(10);
    const output = { ...LINES.output, eventsPerFile: 4 };
    const task = await submit(
      world,
      { ...LINES, name: "cut", input: { count: 10 }, eventsPerRange: 3, output },
      files,
    );
    await world.coordinator.start();
    const tables = new Map([[task, tableOf(files, 3)]]);
    const pilot = new TestPilot(world, { tables, outputOf: jsonLines });
    await pilot.work(4);
    const view = await ended(world, task);
    expect(view.files.map((file) => [file.firstRange, file.ranges])).toEqual([
      [0, 2],
      [2, 2],
    ]);
    expect(resultText("all-00000.jsonl").split("\n").length - 1).toBe(6);
    expect(resultText("all-00001.jsonl").split("\n").length - 1).toBe(4);
    expect((await verifyManifest(view.manifest)).ok).toBe(true);
    await pilot.leave();
  });

  it("merges the same bytes whoever did what", async () => {
    const texts: string[] = [];
    for (const pilots of [1, 2, 3]) {
      const files = countFiles(40);
      const task = await submit(
        world,
        { ...LINES, name: `by-${pilots}`, input: { count: 40 }, eventsPerRange: 3 },
        files,
      );
      if (pilots === 1) await world.coordinator.start();
      const tables = new Map([[task, tableOf(files, 3)]]);
      const crew = Array.from(
        { length: pilots },
        () => new TestPilot(world, { tables, outputOf: jsonLines }),
      );
      for (const pilot of crew) void pilot.work(1, 2);
      await ended(world, task);
      texts.push(resultText("all.jsonl"));
      for (const pilot of crew) await pilot.leave();
    }
    expect(new Set(texts).size).toBe(1);
  });
});

describe("a task without any output", () => {
  it("merges to an empty file with a manifest of every range", async () => {
    const files = countFiles(1000);
    const task = await submit(
      world,
      {
        ...LINES,
        name: "null",
        input: { count: 1000 },
        payload: { command: [":null"] },
        output: { ...LINES.output, allowEmpty: true },
      },
      files,
    );
    await world.coordinator.start();
    const tables = new Map([[task, tableOf(files, 1)]]);
    const pilot = new TestPilot(world, { tables, outputOf: () => null });
    void pilot.work(1000, 500);
    const view = await ended(world, task);
    expect(resultText("all.jsonl")).toBe("");
    expect(await verifyManifest(view.manifest)).toMatchObject({ ok: true, covered: 1000 });
    await pilot.leave();
  });
});

describe("pilots that leave one after the other", () => {
  it("have their bundles looked for together", async () => {
    let looks = 0;
    const { client } = world.engine;
    const coordinator = new MergeCoordinator(
      {
        ask: (name, ask) => {
          if (name === "disposable") looks++;
          return client.ask(name, ask);
        },
        onEvent: (listener) => client.onEvent(listener),
      },
      {
        runJob: () => Promise.reject(new Error("nothing is merged")),
        keepBundles: false,
        log() {},
      },
    );
    await coordinator.start();
    const files = countFiles(100_000);
    const input = { count: 100_000 };
    const task = await submit(world, { ...LINES, name: "left", input }, files);
    const tables = new Map([[task, tableOf(files, 1)]]);
    const pilots = Array.from(
      { length: 50 },
      () => new TestPilot(world, { tables, outputOf: jsonLines }),
    );
    for (const pilot of pilots) {
      await pilot.work(1, 1);
      await pilot.leave();
    }
    expect(looks).toBeLessThan(10);
    // All are gone when the task is cancelled.
    await sleep(400);
    const left = () => pilots.filter(({ bundlePaths }) => existsSync(bundlePaths[0]!)).length;
    expect(left()).toBe(50);
    await client.ask("cancel", { task });
    await expect.poll(left, { timeout: 5_000 }).toBe(0);
    await coordinator.stop();
  });

  it("and are still to be looked after when the engine stops have it done then", async () => {
    await world.coordinator.start();
    const files = countFiles(100);
    const spec = { ...LINES, name: "last", input: { count: 100 } };
    const task = await submit(world, spec, files);
    const tables = new Map([[task, tableOf(files, 1)]]);
    const pilot = new TestPilot(world, { tables, outputOf: jsonLines });
    await pilot.work(1, 1);
    await world.engine.client.ask("cancel", { task });
    await sleep(400);
    expect(existsSync(pilot.bundlePaths[0]!)).toBe(true);
    const gone = new Promise<void>((resolve) => {
      world.engine.client.onEvent((event) => {
        if (event.type === "pilot" && !event.joined) resolve();
      });
    });
    await pilot.leave();
    await gone;
    await world.coordinator.stop();
    expect(existsSync(pilot.bundlePaths[0]!)).toBe(false);
  });
});

describe("merge jobs", () => {
  it("run in the engine's pool beside a core in its own thread", async () => {
    const other = temporaryFolder();
    const threaded = await openWorld(other.path, { inline: false });
    const pool = openPool(1);
    const coordinator = new MergeCoordinator(threaded.engine.client, {
      runJob: (job) => pool.run(job, { filename: MERGE_WORKER.href }),
      keepBundles: false,
      log: () => {},
    });
    await coordinator.start();
    const files = countFiles(9);
    const task = await submit(threaded, { ...LINES, name: "pool", input: { count: 9 } }, files);
    const tables = new Map([[task, tableOf(files, 1)]]);
    const pilot = new TestPilot(threaded, { tables, outputOf: jsonLines });
    await pilot.work(9);
    await pilot.leave();
    const view = await ended(threaded, task);
    expect(view).toMatchObject({ state: "done", problem: "" });
    expect((await verifyManifest(view.manifest)).ok).toBe(true);
    await coordinator.stop();
    await pool.close();
    await threaded.close();
    other.remove();
  });

  it("that meet a folder that can't be written end the task with that reason", async () => {
    const files = countFiles(2);
    writeFileSync(join(folder.path, "file"), "");
    const spec = specOf(
      { folder: folder.path, results: join(folder.path, "file", "results") },
      { ...LINES, name: "nowhere", input: { count: 2 } },
    );
    const { task } = await world.engine.client.ask("submit", { spec, files });
    await world.coordinator.start();
    const tables = new Map([[task, tableOf(files, 1)]]);
    const pilot = new TestPilot(world, { tables, outputOf: jsonLines });
    void pilot.work(2);
    const view = await ended(world, task);
    expect(view.state).toBe("failed");
    expect(view.problem).toContain("ENOTDIR");
    await pilot.leave();
  });
});

describe("failed ranges", () => {
  it("are left out and listed with their reason", async () => {
    const files = countFiles(10);
    const task = await submit(
      world,
      { ...LINES, name: "holes", input: { count: 10 }, eventsPerRange: 2, attempts: 1 },
      files,
    );
    await world.coordinator.start();
    const tables = new Map([[task, tableOf(files, 2)]]);
    const outputOf = (at: Parameters<typeof jsonLines>[0]) =>
      at.range === 2 ? { failed: "no luck" } : jsonLines(at);
    const pilot = new TestPilot(world, { tables, outputOf });
    void pilot.work(5);
    const view = await ended(world, task);
    expect(view.state).toBe("failed");
    expect(resultText("all.jsonl")).not.toContain('"entry0":4');
    const certificate = await verifyManifest(view.manifest);
    expect(certificate).toMatchObject({ ok: true, covered: 8, failed: 2 });
    await pilot.leave();
  });
});
