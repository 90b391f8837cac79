/**
 * The MPI pilot as a queue's pilot, on a real Slurm: two shapes, each one session over its nodes, a
 * node that dies in one of them, and a limit that is changed while a job runs (for the other kind
 * of pilot too). Needs `npm run build:native` beside the cluster; says so where it skips.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { pilotProgram, type QueueView } from "../../src/fleet/index.ts";
import { Cluster, clusterCommand, until } from "./cluster.ts";

const RANGES = 400;
const program = pilotProgram("mpich");
const built = existsSync(program);
if (!built && clusterCommand !== null) {
  console.warn(`SKIPPED: the MPI pilot in a queue (no ${program}: npm run build:native)`);
}

interface PilotDocument {
  readonly allocation: string;
  readonly queue: string;
  readonly secondsLeft: number;
  readonly slots: number;
}

describe.skipIf(clusterCommand === null || !built)("MPI pilots of a queue", () => {
  const cluster = new Cluster("jumbo-mpi");
  cluster.use(4, 8);
  let store: string;
  let work: string;

  beforeAll(async () => {
    store = join(cluster.shared, "store");
    work = cluster.folder("work");
    await cluster.startEngine(store);
  });

  const jumbo = (...argv: string[]) => cluster.jumbo(...argv, "--store", store);
  const json = <Document>(...argv: string[]) =>
    cluster.jumboJson<Document>(...argv, "--store", store);
  const queue = async (name: string) => {
    const { queues } = await json<{ queues: QueueView[] }>("queue", "list");
    return queues.find((view) => view.name === name) as QueueView;
  };
  const show = () => json<{ ranges: { done: number }; attempts: number }>("show", "squares");
  const pilots = async () =>
    (await cluster.api<{ pilots: PilotDocument[] }>(store, "/api/v1/pilots")).pilots;

  async function addQueue(name: string, ...flags: string[]): Promise<void> {
    const place = ["--kind", "slurm", "--partition", "main", "--slots", "2", "--every", "2s"];
    const folder = join(cluster.shared, "jobs");
    await jumbo("queue", "add", name, "--folder", folder, ...place, "--idle-max", "5s", ...flags);
  }

  it("does a task on two shapes, each one session over its nodes, though a node dies", async () => {
    const path = join(work, "squares.yaml");
    writeFileSync(
      path,
      `name: squares\ninput: {count: ${RANGES}}\n` +
        `payload: {command: [/bin/sh, -c, "sleep 0.7; echo $1 > $2", sh, "{start}", "{output}"]}\n` +
        "output: {name: squares.txt, merge: concat}\n",
    );
    await jumbo("submit", path, "--results", work);
    const mpi = ["--pilot", "mpi", "--mpi", "mpich", "--launcher", "srun", "--program", program];
    const limits = ["--nodes-max", "2", "--walltime-max", "8m", "--jobs-max", "2"];
    await addQueue("mpi", ...mpi, ...limits);
    await until(90, async () => (await pilots()).length === 2);
    const sessions = await pilots();
    expect(sessions.map((pilot) => [pilot.queue, pilot.slots])).toEqual([
      ["mpi", 4],
      ["mpi", 4],
    ]);
    const [one, other] = (await queue("mpi")).allocations;
    expect(new Set(sessions.map((pilot) => pilot.allocation))).toEqual(
      new Set([one?.id, other?.id]),
    );
    // The pilot knows its end from Slurm, without being told: eight minutes at most.
    for (const { secondsLeft } of sessions) expect(secondsLeft).toBeLessThanOrEqual(8 * 60);
    await until(60, async () => (await show()).ranges.done >= 60);
    const dying = other?.nodes.at(-1) as string;
    await cluster.node(dying, "crash");
    await jumbo("wait", "squares", "--timeout", "4m");
    await jumbo("verify", "squares");
    const lines = readFileSync(join(work, "squares.txt"), "utf8").trim().split("\n");
    expect(lines).toEqual(Array.from({ length: RANGES }, (_, range) => String(range)));
    const { attempts } = await show();
    console.log(`MPI pilots: ${attempts} starts for ${RANGES} ranges, ${dying} died`);
    expect(attempts - RANGES).toBeLessThanOrEqual(4);
    await until(90, async () =>
      (await queue("mpi")).allocations.every((each) => each.phase === "ended"),
    );
    await jumbo("queue", "remove", "mpi");
    expect(readdirSync(join(cluster.shared, "jobs", "mpi"))).toEqual(["bundles"]);
  });

  it.each(["ts", "mpi"])(
    "goes by a limit that is changed while its %s pilots run",
    async (kind) => {
      const path = join(work, `long-${kind}.yaml`);
      writeFileSync(
        path,
        `name: long-${kind}\ninput: {count: 8}\npayload: {command: [/bin/sleep, "600"]}\n` +
          "output: {name: long.txt, merge: concat, allowEmpty: true}\n",
      );
      await jumbo("submit", path, "--results", work);
      const pilot =
        kind === "mpi" ? ["--pilot", "mpi", "--mpi", "mpich", "--program", program] : [];
      const limits = ["--nodes-max", "1", "--walltime-max", "15m", "--jobs-max", "1"];
      await addQueue(kind, ...pilot, ...limits);
      const left = async () =>
        (await pilots()).find((one) => one.queue === kind)?.secondsLeft ?? -1;
      await until(60, async () => (await left()) > 0);
      expect(await left()).toBeLessThanOrEqual(15 * 60);
      const [one] = (await queue(kind)).allocations;
      await cluster.login("scontrol", "update", `JobId=${one?.jobId}`, "TimeLimit=40");
      await until(75, async () => (await left()) > 30 * 60);
      await cluster.login("scontrol", "update", `JobId=${one?.jobId}`, "TimeLimit=5");
      await until(75, async () => (await left()) < 5 * 60);
      await jumbo("cancel", `long-${kind}`);
      await jumbo("queue", "remove", kind);
    },
  );
});
