/**
 * How others shape allocations, as baselines for `holes.ts`: each takes one rectangle.
 *
 *   Titan       the largest node count above a minimum walltime, walltime - 120 s (De et al. 2015)
 *   Harvester   sort by nodes x walltime, take the first; start-up and edge are not looked at
 *   HyperQueue  nodes = demand, the walltime is fixed by the user, the cluster is not looked at
 *   best one    the single rectangle with the most useful node-seconds
 */
import {
  type HoleStep,
  type JobShape,
  type SiteLimits,
  tileHoles,
  usefulNodeSeconds,
  type WorkCosts,
  walltimeCap,
} from "./holes.ts";

/** Useful node-seconds of the Titan rule. */
export function titanRule(
  steps: readonly HoleStep[],
  limits: SiteLimits,
  costs: WorkCosts,
  secondsMin: number,
): number {
  for (let i = steps.length - 1; i >= 0; i--) {
    const step = steps[i]!;
    const nodes = Math.min(step.nodes, limits.nodesMax);
    const seconds = Math.min(step.seconds - 120, walltimeCap(nodes, limits));
    if (seconds >= secondsMin) return usefulNodeSeconds(nodes, seconds, costs);
  }
  return 0;
}

export function harvesterRule(
  steps: readonly HoleStep[],
  limits: SiteLimits,
  costs: WorkCosts,
): number {
  let area = 0;
  let useful = 0;
  for (const step of steps) {
    const nodes = Math.min(step.nodes, limits.nodesMax);
    const seconds = Math.min(step.seconds, walltimeCap(nodes, limits));
    if (nodes * seconds <= area) continue;
    area = nodes * seconds;
    useful = usefulNodeSeconds(nodes, seconds, costs);
  }
  return useful;
}

/** A job that asks for more than the hole does not start: it brings nothing. */
export function hyperQueueRule(
  steps: readonly HoleStep[],
  limits: SiteLimits,
  costs: WorkCosts,
  seconds: number,
  demandNodes: number,
): number {
  const nodes = Math.min(demandNodes, limits.nodesMax);
  const fits = steps.some((step) => step.nodes >= nodes && step.seconds >= seconds);
  const walltime = Math.min(seconds, walltimeCap(nodes, limits));
  return fits ? usefulNodeSeconds(nodes, walltime, costs) : 0;
}

export function bestTiles(
  steps: readonly HoleStep[],
  limits: SiteLimits,
  costs: WorkCosts,
  jobsMax: number,
  depth: number,
): JobShape[] {
  return tileHoles(steps, { ...limits, jobsMax }, costs, depth);
}
