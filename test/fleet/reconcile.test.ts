/**
 * Queues of a real engine at a recorded site: what is submitted and when, what is taken back, what
 * a restart remembers, and that nothing is left behind.
 */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { caveatsOf, KEY_SLACK_SECONDS, pilotKeyOf } from "../../src/base/index.ts";
import { type Engine, startEngine } from "../../src/broker/index.ts";
import { Fleet } from "../../src/fleet/fleet.ts";
import { QueueKeeper } from "../../src/fleet/reconcile.ts";
import { newQueue, QueueRecords } from "../../src/fleet/records.ts";
import { settingsOf } from "../../src/fleet/settings.ts";
import { SlurmProvisioner } from "../../src/fleet/slurm.ts";
import { CostModel } from "../../src/shape/index.ts";
import { loadTaskFile } from "../../src/task/index.ts";
import { FakeSite, optionOf, RECORDED_SECONDS } from "./fake-site.ts";

const TOKEN = "token-of-the-owner";

let site: FakeSite;
let folder: string;
let engine: Engine;
let nowSeconds: number;

beforeEach(async () => {
  site = new FakeSite();
  site.becomeEmpty();
  folder = mkdtempSync(join(tmpdir(), "jumbo-queue-"));
  nowSeconds = RECORDED_SECONDS;
  engine = await startEngine({ storeDir: join(folder, "store"), inline: true });
  writeAccess("tcp://login:7000");
});
afterEach(async () => {
  await engine.stop();
  site.close();
  rmSync(folder, { recursive: true, force: true });
});

function writeAccess(...pilots: string[]): void {
  const access = { schema: "access/1", engineId: "e", pid: 1, http: "http://h:1", pilots };
  const secrets = { token: TOKEN, pilotKey: "ab12" };
  writeFileSync(join(folder, "access.json"), JSON.stringify({ ...access, ...secrets }));
}

async function submitTask(count: number, meanSeconds = 60): Promise<void> {
  const path = join(folder, "task.yaml");
  writeFileSync(
    path,
    `name: work\ninput: {count: ${count}}\npayload: {command: [":null"]}\n` +
      `output: {name: out.txt, merge: concat, allowEmpty: true}\ncost: {meanSeconds: ${meanSeconds}, cv: 0.2}\n`,
  );
  const spec = loadTaskFile(path, { results: folder });
  const unknown = { path: "", format: "", variant: "", tree: "", sizeBytes: -1, mtimeMs: 0 };
  const parts = { sha256: "", indexPath: "", header: [], footer: [], clusters: [], notes: [] };
  const files = [{ source: "", ...unknown, events: count, ...parts }];
  await engine.client.ask("submit", { spec, files });
}

const SETTINGS = {
  kind: "slurm",
  partition: "main",
  walltimeSecondsMax: 600,
  nodesMax: 2,
  slots: 4,
  jobsMax: 3,
} as const;

function makeKeeper(more: object = {}, record = queueOf(more)): QueueKeeper {
  const { settings } = record;
  return new QueueKeeper({
    record,
    records: new QueueRecords(engine.client),
    provisioner: new SlurmProvisioner({
      queue: record.name,
      settings,
      pilot: { argv: ["/usr/bin/jumbo"] },
      nowSeconds: () => nowSeconds,
      log: () => {},
    }),
    client: engine.client,
    accessPath: join(folder, "access.json"),
    claimedElsewhere: () => 0,
    takenElsewhere: () => [],
    nowSeconds: () => nowSeconds,
    log: () => {},
  });
}

function queueOf(more: object) {
  return newQueue("hpc", settingsOf({ ...SETTINGS, folder: join(folder, "jobs"), ...more }));
}

const foldersOf = () =>
  readdirSync(join(folder, "jobs", "hpc")).filter((name) => name !== "bundles");

const submittedShapes = () =>
  [...site.submitted().values()].map((words) => [
    optionOf(words, "nodelist"),
    Number(optionOf(words, "time")) * 60,
  ]);

