/**
 * giant.ts DIR RANGES PROCESSED: in a new store, works through part of a task of 10^9 ranges
 * in scattered order, as the shaper and pilots of a long task leave it: leases of one range, 101
 * apart, in windows whose order is shuffled; then dies by SIGKILL.
 */

import { join } from "node:path";
import { Books, dice, NOBODY, tell } from "./books.ts";

const [, , dir, rangesText, processedText] = process.argv as string[];
const ranges = Number(rangesText);
const processed = Number(processedText);
const WINDOW = 4096;

const books = await Books.open(join(dir as string, "store"), 64);
const task = await books.submit(ranges);
const { ledger, pilot, bundle } = books;
const stride = Math.max(1, Math.floor(ranges / processed) - 1);
const next = dice(5);
const order = Uint32Array.from({ length: WINDOW }, (_, i) => i);
let most = 0;
for (let base = 0; base + WINDOW <= processed; base += WINDOW) {
  for (let i = WINDOW - 1; i > 0; i--) {
    const k = Math.floor(next() * (i + 1));
    [order[i], order[k]] = [order[k] as number, order[i] as number];
  }
  for (const at of order) {
    const first = (base + at) * stride;
    const lease = ledger.grant(task, first, 1, pilot);
    ledger.done(pilot, lease.id, task, first, 1, bundle, NOBODY);
  }
  await books.commit(256, 1e6);
  if (base % (64 * WINDOW) === 0) most = Math.max(most, process.memoryUsage().rss);
}
const { done } = ledger.counts(task);
process.stdout.write("", () => {
  tell({ done, mostBytes: Math.max(most, process.memoryUsage().rss) });
  setTimeout(() => process.kill(process.pid, "SIGKILL"), 50);
});
