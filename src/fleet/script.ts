/**
 * The batch script of one allocation: a pilot on each of its nodes, or one MPI pilot over all.
 *
 * The true end is asked inside the job, since a job may begin late; the pilots get the seconds that
 * are left, ask again now and then since limits change, and drain in time by themselves. Signals
 * need no trap: Slurm sends SIGTERM to srun's steps directly, hence to the pilots. The secret is in
 * the access file beside the script; nothing secret is in the script, its arguments or its
 * environment.
 */
import { join } from "node:path";
import { counted } from "../base/index.ts";
import { allocationScript, pilotProgram, shellWord } from "./pilot-script.ts";
import type { QueueSettings } from "./settings.ts";
import type { PilotCommand, SubmitRequest } from "./types.ts";

/** Seconds before the job's end at which its pilots must be gone: the site's clocks differ. */
const END_MARGIN_SECONDS = 5;

export function batchScript(
  request: SubmitRequest,
  queue: string,
  settings: QueueSettings,
  pilot: PilotCommand,
  killWaitSeconds: number,
): string {
  // What has not ended shortly before the SIGKILL would be lost without a word.
  const drainSeconds = Math.max(1, killWaitSeconds - 2);
  return settings.pilot === "mpi"
    ? mpiScript(request, queue, settings, drainSeconds)
    : nodeScript(request, queue, settings, pilot, drainSeconds);
}

/** The program that a queue's MPI pilots are. */
export function programOf(settings: QueueSettings): string {
  return settings.program === "" ? pilotProgram(settings.mpi) : settings.program;
}

function mpiScript(
  request: SubmitRequest,
  queue: string,
  settings: QueueSettings,
  drainSeconds: number,
): string {
  const { mpi, launcher, slots } = settings;
  const { allocation, accessPath, bundlesDir, nodes } = request;
  const flags = [programOf(settings), "--access", accessPath, "--bundles", bundlesDir];
  flags.push("--queue", queue, "--allocation", allocation, "--drain", String(drainSeconds));
  if (slots > 0) flags.push("--slots", String(slots));
  // One session for all nodes; a rank that takes it over raises its generation.
  const words = [...flags.map(shellWord), "--id", `"${queue}-$SLURM_JOB_ID"`];
  const title = `Allocation ${allocation} of queue ${queue}: ${counted(nodes.length, "node")}, ${mpi}, ${launcher}.`;
  const how = { mpi, launcher, nodes: nodes.length, nodesPerStep: 0 };
  return allocationScript(title, accessPath, words, how);
}

function nodeScript(
  request: SubmitRequest,
  queue: string,
  settings: QueueSettings,
  pilot: PilotCommand,
  drainSeconds: number,
): string {
  const words = [...pilot.argv, "pilot", "start", "--access", request.accessPath];
  words.push("--bundles", request.bundlesDir, "--queue", queue, "--allocation", request.allocation);
  if (settings.slots > 0) words.push("--slots", String(settings.slots));
  words.push("--drain", String(drainSeconds), "--output", "quiet");
  return `#!/bin/bash
# Allocation ${request.allocation} of queue ${queue}: ${counted(request.nodes.length, "node")}.
set -u
umask 077
if [ "\${1:-}" = node ]; then
  exec ${words.map(shellWord).join(" ")} \\
    --id "${queue}-$SLURM_JOB_ID-$SLURM_NODEID" --generation $((\${SLURM_RESTART_COUNT:-0} + 1)) \\
    --walltime "$JUMBO_SECONDS_LEFT" --slurm-job "$SLURM_JOB_ID"
fi
end=$(SLURM_TIME_FORMAT=%s squeue -h -j "$SLURM_JOB_ID" -o %e 2>/dev/null)
case $end in
  '' | *[!0-9]*) left=${request.seconds} ;;
  *) left=$((end - $(date +%s))) ;;
esac
left=$((left - ${END_MARGIN_SECONDS}))
[ "$left" -gt 0 ] || { echo "no time is left" >&2; exit 0; }
export JUMBO_SECONDS_LEFT=$left
exec srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --cpu-bind=none --no-kill \\
  --wait=0 --kill-on-bad-exit=0 /bin/bash ${shellWord(join(request.folder, SCRIPT_NAME))} node </dev/null
`;
}

export const SCRIPT_NAME = "job.sh";
