/**
 * A durable group of 64 mixed operations and one of 512, through the production committer with its
 * trickle of pages running, interleaved with the floor of a flush.
 *
 *   group-commit.ts DIR GROUPS        DIR is empty
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../src/base/index.ts";
import { Committer, TRICKLE } from "../../../src/broker/committer.ts";
import type { Lease } from "../../../src/ledger/index.ts";
import { median } from "../figures.ts";
import { Books, NOBODY, tell } from "./books.ts";

const [, , dir, groupsText] = process.argv as [string, string, string, string];
const GROUPS = Number(groupsText);
const PAGE_BYTES = 4096;
/** Two meta records of 128 bytes are written in place; a disk writes them as 512-byte sectors. */
const META_BYTES = 1024;
const OPEN_LEASES = 512;

const books = await Books.open(join(dir, "store"), 256);
const task = await books.submit(1e8);
const { ledger, pilot, bundle, store } = books;
const committer = new Committer({
  ledger,
  book: books.book,
  store,
  clock: systemClock,
  trickle: TRICKLE,
  lastSequence: books.sequence,
  failStop: (message) => {
    throw new Error(message);
  },
});
const floorFile = openSync(join(dir, "floor"), "w");
const block = Buffer.alloc(PAGE_BYTES, 1);
const open: Lease[] = [];
let random = 1;

function grantOne(): Lease {
  const ready = ledger.nextReady(task, 0, 1);
  if (ready === null) throw new Error("the task is used up");
  return ledger.grant(task, ready.first, 1, pilot);
}

/** `size` operations: ends of leases chosen at random, each followed by a new grant. */
function operations(size: number): void {
  for (let i = 0; i < size; i += 2) {
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
    const at = (random >>> 8) % open.length;
    const { id, first } = open[at] as Lease;
    if (i === 2) ledger.failed(pilot, id, task, first, 1, 0 as never, false, NOBODY);
    else ledger.done(pilot, id, task, first, 1, bundle, NOBODY);
    open[at] = grantOne();
  }
}

function commit(): Promise<void> {
  return new Promise((resolve) => {
    committer.afterCommit(resolve);
    committer.pump();
  });
}

function flush(): number {
  const began = performance.now();
  writeSync(floorFile, block, 0, PAGE_BYTES, 0);
  fdatasyncSync(floorFile);
  return performance.now() - began;
}

/** Of LMDB and of the journal's tail. */
function pagesWritten(): number {
  const { pagesWritten, tailBlocks } = store.stats();
  return pagesWritten + tailBlocks;
}

async function series(size: number, groups: number): Promise<{ ratio: number; pages: number }> {
  const ratios: number[] = [];
  const pagesBefore = pagesWritten();
  for (let i = 0; i < groups; i++) {
    const floorMs = flush();
    operations(size);
    const began = performance.now();
    await commit();
    ratios.push((performance.now() - began) / floorMs);
  }
  return { ratio: median(ratios), pages: (pagesWritten() - pagesBefore) / groups };
}

while (open.length < OPEN_LEASES) open.push(grantOne());
// Until the trickle runs: from then on each group also pays for its share of the checkpoint.
while (committer.counters.pages < 64) {
  operations(8192);
  await commit();
}
await series(64, 50);
const small = await series(64, GROUPS);
const large = await series(512, Math.ceil(GROUPS / 4));
tell({
  ratio64: small.ratio,
  pages64: small.pages,
  bytes64: (small.pages * PAGE_BYTES + META_BYTES) / 64,
  ratio512: large.ratio,
  bytes512: (large.pages * PAGE_BYTES + META_BYTES) / 512,
});
committer.stop();
await store.close();
closeSync(floorFile);
