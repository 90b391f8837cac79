/**
 * The piscina worker of the merge room: one job in, one plain outcome out. Proofs against bundles
 * and ranges are results; errors of the disk come back with their code; what it throws is a
 * programmer's error.
 */
import { closeSync, fsyncSync, openSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { messageOf, unreachable } from "../base/index.ts";
import { hashFile, syncFolder } from "./durable-file.ts";
import type { JobOutcome, MergeJob, MergeResult, SealJob, SealResult } from "./jobs.ts";
import { runManifestJob } from "./manifest.ts";
import { runFileJob } from "./merge-job.ts";

export default async function runMergeJob(job: MergeJob): Promise<JobOutcome> {
  try {
    return await run(job);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (typeof code !== "string") throw error;
    return { threw: { code, message: messageOf(error) } };
  }
}

async function run(job: MergeJob): Promise<MergeResult> {
  switch (job.type) {
    case "file":
      return await runFileJob(job);
    case "seal":
      return await runSealJob(job);
    case "manifest":
      return await runManifestJob(job);
    default:
      return unreachable(job);
  }
}

async function runSealJob(job: SealJob): Promise<SealResult> {
  const sealed = await hashFile(job.from);
  const fd = openSync(job.from, "r+");
  fsyncSync(fd);
  closeSync(fd);
  renameSync(job.from, job.path);
  syncFolder(dirname(job.path));
  return sealed;
}
