/** A whole small task: twelve events, four ranges, real payload processes, one or more outputs. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const EVENTS = 12;
const EXPECTED = Array.from({ length: EVENTS }, (_, event) => `{"event":${event}}\n`).join("");

/** Writes the task file into `dir`; returns its path. */
export function smallTask(dir: string, options: { eventsPerFile?: number } = {}): string {
  const path = join(dir, "small.json");
  const script = `seq $0 $(($1 - 1)) | sed 's/.*/{"event":&}/' > "$2"`;
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
