/** heart-load from the other side: its options as an object, its one line of JSON as another. */
import { join } from "node:path";
import { LOAD_CORE, type Place, run } from "./machine.ts";

export interface LoadOptions {
  readonly contender: "jumbo" | "trace" | "redis" | "echo";
  readonly connect: string;
  readonly key?: string;
  readonly clients: number;
  readonly idle?: number;
  readonly batch: number;
  readonly scatter?: boolean;
  readonly warmSeconds: number;
  readonly seconds: number;
  readonly ranges?: number;
  readonly slots?: number;
  readonly eventMs?: number;
  /** null: on any core. */
  readonly core?: number | null;
}

export interface LoadResult {
  readonly exchanges: number;
  readonly ranges: number;
  readonly refused: number;
  readonly exchangesPerSecond: number;
  readonly rangesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p50MsFirst: number;
  readonly p50MsSecond: number;
  readonly p99MsFirst: number;
  readonly p99MsSecond: number;
  readonly rangesTotal: number;
  readonly seconds: number;
}

let runs = 0;

export async function load(place: Place, options: LoadOptions): Promise<LoadResult> {
  const words = [
    ["--connect", options.connect],
    ["--name", `run${++runs}`],
    ["--clients", options.clients],
    ["--batch", options.batch],
    ["--warm", options.warmSeconds],
    ["--seconds", options.seconds],
  ];
  if (options.key !== undefined) words.push(["--key", options.key]);
  if (options.idle !== undefined) words.push(["--idle", options.idle]);
  if (options.ranges !== undefined) words.push(["--ranges", options.ranges]);
  if (options.slots !== undefined) words.push(["--slots", options.slots]);
  if (options.eventMs !== undefined) words.push(["--event-ms", options.eventMs]);
  const command = [
    join(place.programs, "heart-load"),
    options.contender,
    ...words.flat().map(String),
    ...(options.scatter ? ["--scatter"] : []),
  ];
  const core = options.core === undefined ? LOAD_CORE : options.core;
  const timeoutMs = (options.warmSeconds + options.seconds) * 1000 + 120_000;
  const result = JSON.parse(await run(command, { core, timeoutMs })) as LoadResult;
  if (result.refused > 0) throw new Error(`${result.refused} ranges were not accepted`);
  return result;
}
