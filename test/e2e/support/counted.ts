/** The task of payloads/counted.ts, and what its merged output must be. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { payloadSeed } from "../../../src/task/index.ts";
import { node, payload, type TaskObject } from "./bench.ts";

export interface CountedOptions {
  readonly name?: string;
  readonly mode: "once" | "stream";
  readonly events: number;
  readonly eventsPerRange: number;
  readonly starts?: string;
  readonly millisecondsPerRange?: number;
  readonly more?: Record<string, unknown>;
}

const SEED = 7;

export function countedTask(options: CountedOptions): TaskObject {
  const { mode, events, eventsPerRange, starts = "", millisecondsPerRange = 0 } = options;
  const words = [node, payload("counted.ts"), mode, starts, String(millisecondsPerRange)];
  const once = ["{range}", "{attempt}", "{start}", "{count}", "{seed}", "{output}"];
  return {
    name: options.name ?? "counted",
    input: { count: events },
    eventsPerRange,
    payload: { mode, command: mode === "once" ? [...words, ...once] : words },
    output: { name: "counted.jsonl", merge: "jsonl", recordsPerEvent: 1 },
    seed: SEED,
    ...options.more,
  };
}

/** The merged file of a task of that many events, computed here. */
export function countedText(events: number): string {
  const seed = payloadSeed(SEED, 0).toString();
  let text = "";
  for (let event = 0; event < events; event++) {
    const draw = createHash("sha256").update(`${seed}:${event}`).digest("hex").slice(0, 16);
    text += `{"event":${event},"draw":"${draw}"}\n`;
  }
  return text;
}

/** Starts by range, from the side file. */
export function startsByRange(path: string): Map<number, number> {
  const starts = new Map<number, number>();
  for (const line of readFileSync(path, "utf8").trimEnd().split("\n")) {
    const range = Number(line.split(" ")[0]);
    starts.set(range, (starts.get(range) ?? 0) + 1);
  }
  return starts;
}
