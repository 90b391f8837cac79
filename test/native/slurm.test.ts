/**
 * One small task by the srun of a real Slurm, for each MPI, where root and the cluster fixture are at
 * hand. Everything else on that cluster is slow: `npm run test:hpc`.
 */
import { execFile, execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { missing } from "../e2e-hpc/cluster.ts";
import { SHORT_RANGES, type ShortOutcome } from "../e2e-hpc/short.ts";
import { countResult } from "./bed.ts";

const run = promisify(execFile);
const HPC = resolve(import.meta.dirname, "../e2e-hpc");

/** The fixture would install what is missing by itself, which is not a test's business. */
function noSlurm(): string {
  try {
    execFileSync("sh", ["-c", "command -v slurmctld slurmd srun munged ip"], { stdio: "ignore" });
    return "";
  } catch {
    return "no Slurm: apt-get install slurmctld slurmd slurm-client munge iproute2";
  }
}

const why = missing() || noSlurm();
if (why !== "") console.warn(`SKIPPED: the pilot by srun (${why})`);

describe.skipIf(why !== "")("the pilot by srun on two nodes", () => {
  it("does each range once with both MPIs, and leaves no process", {
    timeout: 240_000,
  }, async () => {
    const env = { ...process.env, CLUSTER_INSTALL: "0", JUMBO_HPC_NODES: "2" };
    const args = [`${HPC}/inside.ts`, process.execPath, `${HPC}/short.ts`];
    const { stdout } = await run(process.execPath, args, { env, timeout: 220_000 });
    const outcomes = JSON.parse(stdout) as ShortOutcome[];
    expect(outcomes.map(({ launcher }) => launcher)).toEqual(["srun-pmix", "srun-pmi2"]);
    for (const { task, nodes, result, left, log } of outcomes) {
      expect(nodes, log).toBe(2);
      expect(task, log).toMatchObject({ state: "done", attempts: SHORT_RANGES });
      expect(result).toBe(countResult(SHORT_RANGES));
      expect(left).toBe("");
    }
  });
});
