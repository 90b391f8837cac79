/**
 * A long run under load: the slope of the engine's memory after warm-up, its descriptors, and
 * canaries: ranges that were done before it began, read again at its end by a new process with a
 * cold cache. Three minutes; with `--long` an hour over 10^8 ranges. `--count` is the number of
 * seconds.
 *
 * The same ranges are done over and over (programs/soak-engine.ts), so that the books stay of one
 * size. Alive is what a full collection leaves; the resident size is told beside it. A slope of
 * three minutes says little (it is told, and only an outright leak fails); an hour's is judged.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { verifyStore } from "../../../src/store/index.ts";
import { Load } from "../load.ts";
import { Child, type Part, type PartResult, program, sleep, workFolder } from "../part.ts";

const RANGES = 4_000_000;
const CANARIES = 20_000;
const PILOTS = 8;
const WANT = 512;
const HOUR_S = 3_600;
const LONG_RANGES = 1e8;
/** 41 000 ranges a second if the machine keeps up: an hour needs 28 000. */
const PACE_MS = 100;
const BUNDLE_EXCHANGES = 500;
const LONG_SAMPLE_MS = 30_000;
const SAMPLE_MS = 5_000;
const LONG_SLOPE_MAX = 1;
const SHORT_GROWTH_MB_MAX = 64;
const MB = 1e6;

interface Memory {
  readonly cycles: number;
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
}

export const part: Part = {
  what: "memory and descriptors of a busy engine over time, canaries through a cold cache",
  count: 180,
  async run({ count, long }): Promise<PartResult> {
    const seconds = long ? Math.max(count, HOUR_S) : count;
    const dir = workFolder();
    const socket = join(dir, "s");
    await canaries(dir, socket);
    const args = ["--expose-gc", program("soak-engine"), dir, `unix:${socket}`, String(RANGES)];
    const engine = new Child(args, {}, (seconds + 120) * 1_000);
    await engine.saying(/^up /m);
    const pid = engine.process.pid as number;
    const dial = () => connect(socket);
    const pace = { paceMs: long ? PACE_MS : 0, bundleExchanges: BUNDLE_EXCHANGES };
    const load = new Load({ pilots: PILOTS, want: WANT, forgets: true, ...pace, connect: dial });
    load.start();
    const alive: [number, number][] = [];
    const resident: [number, number][] = [];
    const descriptors: number[] = [];
    const began = performance.now();
    const elapsedMs = () => performance.now() - began;
    let last: Memory | null = null;
    while (elapsedMs() < seconds * 1_000 && !engine.ended) {
      await sleep(long ? LONG_SAMPLE_MS : SAMPLE_MS);
      last = await memoryOf(engine);
      if (long) console.log(`  ${Math.round(elapsedMs() / 1000)} s ${load.accepts} ${told(last)}`);
      if (elapsedMs() < (seconds * 1_000) / 3) continue;
      const hours = elapsedMs() / 3.6e6;
      alive.push([hours, (last.heapUsed + last.external) / MB]);
      resident.push([hours, last.rss / MB]);
      descriptors.push(readdirSync(`/proc/${pid}/fd`).length);
    }
    const violations = [...load.violations];
    if (engine.ended) violations.push(`the engine ended: ${engine.stdout}${engine.stderr}`);
    const slope = slopeOf(alive);
    const growth = (alive.at(-1)?.[1] ?? 0) - (alive[0]?.[1] ?? 0);
    const rises = (descriptors.at(-1) ?? 0) - (descriptors[0] ?? 0);
    if (long ? slope > LONG_SLOPE_MAX : growth > SHORT_GROWTH_MB_MAX) {
      violations.push(`memory grows: ${slope.toFixed(1)} MB an hour, ${growth} MB in this run`);
    }
    if (rises > 2) violations.push(`${rises} more descriptors at the end`);
    if (long && load.accepts < LONG_RANGES) violations.push(`only ${load.accepts} ranges`);
    load.stop();
    engine.kill("SIGTERM");
    await engine.end;
    const report = await verifyStore(join(dir, "store"));
    violations.push(...report.problems.map((problem) => `verify: ${JSON.stringify(problem)}`));
    violations.push(...(await canariesAgain(dir, socket)));
    return {
      counts: {
        seconds,
        ranges: load.accepts,
        cycles: last?.cycles ?? 0,
        exchanges: load.exchanges,
        "MB alive at the end": alive.at(-1)?.[1].toFixed(1) ?? 0,
        "MB an hour alive": slope.toFixed(2),
        "MB resident at the end": resident.at(-1)?.[1].toFixed(0) ?? 0,
        "MB an hour resident": slopeOf(resident).toFixed(2),
        "descriptors more": rises,
      },
      violations,
    };
  },
};

const told = ({ cycles, rss, heapUsed, external }: Memory) =>
  `cycles ${cycles} alive ${((heapUsed + external) / MB).toFixed(2)} rss ${(rss / MB).toFixed(1)}`;

async function memoryOf(engine: Child): Promise<Memory> {
  const from = engine.stdout.length;
  engine.process.kill("SIGUSR2");
  for (;;) {
    const line = /memory (.*)\n/.exec(engine.stdout.slice(from));
    if (line?.[1]) return JSON.parse(line[1]) as Memory;
    if (engine.ended) throw new Error(`the engine ended: ${engine.stdout}${engine.stderr}`);
    await sleep(20);
  }
}

/** A small task, wholly done and acknowledged before the long run begins. */
async function canaries(dir: string, socket: string): Promise<void> {
  const args = [program("engine"), dir, `unix:${socket}`, String(CANARIES)];
  const engine = new Child(args, {}, 120_000);
  await engine.saying(/^up /m);
  const dial = () => connect(socket);
  const load = new Load({ pilots: PILOTS, want: 64, name: "canary", connect: dial });
  load.start();
  while (load.accepts < CANARIES && !engine.ended) await sleep(20);
  load.stop();
  writeFileSync(join(dir, "acks.json"), JSON.stringify(load.triples));
  engine.kill("SIGTERM");
  await engine.end;
  if (load.accepts < CANARIES) throw new Error(`canaries: ${engine.stdout}${engine.stderr}`);
}

/** The file leaves the page cache; then a new engine looks every canary up. */
async function canariesAgain(dir: string, socket: string): Promise<string[]> {
  const file = join(dir, "store", "store.mdb");
  spawnSync("dd", [`if=${file}`, "iflag=nocache", "count=0"]);
  const args = [program("engine"), dir, `unix:${socket}`, String(CANARIES)];
  const engine = new Child(args, {}, 120_000);
  try {
    const [, verified] = await engine.saying(/^up \d+ verified (\d+)/m);
    return Number(verified) === CANARIES ? [] : [`${verified} of ${CANARIES} canaries`];
  } catch (error) {
    return [`canaries: ${(error as Error).message}`];
  } finally {
    engine.kill("SIGTERM");
    await engine.end;
  }
}

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
