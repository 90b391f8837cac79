/**
 * The native pilot without MPI against a real engine: once and stream payloads, a failing one, null
 * ones, a recall by drain, bundles that the engine's own reader verifies. Built here if there is a
 * compiler; the cluster suite is `npm run test:hpc`.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../..");
const CLI = `${ROOT}/src/cli/jumbo.mjs`;
const BUILD = `${ROOT}/native/build/serial`;
const PILOT = `${BUILD}/jumbo-pilot`;

if (!existsSync(PILOT)) {
  console.warn(
    "SKIPPED: the native pilot (not built) apt-get install cmake g++; npm run build:native",
  );
}

describe.skipIf(!existsSync(PILOT))("the native pilot on one node", { timeout: 90_000 }, () => {
  let folder: string;
  let engine: ChildProcess;
  let pilot: ChildProcess;
  let pilotLog = "";

  const jumbo = async (...args: string[]) => {
    const { stdout } = await run(process.execPath, [CLI, ...args, "--store", `${folder}/store`]);
    return stdout;
  };

  const submit = async (task: Record<string, unknown>) => {
    const file = `${folder}/${String(task["name"])}.json`;
    writeFileSync(file, JSON.stringify(task));
    const id = await jumbo("submit", file, "--results", `${folder}/results`, "--output", "quiet");
    return id.trim();
  };

  const show = async (id: string) =>
    JSON.parse(await jumbo("show", id, "--output", "json")) as {
      attempts: number;
      failures: { reason: string }[];
    };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "jumbo-native-"));
    const listen = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    engine = spawn(process.execPath, [CLI, "serve", "--store", `${folder}/store`, ...listen], {
      stdio: "ignore",
    });
    for (let i = 0; i < 200 && !existsSync(`${folder}/store/access.json`); i++) {
      await new Promise((done) => setTimeout(done, 50));
    }
    const flags = ["--slots", "2", "--bundles", `${folder}/bundles`, "--work", folder];
    pilot = spawn(PILOT, ["--store", `${folder}/store`, ...flags], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    pilot.stderr?.on("data", (chunk) => {
      pilotLog += String(chunk);
    });
  });

  afterAll(() => {
    pilot.kill("SIGKILL");
    engine.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  it("gives slices to programs, byte for byte", async () => {
    const lines = Array.from({ length: 100 }, (_, i) => `{"i":${i},"text":"\u00e4 '$x'"}\n`).join(
      "",
    );
    writeFileSync(`${folder}/in.jsonl`, lines);
    const id = await submit({
      name: "slices",
      input: { files: [`${folder}/in.jsonl`] },
      eventsPerRange: 10,
      payload: { command: ["cp", "{slice}", "{output}"] },
      output: { name: "slices.jsonl", merge: "jsonl", recordsPerEvent: 1 },
    });
    await jumbo("wait", id);
    await jumbo("verify", id);
    expect(readFileSync(`${folder}/results/slices.jsonl`, "utf8")).toBe(lines);
  });

  it("keeps stream payloads busy with one process a slot", async () => {
    const id = await submit({
      name: "stream",
      input: { count: 500 },
      payload: { mode: "stream", command: [`${BUILD}/jumbo-echo`] },
      output: { name: "stream.jsonl", merge: "jsonl", recordsPerEvent: 1 },
    });
    await jumbo("wait", id);
    await jumbo("verify", id);
    const expected = Array.from({ length: 500 }, (_, i) => `{"i":${i}}\n`).join("");
    expect(readFileSync(`${folder}/results/stream.jsonl`, "utf8")).toBe(expected);
    expect((await show(id)).attempts).toBe(500);
  });

  it("tells why a payload failed, and tries as often as it may", async () => {
    const id = await submit({
      name: "failing",
      input: { count: 2 },
      payload: { command: ["sh", "-c", "echo no luck >&2; exit 3"] },
      output: { name: "failing.jsonl", merge: "jsonl" },
      attempts: 2,
    });
    await expect(jumbo("wait", id)).rejects.toThrow();
    const document = await show(id);
    expect(document.attempts).toBe(4);
    expect(document.failures[0]?.reason).toBe("payload ended with exit 3: no luck");
  });

  it("does null payloads without a process", async () => {
    const id = await submit({
      name: "nulls",
      input: { count: 10_000 },
      payload: { command: [":null"] },
      output: { name: "nulls.jsonl", merge: "jsonl", allowEmpty: true },
    });
    await jumbo("wait", id);
    expect((await show(id)).attempts).toBe(10_000);
  });

  it("drains on SIGTERM: what runs ends, what had not started goes back uncharged", async () => {
    const id = await submit({
      name: "drained",
      input: { count: 6 },
      payload: { command: ["sh", "-c", 'sleep 0.5; echo "{}" > "$1"', "x", "{output}"] },
      output: { name: "drained.jsonl", merge: "jsonl" },
    });
    await new Promise((done) => setTimeout(done, 300));
    pilot.kill("SIGTERM");
    const code = await new Promise((done) => pilot.once("exit", done));
    expect(code, pilotLog).toBe(0);
    expect(pilotLog).toContain("draining: SIGTERM");
    const document = await show(id);
    expect(document.attempts).toBe(2);
    expect(document.failures).toEqual([]);
  });
});
