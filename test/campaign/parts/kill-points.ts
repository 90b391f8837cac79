/**
 * Every named kill point at its first three hits. The store's points act in the bare engine under
 * load (the points of a creation can be hit once a store); the merge's in `jumbo run`, which is run
 * again on the same store and must end with the right result.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { verifyStore } from "../../../src/store/index.ts";
import { Load } from "../load.ts";
import { Child, jumbo, type Part, type PartResult, program, sleep, workFolder } from "../part.ts";
import { isRight, smallTask } from "../small-task.ts";

const OF_THE_STORE = ["before-commit", "after-put", "before-flush", "after-flush"];
const ONCE_A_LIFE = ["epoch-raised", "create-before-rename", "create-after-rename"];
const OF_THE_MERGE = [
  "merge-before-rename",
  "merge-after-rename",
  "merge-after-merged",
  "merge-before-finish",
  "merge-after-finish",
];

export const part: Part = {
  what: "every named kill point, first three hits",
  count: 3,
  async run({ count }): Promise<PartResult> {
    const violations: string[] = [];
    const counts = { killed: 0, "not reached": 0 };
    for (const point of [...OF_THE_STORE, ...ONCE_A_LIFE]) {
      for (let hit = 1; hit <= count; hit++) {
        const problem = await killStore(`${point}:${hit}`, counts);
        if (problem !== "") violations.push(`${point}:${hit}: ${problem}`);
      }
    }
    for (const point of OF_THE_MERGE) {
      for (let hit = 1; hit <= count; hit++) {
        const problem = await killMerge(`${point}:${hit}`, counts);
        if (problem !== "") violations.push(`${point}:${hit}: ${problem}`);
      }
    }
    return { counts, violations };
  },
};

type Counts = { killed: number; "not reached": number };

async function killStore(point: string, counts: Counts): Promise<string> {
  const dir = workFolder("memory");
  const socket = join(dir, "s");
  const args = [program("engine"), dir, `unix:${socket}`];
  const load = new Load({ pilots: 4, want: 4, connect: () => connect(socket) });
  const armed = new Child(args, { JUMBO_KILL_POINT: point });
  const began = performance.now();
  while (!armed.ended && performance.now() - began < 10_000) {
    if (/^up /m.test(armed.stdout)) load.start();
    if (/^up /m.test(armed.stdout) && performance.now() - began > 5_000) break;
    await sleep(5);
  }
  armed.kill();
  const { signal, code } = await armed.end;
  load.stop();
  if (code !== null) return `the armed engine ended by itself with ${code}`;
  if (signal === "SIGKILL" && performance.now() - began < 5_000) counts.killed++;
  else counts["not reached"]++;
  writeFileSync(join(dir, "acks.json"), JSON.stringify(load.triples));
  const again = new Child(args);
  try {
    await again.saying(/^up .*\n/m);
    load.start();
    const before = load.acknowledged.size;
    const sinceMs = performance.now();
    while (load.acknowledged.size === before) {
      if (performance.now() - sinceMs > 10_000) return "nothing is acknowledged after the restart";
      await sleep(5);
    }
  } catch (error) {
    return (error as Error).message;
  } finally {
    load.stop();
    again.kill();
    await again.end;
  }
  const report = await verifyStore(join(dir, "store"));
  return [...load.violations, ...report.problems.map((p) => JSON.stringify(p))].join("; ");
}

async function killMerge(point: string, counts: Counts): Promise<string> {
  const dir = workFolder("memory");
  const task = smallTask(dir, { eventsPerFile: 4 });
  const args = ["run", task, "--store", join(dir, "store"), "--results", dir, "--slots", "2"];
  const armed = await jumbo(args, { JUMBO_KILL_POINT: point }).end;
  if (armed.signal === "SIGKILL") counts.killed++;
  else {
    counts["not reached"]++;
    if (armed.code !== 0) return `ended with ${armed.code}: ${armed.stderr.slice(-500)}`;
  }
  const again = await jumbo(args).end;
  if (again.code !== 0) return `the next run ended with ${again.code}: ${again.stderr.slice(-500)}`;
  return isRight(dir) ? "" : `a wrong result: ${readFileSync(join(dir, "small.manifest.json"))}`;
}
