/**
 * A durable group commit of 64 small operations against its floor, a 4 KiB overwrite + fdatasync,
 * interleaved in one run: the disk's mood changes by the minute, so only the ratio says something.
 *
 *   node bench/store/commit.bench.ts [folder on the disk to measure]
 *
 * The groups: "journal" is what most groups are (64 operations of 16 bytes in one record), "mixed"
 * has two bundle rows beside it, "checkpoint" sixteen pages of 2 000 bytes. Goals: 64 mixed
 * operations <= 3 x the floor and <= 8 pages. Pages are LMDB's own count of what it wrote; two meta
 * records of 128 bytes come on top of each commit.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Bench } from "tinybench";
import { type CommitGroup, openStore } from "../../src/store/index.ts";

const ROUNDS = 1_500;
const PAGE_BYTES = 4096;

const dir = mkdtempSync(join(process.argv[2] ?? tmpdir(), "jumbo-commit-"));
const { store } = await openStore(dir);
const floorFile = openSync(join(dir, "floor"), "w");
const block = Buffer.alloc(PAGE_BYTES, 1);
const journal = Buffer.alloc(64 * 16, 0x5a);
let sequence = 0;

type Kind = "journal" | "mixed" | "checkpoint";

function groupOf(kind: Kind): CommitGroup {
  sequence++;
  const bundle = (i: number) => ({
    table: "bundle" as const,
    key: [1 + ((sequence * 2 + i) % 10_000)],
    value: Buffer.alloc(90, i),
  });
  const page = (i: number) => ({
    task: 1,
    page: (sequence * 16 + i) % 20_000,
    value: Buffer.alloc(2_000, i),
  });
  return {
    sequence,
    journal,
    rows: kind === "mixed" ? [bundle(0), bundle(1)] : [],
    pages: kind === "checkpoint" ? Array.from({ length: 16 }, (_, i) => page(i)) : [],
    cutBelow: Math.max(0, sequence - 5_000),
  };
}

function commit(group: CommitGroup): Promise<void> {
  return new Promise((resolve, reject) =>
    store.commit(group, (outcome) => (outcome.ok ? resolve() : reject(outcome.error))),
  );
}

/** One flush with nothing around it; LMDB pays two serial ones a commit. */
function flush(): void {
  writeSync(floorFile, block, 0, PAGE_BYTES, 0);
  fdatasyncSync(floorFile);
}

interface Series {
  readonly name: string;
  readonly run: () => void | Promise<void>;
  readonly samplesMs: number[];
  pages: number;
}

const series: Series[] = [
  { name: "floor", run: flush, samplesMs: [], pages: 0 },
  ...(["journal", "mixed", "checkpoint"] as const).map((kind) => ({
    name: kind,
    run: () => commit(groupOf(kind)),
    samplesMs: [],
    pages: 0,
  })),
];

// One tinybench task runs the whole interleaved round; each part is timed on its own inside it.
const bench = new Bench({ iterations: ROUNDS, time: 0, warmup: true, warmupIterations: 100 });
bench.add("round", async () => {
  for (const part of series) {
    const pages = store.stats().pagesWritten;
    const began = performance.now();
    await part.run();
    part.samplesMs.push(performance.now() - began);
    part.pages += store.stats().pagesWritten - pages;
  }
});
await bench.run();

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

const floor = [...(series[0] as Series).samplesMs].sort((a, b) => a - b);
for (const part of series) {
  const sorted = [...part.samplesMs].sort((a, b) => a - b);
  const line = [0.5, 0.99].map((q) => {
    const ratio = quantile(sorted, q) / quantile(floor, q);
    return `p${q * 100} ${quantile(sorted, q).toFixed(3)} ms = ${ratio.toFixed(2)} x floor`;
  });
  const pages = part.name === "floor" ? 1 : part.pages / sorted.length;
  console.log(`${part.name.padEnd(10)} ${line.join(", ")}, ${pages.toFixed(2)} pages a commit`);
}
await store.close();
closeSync(floorFile);
rmSync(dir, { recursive: true, force: true });
