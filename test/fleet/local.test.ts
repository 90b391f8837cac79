/** Pilots of a local queue as processes: started, seen, ended; and how many records stay. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Engine, startEngine } from "../../src/broker/index.ts";
import { LocalProvisioner } from "../../src/fleet/local.ts";
import { type AllocationRecord, newQueue, QueueRecords } from "../../src/fleet/records.ts";
import { settingsOf } from "../../src/fleet/settings.ts";

let folder: string;
let engine: Engine | null;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "jumbo-local-"));
  engine = null;
});
afterEach(async () => {
  await engine?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A program that says what it was given, then ends with 7, or with 0 at a SIGTERM. */
function provisioner(seconds: number): LocalProvisioner {
  const program = join(folder, "program.mjs");
  writeFileSync(
    program,
    'console.log(process.argv.slice(2).join(" "));\n' +
      'process.on("SIGTERM", () => process.exit(0));\n' +
      `setTimeout(() => process.exit(7), ${seconds * 1000});\n`,
  );
  return new LocalProvisioner({
    queue: "here",
    settings: settingsOf({ kind: "local", folder, slots: 3 }),
    pilot: { argv: [process.execPath, program] },
    nowSeconds: () => Date.now() / 1000,
    log: () => {},
  });
}

const request = () => ({
  allocation: "a1",
  jobName: "jumbo-here-a1",
  nodes: ["this"],
  seconds: 600,
  folder,
  accessPath: join(folder, "access.json"),
  bundlesDir: join(folder, "bundles"),
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200 && !(await holds()); tries++) {
    await new Promise((wake) => setTimeout(wake, 50));
  }
  expect(await holds()).toBe(true);
}

describe("a local pilot", () => {
  it("is a child with the flags of its queue, and ends at cancel", async () => {
    const local = provisioner(60);
    expect((await local.look()).nodes).toHaveLength(1);
    const jobId = await local.submit(request());
    const job = { jobId, name: "jumbo-here-a1" };
    expect(await local.states([job])).toMatchObject([{ phase: "running", state: "RUNNING" }]);
    expect(await local.states([{ jobId, name: "another" }])).toEqual([]);
    const said = () => readFileSync(join(folder, "pilot.out"), "utf8");
    await until(async () => said().includes("\n"));
    expect(said()).toContain("pilot start --access");
    expect(said()).toMatch(/--queue here --allocation a1 --walltime 600 --slots 3 .*--with-parent/);
    await local.cancel(jobId);
    let state = await local.states([job]);
    await until(async () => {
      state = state[0]?.phase === "ended" ? state : await local.states([job]);
      return state[0]?.phase === "ended";
    });
    expect(state).toMatchObject([{ state: "COMPLETED", exitCode: 0 }]);
    await local.cancel(jobId);
  });

  it("that ends badly is told with its exit code", async () => {
    const local = provisioner(0);
    const jobId = await local.submit(request());
    const job = { jobId, name: "jumbo-here-a1" };
    let state = await local.states([job]);
    await until(async () => {
      state = state[0]?.phase === "ended" ? state : await local.states([job]);
      return state[0]?.phase === "ended";
    });
    expect(state).toMatchObject([{ state: "FAILED", exitCode: 7 }]);
  });

  it("ends with its queue", async () => {
    const local = provisioner(60);
    const jobId = await local.submit(request());
    await local.close();
    expect(() => process.kill(Number(jobId), 0)).toThrow();
  });
});

describe("records", () => {
  const allocation = (submittedSeconds: number, phase: "ended" | "running"): AllocationRecord => ({
    id: `a${submittedSeconds}`,
    jobId: "1",
    phase,
    state: "",
    reason: "",
    nodes: [],
    seconds: 60,
    why: "",
    submittedSeconds,
    startSeconds: 0,
    endSeconds: 0,
    exitCode: 0,
    startupSeconds: -1,
    cancelled: "",
  });

  it("keep what lives, the last 20 ends, and whatever is younger than a minute", async () => {
    engine = await startEngine({ storeDir: join(folder, "store"), inline: true });
    const records = new QueueRecords(engine.client);
    const record = newQueue("q", settingsOf({ kind: "local", folder }));
    record.allocations.push(allocation(1, "running"));
    for (let at = 100; at < 150; at++) record.allocations.push(allocation(at, "ended"));
    await records.save(record);
    expect(record.allocations).toHaveLength(51);
    for (let at = 1_000; at < 1_005; at++) record.allocations.push(allocation(at, "ended"));
    await records.save(record);
    const kept = record.allocations.map((one) => one.submittedSeconds);
    expect(kept).toHaveLength(21);
    expect(kept[0]).toBe(1);
    expect(kept.slice(1, 3)).toEqual([135, 136]);
    expect(kept.at(-1)).toBe(1_004);
    await records.saveNames(["q", "never saved"]);
    expect(await new QueueRecords(engine.client).load()).toEqual([record]);
    await records.remove("q");
    expect(await new QueueRecords(engine.client).load()).toEqual([]);
  });
});
