/**
 * Everything that dies: each quick fault once at a random moment of a run of short ranges, by each
 * launcher, and each slow one by one launcher. Whatever happened, the result is complete, exactly
 * once, byte for byte that of an undisturbed run, and the case ends by itself. JUMBO_HPC_RANGES
 * (default 20 000) is the size of a run, JUMBO_HPC_SEED replays the moments. Many rounds, with a
 * table at the end: `npm run campaign:hpc`.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Bed, LAUNCHERS, type Launcher } from "./bed.ts";
import { on, outside, tryOn } from "./cluster.ts";
import { FAULTS, type Fault } from "./faults.ts";
import { openBed, survive } from "./round.ts";

const why = outside();
if (why !== "") console.warn(`SKIPPED: faults on the cluster (${why})`);
const RANGES = Number(process.env["JUMBO_HPC_RANGES"] ?? 20_000);
const SEED = Number(process.env["JUMBO_HPC_SEED"] ?? Date.now() % 1_000_000);

const pairs = (faults: readonly Fault[], launchers: readonly Launcher[]) =>
  launchers.flatMap((launcher) => faults.map((fault) => [launcher, fault.name, fault] as const));
const quick = FAULTS.filter((fault) => !fault.slow && fault.small !== true);
const slow = FAULTS.filter((fault) => fault.slow);
const small = FAULTS.filter((fault) => fault.small === true);
let number = 0;

describe.skipIf(why !== "").each([
  ["on the shared folder", pairs(quick, LAUNCHERS)],
  ["that Slurm takes its time over", pairs(slow, [LAUNCHERS[SEED % 4] as Launcher])],
  ["on a small shared folder", pairs(small, LAUNCHERS)],
])(`faults %s, seed ${SEED}`, (_what, cases) => {
  let bed: Bed;
  beforeAll(async () => {
    bed = await openBed((cases[0] as (typeof cases)[number])[2]);
  });
  afterAll(async () => {
    await bed.close();
  });

  it.each(cases)(
    "%s: %s",
    async (launcher, _name, fault) => {
      const plan = { fault, launcher, ranges: RANGES, seed: SEED + ++number };
      const { broken, lost, launches } = await survive(bed, plan, number);
      console.log(`${launcher}: ${fault.name}: ${lost} starts again, ${launches} launches`);
      expect(broken, bed.pilotLog()).toBe("");
    },
    600_000,
  );

  it("leaves no process on the nodes", async () => {
    for (const node of ["n1", "n2", "n3", "n4"]) {
      expect(await tryOn(node, "pgrep", "-l", "jumbo-"), await on(node, "ps", "ax")).toBe("");
    }
  });
});
