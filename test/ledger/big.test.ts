import { expect, test } from "vitest";
import { SeededRandom } from "../../src/base/index.ts";
import { ANNA, Disk, ledgerOf, say, TASK } from "./setup.ts";

test("10^8 ranges are created by arithmetic, granted at both ends, cancelled at once", () => {
  const started = performance.now();
  const before = process.memoryUsage().rss;
  const ledger = ledgerOf(100_000_000);
  const low = ledger.grant(TASK, 0, 1000, ANNA);
  const high = ledger.grant(TASK, 99_999_000, 1000, ANNA);
  expect(say(ledger, "done", high, 99_999_500, 500)).toBe("500 accepted");
  expect(ledger.nextReady(TASK, 0, 10)?.first).toBe(1000);
  expect(ledger.runs(TASK, 0, 10).map(({ count }) => count)).toEqual([1000, 99_998_000, 500, 500]);
  expect(ledger.cancelTask(TASK)).toEqual([low, high]);
  expect(ledger.counts(TASK).cancelled).toBe(99_999_500);
  // Both bounds are far above what it takes (about 1 ms, 1 MB): another order of cost fails them.
  expect(performance.now() - started).toBeLessThan(500);
  expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
});

test("a finished prefix of many pages is passed over once, and takes next to nothing", () => {
  const ledger = ledgerOf(100_000_000);
  for (let first = 0; first < 40_000_000; first += 65_535) {
    const lease = ledger.grant(TASK, first, 65_535, ANNA);
    const sink = { push(): void {} };
    ledger.done(ANNA, lease.id, TASK, first, 65_535, 7 as never, sink);
    if (first % 100 === 0) ledger.takeJournal();
  }
  expect(ledger.memory().openBytes).toBeLessThan(1000);
  const started = performance.now();
  for (let i = 0; i < 10_000; i++) ledger.nextReady(TASK, i, 1);
  expect(performance.now() - started).toBeLessThan(1000);
  expect(ledger.nextReady(TASK, 0, 1)?.first).toBe(Math.ceil(40_000_000 / 65_535) * 65_535);
});

test("scattered work over 10^9 ranges stays small in RAM and in pages, and comes back", () => {
  const ledger = ledgerOf(1_000_000_000, { openBytesMax: 2_000_000 });
  const random = new SeededRandom(11);
  const disk = new Disk();
  const sink = { push(): void {} };
  const done = new Set<number>();
  for (let i = 0; i < 40_000; i++) {
    const range = random.below(2000) * 500_000 + random.below(4096);
    if (done.has(range)) continue;
    done.add(range);
    const lease = ledger.grant(TASK, range, 1, ANNA);
    ledger.done(ANNA, lease.id, TASK, range, 1, (1 + (i % 50)) as never, sink);
    if (i % 512 === 0) disk.commit(ledger, 16, 16);
  }
  expect(ledger.memory().openBytes).toBeLessThan(2_100_000);
  disk.commit(ledger, 5000, 16);
  ledger.check();
  let bytes = 0;
  for (const value of disk.pages.values()) bytes += value.length;
  // 20 singles a page: 10.8 bytes each, header and all.
  expect(bytes / done.size).toBeLessThan(12);
  const again = disk.recover(ledgerOf(1_000_000_000, { epoch: 2 }));
  expect(again.counts(TASK)).toEqual(ledger.counts(TASK));
  const first = Math.min(...done);
  expect(again.rangeAt(TASK, first)).toEqual(ledger.rangeAt(TASK, first));
});
