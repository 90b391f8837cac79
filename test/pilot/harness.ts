/** A scripted engine and pilots in one temporary folder, cleaned up after each test. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { Pilot, type PilotEnd, type PilotOptions } from "../../src/pilot/index.ts";
import { ScriptedEngine } from "../helpers/scripted-engine.ts";

export interface Harness {
  folder: string;
  engine: ScriptedEngine;
  /** Starts a pilot; `ended` is its end. It is stopped after the test if it still runs. */
  pilot(options?: Partial<PilotOptions>): { pilot: Pilot; ended: Promise<PilotEnd> };
  /** Writes a program into the folder; its path. */
  script(name: string, text: string): string;
  workDir: string;
  log: string[];
}

export function useHarness(): Harness {
  const harness = {} as Harness;
  let running: { pilot: Pilot; ended: Promise<PilotEnd> }[] = [];
  beforeEach(async () => {
    const folder = mkdtempSync(join(tmpdir(), "jumbo-pilot-"));
    const engine = new ScriptedEngine(folder);
    await engine.listen();
    running = [];
    const workDir = join(folder, "work");
    mkdirSync(workDir);
    const log: string[] = [];
    Object.assign(harness, { folder, engine, workDir, log });
    harness.script = (name, text) => {
      const path = join(folder, name);
      writeFileSync(path, text, { mode: 0o755 });
      return path;
    };
    harness.pilot = (options = {}) => {
      const pilot = new Pilot({
        access: engine.access,
        slots: 2,
        bundlesDir: join(folder, "bundles"),
        workDir,
        pilotId: "pilot-under-test",
        generation: 1,
        log: (line) => log.push(line),
        ...options,
      });
      const started = { pilot, ended: pilot.run() };
      running.push(started);
      return started;
    };
  });
  afterEach(async () => {
    for (const { pilot, ended } of running) {
      await pilot.stop("the test is over");
      await ended;
    }
    await harness.engine.close();
    rmSync(harness.folder, { recursive: true, force: true });
  });
  return harness;
}
