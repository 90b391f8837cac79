import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FrameGatherer, startEngine } from "../../src/broker/index.ts";
import { forEachFrame } from "../helpers/frames.ts";
import { countTask } from "../sim/sim-tasks.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "jumbo-engine-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const TERMS = { attempts: 3, losses: 5, priority: 0, owner: "", cost: 1 };

describe.each([
  ["in a worker thread", false],
  ["inline", true],
])("an engine %s", (_name, inline) => {
  it("keeps an acknowledged task over a restart and raises its epoch", async () => {
    const first = await startEngine({ storeDir: dir, inline });
    const { spec, files } = countTask("kept", 100, TERMS);
    const { task } = await first.client.ask("submit", { spec, files });
    await first.stop();
    const second = await startEngine({ storeDir: dir, inline });
    expect(second.epoch).toBeGreaterThan(first.epoch);
    expect(second.engineId).toBe(first.engineId);
    const view = await second.client.ask("show", { task });
    expect(view.ranges).toMatchObject({ total: 100, ready: 100 });
    await second.stop();
  });

  it("refuses a store that another engine holds", async () => {
    const first = await startEngine({ storeDir: dir, inline });
    await expect(startEngine({ storeDir: dir, inline })).rejects.toMatchObject({
      code: "conflict",
    });
    await first.stop();
  });

  it("answers errors with their code, and refuses commands once it has stopped", async () => {
    const engine = await startEngine({ storeDir: dir, inline });
    await expect(engine.client.ask("show", { task: 9 })).rejects.toMatchObject({
      code: "not_found",
    });
    await engine.stop();
    await expect(engine.client.ask("list", {})).rejects.toMatchObject({ code: "unreachable" });
  });
});

describe("a batch of frames", () => {
  it("gives back each frame with its connection, in order", () => {
    const gatherer = new FrameGatherer();
    gatherer.add(7, Uint8Array.of(1, 2));
    gatherer.add(9, Uint8Array.of());
    gatherer.add(7, Uint8Array.of(3));
    const seen: [number, number[]][] = [];
    const batch = gatherer.take();
    if (batch) forEachFrame(batch, (connection, frame) => seen.push([connection, [...frame]]));
    expect(seen).toEqual([
      [7, [1, 2]],
      [9, []],
      [7, [3]],
    ]);
    expect(gatherer.take()).toBeNull();
  });
});
