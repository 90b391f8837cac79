/** A whole small task: twelve events, four ranges, real payload processes, one or more outputs. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const EVENTS = 12;
const EXPECTED = Array.from({ length: EVENTS }, (_, event) => `{"event":${event}}\n`).join("");

/** Writes the task file into `dir`; returns its path. */
export function smallTask(
  dir: string,
  options: { eventsPerFile?: number; slow?: boolean } = {},
): string {
  const path = join(dir, "small.json");
  const wait = options.slow ? "sleep 1; " : "";
  const script = `${wait}seq $0 $(($1 - 1)) | sed 's/.*/{"event":&}/' > "$2"`;
  const task = {
    name: "small",
    input: { count: EVENTS },
    eventsPerRange: 3,
    payload: { command: ["/bin/sh", "-c", script, "{start}", "{stop}", "{output}"] },
    output: { name: "small.jsonl", eventsPerFile: options.eventsPerFile ?? 0 },
    attempts: 3,
  };
  writeFileSync(path, JSON.stringify(task));
  return path;
}

/** The outputs in `dir`, joined in order, are every event once. */
export function isRight(dir: string): boolean {
  const names = readdirSync(dir).filter((name) => /^small.*\.jsonl$/.test(name));
  return (
    names
      .sort()
      .map((name) => readFileSync(join(dir, name), "utf8"))
      .join("") === EXPECTED
  );
}

/** A task that never ends under a load of pilots that only say so: no payload runs. */
export function countTaskFile(dir: string): string {
  const path = join(dir, "load.json");
  const task = {
    name: "load",
    input: { count: 100_000_000 },
    payload: { command: [":null"] },
    output: { name: "load.jsonl", allowEmpty: true },
  };
  writeFileSync(path, JSON.stringify(task));
  return path;
}
