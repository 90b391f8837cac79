/**
 * node test/e2e-hpc/inside.ts node test/e2e-hpc/short.ts: one small task by srun with each MPI, on the
 * cluster fixture. Prints what came of each, as JSON, for the default suite to judge
 * (test/native/slurm.test.ts).
 */
import { Bed, type TaskDocument } from "./bed.ts";
import { ended, outside, tryOn, until } from "./cluster.ts";

export interface ShortOutcome {
  readonly launcher: string;
  readonly task: TaskDocument | null;
  readonly nodes: number;
  readonly result: string;
  /** Processes of ours on the nodes when all is over. */
  readonly left: string;
  readonly log: string;
}

export const SHORT_RANGES = 200;
const NODES = ["n1", "n2"];

async function shortRun(bed: Bed, launcher: "srun-pmix" | "srun-pmi2"): Promise<ShortOutcome> {
  const name = `short-${launcher}`;
  const pilot = bed.launch(launcher, ["--slots", "2"], String(NODES.length));
  const nodes = async () => {
    const told = await bed.api<{ pilots: { nodes: unknown[] }[] }>("/pilots");
    return told?.pilots.length === 1 ? (told.pilots[0]?.nodes.length ?? 0) : 0;
  };
  let joined = 0;
  await until("both nodes", 60, async () => {
    if (ended(pilot)) throw new Error(bed.pilotLog());
    joined = await nodes();
    return joined === NODES.length;
  });
  const id = await bed.submit({
    name,
    input: { count: SHORT_RANGES },
    payload: { mode: "stream", command: [bed.echo] },
    output: { name: `${name}.jsonl`, merge: "jsonl", recordsPerEvent: 1 },
  });
  let task: TaskDocument | null = null;
  await until("the task's end", 60, async () => {
    task = await bed.show(id);
    return task !== null && task.state !== "open" && task.state !== "merging";
  });
  await bed.cancelJobs();
  await until("the launcher's end", 60, () => ended(pilot));
  const found = await Promise.all(NODES.map((node) => tryOn(node, "pgrep", "-l", "jumbo-")));
  const result = bed.result(`${name}.jsonl`);
  return { launcher, task, nodes: joined, result, left: found.join(""), log: bed.pilotLog() };
}

if (import.meta.main) {
  const why = outside();
  if (why !== "") throw new Error(why);
  const bed = await Bed.open("short");
  const outcomes: ShortOutcome[] = [];
  try {
    for (const launcher of ["srun-pmix", "srun-pmi2"] as const) {
      outcomes.push(await shortRun(bed, launcher));
    }
  } finally {
    await bed.close();
  }
  console.log(JSON.stringify(outcomes));
}
