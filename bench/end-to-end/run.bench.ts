/**
 * The whole main job through the real command: `jumbo run` of a null task (no payload, so what
 * remains is Jumbo itself) and of a stream task, beside the floor of the same minute, a 4 KiB
 * overwrite + fdatasync.
 *
 *   node bench/end-to-end/run.bench.ts
 */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const JUMBO = fileURLToPath(new URL("../../src/cli/jumbo.mjs", import.meta.url));
const STREAM = fileURLToPath(new URL("./echo-payload.mjs", import.meta.url));
const ROUNDS = 3;

const folder = mkdtempSync(join(tmpdir(), "jumbo-e2e-bench-"));

interface Case {
  readonly name: string;
  readonly ranges: number;
  readonly task: object;
}

const cases: Case[] = [
  {
    name: "start, one null range, merge, verify",
    ranges: 1,
    task: { input: { count: 1 }, payload: { command: [":null"] } },
  },
  {
    name: "null payload",
    ranges: 1_000_000,
    task: { input: { count: 1_000_000 }, payload: { command: [":null"] } },
  },
  {
    name: "stream payload, one output a range",
    ranges: 5_000,
    task: { input: { count: 5_000 }, payload: { mode: "stream", command: ["node", STREAM] } },
  },
];

/** Median seconds of one durable 4 KiB overwrite. */
function flushSeconds(): number {
  const path = join(folder, "floor");
  const fd = openSync(path, "w");
  const block = Buffer.alloc(4096, 1);
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const began = performance.now();
    writeSync(fd, block, 0, block.length, 0);
    fdatasyncSync(fd);
    times.push((performance.now() - began) / 1000);
  }
  closeSync(fd);
  return times.sort((a, b) => a - b)[100] as number;
}

function runSeconds(round: number, { name, task }: Case): number {
  const file = join(folder, "task.json");
  const whole = { name: "bench", output: { name: "out.jsonl", merge: "jsonl" }, ...task };
  writeFileSync(file, JSON.stringify(whole));
  const began = performance.now();
  const run = spawnSync(
    process.execPath,
    [JUMBO, "run", file, "--results", join(folder, `out-${round}`), "--output", "quiet"],
    { encoding: "utf8" },
  );
  if (run.status !== 0) throw new Error(`${name} ended with ${run.status}: ${run.stderr}`);
  return (performance.now() - began) / 1000;
}

try {
  const seconds = new Map<string, number[]>();
  const flushes: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const one of cases) {
      flushes.push(flushSeconds());
      seconds.set(one.name, [...(seconds.get(one.name) ?? []), runSeconds(round, one)]);
    }
  }
  const flush = flushes.sort((a, b) => a - b)[Math.floor(flushes.length / 2)] as number;
  console.log(`flush floor ${(flush * 1e6).toFixed(0)} us (median of ${flushes.length} medians)`);
  for (const { name, ranges } of cases) {
    const sorted = (seconds.get(name) as number[]).sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] as number;
    const perRange = median / ranges / flush;
    console.log(
      `${name.padEnd(40)} ${median.toFixed(2)} s (${sorted[0]?.toFixed(2)} to ${sorted.at(-1)?.toFixed(2)}), ` +
        `${Math.round(ranges / median)} ranges/s, ${perRange.toPrecision(3)} flushes a range`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
