/**
 * What there is to do, as an allocation's shape needs it: ready ranges of all open tasks with the
 * mean and spread of their times. Read from the engine through its commands; what was measured of
 * costs is in the store's meta rows, where the core saves it every ten seconds of work.
 */
import type { EngineClient } from "../broker/index.ts";
import { CostModel, type SavedShaper } from "../shape/index.ts";
import { hintOf } from "../task/index.ts";

/** Meta row in which the core keeps what its shaper learned. */
const SHAPER_KEY = "shaper";

export interface Work {
  readonly tasks: number;
  /** Ranges that nobody has yet. */
  readonly ready: number;
  /** Ranges that pilots hold. */
  readonly leased: number;
  /** Seconds of one range; 0: not known. */
  readonly meanSeconds: number;
  readonly cv: number;
  /** Cores of one payload, on average. */
  readonly coresMean: number;
  /** Whence the cost is known, in words. */
  readonly known: string;
}

interface TaskWork {
  readonly ranges: number;
  readonly cores: number;
  /** -1: not known. */
  readonly mean: number;
  readonly cv: number;
}

/** `owner`: only this owner's tasks count; "": all. */
export async function readWork(client: EngineClient, nodeType: string, owner = ""): Promise<Work> {
  const [all, saved] = await Promise.all([
    client.ask("list", {}),
    client.ask("getMeta", { key: SHAPER_KEY }),
  ]);
  const costs =
    saved.value === null
      ? new CostModel()
      : CostModel.restore((JSON.parse(saved.value) as SavedShaper).costs);
  const views = all.filter((view) => owner === "" || view.spec.owner === owner);
  const open = views.filter((view) => view.state === "open" && view.ranges.ready > 0);
  const leased = views.reduce((sum, view) => sum + view.ranges.leased, 0);
  const sources = new Set<string>();
  const tasks = open.map((view): TaskWork => {
    const seen = costs.view(view.id, nodeType);
    const { meanSeconds, cv } = hintOf(view.spec);
    const measured = seen.known === "measured" || seen.known === "other nodes";
    sources.add(measured ? seen.known : meanSeconds === null ? "nothing" : "hint");
    return {
      ranges: view.ranges.ready,
      cores: view.spec.payload.cores,
      mean: measured ? seen.meanSeconds : (meanSeconds ?? -1),
      cv: measured ? seen.cv : (cv ?? 0.5),
    };
  });
  return { ...mixOf(tasks), leased, known: [...sources].sort().join(", ") || "nothing" };
}

/** Mean and spread of a range drawn from all tasks; those of unknown cost count as the others. */
export function mixOf(tasks: readonly TaskWork[]): Omit<Work, "leased" | "known"> {
  let ready = 0;
  let cores = 0;
  let measured = 0;
  let sum = 0;
  let squares = 0;
  for (const task of tasks) {
    ready += task.ranges;
    cores += task.ranges * task.cores;
    if (task.mean < 0) continue;
    measured += task.ranges;
    sum += task.ranges * task.mean;
    squares += task.ranges * task.mean ** 2 * (1 + task.cv ** 2);
  }
  const meanSeconds = measured > 0 ? sum / measured : 0;
  const variance = measured > 0 ? squares / measured - meanSeconds ** 2 : 0;
  return {
    tasks: tasks.length,
    ready,
    meanSeconds,
    cv: meanSeconds > 0 ? Math.sqrt(Math.max(0, variance)) / meanSeconds : 0.5,
    coresMean: ready > 0 ? cores / ready : 1,
  };
}
