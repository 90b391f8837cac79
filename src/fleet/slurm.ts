/**
 * A Slurm partition. Reads it live (sinfo, squeue, scontrol), submits one script a shape by argv,
 * and names the nodes of the hole, so that the allocation lands in it and nowhere else.
 *
 * There may be no sacct: end states come from `squeue --json` and `scontrol show job`, within the
 * controller's MinJobAge.
 */
import { accessSync, constants, writeFileSync } from "node:fs";
import { join } from "node:path";
import { JumboError, messageOf } from "../base/index.ts";
import { sightOf } from "./holes.ts";
import { parseKillWait, parsePartition, parseReservations } from "./parse-scontrol.ts";
import { parseSinfo } from "./parse-sinfo.ts";
import { parseJobLine, parsePlanned, parseSqueue, type SlurmJob } from "./parse-squeue.ts";
import { batchScript, programOf, SCRIPT_NAME } from "./script.ts";
import { runSiteCommand, SiteCommandError } from "./site-command.ts";
import type { JobState, Provisioner, ProvisionerParts, SiteSight, SubmitRequest } from "./types.ts";

export class SlurmProvisioner implements Provisioner {
  readonly kind = "slurm";
  readonly #parts: ProvisionerParts;
  #killWaitSeconds = 0;

  constructor(parts: ProvisionerParts) {
    this.#parts = parts;
  }

  async look(): Promise<SiteSight> {
    const { partition } = this.#parts.settings;
    const [nodes, planned, reservations, limits] = await Promise.all([
      runSiteCommand(["sinfo", "--json"]),
      runSiteCommand(["squeue", "-a", "--start", "-h", "-o", "%i|%S|%Y"]),
      runSiteCommand(["scontrol", "-o", "show", "res"]),
      runSiteCommand(["scontrol", "-o", "show", "partition", partition]),
    ]);
    return sightOf({
      nowSeconds: Math.floor(this.#parts.nowSeconds()),
      partition: parsePartition(limits),
      nodes: parseSinfo(nodes),
      planned: parsePlanned(planned),
      reservations: parseReservations(reservations),
    });
  }

  async submit(request: SubmitRequest): Promise<string> {
    const { queue, settings, pilot } = this.#parts;
    if (settings.pilot === "mpi") checkProgram(programOf(settings));
    if (this.#killWaitSeconds === 0) {
      this.#killWaitSeconds = parseKillWait(await runSiteCommand(["scontrol", "show", "config"]));
    }
    const script = join(request.folder, SCRIPT_NAME);
    const text = batchScript(request, queue, settings, pilot, this.#killWaitSeconds);
    writeFileSync(script, text, { mode: 0o700 });
    let said: string;
    try {
      said = await runSiteCommand(submitArguments(request, settings, script));
    } catch (error) {
      if (!(error instanceof SiteCommandError) || error.exitCodeOfCommand < 0) throw error;
      throw new JumboError("refused", error.message, { subject: "sbatch", cause: error });
    }
    const jobId = /^(\d+)(?:;\S*)?\s*$/.exec(said)?.[1];
    if (jobId === undefined) {
      throw new JumboError("refused", `sbatch gave no job id (it said "${said.trim()}")`);
    }
    return jobId;
  }

  /** Slurm sends SIGTERM to the steps and, KillWait later, SIGKILL. */
  async cancel(jobId: string): Promise<void> {
    try {
      await runSiteCommand(["scancel", jobId]);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  async states(jobs: readonly { jobId: string; name: string }[]): Promise<JobState[]> {
    if (jobs.length === 0) return [];
    const all = parseSqueue(await runSiteCommand(["squeue", "-a", "--json"]));
    const byId = new Map(all.map((job) => [job.jobId, job]));
    const byName = new Map(all.map((job) => [job.name, job]));
    const found: JobState[] = [];
    for (const { jobId, name } of jobs) {
      const job = byId.get(jobId) ?? byName.get(name) ?? (await this.#askOf(jobId));
      // Ids begin anew when a controller lost its state: the name must be ours.
      if (job !== null && job.name === name) found.push(job);
    }
    return found;
  }

  async #askOf(jobId: string): Promise<SlurmJob | null> {
    if (jobId === "") return null;
    try {
      return parseJobLine(await runSiteCommand(["scontrol", "-o", "show", "job", jobId]));
    } catch (error) {
      if (isGone(error)) return null;
      throw error;
    }
  }

  async close(): Promise<void> {}
}

/** Here as on the nodes: they see the same file system. Throws JumboError("refused"). */
function checkProgram(path: string): void {
  try {
    accessSync(path, constants.X_OK);
  } catch (error) {
    throw new JumboError(
      "refused",
      `the queue's MPI pilot can't be started (${messageOf(error)}) build it with \`npm run build:native\`, or name it with --program`,
      { subject: path, cause: error },
    );
  }
}

function isGone(error: unknown): boolean {
  return error instanceof SiteCommandError && /invalid job id/i.test(error.message);
}

/** sbatch's argv for one shape; pure, so that a dry run can print it. */
export function submitArguments(
  request: SubmitRequest,
  settings: ProvisionerParts["settings"],
  script: string,
): string[] {
  return [
    "sbatch",
    "--parsable",
    `--partition=${settings.partition}`,
    `--nodes=${request.nodes.length}`,
    `--nodelist=${request.nodes.join(",")}`,
    "--exclusive",
    "--mem=0",
    "--ntasks-per-node=1",
    // Slurm counts in minutes and rounds up: shapes are whole minutes.
    `--time=${Math.floor(request.seconds / 60)}`,
    // A requeued job would begin when its hole is gone; a dead node is no reason to end the others.
    "--no-requeue",
    "--no-kill",
    `--job-name=${request.jobName}`,
    `--output=${join(request.folder, "slurm-%j.out")}`,
    `--chdir=${request.folder}`,
    ...settings.arguments,
    script,
  ];
}
