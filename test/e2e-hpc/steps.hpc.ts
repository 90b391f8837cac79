/**
 * `pilot script --steps-per N` and changes while a job runs: several steps of one job are sessions of
 * their own, so that a frozen node holds back its step only; a shorter time limit is obeyed.
 */
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bed } from "./bed.ts";
import { cluster, on, outside, tryOn, until } from "./cluster.ts";

const why = outside();
if (why !== "") console.warn(`SKIPPED: steps on the cluster (${why})`);

interface Pilots {
  readonly pilots: readonly { readonly nodes: readonly { readonly name: string }[] }[];
}

describe.skipIf(why !== "").each(["openmpi", "mpich"])("steps of one job, %s", (mpi) => {
  let bed: Bed;
  beforeAll(async () => {
    bed = await Bed.open("steps");
  });
  afterAll(async () => {
    await cluster("node", "n4", "thaw");
    await bed.close();
  });

  const submit = async (...flags: string[]) => {
    const bundles = ["--bundles", bed.bundles, "--nodes", "4", "--mpi", mpi, "--time", "10m"];
    const text = await bed.jumbo("pilot", "script", ...bundles, "--slots", "4", ...flags);
    const file = `${bed.folder}/job.sh`;
    writeFileSync(file, text);
    chmodSync(file, 0o700);
    const log = logOf("%j");
    return (await on("login", "sbatch", "--parsable", "-o", log, "-e", log, file)).trim();
  };
  const logOf = (job: string) => `${bed.folder}/job-${job}.log`;
  const said = (job: string, words: RegExp) =>
    existsSync(logOf(job)) && words.test(readFileSync(logOf(job), "utf8"));
  const sessions = async () => (await bed.api<Pilots>("/pilots"))?.pilots ?? [];

  it("are sessions of their own; a node that hangs holds back its step only", async () => {
    await cluster("node", "n4", "freeze");
    await submit("--steps-per", "1");
    await until("three sessions", 60, async () => (await sessions()).length >= 3);
    const task = await bed.submit({
      name: `steps-${mpi}`,
      input: { count: 200 },
      payload: { mode: "stream", command: [bed.echo] },
      output: { name: `steps-${mpi}.jsonl`, merge: "jsonl", recordsPerEvent: 1 },
    });
    await bed.jumbo("wait", task);
    expect((await bed.show(task))?.ranges.done).toBe(200);
    await cluster("node", "n4", "thaw");
    await until("the fourth session", 60, async () => (await sessions()).length >= 4);
    const nodes = (await sessions()).map((each) => each.nodes.map(({ name }) => name).join());
    expect(nodes.sort()).toEqual(["n1", "n2", "n3", "n4"]);
    await bed.cancelJobs();
  });

  it("follow a time limit that is changed", async () => {
    const job = await submit();
    await until("the first end", 60, () => said(job, /the allocation ends in [56]\d\d s/));
    await tryOn("login", "scontrol", "update", `jobid=${job}`, "timelimit=5");
    await until("the new end", 60, () => said(job, /the allocation ends in 2\d\d s/));
    await bed.cancelJobs();
  });
});
