/** Blocks of scattered ranges, gathered by lease and page, against the same words one by one. */
import { expect, test } from "vitest";
import { type BundleId, type LeaseId, SeededRandom } from "../../src/base/index.ts";
import type { Ledger } from "../../src/ledger/index.ts";
import { shuffled } from "../helpers/shuffled.ts";
import { ANNA, Disk, ledgerOf, TASK, verdictsTold } from "./setup.ts";

const RANGES = 3 * 4096 - 100;
const BUNDLE = 7 as BundleId;
const NOBODY = { push: () => {} };

interface Held {
  lease: LeaseId;
  range: number;
}

/** Every range is leased, in leases of up to 400; some ranges have started. */
function leasedAll(): { ledger: Ledger; held: Held[] } {
  const ledger = ledgerOf(RANGES);
  const random = new SeededRandom(1);
  const held: Held[] = [];
  for (let first = 0; first < RANGES; ) {
    const count = Math.min(1 + random.below(400), RANGES - first);
    const { id } = ledger.grant(TASK, first, count, ANNA);
    for (let i = first; i < first + count; i++) {
      held.push({ lease: id, range: i });
      if (random.chance(0.3)) ledger.started(ANNA, id, TASK, i, 1, NOBODY);
    }
    first += count;
  }
  return { ledger, held };
}

function columns(spans: readonly Held[]) {
  return {
    size: spans.length,
    lease: spans.map(({ lease }) => lease),
    first: spans.map(({ range }) => range),
    count: spans.map(() => 1),
  };
}

test.each([3, 16, 256, 1000])("blocks of %i scattered ranges come to the same", (size) => {
  const [block, single] = [leasedAll(), leasedAll()];
  const order = shuffled(block.held, new SeededRandom(size));
  const [ours, theirs] = [verdictsTold(), verdictsTold()];
  // Every 50th word is said again, in its own block or in one later.
  const words = order.flatMap((word, i) =>
    i % 50 === 49 ? [word, order[i - 20] as Held] : [word],
  );
  for (let at = 0; at < words.length; at += size) {
    block.ledger.doneSpans(ANNA, TASK, columns(words.slice(at, at + size)), BUNDLE, ours);
  }
  for (const { lease, range } of words) {
    single.ledger.done(ANNA, lease, TASK, range, 1, BUNDLE, theirs);
  }
  expect(ours.told).toEqual(theirs.told);
  expect(ours.told.filter((verdict) => verdict === "accepted")).toHaveLength(RANGES);
  block.ledger.check();
  expect(block.ledger.runs(TASK, 0, RANGES)).toEqual(single.ledger.runs(TASK, 0, RANGES));
  expect(block.ledger.openLeases).toBe(0);
});

test("what a block decided is found again from the journal, in the midst of it too", () => {
  const { ledger, held } = leasedAll();
  const order = shuffled(held, new SeededRandom(5));
  const disk = new Disk();
  for (let at = 0; at < RANGES / 2; at += 300) {
    ledger.doneSpans(ANNA, TASK, columns(order.slice(at, at + 300)), BUNDLE, NOBODY);
    disk.commit(ledger, 1, 4);
  }
  const again = disk.recover(ledgerOf(RANGES, { epoch: 2 }));
  expect(again.counts(TASK)).toEqual(ledger.counts(TASK));
  expect(again.runs(TASK, 0, RANGES)).toEqual(ledger.runs(TASK, 0, RANGES));
});

test("neighbours said in any order are one decision", () => {
  const ledger = ledgerOf(RANGES);
  const { id } = ledger.grant(TASK, 0, 200, ANNA);
  const held = Array.from({ length: 200 }, (_, range) => ({ lease: id, range }));
  const order = shuffled(held, new SeededRandom(3));
  ledger.takeJournal();
  ledger.doneSpans(ANNA, TASK, columns(order), BUNDLE, NOBODY);
  expect(ledger.takeJournal().length).toBeLessThan(20);
});
