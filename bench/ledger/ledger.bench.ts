/**
 * What one operation of the ledger costs, journal and checkpoint included, and what a range takes
 * in RAM and in pages:  node bench/ledger/ledger.bench.ts
 *
 * Times are of this machine at this moment; the sizes are exact.
 */
import { Bench } from "tinybench";
import type { BundleId, PilotNumber, TaskId } from "../../src/base/index.ts";
import { type Lease, Ledger } from "../../src/ledger/index.ts";

const TASK = 1 as TaskId;
const PILOT = 1 as PilotNumber;
const BUNDLE = 9 as BundleId;
const IGNORED = { push(): void {} };
const NEW = { cancelled: false, finished: false, mergedBelow: 0 };
/** Operations of one group commit. */
const GROUP = 64;

function ledgerOf(ranges: number): Ledger {
  const ledger = new Ledger({ epoch: 1 });
  ledger.addTask({ id: TASK, ranges, attemptsMax: 3, lossesMax: 5 }, NEW);
  ledger.renew(PILOT, 1e9);
  return ledger;
}

class Groups {
  readonly ledger: Ledger;
  sequence = 0;
  journalBytes = 0;
  /** Kept where they are to be replayed. */
  records: Uint8Array[] | null = null;
  pageBytes = 0;
  #operations = 0;

  constructor(ledger: Ledger) {
    this.ledger = ledger;
  }

  operation(): void {
    if (++this.#operations % GROUP === 0) this.commit(4, 16);
  }

  commit(pagesMax: number, leasesMax: number): void {
    const { pages } = this.ledger.checkpoint(++this.sequence, pagesMax, leasesMax);
    const bytes = this.ledger.takeJournal();
    this.journalBytes += bytes.length;
    for (const page of pages) this.pageBytes += page.value.length;
    this.records?.push(bytes);
  }
}

/** Leases of `size` ranges, granted in order and done in any order, `open` of them at a time. */
function leaseCycle(
  size: number,
  open: number,
  records: Uint8Array[] | null = null,
): { run(): void; groups: Groups; ranges(): number } {
  const groups = new Groups(ledgerOf(1e12));
  groups.records = records;
  const { ledger } = groups;
  const leases: Lease[] = [];
  let random = 1;
  let done = 0;
  const next = (): Lease => {
    const ready = ledger.nextReady(TASK, 0, size)!;
    return ledger.grant(TASK, ready.first, ready.count, PILOT);
  };
  while (leases.length < open) leases.push(next());
  const run = (): void => {
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
    const at = (random >>> 8) % open;
    const { id, first, count } = leases[at]!;
    ledger.done(PILOT, id, TASK, first, count, BUNDLE, IGNORED);
    leases[at] = next();
    done += count;
    groups.operation();
  };
  return { run, groups, ranges: () => done };
}

/** One report of 256 single ranges, scattered over leases of 256 of as many pages. */
function scatteredReports(): { run(): void; groups: Groups; ranges(): number } {
  const groups = new Groups(ledgerOf(1e12));
  const { ledger } = groups;
  let leases: Lease[] = [];
  let round = 0;
  let done = 0;
  const run = (): void => {
    if (round % 256 === 0) {
      leases = [];
      for (let i = 0; i < 256; i++) {
        const ready = ledger.nextReady(TASK, 0, 256)!;
        leases.push(ledger.grant(TASK, ready.first, ready.count, PILOT));
      }
    }
    const offset = (round * 77) % 256;
    for (const { id, first } of leases) {
      ledger.done(PILOT, id, TASK, first + offset, 1, BUNDLE, IGNORED);
    }
    round++;
    done += 256;
    groups.commit(16, 16);
  };
  return { run, groups, ranges: () => done };
}

/** 45 % done out of order in 16s, 1 % in flight, as issue 3 wants it, over `ranges`. */
function atRest(ranges: number): Ledger {
  const ledger = ledgerOf(ranges);
  let random = 7;
  const next = (): number => {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
    return random / 2 ** 32;
  };
  for (let first = 0; first + 16 <= ranges; first += 16) {
    const dice = next();
    if (dice >= 0.46) continue;
    const lease = ledger.grant(TASK, first, 16, PILOT);
    if (dice < 0.45) {
      const bundle = (1 + Math.floor(next() * 1000)) as BundleId;
      ledger.done(PILOT, lease.id, TASK, first, 16, bundle, IGNORED);
    }
    if (first % 65_536 === 0) ledger.takeJournal();
  }
  return ledger;
}

function replayRecords(operations: number): Uint8Array[] {
  const records: Uint8Array[] = [];
  const cycle = leaseCycle(1, 2_000, records);
  for (let i = 0; i < operations / 2; i++) cycle.run();
  return records;
}

async function timings(): Promise<void> {
  const bench = new Bench({ time: 400, warmupTime: 100 });
  const singles = leaseCycle(1, 1_000);
  const sixteens = leaseCycle(16, 1_000);
  const long = leaseCycle(256, 1_000);
  const scattered = scatteredReports();
  bench.add("grant + done of 1", singles.run);
  bench.add("grant + done of 16", sixteens.run);
  bench.add("grant + done of 256", long.run);
  bench.add("report of 256 scattered singles", scattered.run);
  await bench.run();
  for (const task of bench.tasks) {
    const { result } = task;
    if (result.state !== "completed") throw new Error(`${task.name} did not run to its end`);
    console.log(`${task.name}: ${(result.latency.mean * 1e6).toFixed(0)} ns/op`);
  }
  for (const [name, { groups, ranges }] of Object.entries({ singles, sixteens, long, scattered })) {
    const perRange = (groups.journalBytes / ranges()).toFixed(2);
    const pages = (groups.pageBytes / ranges()).toFixed(2);
    console.log(`${name}: journal ${perRange} B/range, pages written ${pages} B/range`);
  }
}

function sizes(ranges: number): void {
  const started = performance.now();
  const ledger = atRest(ranges);
  const seconds = (performance.now() - started) / 1000;
  const { openBytes, dirtyPages } = ledger.memory();
  const before = performance.now();
  let bytes = 0;
  for (const page of ledger.checkpoint(1_000_000_000, dirtyPages, 0).pages) {
    bytes += page.value.length;
  }
  const micros = ((performance.now() - before) * 1000) / dirtyPages;
  console.log(
    `45 % done in 16s, 1 % in flight, ${ranges} ranges: pages ` +
      `${(bytes / ranges).toFixed(3)} B/range, ` +
      `open pages in RAM ${(openBytes / ranges).toFixed(2)} B/range, ` +
      `encode ${micros.toFixed(1)} us/page` +
      ` (made in ${seconds.toFixed(1)} s)`,
  );
}

function replay(operations: number): void {
  const records = replayRecords(operations);
  const ledger = ledgerOf(1e12);
  const started = performance.now();
  for (const [index, bytes] of records.entries()) ledger.replay(index + 1, bytes);
  const { decisions, leases } = ledger.endRecovery();
  const ms = performance.now() - started;
  const each = ((ms * 1e6) / decisions).toFixed(0);
  console.log(
    `replay of ${decisions} decisions: ${ms.toFixed(0)} ms, ${each} ns each (${leases} open)`,
  );
}

await timings();
sizes(10_000_000);
replay(1_000_000);
