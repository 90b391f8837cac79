/** Seeded histories of the production core, in as many processes as there are cores. */
import { inLanes, LANES, linesOf, type Part, type PartResult } from "../part.ts";

const CHUNK = 500;

export const part: Part = {
  what: "histories of the simulated engine under crashes, losses, freezes, full disks",
  count: 10_000,
  async run({ seed, count }): Promise<PartResult> {
    const chunks: [number, number][] = [];
    for (let at = 0; at < count; at += CHUNK) {
      chunks.push([seed + at, Math.min(CHUNK, count - at)]);
    }
    const sums: Record<string, number> = { histories: 0 };
    const violations: string[] = [];
    await inLanes(chunks, LANES, async ([first, size]) => {
      const args = [String(first), String(size)];
      for (const line of await linesOf("test/sim/run-histories.ts", args)) {
        const told = JSON.parse(line) as Record<string, number | string>;
        if (told["violation"] !== undefined) {
          const replay = `JUMBO_SIM_SEEDS=${told["seed"]}:1 npx vitest run test/sim/histories.sim.ts`;
          violations.push(`seed ${told["seed"]}: ${told["violation"]} (${replay})`);
        } else {
          for (const [key, value] of Object.entries(told)) {
            sums[key] = (sums[key] ?? 0) + Number(value);
          }
        }
      }
    });
    return { counts: sums, violations };
  },
};
