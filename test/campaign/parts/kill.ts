/**
 * kill -9 of the engine at random moments under load: after each start the books must hold every
 * acknowledged range under its lease; nothing acknowledged is granted again, no fence comes twice;
 * at the end the store verifies.
 */
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { SeededRandom } from "../../../src/base/index.ts";
import { verifyStore } from "../../../src/store/index.ts";
import { Load } from "../load.ts";
import { Child, type Part, type PartResult, program, sleep, workFolder } from "../part.ts";

/** Longest time that a life works before it is killed. */
const LIFE_MS_MAX = 150;
/** All that was ever acknowledged is looked up every so many lives, else the latest. */
const FULL_EVERY = 50;
const LATEST = 20_000;

export const part: Part = {
  what: "kill -9 of the engine at random moments under load",
  count: 1_000,
  async run({ seed, count }): Promise<PartResult> {
    const random = new SeededRandom(seed);
    const dir = workFolder();
    const socket = join(dir, "s");
    const load = new Load({ pilots: 4, want: 4, connect: () => connect(socket) });
    const violations: string[] = [];
    let slowestStartMs = 0;
    let idle = 0;
    // One life more than kills: the last one only looks.
    for (let cycle = 0; cycle <= count && violations.length === 0; cycle++) {
      const isFull = cycle % FULL_EVERY === 0 || cycle === count;
      const looked = isFull ? load.triples : load.triples.slice(-LATEST);
      writeFileSync(join(dir, "acks.json"), JSON.stringify(looked));
      const engine = new Child([program("engine"), dir, `unix:${socket}`]);
      try {
        await engine.saying(/^up .*\n/m);
      } catch (error) {
        violations.push(`cycle ${cycle}: ${(error as Error).message}`);
        break;
      }
      const before = load.acknowledged.size;
      const upMs = performance.now();
      load.start();
      while (load.acknowledged.size === before && performance.now() - upMs < 10_000) await sleep(2);
      slowestStartMs = Math.max(slowestStartMs, performance.now() - upMs);
      if (load.acknowledged.size === before) idle++;
      await sleep(random.nextUnit() * LIFE_MS_MAX);
      engine.kill();
      await engine.end;
      load.stop();
      violations.push(...load.violations);
    }
    const report = await verifyStore(join(dir, "store"));
    violations.push(...report.problems.map((problem) => `verify: ${JSON.stringify(problem)}`));
    if (idle > 0) violations.push(`${idle} lives acknowledged nothing within 10 s`);
    return {
      counts: {
        kills: count,
        acknowledged: load.acknowledged.size,
        exchanges: load.exchanges,
        "ms at most from listening to the first acknowledgement": Math.round(slowestStartMs),
      },
      violations,
    };
  },
};
