/**
 * Nodes from `sinfo --json` as Slurm 22.05 prints it (openapi v0.0.38): all nodes, whatever partition
 * it is asked for. A document of another form is refused with a message.
 *
 * `cpus` may be null; `state` may be one word, or a list of words with the flags.
 */
import { badAnswer, numberOf, record, rows, textOf } from "./answer.ts";

export interface SlurmNode {
  readonly name: string;
  readonly cores: number;
  /** idle, mixed, allocated, down, ... in lower case. */
  readonly state: string;
  /** PLANNED, DRAIN, COMPLETING, MAINTENANCE, RESERVED, NOT_RESPONDING, ... in upper case. */
  readonly flags: readonly string[];
  readonly busyCores: number;
  readonly partitions: readonly string[];
}

export function parseSinfo(text: string): SlurmNode[] {
  return rows("sinfo --json", text, "nodes").map((row) => {
    const name = textOf(row["name"]);
    if (name === "") throw badAnswer("sinfo --json", "a node has no name");
    const words = Array.isArray(row["state"]) ? row["state"].map(String) : [textOf(row["state"])];
    const flags = Array.isArray(row["state_flags"]) ? row["state_flags"].map(String) : [];
    const cores = numberOf(row["cpus"]);
    return {
      name,
      cores: cores > 0 ? cores : Math.max(0, numberOf(record(row)["cores"])),
      state: (words[0] ?? "").toLowerCase(),
      flags: [...words.slice(1), ...flags].map((flag) => flag.toUpperCase()),
      busyCores: Math.max(0, numberOf(row["alloc_cpus"])),
      partitions: Array.isArray(row["partitions"]) ? row["partitions"].map(String) : [],
    };
  });
}

/** Why a job could not begin on the node now; null if it could. */
export function whyNotFree(node: SlurmNode): string | null {
  const stopping = ["DRAIN", "COMPLETING", "MAINTENANCE", "RESERVED", "NOT_RESPONDING", "FAIL"];
  stopping.push("POWERING_DOWN", "POWERED_DOWN", "POWERING_UP", "REBOOT_REQUESTED", "INVALID_REG");
  const flag = node.flags.find((text) => stopping.includes(text));
  if (node.state !== "idle" && node.state !== "planned") {
    return flag === undefined ? node.state : `${node.state}, ${flag.toLowerCase()}`;
  }
  if (flag !== undefined) return flag.toLowerCase();
  if (node.busyCores > 0) return `${node.busyCores} cores are in use`;
  return node.cores > 0 ? null : "its cores are not known";
}
