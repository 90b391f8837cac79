/**
 * The task file tells costs of events, the engine deals in ranges: n events take n times the mean,
 * and their spread shrinks with the square root of n, as that of independent times does.
 */
import type { TaskSpec } from "./types.ts";

/** Mean seconds of a full range, and its standard deviation over mean; null: not told. */
export function hintOf(spec: Pick<TaskSpec, "cost" | "eventsPerRange">): {
  meanSeconds: number | null;
  cv: number | null;
} {
  const { meanSeconds, cv } = spec.cost;
  const events = spec.eventsPerRange;
  return {
    meanSeconds: meanSeconds === null ? null : meanSeconds * events,
    cv: cv === null ? null : cv / Math.sqrt(events),
  };
}
