/**
 * Queues on a real Slurm: holes of a loaded cluster to the minute, a dry run that says what submit
 * then does, one task over two shapes and a local pilot with an allocation cancelled in the middle,
 * an engine that comes back, and a walltime that costs nothing.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { beforeAll, describe, expect, it } from "vitest";
import type { Plan, QueueView } from "../../src/fleet/index.ts";
import { Cluster, clusterCommand, until } from "./cluster.ts";

const MINUTE = 60;

interface TaskDocument {
  readonly state: string;
  readonly ranges: { readonly ready: number; readonly done: number; readonly total: number };
  readonly attempts: number;
  readonly manifest: string;
  readonly files: readonly { readonly path: string }[];
}

describe.skipIf(clusterCommand === null)("queues on a Slurm cluster", () => {
  const cluster = new Cluster("jumbo-fleet");
  cluster.use(4, 8);
  let store: string;
  let work: string;
  const seconds = () => Math.floor(Date.now() / 1000);
  const at = (time: number) => new Date(time * 1000).toISOString().slice(0, 19);

  beforeAll(async () => {
    store = join(cluster.shared, "store");
    work = cluster.folder("work");
    await cluster.startEngine(store);
  });

  const jumbo = (...argv: string[]) => cluster.jumbo(...argv, "--store", store);
  const dryRun = (queue: string) =>
    cluster.jumboJson<Plan>("queue", "dry-run", queue, "--store", store);
  const show = (task: string) => cluster.jumboJson<TaskDocument>("show", task, "--store", store);
  const queue = async (name: string) => {
    const { queues } = await cluster.jumboJson<{ queues: QueueView[] }>(
      "queue",
      "list",
      "--store",
      store,
    );
    return queues.find((view) => view.name === name) as QueueView;
  };
  const batch = (...argv: string[]) =>
    cluster.login("sbatch", "--parsable", "-o", "/dev/null", ...argv, "--wrap", "exec sleep 3600");

  async function addTask(name: string, ranges: number, sleep: number): Promise<void> {
    const path = join(work, `${name}.yaml`);
    const script = `sleep ${sleep}; echo $1 > $2`;
    writeFileSync(
      path,
      `name: ${name}\ninput: {count: ${ranges}}\n` +
        `payload: {command: [/bin/sh, -c, "${script}", sh, "{start}", "{output}"]}\n` +
        `output: {name: ${name}.txt, merge: concat}\n`,
    );
    await jumbo("submit", path, "--results", work);
  }

  async function addQueue(name: string, ...flags: string[]): Promise<void> {
    const folder = join(cluster.shared, "jobs");
    await jumbo("queue", "add", name, "--folder", folder, "--every", "2s", ...flags);
  }

  async function clearCluster(): Promise<void> {
    await cluster.login("scancel", "-u", "root");
    await until(60, async () => (await cluster.login("squeue", "-h", "-o", "%i")).trim() === "");
  }

  /** Every range of the task is in its result once, by the engine's proof and by the file itself. */
  async function expectExactlyOnce(name: string, ranges: number): Promise<TaskDocument> {
    await jumbo("verify", name);
    const task = await show(name);
    expect(task.ranges).toMatchObject({ ready: 0, done: ranges, total: ranges });
    const lines = readFileSync(join(work, `${name}.txt`), "utf8")
      .trim()
      .split("\n");
    expect(lines).toEqual(Array.from({ length: ranges }, (_, range) => String(range)));
    return task;
  }

  it("sees the holes of a loaded cluster to the minute", async () => {
    const began = seconds();
    const maintenance = began + 90 * MINUTE;
    await batch("-w", "n1", "--exclusive", "-t", "20");
    await batch("-w", "n2", "-n", "4", "-t", "40");
    await until(
      20,
      async () => (await cluster.login("squeue", "-h", "-t", "R")).split("\n").length > 2,
    );
    await batch("-N2", "-w", "n1,n3", "--exclusive", "-t", "30");
    const reservation = ["ReservationName=maint", `StartTime=${at(maintenance)}`, "Duration=60"];
    await cluster.login(
      "scontrol",
      "create",
      ...reservation,
      "Nodes=n4",
      "Flags=MAINT",
      "Users=root",
    );
    const waiting = ["squeue", "--start", "-h", "-o", "%Y"];
    await until(30, async () => (await cluster.login(...waiting)).includes("n["));
    await addTask("squares", 600, 0.8);
    await addQueue("hpc", "--kind", "slurm", "--partition", "main", "--slots", "2", "--paused");
    const plan = await dryRun("hpc");
    console.log(JSON.stringify(plan.holes), plan.notes.join("; "));
    expect(plan.holes.map((hole) => hole.nodes)).toEqual([["n4"], ["n3"]]);
    const [n4, n3] = plan.holes;
    expect(Math.abs((n4?.endsSeconds ?? 0) - maintenance)).toBeLessThan(MINUTE);
    expect(Math.abs((n3?.endsSeconds ?? 0) - (began + 20 * MINUTE))).toBeLessThan(MINUTE);
    expect([n4?.why, n3?.why]).toEqual(["reservation maint", "job 3 is planned there"]);
    expect(plan.notes).toEqual(["n1: allocated", "n2: mixed"]);
    for (const shape of plan.shapes) {
      const hole = plan.holes.find(({ nodes }) => nodes.includes(shape.nodes[0] as string));
      const left = (hole?.endsSeconds ?? 0) - seconds() - shape.seconds;
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThan(2.5 * MINUTE);
    }
  });

  it("sees that a partition is full", async () => {
    await batch("-w", "n2", "-n", "4", "-t", "10");
    await batch("-w", "n3", "--exclusive", "-t", "10");
    await batch("-w", "n4", "--exclusive", "-t", "10");
    let plan = await dryRun("hpc");
    for (let tries = 0; tries < 40 && plan.holes.length > 0; tries++) plan = await dryRun("hpc");
    expect(plan.holes).toEqual([]);
    expect(plan.none).toBe("none of 4 nodes is free");
    expect(plan.notes).toEqual(["n1, n2, n3, n4: allocated"]);
    await jumbo("queue", "remove", "hpc");
    await clearCluster();
    await cluster.login("scontrol", "delete", "ReservationName=maint");
  });

  it("submits what a dry run printed; a task ends over two shapes and a local pilot", async () => {
    const soon = at(seconds() + 410);
    const reservation = ["ReservationName=soon", `StartTime=${soon}`, "Duration=60"];
    await cluster.login(
      "scontrol",
      "create",
      ...reservation,
      "Nodes=n[3-4]",
      "Flags=MAINT",
      "Users=root",
    );
    const limits = ["--nodes-max", "2", "--walltime-max", "8m", "--jobs-max", "2", "--lead", "10s"];
    const place = ["--kind", "slurm", "--partition", "main", "--slots", "2", "--idle-max", "5s"];
    await addQueue("shapes", ...place, ...limits, "--paused");
    const plan = await dryRun("shapes");
    expect(plan.shapes.map((shape) => [shape.nodes, shape.seconds])).toEqual([
      [["n1", "n2"], 480],
      [["n3", "n4"], 360],
    ]);
    await addQueue("here", "--kind", "local", "--slots", "2", "--idle-max", "5s");
    await jumbo("queue", "resume", "shapes");
    const form = ["squeue", "-h", "-t", "R", "-o", "%j|%N|%l", "--sort=i"];
    const running = async () => (await cluster.login(...form)).trim().split("\n").filter(Boolean);
    await until(60, async () => (await running()).length === 2);
    expect((await running()).map((line) => line.split("|").slice(1))).toEqual([
      ["n[1-2]", "8:00"],
      ["n[3-4]", "6:00"],
    ]);
    const [long, short] = (await queue("shapes")).allocations;
    await until(90, async () => (await show("squares")).ranges.done >= 150);
    await cluster.login("scancel", short?.jobId as string);
    await jumbo("wait", "squares", "--timeout", "3m");
    const task = await expectExactlyOnce("squares", 600);
    const table = tableFromIPC(readFileSync(task.manifest));
    const byPilot = new Map<string, number>();
    for (const name of table.getChild("pilot") ?? []) {
      const text = String(name);
      byPilot.set(text, (byPilot.get(text) ?? 0) + 1);
    }
    const ranges = (prefix: string) =>
      [...byPilot].reduce((sum, [name, count]) => sum + (name.startsWith(prefix) ? count : 0), 0);
    const ofLong = ranges(`shapes-${long?.jobId}-`);
    const ofShort = ranges(`shapes-${short?.jobId}-`);
    console.log(
      `ranges: ${ofLong} on 2 nodes x 8 min, ${ofShort} on the cancelled 2 x 6 min, ` +
        `${600 - ofLong - ofShort} elsewhere; ${task.attempts} starts`,
    );
    console.log(await jumbo("explain", "squares"));
    expect(ofLong).toBeGreaterThan(50);
    expect(ofShort).toBeGreaterThan(20);
    expect(ranges("login-")).toBeGreaterThan(20);
    const after = await queue("shapes");
    const ended = after.allocations.find((one) => one.id === short?.id);
    expect(ended).toMatchObject({ phase: "ended", state: "CANCELLED" });
    expect(after.startupSeconds).toBeGreaterThan(0);
  });

  it("hands back what finds no work, and leaves nothing behind", async () => {
    for (const name of ["shapes", "here"]) {
      await until(60, async () =>
        (await queue(name)).allocations.every((one) => one.phase === "ended"),
      );
    }
    const states = (await queue("shapes")).allocations.map((one) => one.state);
    expect(states).toContain("COMPLETED");
    expect((await cluster.login("squeue", "-h", "-o", "%i")).trim()).toBe("");
    for (const name of ["shapes", "here"]) {
      expect(readdirSync(join(cluster.shared, "jobs", name))).toEqual(["bundles"]);
      await jumbo("queue", "remove", name);
    }
    await cluster.login("scontrol", "delete", "ReservationName=soon");
  });

  it("goes on with its jobs when the engine comes back elsewhere; a walltime costs nothing", async () => {
    const ranges = 900;
    const slots = 2;
    await addTask("restart", ranges, 0.4);
    const limits = ["--nodes-max", "1", "--jobs-max", "2", "--walltime-max", "1m"];
    const place = ["--kind", "slurm", "--partition", "main", "--slots", String(slots)];
    await addQueue("back", ...place, ...limits, "--per-minute", "60");
    await until(60, async () => (await show("restart")).ranges.done >= 20);
    const before = (await queue("back")).allocations.map((one) => one.jobId);
    expect(before.length).toBeGreaterThan(0);
    await cluster.stopEngine();
    await cluster.startEngine(store);
    await jumbo("wait", "restart", "--timeout", "4m");
    const task = await expectExactlyOnce("restart", ranges);
    const { allocations } = await queue("back");
    const ended = allocations.filter((one) => one.phase === "ended");
    console.log(
      `restart: ${task.attempts} starts for ${ranges} ranges; ` +
        allocations.map((one) => `job ${one.jobId} ${one.state}`).join(", "),
    );
    expect(ended.map((one) => one.jobId)).toEqual(expect.arrayContaining(before));
    // Pilots leave before Slurm would end them, and a wall costs at most what runs there.
    for (const one of ended) expect(one.state).toBe("COMPLETED");
    expect(task.attempts - ranges).toBeLessThanOrEqual(slots * ended.length);
    await jumbo("queue", "remove", "back");
    expect(readdirSync(join(cluster.shared, "jobs", "back"))).toEqual(["bundles"]);
  });
});
