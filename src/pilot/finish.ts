/**
 * From a payload's end to a report. Exit 0 is not proof: done = output there, a plain file of the
 * attempt's own folder, not empty (unless allowed), with as many records as its events ask for,
 * from an input that is still what was scanned, and durable in a bundle.
 */
import { lstat, rm } from "node:fs/promises";
import { JumboError, messageOf } from "../base/index.ts";
import { clipReason, OUTCOME, type Outcome } from "../wire/index.ts";
import type { Bundles } from "./bundles.ts";
import { countRecords } from "./count-records.ts";
import type { ReportItem } from "./holdings.ts";
import { inputProblem } from "./input-check.ts";
import type { AttemptEnd, RangeWork } from "./work.ts";

export interface Settled {
  readonly item: ReportItem;
  /** Set if this pilot can't keep outputs any more. */
  readonly broken: string | null;
}

/** Looks at what an attempt left, keeps it if it is good, and removes the attempt's folder. */
export async function settle(work: RangeWork, end: AttemptEnd, bundles: Bundles): Promise<Settled> {
  try {
    return await judge(work, end, bundles);
  } finally {
    await rm(work.folder, { recursive: true, force: true }).catch(() => {});
  }
}

async function judge(work: RangeWork, end: AttemptEnd, bundles: Bundles): Promise<Settled> {
  const wall = "wallSeconds" in end ? end.wallSeconds : 0;
  const cpu = end.kind === "output" || end.kind === "failed" ? end.cpuSeconds : 0;
  const say = (outcome: Outcome, reason: string, bundle = 0, broken: string | null = null) => ({
    item: itemOf(work, outcome, reason, bundle, wall, cpu),
    broken,
  });
  if (end.kind === "returned") return say(OUTCOME.returned, "");
  if (end.kind === "broken") return say(OUTCOME.returned, "", 0, end.reason);
  if (end.kind === "lost") return say(OUTCOME.lost, end.reason);
  // An input that changed explains any other failure, and no repetition helps.
  const changed = await inputProblem(work.file);
  if (changed !== null) return say(OUTCOME.fatal, changed);
  if (end.kind === "failed") return say(end.fatal ? OUTCOME.fatal : OUTCOME.failed, end.reason);
  const output = await outputProblem(work, end.path, end.bytes);
  if (typeof output === "string") return say(OUTCOME.failed, output);
  if (output.bytes === 0) return say(OUTCOME.done, "");
  try {
    const note = { attempt: work.attempt, wallSeconds: wall, cpuSeconds: cpu, node: "" };
    return say(OUTCOME.done, "", await bundles.store(work, note, end.path));
  } catch (error) {
    if (error instanceof JumboError) return say(OUTCOME.failed, error.message);
    const reason = `output could not be made durable (${messageOf(error)})`;
    return say(OUTCOME.lost, reason, 0, reason);
  }
}

export function itemOf(
  work: RangeWork,
  outcome: Outcome,
  reason: string,
  bundle: number,
  wallSeconds: number,
  cpuSeconds: number,
): ReportItem {
  return {
    span: work.span,
    outcome,
    bundle,
    reason: clipReason(reason),
    wallSum: wallSeconds,
    wallSquares: wallSeconds * wallSeconds,
    wallMax: wallSeconds,
    cpuSum: cpuSeconds,
  };
}

/** The output's size, or why it is none. */
async function outputProblem(
  work: RangeWork,
  path: string,
  claimedBytes: number | null,
): Promise<{ bytes: number } | string> {
  const { task } = work;
  const name = task.outputName;
  let bytes: number;
  try {
    const found = await lstat(path);
    if (!found.isFile()) return `output ${name} is no regular file (links and folders are refused)`;
    bytes = found.size;
  } catch {
    return `output ${name} is missing (exit 0 is no proof; the program must write {output})`;
  }
  if (claimedBytes !== null && claimedBytes !== bytes) {
    return `output ${name} has ${bytes} bytes (its payload reported ${claimedBytes})`;
  }
  if (bytes === 0 && !task.allowEmpty) {
    return `output ${name} is empty (set output.allowEmpty if that is right)`;
  }
  if (task.recordsPerEvent < 0) return { bytes };
  const expected = task.recordsPerEvent * work.count;
  const records = await countRecords(path, task.countRule);
  if (records !== null && records !== expected) {
    return (
      `output ${name} has ${records} records (${expected} are expected: ` +
      `${task.recordsPerEvent} for each of ${work.count} events)`
    );
  }
  return { bytes };
}
