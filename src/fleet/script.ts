/**
 * The batch script of one allocation: a pilot on each of its nodes.
 *
 * The true end is asked inside the job, since a job may begin late; the pilots get the seconds that
 * are left, ask again now and then since limits change, and drain in time by themselves. Signals
 * need no trap: Slurm sends SIGTERM to srun's steps directly, hence to the pilots. The secret is in
 * the access file beside the script; nothing secret is in the script, its arguments or its
 * environment.
 */
import { join } from "node:path";
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
  const words = [...pilot.argv, "pilot", "start", "--access", request.accessPath];
  words.push("--bundles", request.bundlesDir, "--queue", queue, "--allocation", request.allocation);
  if (settings.slots > 0) words.push("--slots", String(settings.slots));
  // What has not ended shortly before the SIGKILL would be lost without a word.
  words.push("--drain", String(Math.max(1, killWaitSeconds - 2)), "--output", "quiet");
  return `#!/bin/bash
# Allocation ${request.allocation} of queue ${queue}: ${request.nodes.length} nodes.
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

/** One word of a shell, whatever is in it. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
