import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  leaseEpoch,
  type PilotNumber,
  type RangeIndex,
  type TaskId,
} from "../../src/base/index.ts";
import { Ledger } from "../../src/ledger/index.ts";
import { openStore } from "../../src/store/index.ts";

const TASK = 1 as TaskId;
const PILOT = 1 as PilotNumber;

/** The next life on the store; it is killed before anything of its ledger is durable. */
async function lifeOn(dir: string, leasesSpent: number): Promise<number[]> {
  const { store, recovered } = await openStore(dir);
  await store.close();
  const ledger = new Ledger({ epoch: recovered.epoch, leasesSpent });
  const terms = { id: TASK, ranges: 4, attemptsMax: 3, lossesMax: 3 };
  ledger.addTask(terms, { cancelled: false, finished: false, mergedBelow: 0 });
  return [0, 1, 2].map((range) => ledger.grant(TASK, range as RangeIndex, 1, PILOT).id);
}

test("an epoch raised within a life and lost in its crash is not issued again", async () => {
  const dir = mkdtempSync(join(tmpdir(), "jumbo-epoch-"));
  try {
    const before = await lifeOn(dir, 2 ** 32 - 2);
    expect(leaseEpoch(before[2] as number)).toBe(leaseEpoch(before[0] as number) + 1);
    const after = await lifeOn(dir, 0);
    expect(Math.min(...after)).toBeGreaterThan(Math.max(...before));
  } finally {
    rmSync(dir, { recursive: true });
  }
});
