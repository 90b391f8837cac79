/**
 * One round: a run of short ranges, one fault at a random moment of it, pilots started again where
 * the fault ends them, and the books at the end. What must hold is told, not asserted, so that the
 * suite and the campaign judge alike.
 */
import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { SeededRandom } from "../../src/base/index.ts";
import { Bed, type Launcher } from "./bed.ts";
import { ended, tryOn, until } from "./cluster.ts";
import { type Fault, submitBatch } from "./faults.ts";

export interface RoundPlan {
  readonly fault: Fault;
  readonly launcher: Launcher;
  readonly ranges: number;
  readonly seed: number;
}

export interface RoundOutcome {
  /** "" if all held. */
  readonly broken: string;
  /** Starts beyond one a range. */
  readonly lost: number;
  readonly launches: number;
  readonly seconds: number;
}

export const SLOTS = 8;
const SILENCE_SECONDS = 4;
/** Pilots that may follow the first one, where the fault ends it. */
const RELAUNCHES_MAX = 4;
/** Moments: as a share of the ranges done. */
const MOMENT_MAX = 0.85;
const END_SECONDS = 400;
/** A run that must outlast a walltime of a minute and Slurm's look at it. */
const SLOW_SLEEP_MS = 130;
const QUICK_SLEEP_MS = 5;

class Pilots {
  readonly #bed: Bed;
  readonly #plan: RoundPlan;
  readonly #flags = ["--slots", String(SLOTS), "--rank-silence", `${SILENCE_SECONDS}s`];
  #pilot: ChildProcess | null = null;
  #job = "";
  launches = 0;

  constructor(bed: Bed, plan: RoundPlan) {
    this.#bed = bed;
    this.#plan = plan;
  }

  async start(): Promise<void> {
    this.launches++;
    const { fault, launcher } = this.#plan;
    if (fault.batch !== undefined && this.launches === 1) {
      this.#job = await submitBatch(this.#bed, launcher, fault.batch, this.#flags);
    } else {
      this.#pilot = this.#bed.launch(launcher, this.#flags, this.launches === 1 ? "4" : "3-4");
    }
  }

  async gone(): Promise<boolean> {
    if (this.#pilot !== null) return ended(this.#pilot);
    return (await tryOn("login", "squeue", "-h", "-j", this.#job, "-o", "%i")).trim() === "";
  }
}

async function runThrough(bed: Bed, plan: RoundPlan, task: string, pilots: Pilots) {
  const random = new SeededRandom(plan.seed);
  // Batch jobs are long: what matters is when they begin to work.
  const moment = random.nextUnit() * (plan.fault.batch === undefined ? MOMENT_MAX : 0.1);
  await pilots.start();
  await until("the moment of the fault", 120, async () => {
    const document = await bed.show(task);
    return document !== null && document.ranges.done > Math.max(100, moment * plan.ranges);
  });
  const victim = await plan.fault.strike(bed, random);
  await until(`the task's end after: ${plan.fault.name}`, END_SECONDS, async () => {
    const document = await bed.show(task);
    const over = document !== null && ["done", "failed", "cancelled"].includes(document.state);
    if (!over && pilots.launches <= RELAUNCHES_MAX && (await pilots.gone())) await pilots.start();
    return over;
  });
  return victim;
}

/** One line of output a range, so that there is something to lose. */
async function submitTask(bed: Bed, plan: RoundPlan, name: string): Promise<string> {
  const slow = plan.fault.batch !== undefined && plan.fault.batch.time === "1m";
  const sleepMs = slow ? SLOW_SLEEP_MS : QUICK_SLEEP_MS;
  const flags = ["--sleep", String(sleepMs), "--starts", `${bed.folder}/${name}`];
  return bed.submit({
    name,
    input: { count: plan.ranges },
    losses: 20,
    attempts: 20,
    payload: { mode: "stream", command: [bed.echo, ...flags] },
    output: { name: `${name}.jsonl`, merge: "jsonl", recordsPerEvent: 1 },
  });
}

/**
 * Starts beyond one a range, by what the payloads themselves wrote, each on its node; and a complaint
 * if any range started again whose earlier start was not on what died.
 */
function extraStarts(bed: Bed, name: string, ranges: number, victim: string) {
  const all = new Uint16Array(ranges);
  const elsewhere = new Uint16Array(ranges);
  for (const file of readdirSync(bed.folder)) {
    if (!file.startsWith(`${name}.n`)) continue;
    for (const line of readFileSync(`${bed.folder}/${file}`, "utf8").split("\n")) {
      if (line === "") continue;
      const range = Number(line);
      all[range] = (all[range] ?? 0) + 1;
      if (file !== `${name}.${victim}`) elsewhere[range] = (elsewhere[range] ?? 0) + 1;
    }
  }
  const lost = all.reduce((sum, starts) => sum + Math.max(0, starts - 1), 0);
  const innocent = elsewhere.filter((starts) => starts > 1).length;
  const broken = innocent === 0 ? "" : `${innocent} ranges had started on others than ${victim}`;
  return { lost, broken: victim === "" ? "" : broken };
}

export async function survive(bed: Bed, plan: RoundPlan, number: number): Promise<RoundOutcome> {
  const began = performance.now();
  const { fault, launcher, ranges } = plan;
  const words = `${number}-${launcher}-${fault.name}`;
  const name = words.replaceAll(/[^A-Za-z0-9]+/g, "-");
  const pilots = new Pilots(bed, plan);
  let broken = "";
  let lost = 0;
  try {
    const task = await submitTask(bed, plan, name);
    const victim = await runThrough(bed, plan, task, pilots);
    const document = await bed.show(task);
    // A launcher that ends the others, if not all of them, has them die too.
    const spared = fault.survivors === undefined || fault.survivors.has(launcher);
    const died = pilots.launches === 1 && spared ? victim : "";
    const again = extraStarts(bed, name, ranges, died);
    lost = again.lost;
    broken = again.broken;
    if (document?.state !== "done") broken = `the task is ${document?.state ?? "not there"}`;
    await bed.jumbo("verify", task);
    const expected = Array.from({ length: ranges }, (_, i) => `{"i":${i}}\n`).join("");
    if (bed.result(`${name}.jsonl`) !== expected) broken = "the result is another one";
    await bed.cancelJobs();
    await until("the launcher's end", 60, () => pilots.gone());
  } catch (error) {
    broken = error instanceof Error ? error.message : String(error);
  }
  if (broken === "" && fault.survivors?.has(launcher) && pilots.launches > 1) {
    broken = "the other ranks did not live on";
  }
  const seconds = (performance.now() - began) / 1000;
  return { broken, lost, launches: pilots.launches, seconds };
}

/** A bed as the fault needs it. */
export function openBed(fault: Fault): Promise<Bed> {
  const small = process.env["JUMBO_HPC_SMALL"];
  return fault.small === true && small !== undefined
    ? Bed.open("faults-small", { bundles: `${small}/bundles` })
    : Bed.open("faults");
}