const nameOf = (id: number) => optionOf(site.submitted().get(id) ?? [], "job-name");

describe("a queue", () => {
  it("submits what a dry run prints, and nothing in a dry run", async () => {
    await submitTask(10_000);
    const keeper = makeKeeper();
    const plan = await keeper.dryRun();
    expect(site.submitted().size).toBe(0);
    expect(plan.shapes.length).toBeGreaterThan(1);
    await keeper.pass();
    expect(keeper.record.problem).toBe("");
    expect(submittedShapes()).toEqual(
      plan.shapes.map((shape) => [shape.nodes.join(","), shape.seconds]),
    );
    // Its nodes are given away now, whatever sinfo still says.
    expect((await keeper.dryRun()).shapes).toEqual([]);
  });

  it("gives each job a folder whose access file has no token and mode 0400", async () => {
    await submitTask(10);
    const keeper = makeKeeper();
    await keeper.pass();
    const [one] = foldersOf();
    const path = join(folder, "jobs", "hpc", one as string, "access.json");
    expect(statSync(path).mode & 0o777).toBe(0o400);
    expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
    const copy = JSON.parse(readFileSync(path, "utf8"));
    expect(copy).toMatchObject({ token: "", pilots: ["tcp://login:7000"] });
    expect(copy.pilotKey).toBe(pilotKeyOf("ab12", copy.pilotIdentity));
    const submitted = Math.floor(RECORDED_SECONDS);
    expect(caveatsOf(copy.pilotIdentity)).toEqual({
      allocation: one,
      queue: "hpc",
      owner: "",
      cores: 4,
      enrolBeforeSeconds: submitted + 120 + KEY_SLACK_SECONDS,
      notAfterSeconds: submitted + 120 + 600 + KEY_SLACK_SECONDS,
    });
    const script = readFileSync(join(path, "..", "job.sh"), "utf8");
    expect(script).not.toContain("ab12");
    expect(script).not.toContain(copy.pilotKey);
  });

  it("has no more submissions a minute than allowed", async () => {
    await submitTask(100_000);
    const keeper = makeKeeper({ nodesMax: 1, jobsMax: 4, submissionsPerMinute: 2 });
    await keeper.pass();
    await keeper.pass();
    expect(site.submitted().size).toBe(2);
    nowSeconds += 61;
    site.jobs([101, 102].map((id) => ({ id, name: nameOf(id), state: "RUNNING", start: 1 })));
    await keeper.pass();
    expect(site.submitted().size).toBe(4);
  });

  it("plans with the range times that this queue's own pilots had", async () => {
    await submitTask(10_000, 60);
    const [task] = await engine.client.ask("list", {});
    const costs = new CostModel();
    const each = (seconds: number) => ({
      wallSum: 100 * seconds,
      wallSquares: 100 * seconds ** 2,
      wallMax: seconds,
      cpuSum: 0,
    });
    // Pilots of 4 slots say that they are nodes of 4 cores, whatever the site calls the node.
    costs.observe(task?.id as number, "hpc/4c", 100, each(120), 0);
    costs.observe(task?.id as number, "elsewhere/8c", 100, each(7), 0);
    const value = JSON.stringify({ version: 1, costs: costs.save(), shares: [], hints: [] });
    await engine.client.ask("putMeta", { key: "shaper", value });
    const [shape] = (await makeKeeper().dryRun()).shapes;
    expect(shape?.reason).toMatch(/ and (59 s|1m 0s) lost at the wall/);
  });

  it("submits nothing while it is paused, and again when it is resumed", async () => {
    await submitTask(10);
    const keeper = makeKeeper();
    await keeper.setPaused(true);
    await keeper.pass();
    expect(site.submitted().size).toBe(0);
    await keeper.setPaused(false);
    await keeper.pass();
    expect(site.submitted().size).toBe(1);
  });

  it("asks for nothing when there is nothing to do", async () => {
    const keeper = makeKeeper();
    await keeper.pass();
    expect(site.submitted().size).toBe(0);
    expect((await keeper.dryRun()).none).toMatch(/no range is ready/);
  });

  it("knows true ends and clears up after them", async () => {
    await submitTask(10);
    const keeper = makeKeeper();
    await keeper.pass();
    site.jobs([{ id: 101, name: nameOf(101), state: "RUNNING", start: nowSeconds }]);
    await keeper.pass();
    expect(keeper.live).toMatchObject([{ jobId: "101", phase: "running" }]);
    const end = nowSeconds + 5;
    site.jobs([{ id: 101, name: nameOf(101), state: "TIMEOUT", start: nowSeconds, end }]);
    await keeper.setPaused(true);
    await keeper.pass();
    expect(keeper.record.allocations).toMatchObject([
      { phase: "ended", state: "TIMEOUT", endSeconds: end },
    ]);
    expect(foldersOf()).toEqual([]);
  });

  it("tells the engine that an allocation is over, once", async () => {
    await submitTask(10);
    const told: unknown[] = [];
    const { client } = engine;
    const ask = client.ask.bind(client);
    client.ask = (name, what) => {
      if (name === "allocationEnded") told.push(what);
      return ask(name, what);
    };
    const keeper = makeKeeper();
    await keeper.pass();
    const start = nowSeconds;
    site.jobs([{ id: 101, name: nameOf(101), state: "NODE_FAIL", start, end: start + 5 }]);
    await keeper.setPaused(true);
    await keeper.pass();
    await keeper.pass();
    expect(told).toEqual([{ queue: "hpc", allocation: keeper.record.allocations[0]?.id }]);
  });

  it("takes a job back that does not begin: its hole is gone", async () => {
    await submitTask(10);
    const keeper = makeKeeper({ pendingSecondsMax: 50 });
    await keeper.pass();
    site.jobs([{ id: 101, name: nameOf(101), state: "PENDING" }]);
    await keeper.pass();
    expect(site.lines("cancelled")).toEqual([]);
    nowSeconds += 51;
    await keeper.pass();
    expect(site.lines("cancelled")).toEqual(["101"]);
    expect(keeper.live[0]?.cancelled).toMatch(/did not begin within 50 s/);
  });

  it("holds back after a no of the site, and says it", async () => {
    await submitTask(10);
    site.write("refuse", "sbatch: error: Invalid account\n");
    const keeper = makeKeeper();
    await keeper.pass();
    expect(keeper.record.problem).toMatch(/Invalid account/);
    expect(foldersOf()).toEqual([]);
    site.remove("refuse");
    await keeper.pass();
    expect(site.submitted().size).toBe(0);
    nowSeconds += 31;
    await keeper.pass();
    expect(site.submitted().size).toBe(1);
    expect(keeper.record.problem).toBe("");
  });

  it("holds back twice as long each time that jobs end badly before a pilot spoke", async () => {
    await submitTask(10);
    const keeper = makeKeeper();
    const holds: number[] = [];
    for (const id of [101, 102, 103]) {
      await keeper.pass();
      site.jobs([
        { id, name: nameOf(id), state: "FAILED", start: nowSeconds, end: nowSeconds, exit: 256 },
      ]);
      await keeper.pass();
      holds.push(keeper.record.heldUntilSeconds - nowSeconds);
      nowSeconds = keeper.record.heldUntilSeconds;
    }
    expect(holds).toEqual([30, 60, 120]);
    expect(keeper.record.problem).toMatch(/ended FAILED/);
    // The logs of bad ends stay, their secrets don't.
    expect(foldersOf().length).toBe(3);
    for (const one of foldersOf()) {
      expect(existsSync(join(folder, "jobs", "hpc", one, "access.json"))).toBe(false);
    }
  });

  it("says so when no node could reach the engine", async () => {
    await submitTask(10);
    writeAccess("unix:/tmp/s", "tcp://127.0.0.1:7000");
    const keeper = makeKeeper();
    await keeper.pass();
    expect(keeper.record.problem).toMatch(/no compute node could reach this engine/);
    expect(site.submitted().size).toBe(0);
    expect(keeper.live).toEqual([]);
  });

  it("survives a site that does not answer", async () => {
    await submitTask(10);
    const keeper = makeKeeper();
    site.write("sinfo.json", "garbage");
    await keeper.pass();
    expect(keeper.record.problem).toMatch(/`sinfo --json` is not understood/);
    site.becomeEmpty();
    await keeper.pass();
    expect(site.submitted().size).toBe(1);
  });
});

