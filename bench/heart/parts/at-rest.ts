/**
 * at-rest.ts DIR RANGES OPERATIONS: brings a task in a new store in DIR to rest, writes every page
 * back, puts that many journal operations behind the checkpoint, and dies by SIGKILL.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Lease } from "../../../src/ledger/index.ts";
import { Books, bringToRest, dice, NOBODY, tell } from "./books.ts";

const [, , dir, rangesText, operationsText] = process.argv as string[];
const ranges = Number(rangesText);
const operations = Number(operationsText);
const storePath = join(dir as string, "store");
const OPEN_LEASES = 2_000;
const GROUP = 64;

const books = await Books.open(storePath, 0);
const task = await books.submit(ranges);
await bringToRest(books, task, ranges);
const bytes = statSync(join(storePath, "store.mdb")).size;
const { ledger, pilot, bundle } = books;
const open: Lease[] = [];
const next = dice(3);
for (let i = 0; i < operations; ) {
  const at = Math.floor(next() * OPEN_LEASES);
  const lease = open[at];
  if (lease) {
    ledger.done(pilot, lease.id, task, lease.first, 1, bundle, NOBODY);
    i++;
  }
  const ready = ledger.nextReady(task, 0, 1);
  if (ready === null) break;
  open[at] = ledger.grant(task, ready.first, 1, pilot);
  if (++i % GROUP < 2) await books.commit(0, 0);
}
await books.commit(0, 0);
const { done } = ledger.counts(task);
process.stdout.write("", () => {
  tell({ bytes, done, sequence: books.sequence });
  // What was told must be out before the end.
  setTimeout(() => process.kill(process.pid, "SIGKILL"), 50);
});
