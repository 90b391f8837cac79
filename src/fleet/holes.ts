/**
 * The holes of a Slurm partition: for each whole free node, how long nobody will want it.
 *
 *   hole = min(planned starts on it, reservations of it, the partition's limit) - now
 *
 * Nodes that are partly used are no holes (an allocation takes whole nodes), nor are nodes of
 * preemptable jobs: those work. A planned start is what the backfill scheduler has computed last;
 * a waiting job without one may begin anywhere and is only told of.
 */
import { counted } from "../base/index.ts";
import type { Partition, Reservation } from "./parse-scontrol.ts";
import { type SlurmNode, whyNotFree } from "./parse-sinfo.ts";
import type { PlannedStart } from "./parse-squeue.ts";
import type { FreeNode, SiteSight } from "./types.ts";

export interface SlurmSight {
  readonly nowSeconds: number;
  readonly partition: Partition;
  readonly nodes: readonly SlurmNode[];
  readonly planned: readonly PlannedStart[];
  readonly reservations: readonly Reservation[];
}

export function sightOf(seen: SlurmSight): SiteSight {
  const { partition, nowSeconds } = seen;
  const here = seen.nodes.filter((node) => node.partitions.includes(partition.name));
  const ends = endsByNode(seen);
  const limit = nowSeconds + partition.walltimeSecondsMax;
  const nodes: FreeNode[] = [];
  const busy = new Map<string, string[]>();
  const occupied = (why: string, name: string) => {
    const names = busy.get(why);
    if (names) names.push(name);
    else busy.set(why, [name]);
  };
  for (const node of partition.state === "UP" ? here : []) {
    const why = whyNotFree(node);
    const end = ends.get(node.name);
    if (why !== null) occupied(why, node.name);
    else if (end !== undefined && end.seconds <= nowSeconds) occupied(end.why, node.name);
    else if (end !== undefined && end.seconds < limit) {
      nodes.push({ ...nameAndCores(node), endsSeconds: end.seconds, why: end.why });
    } else {
      const said = Number.isFinite(limit)
        ? `limit of partition ${partition.name}`
        : "nothing known";
      nodes.push({ ...nameAndCores(node), endsSeconds: limit, why: said });
    }
  }
  const notes = [...busy].map(([why, names]) => `${namesText(names)}: ${why}`);
  if (partition.state !== "UP") notes.push(`partition ${partition.name} is ${partition.state}`);
  const unplanned = seen.planned.filter((job) => job.startSeconds < 0).length;
  if (unplanned > 0) notes.push(`${counted(unplanned, "waiting job")} without a planned start yet`);
  return {
    nowSeconds,
    nodes,
    nodesTotal: here.length,
    limits: {
      nodesMin: partition.nodesMin,
      nodesMax: partition.nodesMax,
      walltimeSecondsMax: partition.walltimeSecondsMax,
    },
    notes,
  };
}

const nameAndCores = ({ name, cores }: SlurmNode) => ({ name, cores });

/** The first thing that will take each node. */
function endsByNode(seen: SlurmSight): Map<string, { seconds: number; why: string }> {
  const ends = new Map<string, { seconds: number; why: string }>();
  const bound = (node: string, seconds: number, why: string) => {
    const known = ends.get(node);
    if (known === undefined || seconds < known.seconds) ends.set(node, { seconds, why });
  };
  for (const job of seen.planned) {
    if (job.startSeconds < 0) continue;
    for (const node of job.nodes)
      bound(node, job.startSeconds, `job ${job.jobId} is planned there`);
  }
  for (const { name, nodes, startSeconds, endSeconds } of seen.reservations) {
    if (endSeconds <= seen.nowSeconds) continue;
    for (const node of nodes) bound(node, startSeconds, `reservation ${name}`);
  }
  return ends;
}

function namesText(names: readonly string[]): string {
  const shown = names.slice(0, 8).join(", ");
  return names.length > 8 ? `${shown} and ${names.length - 8} more` : shown;
}