describe("a restart", () => {
  it("finds a job by its name that was submitted and not written down", async () => {
    await submitTask(10);
    const record = queueOf({});
    const before = makeKeeper({}, record);
    await before.pass();
    const [one] = record.allocations;
    // As it is in the store if the engine dies between sbatch and its answer.
    Object.assign(one as object, { jobId: "", phase: "submitting" });
    site.jobs([{ id: 101, name: nameOf(101), state: "RUNNING", start: nowSeconds }]);
    const keeper = makeKeeper({}, record);
    await keeper.pass();
    expect(keeper.live).toMatchObject([{ jobId: "101", phase: "running" }]);
    expect(site.submitted().size).toBe(1);
  });

  it("forgets a submission that the site never saw", async () => {
    await submitTask(10);
    const record = queueOf({});
    await makeKeeper({}, record).pass();
    Object.assign(record.allocations[0] as object, { jobId: "", phase: "submitting" });
    record.paused = true;
    const keeper = makeKeeper({}, record);
    nowSeconds += 121;
    await keeper.pass();
    expect(record.allocations).toMatchObject([{ phase: "ended", state: "GONE" }]);
    expect(foldersOf()).toEqual([]);
  });

  it("gives no node of another queue's job away, though the site still calls it free", async () => {
    const pilot = { argv: ["/usr/bin/jumbo"] };
    const accessPath = join(folder, "access.json");
    await submitTask(100_000);
    const fleet = new Fleet({ client: engine.client, accessPath, pilot, log: () => {} });
    const settings = { ...SETTINGS, folder: join(folder, "jobs"), jobsMax: 1 };
    await fleet.add("one", settings, true);
    await fleet.add("other", settings, true);
    const [shape] = (await fleet.dryRun("other")).shapes;
    expect((await fleet.dryRun("one")).shapes[0]?.nodes).toEqual(shape?.nodes);
    await fleet.resume("one");
    // A dry run waits for its turn behind the pass that resume has begun.
    expect((await fleet.dryRun("one")).none).toMatch(/1 of 1 jobs/);
    const [left] = (await fleet.dryRun("other")).shapes;
    expect([...(shape?.nodes ?? []), ...(left?.nodes ?? [])].sort()).toEqual([
      "n1",
      "n2",
      "n3",
      "n4",
    ]);
    await fleet.stop();
  });

  it("keeps queues, pauses and jobs, and tells jobs the engine's new address", async () => {
    const options = {
      client: engine.client,
      accessPath: join(folder, "access.json"),
      pilot: { argv: ["/usr/bin/jumbo"] },
      log: () => {},
    };
    await submitTask(10);
    const record = queueOf({});
    const records = new QueueRecords(engine.client);
    await records.saveNames(["hpc"]);
    await makeKeeper({}, record).pass();
    await records.save({ ...record, paused: true });
    await engine.stop();
    engine = await startEngine({ storeDir: join(folder, "store"), inline: true });
    writeAccess("tcp://login:7999");
    const fleet = new Fleet({ ...options, client: engine.client });
    await fleet.start();
    const [view] = fleet.list();
    expect(view).toMatchObject({ name: "hpc", paused: true, settings: { jobsMax: 3 } });
    expect(view?.allocations).toMatchObject([{ jobId: "101", phase: "pending" }]);
    const [one] = foldersOf();
    const path = join(folder, "jobs", "hpc", one as string, "access.json");
    expect(JSON.parse(readFileSync(path, "utf8")).pilots).toEqual(["tcp://login:7999"]);
    await fleet.stop();
  });
});
