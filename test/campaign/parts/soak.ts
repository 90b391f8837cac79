/**
 * A long run under load: the slope of the engine's memory after warm-up and its descriptors. Three
 * minutes; with `--long` an hour over 10^8 ranges. `--count` is the number of seconds. A slope of
 * three minutes says little (it is told, and only an outright leak fails); an hour's is judged.
 */
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { verifyStore } from "../../../src/store/index.ts";
import { Load } from "../load.ts";
import { Child, type Part, type PartResult, program, sleep, workFolder } from "../part.ts";
import { rssMb } from "./peers.ts";

const RANGES = 1_000_000_000;
const HOUR_S = 3_600;
const SAMPLE_MS = 1_000;
const LONG_SLOPE_MAX = 1;
const SHORT_GROWTH_MB_MAX = 64;

export const part: Part = {
  what: "memory and descriptors of a busy engine over time",
  count: 180,
  async run({ count, long }): Promise<PartResult> {
    const seconds = long ? Math.max(count, HOUR_S) : count;
    const dir = workFolder();
    const socket = join(dir, "s");
    const args = [program("engine"), dir, `unix:${socket}`, String(RANGES)];
    const engine = new Child(args, {}, (seconds + 120) * 1_000);
    await engine.saying(/^up /m);
    const pid = engine.process.pid as number;
    const load = new Load({ pilots: 8, want: 512, forgets: true, connect: () => connect(socket) });
    load.start();
    const warmMs = (seconds * 1_000) / 3;
    const samples: [number, number][] = [];
    const descriptors: number[] = [];
    const began = performance.now();
    while (performance.now() - began < seconds * 1_000 && !engine.ended) {
      await sleep(SAMPLE_MS);
      if (performance.now() - began < warmMs) continue;
      samples.push([(performance.now() - began) / 3.6e6, rssMb(pid)]);
      descriptors.push(readdirSync(`/proc/${pid}/fd`).length);
    }
    const violations = [...load.violations];
    if (engine.ended) violations.push(`the engine ended: ${engine.stdout}${engine.stderr}`);
    const slope = slopeOf(samples);
    const growth = (samples.at(-1)?.[1] ?? 0) - (samples[0]?.[1] ?? 0);
    const rises = (descriptors.at(-1) ?? 0) - (descriptors[0] ?? 0);
    if (long ? slope > LONG_SLOPE_MAX : growth > SHORT_GROWTH_MB_MAX) {
      violations.push(`memory grows: ${slope.toFixed(1)} MB an hour, ${growth} MB in this run`);
    }
    if (rises > 2) violations.push(`${rises} more descriptors at the end`);
    load.stop();
    engine.kill("SIGTERM");
    await engine.end;
    const report = await verifyStore(join(dir, "store"));
    violations.push(...report.problems.map((problem) => `verify: ${JSON.stringify(problem)}`));
    return {
      counts: {
        seconds,
        ranges: load.accepts,
        exchanges: load.exchanges,
        "MB at the end": samples.at(-1)?.[1] ?? 0,
        "MB an hour": slope.toFixed(1),
        "descriptors more": rises,
      },
      violations,
    };
  },
};

/** Least squares. */
function slopeOf(samples: readonly [number, number][]): number {
  const n = samples.length;
  const meanX = samples.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = samples.reduce((sum, [, y]) => sum + y, 0) / n;
  let above = 0;
  let below = 0;
  for (const [x, y] of samples) {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  }
  return below === 0 ? 0 : above / below;
}
