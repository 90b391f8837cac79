/**
 * Seeded histories of the production core, in one process a core: a new process runs its first
 * hundreds at half the speed. With `--long` a million in slices of 10 000, each told as it ends, so
 * that the run may be stopped at any time.
 */
import { availableParallelism } from "node:os";
import { inLanes, linesOf, type Part, type PartResult } from "../part.ts";

const LONG_COUNT = 1_000_000;
const SLICE = 10_000;
const NODE_FLAGS = ["--max-semi-space-size=32"];

export const part: Part = {
  what: "histories of the simulated engine under crashes, losses, freezes, full disks",
  count: 10_000,
  async run({ seed, count, long }): Promise<PartResult> {
    const sums: Record<string, number> = { histories: 0 };
    const violations: string[] = [];
    const total = long ? Math.max(count, LONG_COUNT) : count;
    const slice = long ? SLICE : total;
    for (let at = 0; at < total; at += slice) {
      const from = seed + at;
      await run(from, Math.min(slice, total - at), sums, violations);
      const held = sums["histories"] ?? 0;
      if (!long) continue;
      const now = new Date().toISOString();
      console.log(
        `  ${now} up to seed ${from + slice - 1}: ${held} held, ${violations.length} not`,
      );
    }
    return { counts: sums, violations };
  },
};

/** Each lane takes every so-manieth seed, so that the few large histories are spread. */
async function run(
  first: number,
  count: number,
  sums: Record<string, number>,
  violations: string[],
): Promise<void> {
  const lanes = Math.min(availableParallelism(), count);
  const numbers = Array.from({ length: lanes }, (_, lane) => lane);
  await inLanes(numbers, lanes, async (lane) => {
    const args = [first + lane, Math.ceil((count - lane) / lanes), lanes].map(String);
    for (const line of await linesOf("test/sim/run-histories.ts", args, NODE_FLAGS)) {
      const told = JSON.parse(line) as Record<string, number | string>;
      if (told["violation"] !== undefined) {
        const replay = `JUMBO_SIM_SEEDS=${told["seed"]}:1 npx vitest run test/sim/histories.sim.ts`;
        violations.push(`seed ${told["seed"]}: ${told["violation"]} (${replay})`);
        console.log(`  VIOLATED ${violations.at(-1)}`);
      } else {
        for (const [key, value] of Object.entries(told)) {
          sums[key] = (sums[key] ?? 0) + Number(value);
        }
      }
    }
  });
}
