/** The parts of bench:mpi; each adds its figures. Nothing runs beside a part but what it starts. */
import { Bed, type Launcher, launchLine } from "../../test/e2e-hpc/bed.ts";
import { BUILD, on, sleep, until } from "../../test/e2e-hpc/cluster.ts";
import type { Figures } from "../heart/figures.ts";
import { Run } from "./run.ts";

export interface PartOptions {
  readonly quick: boolean;
  readonly launchers: readonly Launcher[];
  /** For the part throughput. */
  readonly ranks: readonly number[];
}
type Part = (figures: Figures, options: PartOptions) => Promise<void>;

const ONE_OF_EACH: readonly Launcher[] = ["srun-pmix", "srun-pmi2"];
const SURVIVE: readonly Launcher[] = ["mpirun.openmpi", "srun-pmi2", "mpirun.mpich"];
const FOREVER = 1e9;

/** Those of `some` that are asked for; all launchers without. */
const among = ({ launchers }: PartOptions, some: readonly Launcher[] = launchers) =>
  some.filter((launcher) => launchers.includes(launcher));

interface Ping {
  readonly tripsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly firstMs: number;
}

async function withBed(work: (bed: Bed) => Promise<void>): Promise<void> {
  const bed = await Bed.open("bench");
  try {
    await work(bed);
  } finally {
    await bed.close();
  }
}

function nullTask(bed: Bed, name: string, ranges = FOREVER): Promise<string> {
  return bed.submit({
    name,
    input: { count: ranges },
    payload: { command: [":null"] },
    output: { name: `${name}.jsonl`, merge: "jsonl", allowEmpty: true },
  });
}

function sleepTask(bed: Bed, name: string, ms: number): Promise<string> {
  return bed.submit({
    name,
    input: { count: FOREVER },
    payload: { mode: "stream", command: [bed.echo, "--sleep", String(ms)] },
    output: { name: `${name}.jsonl`, merge: "jsonl", recordsPerEvent: 1 },
  });
}

async function done(bed: Bed, task: string): Promise<number> {
  const document = await bed.show(task);
  if (document === null) throw new Error("the engine does not answer");
  return document.ranges.done;
}

/** Ranges done a second over so many seconds. */
async function rate(bed: Bed, task: string, seconds: number): Promise<number> {
  const [before, began] = [await done(bed, task), performance.now()];
  await sleep(seconds);
  const after = await done(bed, task);
  return (after - before) / ((performance.now() - began) / 1000);
}

async function ping(launcher: Launcher, kind: "floor" | "mail", ...rest: string[]): Promise<Ping> {
  const mpi = launcher === "srun-pmix" || launcher === "mpirun.openmpi" ? "openmpi" : "mpich";
  const program = `${BUILD}/${mpi}/mpi-ping`;
  const line = [...launchLine(launcher, "4"), program, kind, ...rest];
  // hydra may fail, or wait for ever, once a rank leaves MPI_Finalize by its alarm: the line counts.
  const seconds = 30 + rest.map(Number).reduce((sum, each) => sum + each, 0);
  const script = 'timeout "$@" </dev/null || true';
  const text = await on("login", "sh", "-c", script, "sh", String(Math.ceil(seconds)), ...line);
  if (!text.includes("}")) throw new Error(`${launcher}: mpi-ping told nothing`);
  return JSON.parse(text.slice(text.indexOf("{"), text.indexOf("}") + 1)) as Ping;
}

const roundTrips: Part = async (figures, options) => {
  const seconds = options.quick ? "1" : "3";
  for (const launcher of among(options, options.quick ? ONE_OF_EACH : undefined)) {
    const name = `${launcher}, 4 ranks`;
    const floor = await ping(launcher, "floor", seconds);
    const mail = await ping(launcher, "mail", seconds);
    figures.add(`${name}: bare MPI round trips`, floor.tripsPerSecond, "1/s");
    figures.add(`${name}: the pilot's round trips`, mail.tripsPerSecond, "1/s");
    figures.add(`${name}: the pilot's / bare`, mail.tripsPerSecond / floor.tripsPerSecond, "x", {
      atLeast: 0.5,
    });
    figures.add(`${name}: the pilot's round trip p99`, mail.p99Ms, "ms");
  }
};

