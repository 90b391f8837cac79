/**
 * memory.ts DIR TASK RANGES: RAM of a recovered task, and of a finished one of so many ranges.
 *
 * Both are differences of the resident set in one process after garbage collections (run with
 * --expose-gc), so that the machine of Node itself does not count.
 */
import { join } from "node:path";
import type { TaskId } from "../../../src/base/index.ts";
import { Ledger } from "../../../src/ledger/index.ts";
import { Books, NOBODY, tell } from "./books.ts";

const [, , dir, taskText, finishedText] = process.argv as string[];
const task = Number(taskText) as TaskId;
const finishedRanges = Number(finishedText);

function usedBytes(): number {
  for (let i = 0; i < 4; i++) (globalThis as { gc?: () => void }).gc?.();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + Math.max(external, arrayBuffers);
}

function ledgerOf(ranges: number): Ledger {
  const ledger = new Ledger({ epoch: 1 });
  const standing = { cancelled: false, finished: false, mergedBelow: 0 };
  ledger.addTask({ id: 1 as TaskId, ranges, attemptsMax: 3, lossesMax: 5 }, standing);
  ledger.renew(1 as never, 1e15);
  return ledger;
}

const before = usedBytes();
const untouched = ledgerOf(1e8);
const untouchedBytes = usedBytes() - before;
if (untouched.counts(1 as TaskId).ready !== 1e8) throw new Error("an untouched task is ready");

const finished = ledgerOf(finishedRanges);
for (let first = 0; first < finishedRanges; first += 16) {
  const { id } = finished.grant(1 as TaskId, first, 16, 1 as never);
  finished.done(1 as never, id, 1 as TaskId, first, 16, 1 as never, NOBODY);
  if (first % 65_536 === 0) finished.takeJournal();
}
finished.takeJournal();
const finishedBytes = usedBytes() - before - untouchedBytes;
const beforeStore = usedBytes();
const books = await Books.open(join(dir as string, "store"), 256);
const restBytes = usedBytes() - beforeStore;
const { total } = books.ledger.counts(task);
tell({
  untouched: untouchedBytes,
  finishedPerRange: finishedBytes / finished.counts(1 as TaskId).total,
  restPerRange: restBytes / total,
});
await books.store.close();
