import { describe, expect, it } from "vitest";
import type { LeaseId, PilotNumber, TaskId } from "../../src/base/index.ts";
import { StartedLog } from "../../src/broker/started-log.ts";
import type { Ledger } from "../../src/ledger/index.ts";
import { VerdictRuns } from "../../src/wire/index.ts";
import { ledgerOf, TASK } from "../ledger/setup.ts";

const ANNA = 1 as PilotNumber;

function startedUnder(ledger: Ledger, ranges: number) {
  const lease = ledger.grant(TASK, 0, ranges, ANNA);
  for (let range = 0; range < ranges; range++) {
    ledger.started(ANNA, lease.id, TASK, range as never, 1, new VerdictRuns());
  }
  return lease.id;
}

describe("the log of started ranges", () => {
  it("tells what runs and since when, and forgets what is taken out", () => {
    const ledger = ledgerOf(100);
    const lease = startedUnder(ledger, 10);
    const log = new StartedLog(ledger);
    log.add(TASK, lease, 0, 10, 500);
    expect(log.find(lease, 9)).toBe(500);
    expect(log.find(lease, 10)).toBe(-1);
    const taken = log.take((_task, _lease, range) => range === 3 || range === 4);
    expect(taken.map(({ range, atMs }) => [range, atMs])).toEqual([
      [3, 500],
      [4, 500],
    ]);
    expect(log.running().map(({ range }) => range)).toEqual([0, 1, 2, 5, 6, 7, 8, 9]);
  });

  it("takes out ranges of several leases that have ended, whatever a compaction drops meanwhile", () => {
    const ledger = ledgerOf(100);
    const lease = startedUnder(ledger, 3);
    const log = new StartedLog(ledger);
    log.add(TASK, lease, 0, 3, 7);
    const ended = (n: number) => (Number(lease) + n) as LeaseId;
    for (let n = 1; n <= 253; n++) log.add(TASK, ended(n), n, 1, 8);
    log.add(TASK, ended(254), 10, 5, 9);
    log.add(TASK, ended(255), 20, 5, 9);
    expect(log.size).toBe(256);
    const taken = log.take((_task, id) => id === ended(254) || id === ended(255));
    expect(taken.map(({ range }) => range)).toEqual([10, 11, 12, 13, 14, 20, 21, 22, 23, 24]);
    expect(log.size).toBeLessThan(256);
    expect([log.find(lease, 0), log.find(lease, 2)]).toEqual([7, 7]);
    expect(log.take((_task, id) => id !== lease)).toEqual([]);
    expect(log.running().map(({ range }) => range)).toEqual([0, 1, 2]);
  });

  it("stays small while leases come and go, and keeps those that are open", () => {
    const ledger = ledgerOf(100);
    const lease = startedUnder(ledger, 3);
    const log = new StartedLog(ledger);
    log.add(TASK, lease, 0, 3, 7);
    for (let gone = 1; gone <= 5_000; gone++) {
      log.add(TASK, (Number(lease) + gone) as LeaseId, gone, 1, 8);
    }
    expect(log.size).toBeLessThanOrEqual(257);
    expect(log.find(lease, 2)).toBe(7);
    expect(log.running()).toEqual(
      [0, 1, 2].map((range) => ({ task: TASK as TaskId, lease, range, atMs: 7 })),
    );
  });
});