/** One slot a rank and nothing held ahead: each range is asked for when the one before is done. */
const requests: Part = (figures, options) =>
  withBed(async (bed) => {
    const { quick } = options;
    for (const launcher of among(options, quick ? ONE_OF_EACH : undefined)) {
      const task = await nullTask(bed, `requests-${launcher.replace(".", "-")}`);
      const run = new Run(bed, launcher, 4, ["--slots", "1", "--prefetch", "0"]);
      await run.started();
      await sleep(quick ? 2 : 5);
      const ranks = await run.end();
      await bed.jumbo("cancel", task);
      const name = `${launcher}, 4 ranks: request to grant`;
      const p50 = ranks.reduce((sum, rank) => sum + rank.grantMsP50, 0) / ranks.length;
      figures.add(`${name} p50`, p50, "ms", { atMost: 0.5 });
      figures.add(`${name} p99`, Math.max(...ranks.map((rank) => rank.grantMsP99)), "ms", {
        atMost: 5,
      });
    }
  });

/** All launchers' pilots at once: idle ones disturb nobody, or the figure shows it. */
const idle: Part = (figures, options) =>
  withBed(async (bed) => {
    const { quick } = options;
    const seconds = quick ? 10 : 60;
    const launchers = among(options, quick ? ONE_OF_EACH : undefined);
    const pinged = among(options, ONE_OF_EACH);
    const warm = await nullTask(bed, "warm");
    const runs = launchers.map((launcher) => new Run(bed, launcher, 4, ["--slots", "4"]));
    await Promise.all(runs.map((run) => run.started()));
    await bed.jumbo("cancel", warm);
    const pings = pinged.map((launcher) => ping(launcher, "mail", "0.2", String(seconds)));
    // One that goes wrong is told where it is awaited, and ends nothing before.
    for (const each of pings) each.catch(() => {});
    await sleep(5);
    const before = runs.map((run) => run.cpuSeconds());
    await sleep(seconds);
    const after = runs.map((run) => run.cpuSeconds());
    for (const [k, launcher] of pinged.entries()) {
      const { firstMs } = (await pings[k]) as Ping;
      figures.add(`${launcher}: first round trip after ${seconds} idle s`, firstMs, "ms", {
        atMost: 10,
      });
    }
    const answered = await nullTask(bed, "woken", 100_000).then(() => Date.now() / 1000);
    await sleep(2);
    for (const [k, run] of runs.entries()) {
      const share = (rank: number) =>
        (100 * ((after[k]?.get(rank) ?? Number.NaN) - (before[k]?.get(rank) ?? 0))) / seconds;
      const others = Math.max(share(1), share(2), share(3));
      figures.add(`${run.launcher}: CPU of an idle rank, the busiest`, others, "% of a core", {
        atMost: 1,
      });
      figures.add(`${run.launcher}: CPU of an idle rank 0`, share(0), "% of a core", {
        atMost: 1,
      });
      const ranks = await run.end();
      const woken = ranks.map((rank) => rank.wokenAt).filter((at) => at > 0);
      const first = 1000 * Math.max(0, Math.min(...woken) - answered);
      figures.add(`${run.launcher}: submit answered to first grant, after idling`, first, "ms", {
        atMost: 10,
      });
    }
  });

