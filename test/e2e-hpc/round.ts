/**
 * One round: a run of short ranges, one fault at a random moment of it, pilots started again where
 * the fault ends them, and the books at the end. What must hold is told, not asserted, so that the
 * suite and the campaign judge alike.
 */
import type { ChildProcess } from "node:child_process";
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
  /** Ranges that started more than once, and how many may have. */
  readonly lost: number;
  readonly lostMax: number;
  readonly launches: number;
  readonly seconds: number;
}

export const SLOTS = 8;
const SILENCE_SECONDS = 4;
/** Pilots that may follow the first one, where the fault ends it. */
const RELAUNCHES_MAX = 4;
/**
 * What has started on a node and is not answered yet: what runs, and what ended within the last
 * round trip, which on a busy machine is several times as much.
 */
const UNANSWERED = 4 * SLOTS;
/** Moments: as a share of the ranges done. */
const MOMENT_MAX = 0.85;
const END_SECONDS = 240;
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
      this.#pilot = this.#bed.launch(launcher, this.#flags, this.launches === 1 ? "4" : "1-4");
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
  await plan.fault.strike(bed, random);
  await until(`the task's end after: ${plan.fault.name}`, END_SECONDS, async () => {
    const document = await bed.show(task);
    const over = document !== null && ["done", "failed", "cancelled"].includes(document.state);
    if (!over && pilots.launches <= RELAUNCHES_MAX && (await pilots.gone())) await pilots.start();
    return over;
  });
}

/** One line of output a range, so that there is something to lose. */
async function submitTask(bed: Bed, plan: RoundPlan, name: string): Promise<string> {
  const slow = plan.fault.batch !== undefined && plan.fault.batch.time === "1m";
  const sleepMs = slow ? SLOW_SLEEP_MS : QUICK_SLEEP_MS;
  return bed.submit({
    name,
    input: { count: plan.ranges },
    losses: 20,
    attempts: 20,
    payload: { mode: "stream", command: [bed.echo, "--sleep", String(sleepMs)] },
    output: { name: `${name}.jsonl`, merge: "jsonl", recordsPerEvent: 1 },
  });
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
    await runThrough(bed, plan, task, pilots);
    const document = await bed.show(task);
    lost = (document?.attempts ?? 0) - ranges;
    if (document?.state !== "done") broken = `the task is ${document?.state ?? "not there"}`;
    await bed.jumbo("verify", task);
    const expected = Array.from({ length: ranges }, (_, i) => `{"i":${i}}\n`).join("");
    if (bed.result(`${name}.jsonl`) !== expected) broken = "the result is another one";
    await bed.cancelJobs();
    await until("the launcher's end", 60, () => pilots.gone());
  } catch (error) {
    broken = error instanceof Error ? error.message : String(error);
  }
  const lostMax = Math.max(fault.lostNodes, pilots.launches > 1 ? 4 : 0) * UNANSWERED;
  if (broken === "" && lost > lostMax * pilots.launches) broken = `${lost} ranges started again`;
  if (broken === "" && fault.survivors?.has(launcher) && pilots.launches > 1) {
    broken = "the other ranks did not live on";
  }
  const seconds = (performance.now() - began) / 1000;
  return { broken, lost, lostMax: lostMax * pilots.launches, launches: pilots.launches, seconds };
}

/** A bed as the fault needs it. */
export function openBed(fault: Fault): Promise<Bed> {
  const small = process.env["JUMBO_HPC_SMALL"];
  return fault.small === true && small !== undefined
    ? Bed.open("faults-small", { bundles: `${small}/bundles` })
    : Bed.open("faults");
}
