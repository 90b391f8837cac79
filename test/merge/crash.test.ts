/**
 * kill -9 in the middle of a merge, at every point where something has just become durable or is
 * about to: the next life ends with the same bytes, the same manifest, and nothing left behind.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyManifest } from "../../src/merge/index.ts";
import {
  countFiles,
  jsonLines,
  openWorld,
  submit,
  TestPilot,
  tableOf,
  temporaryFolder,
} from "./harness.ts";

const EVENTS = 60;
const CHILD = fileURLToPath(new URL("./crash-child.ts", import.meta.url));

let origin: ReturnType<typeof temporaryFolder>;
let task = 0;

/** A store in which all is done and nothing merged: the state that each crash starts from. */
beforeAll(async () => {
  origin = temporaryFolder();
  const world = await openWorld(origin.path);
  const files = countFiles(EVENTS);
  task = await submit(
    world,
    {
      name: "crash",
      input: { count: EVENTS },
      eventsPerRange: 4,
      payload: { command: ["true"] },
      output: { name: "all.jsonl", merge: "jsonl", eventsPerFile: 25 },
    },
    files,
  );
  const tables = new Map([[task, tableOf(files, 4)]]);
  const pilot = new TestPilot(world, { tables, outputOf: jsonLines, name: "one" });
  await pilot.work(EVENTS / 4);
  await pilot.leave();
  await world.close();
}, 30_000);
afterAll(() => origin.remove());

interface Life {
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

function live(folder: string, killPoint: string): Promise<Life> {
  const child = spawn(process.execPath, [CHILD, folder, String(task)], {
    env: { ...process.env, ...(killPoint === "" ? {} : { JUMBO_KILL_POINT: killPoint }) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  return new Promise((resolve) => {
    child.once("close", (_code, signal) => resolve({ signal, stdout, stderr }));
  });
}

/** The engine's results and bundles stay where the books say: a copy is put in their place. */
function restore(copy: string): void {
  for (const name of readdirSync(copy)) {
    cpSync(join(copy, name), join(origin.path, name), { recursive: true, force: true });
  }
}

function digest(): Record<string, string> {
  const results = join(origin.path, "results");
  const found: Record<string, string> = {};
  for (const name of readdirSync(results).sort()) {
    found[name] = createHash("sha256")
      .update(readFileSync(join(results, name)))
      .digest("hex");
  }
  return found;
}

describe("a merge killed with SIGKILL", () => {
  it("ends with the same bytes, whichever point it was killed at", async () => {
    const copy = temporaryFolder();
    cpSync(origin.path, copy.path, { recursive: true });
    let expected: Record<string, string> = {};
    // Each output seals its rows, then itself; the manifest is the last file.
    const points = [
      "",
      "merge-before-rename:2",
      "merge-after-rename:2",
      "merge-after-merged:1",
      "merge-after-rename:7",
      "merge-before-finish:1",
      "merge-after-finish:1",
    ];
    for (const point of points) {
      for (const name of readdirSync(origin.path)) {
        rmSync(join(origin.path, name), { recursive: true });
      }
      restore(copy.path);
      if (point !== "") {
        const first = await live(origin.path, point);
        expect(first.signal, `${point}: ${first.stderr}`).toBe("SIGKILL");
      }
      const last = await live(origin.path, "");
      expect(last.stdout, `${point}: ${last.stderr}`).toContain('"state":"done"');
      const found = digest();
      if (point === "") expected = found;
      expect(found, point).toEqual(expected);
      const names = ["all-00000.jsonl", "all-00001.jsonl", "all-00002.jsonl"];
      expect(Object.keys(found)).toEqual([...names, "all.jsonl.manifest.arrow"]);
      const manifest = join(origin.path, "results", "all.jsonl.manifest.arrow");
      expect((await verifyManifest(manifest)).ok).toBe(true);
      expect(readdirSync(origin.path).filter((name) => name.endsWith(".zip"))).toEqual([]);
    }
    copy.remove();
  }, 120_000);
});