const throughput: Part = (figures, options) =>
  withBed(async (bed) => {
    const { quick } = options;
    for (const ranks of options.ranks) {
      for (const launcher of among(options, quick || ranks > 4 ? ONE_OF_EACH : undefined)) {
        const task = await nullTask(bed, `null-${ranks}-${launcher.replace(".", "-")}`);
        const run = new Run(bed, launcher, ranks, ["--slots", "64"]);
        await run.started();
        const name = `${launcher}, ${ranks} ranks of 64 slots`;
        const goal = ranks === 64 ? { atMost: 5 } : null;
        figures.add(`${name}: launch to first range everywhere`, run.launchToFirst(), "s");
        figures.add(`${name}: MPI_Init to first range, slowest`, run.slowestFirst(), "s", goal);
        const before = run.cpuSeconds().get(0) ?? Number.NaN;
        const seconds = quick ? 2 : 5;
        const perSecond = await rate(bed, task, seconds);
        const cpu = ((run.cpuSeconds().get(0) ?? Number.NaN) - before) / seconds;
        figures.add(`${name}: null ranges end to end`, perSecond, "1/s");
        figures.add(`${name}: CPU of rank 0 meanwhile`, 100 * cpu, "% of a core");
        await run.end();
        await bed.jumbo("cancel", task);
      }
    }
  });

/** Slots of 1 s payloads from the first grant to the drain, and the drain before the wall. */
const busy: Part = (figures, options) =>
  withBed(async (bed) => {
    const { quick } = options;
    const wall = quick ? 25 : 130;
    await sleepTask(bed, "busy", 1000);
    const flags = ["--slots", "2", "--walltime", `${wall}s`];
    const launchers = among(options, quick ? ONE_OF_EACH.slice(0, 1) : ONE_OF_EACH);
    const runs = launchers.map((launcher) => new Run(bed, launcher, 16, flags));
    for (const run of runs) {
      const ranks = await run.over(wall + 60);
      const name = `${run.launcher}, 16 ranks, 1 s payloads`;
      const share =
        ranks.reduce((sum, rank) => sum + rank.busySlotSeconds, 0) /
        ranks.reduce((sum, rank) => sum + rank.slotSeconds, 0);
      figures.add(`${name}: slots busy until the drain`, 100 * share, "%", { atLeast: 99 });
      const early = Math.max(...ranks.map((rank) => rank.wallEndAt - rank.endAt));
      figures.add(`${name}: drain's end before the wall`, early, "s", { atMost: 5 });
      figures.add(`${name}: ranks that told`, ranks.length, "", { atLeast: 16 });
    }
  });

const survivors: Part = (figures, options) =>
  withBed(async (bed) => {
    const { quick } = options;
    const seconds = quick ? 6 : 12;
    const task = await sleepTask(bed, "survivors", 100);
    for (const launcher of among(options, quick ? SURVIVE.slice(0, 2) : SURVIVE)) {
      const flags = ["--slots", "4", "--rank-silence", "4s"];
      const run = new Run(bed, launcher, 4, flags);
      await run.started();
      await sleep(2);
      const before = await rate(bed, task, quick ? 3 : 6);
      run.kill(2);
      const after = await rate(bed, task, seconds);
      const name = `${launcher}: rate of 3 survivors of 4 ranks`;
      figures.add(name, (100 * after) / (0.75 * before), "%", { atLeast: 95 });
      await run.end();
      await bed.cancelJobs();
    }
  });

const late: Part = (figures, options) =>
  withBed(async (bed) => {
    await nullTask(bed, "late");
    for (const launcher of among(options, ONE_OF_EACH)) {
      const run = new Run(bed, launcher, 4, ["--slots", "4"], "3:60");
      await run.started(3);
      const name = `${launcher}, one of 4 ranks sleeps 60 s after MPI_Init`;
      figures.add(`${name}: first ranges of the others`, run.slowestFirst(), "s", { atMost: 1 });
      figures.add(`${name}: ranks that wait for it`, 3 - run.firsts().size, "", { atMost: 0 });
      await bed.cancelJobs();
      await until("its end", 60, () => run.processes().length === 0);
    }
  });

export const PARTS: Readonly<Record<string, Part>> = {
  "round-trips": roundTrips,
  requests,
  throughput,
  late,
  survivors,
  idle,
  busy,
};
