/** `merge: command`: what the program is given, what it must do, what is left of it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { verifyManifest } from "../../src/merge/index.ts";
import {
  countFiles,
  ended,
  jsonLines,
  openWorld,
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

/** A shell script with the list of inputs as $1 and the output as $2. */
function shell(script: string): string[] {
  return ["sh", "-c", script, "merge", "{inputs}", "{output}"];
}

async function mergedBy(name: string, command: string[], environment: object = {}) {
  const files = countFiles(25);
  const output = { name: "all.txt", merge: "command", command };
  const payload = { command: ["true"], environment };
  const task = await submit(
    world,
    { name, input: { count: 25 }, eventsPerRange: 2, payload, output },
    files,
  );
  await world.coordinator.start();
  const tables = new Map([[task, tableOf(files, 2)]]);
  const pilot = new TestPilot(world, { tables, outputOf: jsonLines });
  void pilot.work(13);
  const view = await ended(world, task);
  await pilot.leave();
  return view;
}

const CAT = 'while read -r file; do cat "$file"; done < "$1" > "$2"';
const ALL = Array.from({ length: 25 }, (_, e) => `{"file":0,"entry0":${e}}\n`).join("");

describe("merge: command", () => {
  it("gets the outputs listed in event order and its result is made durable", async () => {
    const view = await mergedBy("cat", shell(CAT));
    expect(view.state).toBe("done");
    expect(readFileSync(join(world.results, "all.txt"), "utf8")).toBe(ALL);
    expect((await verifyManifest(view.manifest)).ok).toBe(true);
    expect(readdirSync(world.results).sort()).toEqual(["all.txt", "all.txt.manifest.arrow"]);
  });

  it("sees the payload's environment and nothing else of the engine's", async () => {
    process.env["JUMBO_MERGE_SECRET"] = "visible";
    try {
      await mergedBy("env", shell('env > "$2"'), { SET: "here" });
    } finally {
      delete process.env["JUMBO_MERGE_SECRET"];
    }
    const text = readFileSync(join(world.results, "all.txt"), "utf8");
    expect(text).toContain("SET=here");
    expect(text).not.toContain("JUMBO_MERGE_SECRET");
  });

  it("that exits badly ends the task with what it said", async () => {
    const view = await mergedBy("bad", shell("echo too many muons >&2; exit 3"));
    expect(view.state).toBe("failed");
    expect(view.problem).toContain("exit code 3");
    expect(view.problem).toContain("too many muons");
    expect(existsSync(join(world.results, "all.txt"))).toBe(false);
  });

  it("that exits 0 without its output, or can't be started, ends the task too", async () => {
    expect((await mergedBy("silent", shell(":"))).problem).toContain("wrote no output");
    expect(
      (await mergedBy("absent", ["/no/such/program", "{inputs}", "{output}"])).problem,
    ).toContain("ENOENT");
  });

  it("leaves no process behind that could still write", async () => {
    const late = join(folder.path, "late");
    const script = `(sleep 0.4; echo late > ${late}) & echo done > "$2"`;
    const view = await mergedBy("straggler", shell(script));
    expect(view.state).toBe("done");
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(existsSync(late)).toBe(false);
  });

  it("is stopped, with its whole group, when the engine stops", async () => {
    const started = join(folder.path, "started");
    const over = join(folder.path, "over");
    const script = `(sleep 1; echo x > ${over}) & echo $$ > ${started}; sleep 20; echo x > ${over}`;
    void mergedBy("hanging", shell(script)).catch(() => undefined);
    await expect.poll(() => existsSync(started)).toBe(true);
    const startedMs = performance.now();
    await world.coordinator.stop();
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(existsSync(over)).toBe(false);
    expect(existsSync(join(world.results, "all.txt"))).toBe(false);
  });
});
