/**
 * Everything that dies: each fault at a random moment of a run of short ranges, by each launcher.
 * Whatever happened, the result is complete, exactly once, byte for byte that of an undisturbed
 * run, and the case ends by itself. JUMBO_HPC_ROUNDS (default 1) repeats all; JUMBO_HPC_RANGES
 * (default 20 000) is the size of a run; JUMBO_HPC_SEED replays the moments.
 */
import type { ChildProcess } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bed, LAUNCHERS, type Launcher, SURVIVES } from "./bed.ts";
import { BUILD, cluster, ended, missing, on, sleep, tryOn, until } from "./cluster.ts";

const why = missing();
if (why !== "") console.warn(`SKIPPED: faults on the cluster (${why})`);
const ROUNDS = Number(process.env["JUMBO_HPC_ROUNDS"] ?? 1);
const RANGES = Number(process.env["JUMBO_HPC_RANGES"] ?? 20_000);
const SEED = Number(process.env["JUMBO_HPC_SEED"] ?? Date.now() % 1_000_000);
const SLOTS = 4;
/** Least that a range takes in a bundle. */
const MEMBER_BYTES = 100;
const SILENCE_SECONDS = 4;
/** Pilots that may follow the first one, where the fault ends it. */
const RELAUNCHES_MAX = 4;

let state = SEED;
function random(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
}

interface Fault {
  readonly name: string;
  readonly strike: (bed: Bed) => Promise<void>;
  /** Most ranges that may be lost, where fewer than the whole pilot's. */
  readonly lostMax: number;
}

/**
 * What has started and is not answered yet: what runs, and what ended within the last round trip,
 * which on a busy machine is several times as much.
 */
const UNANSWERED = 4 * SLOTS;
const ALL = 4 * UNANSWERED;
const FAULTS: readonly Fault[] = [
  {
    name: "kill of payloads",
    strike: async () => void (await tryOn("n2", "pkill", "-KILL", "-x", "jumbo-echo")),
    lostMax: SLOTS,
  },
  {
    name: "kill of a worker rank",
    strike: async () => void (await tryOn("n3", "pkill", "-KILL", "-x", "jumbo-pilot")),
    lostMax: UNANSWERED,
  },
  {
    name: "kill of rank 0",
    strike: async () => void (await tryOn("n1", "pkill", "-KILL", "-x", "jumbo-pilot")),
    lostMax: ALL,
  },
  {
    name: "a cable cut and healed",
    strike: async () => {
      await cluster("node", "n2", "cut");
      await sleep(2 + 6 * random());
      await cluster("node", "n2", "heal");
    },
    lostMax: ALL,
  },
  {
    name: "a node frozen and thawed",
    strike: async () => {
      await cluster("node", "n4", "freeze");
      await sleep(2 + 6 * random());
      await cluster("node", "n4", "thaw");
    },
    lostMax: ALL,
  },
  {
    name: "rank 0's node frozen and thawed",
    strike: async () => {
      await cluster("node", "n1", "freeze");
      await sleep(2 + 6 * random());
      await cluster("node", "n1", "thaw");
    },
    lostMax: ALL,
  },
  {
    name: "kill and restart of the engine",
    strike: async (bed) => {
      await bed.killEngine();
      await sleep(3 * random());
      await bed.startEngine();
    },
    lostMax: ALL,
  },
  { name: "scancel", strike: (bed) => bed.cancelJobs(), lostMax: ALL },
];

async function survive(bed: Bed, launcher: Launcher, fault: Fault, round: number) {
  const name = `r${round}-${launcher}-${fault.name}`.replaceAll(/[^A-Za-z0-9-]+/g, "-");
  const task = await bed.submit({
    name,
    input: { count: RANGES },
    losses: 20,
    attempts: 20,
    payload: { mode: "stream", command: [`${BUILD}/serial/jumbo-echo`, "--sleep", "20"] },
    output: { name: `${name}.jsonl`, merge: "jsonl", recordsPerEvent: 1 },
  });
  const flags = ["--slots", String(SLOTS), "--rank-silence", `${SILENCE_SECONDS}s`];
  let pilot: ChildProcess = bed.launch(launcher, flags);
  let launches = 1;
  const before = bed.bundleBytes();
  const grown = () => bed.bundleBytes() - before > MEMBER_BYTES * (RANGES / 50);
  await until("the first ranges", 60, grown);
  await sleep(random());
  await fault.strike(bed);
  await until(`the task's end after ${fault.name}`, 180, async () => {
    if (ended(pilot) && launches <= RELAUNCHES_MAX) {
      launches++;
      pilot = bed.launch(launcher, flags, "1-4");
    }
    const document = await bed.show(task);
    return document !== null && document.state !== "running" && document.state !== "ready"
      ? ["done", "failed", "cancelled"].includes(document.state)
      : false;
  });
  const document = await bed.show(task);
  await bed.jumbo("verify", task);
  await bed.cancelJobs();
  await until("the launcher's end", 60, () => ended(pilot));
  return { document, launches, result: bed.result(`${name}.jsonl`) };
}

describe.skipIf(why !== "")(`faults during a run of ${RANGES} ranges (seed ${SEED})`, () => {
  let bed: Bed;
  const expected = Array.from({ length: RANGES }, (_, i) => `{"i":${i}}\n`).join("");
  beforeAll(async () => {
    bed = await Bed.open("faults");
  });
  afterAll(async () => {
    await bed.close();
  });

  const cases = Array.from({ length: ROUNDS }, (_, round) =>
    LAUNCHERS.flatMap((launcher) => FAULTS.map((fault) => ({ launcher, fault, round }))),
  ).flat();
  it.each(cases.map((each) => [each.launcher, each.fault.name, each] as const))(
    "%s: %s",
    async (_launcher, _name, { launcher, fault, round }) => {
      const { document, launches, result } = await survive(bed, launcher, fault, round);
      expect(document?.state).toBe("done");
      expect(result === expected, "the result is that of an undisturbed run").toBe(true);
      const again = (document?.attempts ?? 0) - RANGES;
      console.log(`${launcher}: ${fault.name}: ${again} starts again, ${launches} launches`);
      expect(again).toBeLessThanOrEqual(fault.lostMax * launches);
      if (SURVIVES.has(launcher) && fault.name.startsWith("kill of a worker")) {
        expect(launches).toBe(1);
      }
    },
    300_000,
  );

  it("leaves no process on the nodes", async () => {
    for (const node of ["n1", "n2", "n3", "n4"]) {
      expect(await tryOn(node, "pgrep", "-l", "jumbo-"), await on(node, "ps", "ax")).toBe("");
    }
  });
});
