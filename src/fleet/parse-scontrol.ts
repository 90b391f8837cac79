/** Reservations, a partition's limits and the controller's times from `scontrol -o show ...`. */
import { badAnswer, epochOf, limitSeconds, pairs } from "./answer.ts";
import { expandNodeList } from "./node-list.ts";

export interface Reservation {
  readonly name: string;
  readonly startSeconds: number;
  readonly endSeconds: number;
  readonly nodes: readonly string[];
}

/** Reservations of nodes; those of licences or burst buffers alone hold none. */
export function parseReservations(text: string): Reservation[] {
  const reservations: Reservation[] = [];
  for (const line of text.split("\n")) {
    const found = pairs(line);
    const name = found.get("ReservationName");
    const nodes = found.get("Nodes") ?? "(null)";
    if (name === undefined || nodes === "(null)" || nodes === "") continue;
    const startSeconds = epochOf(found.get("StartTime"));
    const endSeconds = epochOf(found.get("EndTime"));
    if (startSeconds < 0) throw badAnswer("scontrol show res", `${name} has no start`);
    reservations.push({
      name,
      startSeconds,
      endSeconds: endSeconds < 0 ? Number.POSITIVE_INFINITY : endSeconds,
      nodes: expandNodeList(nodes),
    });
  }
  return reservations;
}

export interface Partition {
  readonly name: string;
  /** UP, DOWN, DRAIN, INACTIVE. */
  readonly state: string;
  readonly nodesMin: number;
  readonly nodesMax: number;
  readonly walltimeSecondsMax: number;
}

export function parsePartition(text: string): Partition {
  const found = pairs(text);
  const name = found.get("PartitionName");
  if (name === undefined) throw badAnswer("scontrol show partition", "it names no partition");
  const most = Number(found.get("MaxNodes"));
  return {
    name,
    state: found.get("State") ?? "",
    nodesMin: Math.max(1, Number(found.get("MinNodes")) || 1),
    nodesMax: Number.isInteger(most) ? most : Number.POSITIVE_INFINITY,
    walltimeSecondsMax: limitSeconds(found.get("MaxTime")),
  };
}

/** KillWait of `scontrol show config`: from the SIGTERM to the SIGKILL of a job; 30 if unsaid. */
export function parseKillWait(text: string): number {
  const seconds = Number(/^KillWait\s*=\s*(\d+)/m.exec(text)?.[1]);
  return Number.isFinite(seconds) && seconds > 0 ? seconds : 30;
}
