/**
 * Jobs from `squeue --json` and `scontrol -o show job`, planned starts from `squeue --start`.
 *
 * `squeue --json` lists finished jobs too, until MinJobAge after their end; its exit_code is a raw
 * wait status. It names no nodes for a planned start: those stand in `squeue --start` only.
 */
import { epochOf, numberOf, pairs, record, rows, textOf } from "./answer.ts";
import { expandNodeList } from "./node-list.ts";
import type { JobPhase, JobState } from "./types.ts";

export interface SlurmJob extends JobState {
  readonly partition: string;
}

export function parseSqueue(text: string): SlurmJob[] {
  return rows("squeue --json", text, "jobs").map((row) => {
    const states = Array.isArray(row["job_state"]) ? row["job_state"] : [row["job_state"]];
    const state = textOf(states[0]);
    const code = row["exit_code"];
    return {
      jobId: String(numberOf(row["job_id"])),
      name: textOf(row["name"]),
      partition: textOf(row["partition"]),
      phase: phaseOf(state),
      state,
      reason: textOf(row["state_reason"]),
      exitCode: typeof code === "number" ? codeOfWait(code) : numberOfCode(code),
      startSeconds: Math.max(0, numberOf(row["start_time"])),
      endSeconds: Math.max(0, numberOf(row["end_time"])),
    };
  });
}

/** Later versions: {return_code, signal: {id}}. */
function numberOfCode(value: unknown): number {
  const code = record(value);
  const signal = Math.max(0, numberOf(record(code["signal"])["id"]));
  return signal > 0 ? 128 + signal : Math.max(0, numberOf(code["return_code"]));
}

/** wait(2): the low 7 bits are the signal, the next byte the exit code. */
export function codeOfWait(status: number): number {
  const signal = status & 0x7f;
  return signal > 0 ? 128 + signal : (status >> 8) & 0xff;
}

export function phaseOf(state: string): JobPhase {
  if (
    /^(PENDING|CONFIGURING|REQUEUED|REQUEUE_HOLD|REQUEUE_FED|SPECIAL_EXIT|RESV_DEL_HOLD)$/.test(
      state,
    )
  )
    return "pending";
  if (/^(RUNNING|COMPLETING|SUSPENDED|STOPPED|SIGNALING|STAGE_OUT|RESIZING)$/.test(state))
    return "running";
  return "ended";
}

/** One job of `scontrol -o show job ID`; null where the output names none. */
export function parseJobLine(text: string): SlurmJob | null {
  const found = pairs(text);
  const jobId = found.get("JobId");
  if (jobId === undefined) return null;
  const state = found.get("JobState") ?? "";
  const [code = "0", signal = "0"] = (found.get("ExitCode") ?? "0:0").split(":");
  return {
    jobId,
    name: found.get("JobName") ?? "",
    partition: found.get("Partition") ?? "",
    phase: phaseOf(state),
    state,
    reason: found.get("Reason") ?? "",
    exitCode: Number(signal) > 0 ? 128 + Number(signal) : Number(code),
    startSeconds: Math.max(0, epochOf(found.get("StartTime"))),
    endSeconds: Math.max(0, epochOf(found.get("EndTime"))),
  };
}

export interface PlannedStart {
  readonly jobId: string;
  /** -1: the scheduler has not planned it. */
  readonly startSeconds: number;
  readonly nodes: readonly string[];
}

/** `squeue -a --start -h -o "%i|%S|%Y"`. */
export function parsePlanned(text: string): PlannedStart[] {
  const planned: PlannedStart[] = [];
  for (const line of text.split("\n")) {
    const [jobId = "", start = "", nodes = ""] = line.trim().split("|");
    if (jobId === "") continue;
    planned.push({
      jobId,
      startSeconds: epochOf(start),
      nodes: nodes === "" || nodes.startsWith("(") || nodes === "N/A" ? [] : expandNodeList(nodes),
    });
  }
  return planned;
}
