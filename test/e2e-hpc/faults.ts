/**
 * What can die, as cases: each strikes once at a moment that a seed chooses, and names what died. The
 * slow ones are those that Slurm takes its time over.
 */
import { spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import type { Random } from "../../src/base/index.ts";
import type { Bed, Launcher } from "./bed.ts";
import { cluster, on, sleep, tryOn, until } from "./cluster.ts";

export interface Fault {
  readonly name: string;
  readonly slow: boolean;
  /** Gives the node whose started ranges may start again; "": all that had started. */
  readonly strike: (bed: Bed, random: Random) => Promise<string>;
  /**
   * Run by the batch script of `pilot script`, in this partition, for so long. A job that is over
   * within the grace is done, and requeued by nobody: one that lingers is not over then.
   */
  readonly batch?: {
    readonly queue: string;
    readonly time: string;
    readonly pilotSees: string;
    readonly lingers?: boolean;
  };
  /** Outputs lie on the small file system. */
  readonly small?: boolean;
  /** By these launchers the other ranks must live on. */
  readonly survivors?: ReadonlySet<Launcher>;
}

const NODES = 4;
const SURVIVES_RANK: ReadonlySet<Launcher> = new Set([
  "mpirun.openmpi",
  "srun-pmi2",
  "mpirun.mpich",
]);

const anyNode = (random: Random) => `n${1 + Math.floor(random.nextUnit() * NODES)}`;
const workerNode = (random: Random) => `n${2 + Math.floor(random.nextUnit() * (NODES - 1))}`;
const away = (random: Random) => sleep(1 + 7 * random.nextUnit());

async function kill(node: string, program: string): Promise<string> {
  await tryOn(node, "pkill", "-KILL", "-x", program);
  return node;
}

/** Power off, and on again once Slurm has noticed (a node that is back sooner confuses it). */
async function powerCut(_bed: Bed, random: Random): Promise<string> {
  const node = anyNode(random);
  const state = async () => (await tryOn("login", "sinfo", "-h", "-n", node, "-o", "%T")).trim();
  await cluster("node", node, "crash");
  await until(`${node} seen down`, 120, async () => (await state()).startsWith("down"));
  await cluster("node", node, "boot");
  await until(`${node} up again`, 120, async () => /^(idle|alloc|mix)/.test(await state()));
  return node;
}

/** Another job takes all nodes; Slurm stops ours and starts it again. */
async function preempt(): Promise<string> {
  const flags = ["-p", "main", "-N", String(NODES), "--exclusive", "-t", "1", "-o", "/dev/null"];
  await on("login", "sbatch", "--wait", ...flags, "--wrap", "sleep 1");
  return "";
}

async function jobsGone(): Promise<string> {
  await until("the walltime's end", 200, async () => {
    return (await tryOn("login", "squeue", "-h", "-o", "%i")).trim() === "";
  });
  return "";
}

async function fillUp(_bed: Bed, random: Random): Promise<string> {
  const ballast = `${process.env["JUMBO_HPC_SMALL"]}/ballast`;
  // As much as there is: dd ends with an error when it is full.
  await new Promise((done) =>
    spawn("dd", ["if=/dev/zero", `of=${ballast}`, "bs=64k"], { stdio: "ignore" }).on("exit", done),
  );
  await away(random);
  rmSync(ballast);
  return "";
}

export const FAULTS: readonly Fault[] = [
  {
    name: "payloads killed",
    slow: false,
    strike: (_bed, random) => kill(anyNode(random), "jumbo-echo"),
    survivors: new Set(["srun-pmix", ...SURVIVES_RANK]),
  },
  {
    name: "worker rank killed",
    slow: false,
    strike: (_bed, random) => kill(workerNode(random), "jumbo-pilot"),
    survivors: SURVIVES_RANK,
  },
  {
    name: "rank 0 killed",
    slow: false,
    strike: () => kill("n1", "jumbo-pilot"),
    survivors: SURVIVES_RANK,
  },
  {
    name: "cable cut and healed",
    slow: false,
    strike: async (_bed, random) => {
      const node = anyNode(random);
      await cluster("node", node, "cut");
      await away(random);
      await cluster("node", node, "heal");
      return node;
    },
  },
  {
    name: "rank 0's cable cut and healed",
    slow: false,
    // About as long as the others wait before one of them takes over: then the old hub and the new
    // one meet.
    strike: async (_bed, random) => {
      await cluster("node", "n1", "cut");
      await sleep(3 + 4 * random.nextUnit());
      await cluster("node", "n1", "heal");
      return "n1";
    },
  },
  {
    name: "node frozen and thawed",
    slow: false,
    strike: async (_bed, random) => {
      const node = workerNode(random);
      await cluster("node", node, "freeze");
      await away(random);
      await cluster("node", node, "thaw");
      return node;
    },
  },
  {
    name: "rank 0's node frozen and thawed",
    slow: false,
    strike: async (_bed, random) => {
      await cluster("node", "n1", "freeze");
      await away(random);
      await cluster("node", "n1", "thaw");
      return "n1";
    },
  },
  {
    name: "engine killed and restarted",
    slow: false,
    strike: async (bed, random) => {
      await bed.killEngine();
      await sleep(3 * random.nextUnit());
      await bed.startEngine();
      return "";
    },
  },
  { name: "shared folder full", slow: false, strike: fillUp, small: true },
  {
    name: "scancel",
    slow: false,
    // With and without time to say anything.
    strike: async (bed, random) => {
      await bed.cancelJobs(random.nextUnit() < 0.5 ? ["--signal=KILL", "--full"] : []);
      return "";
    },
  },
  { name: "power cut of a node", slow: true, strike: powerCut },
  {
    name: "preemption with requeue",
    slow: true,
    strike: preempt,
    batch: { queue: "spot", time: "10m", pilotSees: "", lingers: true },
  },
  {
    name: "walltime's end with notice",
    slow: true,
    strike: jobsGone,
    batch: { queue: "main", time: "1m", pilotSees: "" },
  },
  {
    name: "walltime's end without notice",
    slow: true,
    strike: jobsGone,
    batch: { queue: "main", time: "1m", pilotSees: "1h" },
  },
];

/**
 * The script of `pilot script`, as people submit it. `pilotSees` is a walltime that is told to the
 * pilot and not true; then Slurm gives no signal before the end either.
 */
export async function submitBatch(
  bed: Bed,
  launcher: Launcher,
  batch: NonNullable<Fault["batch"]>,
  flags: readonly string[],
): Promise<string> {
  const [program, kind] = launcher.split(/[-.]/) as [string, string];
  const mpi = kind === "openmpi" || kind === "pmix" ? "openmpi" : "mpich";
  const options = ["--queue", batch.queue, "--nodes", String(NODES), "--time", batch.time];
  const how = ["--mpi", mpi, "--launcher", program, "--notice", "20s", "--bundles", bed.bundles];
  const text = await bed.jumbo("pilot", "script", ...options, ...how);
  const seen = batch.pilotSees === "" ? [] : ["--walltime", batch.pilotSees];
  const script = text
    .split("\n")
    .filter((line) => batch.pilotSees === "" || !line.includes("--signal"))
    .map((line) =>
      line.startsWith("pilot=(") ? line.replace(/\)$/, ` ${[...flags, ...seen].join(" ")})`) : line,
    )
    .join("\n");
  const file = `${bed.folder}/job.sh`;
  const lingering = script.replace(/^exec /m, "").replace(/^exit \$status$/m, "");
  const whole = batch.lingers === true ? `${lingering}\nsleep 30\n` : script;
  writeFileSync(file, whole, { mode: 0o700 });
  const log = `${bed.folder}/pilot.log`;
  return (await on("login", "sbatch", "--parsable", "-o", log, "-e", log, file)).trim();
}
