/** `retry` after a merge: failed ranges come back into the merged file, a failed merge is repeated. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { verifyManifest } from "../../src/merge/index.ts";
import {
  countFiles,
  ended,
  jsonLines,
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

const ALL = Array.from({ length: 10 }, (_, e) => `{"file":0,"entry0":${e}}\n`).join("");

describe("retry", () => {
  it("of failed ranges merges anew with what comes back", async () => {
    const files = countFiles(10);
    const payload = { command: ["true"] };
    const output = { name: "all.jsonl", merge: "jsonl" };
    const spec = {
      name: "again",
      input: { count: 10 },
      eventsPerRange: 2,
      attempts: 1,
      payload,
      output,
    };
    const task = await submit(world, spec, files);
    await world.coordinator.start();
    const tables = new Map([[task, tableOf(files, 2)]]);
    let lucky = false;
    const outputOf = (at: RangeAt) =>
      at.range === 2 && !lucky ? { failed: "no luck" } : jsonLines(at);
    const pilot = new TestPilot(world, { tables, outputOf });
    void pilot.work(5);
    expect((await ended(world, task)).state).toBe("failed");
    await pilot.leave();
    await world.coordinator.idle();
    expect(existsSync(pilot.bundlePaths[0]!)).toBe(true);
    lucky = true;
    expect(await world.engine.client.ask("retry", { task })).toEqual({ ranges: 1 });
    const second = new TestPilot(world, { tables, outputOf });
    void second.work(1);
    const view = await ended(world, task);
    expect(view.state).toBe("done");
    expect(readFileSync(join(world.results, "all.jsonl"), "utf8")).toBe(ALL);
    expect(await verifyManifest(view.manifest)).toMatchObject({ ok: true, covered: 10, failed: 0 });
    await second.leave();
  });

  it("of a merge that could not be done does it again", async () => {
    const files = countFiles(10);
    const allow = join(folder.path, "allow");
    const script = `[ -e ${allow} ] && while read -r f; do cat "$f"; done < "$1" > "$2"`;
    const output = {
      name: "all.txt",
      merge: "command",
      command: ["sh", "-c", script, "merge", "{inputs}", "{output}"],
    };
    const payload = { command: ["true"] };
    const task = await submit(
      world,
      { name: "merge-again", input: { count: 10 }, payload, output },
      files,
    );
    await world.coordinator.start();
    const tables = new Map([[task, tableOf(files, 1)]]);
    const pilot = new TestPilot(world, { tables, outputOf: jsonLines });
    void pilot.work(10);
    const failed = await ended(world, task);
    expect(failed).toMatchObject({ state: "failed" });
    expect(failed.problem).toContain("exit code 1");
    await pilot.leave();
    writeFileSync(allow, "");
    await world.engine.client.ask("retry", { task });
    expect(await ended(world, task)).toMatchObject({ state: "done", problem: "" });
    expect(readFileSync(join(world.results, "all.txt"), "utf8")).toBe(ALL);
  });
});
