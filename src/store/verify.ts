/**
 * `jumbo verify --store DIR`: proves that a store would be recovered whole. It reads the file with
 * its own eyes (page-walk.ts), never through LMDB, so that a damaged file can't crash it and
 * nothing in the store changes: not the epoch, not the meta pages. From the meta record that the
 * next start would recover from it checks
 *
 *   structure   pages, trees, free list                     page-walk.ts
 *   values      every CRC, key, row; the journal's chain    here
 *   books       file tables add up, rows belong to tasks    here
 *   truth       pages and journal in the production ledger, its invariants, counts that add up
 *
 * and goes on after a problem wherever it can, so that one report names them all. While it runs it
 * holds the store's lock: a running engine is refused, and none can start.
 */
import { existsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import {
  type BundleId,
  type Epoch,
  formatCount,
  JumboError,
  messageOf,
  RANGES_PER_PAGE,
  type RangeIndex,
  type TaskId,
} from "../base/index.ts";
import { Ledger, type StateCounts } from "../ledger/index.ts";
import { unseal, unsealJournal } from "./envelope.ts";
import { STORE_FILE } from "./environment.ts";
import { checkStoreFile } from "./file-check.ts";
import { decodeColdKey, decodeJournalKey, decodePageKey, describeKey } from "./keys.ts";
import { StoreLock } from "./lock.ts";
import { decodeIdentity, type Identity } from "./recovery.ts";
import { decodeRow } from "./row-codec.ts";
import type { BundleRow, FileRow, ReasonRow, TaskRow } from "./rows.ts";
import { readTail, TAIL_FILE } from "./tail.ts";
import type { Table } from "./types.ts";

/** Problems listed in full; beyond it only their number is kept. */
const PROBLEMS_MAX = 1_000;

export interface TaskReport {
  readonly id: number;
  readonly name: string;
  readonly phase: string;
  readonly counts: StateCounts;
  /** Path of the manifest, "" until the merge has ended. */
  readonly manifest: string;
}

export interface StoreReport {
  readonly schema: "store-report/1";
  readonly path: string;
  readonly engineId: string;
  /** Of the last start; verifying does not raise it. */
  readonly epoch: number;
  readonly fileBytes: number;
  readonly pagesInUse: number;
  readonly pagesFree: number;
  readonly rows: Readonly<Record<Table | "page" | "journal", number>>;
  /** First and last journal record in the file, and the cut; 0: none. */
  readonly journal: { readonly first: number; readonly last: number; readonly cutBelow: number };
  readonly tasks: readonly TaskReport[];
  /** One line each; empty if the store is whole. */
  readonly problems: readonly string[];
  readonly ok: boolean;
}

/**
 * Verifies the store in the folder `dir`. Errors: `not_found`, `conflict` (an engine is running on
 * it), `store_io` (the file can't be read). Damage is no error here but the report's content.
 */
export async function verifyStore(dir: string): Promise<StoreReport> {
  const folder = resolve(dir);
  const path = join(folder, STORE_FILE);
  if (!existsSync(path)) {
    throw new JumboError(
      "not_found",
      `no store in ${folder} (there is no ${STORE_FILE}) name the folder given to --store`,
      { subject: folder },
    );
  }
  const lock = await lockIfWritable(folder);
  try {
    return new Verifier(path).run();
  } finally {
    lock?.release();
  }
}

/** A report as text for people, problems last. */
export function reportLines(report: StoreReport): string[] {
  const { rows, journal } = report;
  const lines = [
    `store ${report.path}: engine ${report.engineId}, epoch ${report.epoch}, ` +
      `${formatCount(report.fileBytes)} bytes, ${formatCount(report.pagesInUse)} pages in use, ` +
      `${formatCount(report.pagesFree)} free`,
    `rows: ${rows.task} tasks, ${rows.file} files, ${rows.bundle} bundles, ${rows.pilot} pilots, ` +
      `${rows.reason} reasons, ${rows.meta} meta, ${rows.page} pages`,
    `journal: ${rows.journal} records, ${journal.first} to ${journal.last}, ` +
      `replayed from ${journal.cutBelow}`,
  ];
  for (const task of report.tasks) {
    const c = task.counts;
    const counts = (["ready", "leased", "done", "merged", "failed", "cancelled"] as const)
      .map((state) => `${formatCount(c[state])} ${state}`)
      .join(" + ");
    const total = formatCount(c.total);
    lines.push(`task ${task.id} ${task.name} (${task.phase}): ${counts} = ${total}`);
  }
  for (const problem of report.problems) lines.push(`problem: ${problem}`);
  lines.push(report.ok ? "the store is whole" : `${report.problems.length} problems found`);
  return lines;
}

/** On a read-only copy (a backup) no engine can run, and no lock can be made. */
async function lockIfWritable(folder: string): Promise<StoreLock | null> {
  try {
    return await StoreLock.acquire(folder);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EROFS" || code === "EACCES" || code === "EPERM") return null;
    throw error;
  }
}

interface JournalEntry {
  readonly sequence: number;
  readonly payload: Uint8Array;
}

class Verifier {
  readonly #path: string;
  readonly #problems: string[] = [];
  #problemCount = 0;
  #identity: Identity | null = null;
  readonly #rows = {
    meta: 0,
    task: 0,
    file: 0,
    bundle: 0,
    pilot: 0,
    reason: 0,
    page: 0,
    journal: 0,
  };
  readonly #tasks = new Map<number, TaskRow>();
  readonly #files = new Map<number, FileRow[]>();
  readonly #bundles: BundleRow[] = [];
  readonly #reasons: ReasonRow[] = [];
  readonly #pages: { task: number; page: number; value: Uint8Array }[] = [];
  readonly #journal: JournalEntry[] = [];
  #first = 0;
  #last = 0;
  #chain = 0;
  #cutBelow = 0;
  #isTailMarked = false;

  constructor(path: string) {
    this.#path = path;
  }

  run(): StoreReport {
    let pagesInUse = 0;
    let pagesFree = 0;
    let isWalked = false;
    try {
      const summary = checkStoreFile(this.#path, (tree, key, value) =>
        this.#entry(tree, key, value),
      );
      pagesInUse = summary.pagesInUse;
      pagesFree = summary.pagesFree;
      isWalked = true;
    } catch (error) {
      if (!(error instanceof JumboError)) throw ioError(this.#path, error);
      this.#problem(error.message);
    }
    if (isWalked && this.#identity === null) this.#problem("the identity row is missing");
    if (isWalked && this.#isTailMarked) this.#readTail();
    if (isWalked) this.#checkBooks();
    const tasks = isWalked ? this.#checkLedger() : [];
    if (this.#problemCount > PROBLEMS_MAX) {
      this.#problems.push(`and ${this.#problemCount - PROBLEMS_MAX} more`);
    }
    return {
      schema: "store-report/1",
      path: this.#path,
      engineId: this.#identity?.engineId ?? "",
      epoch: this.#identity?.epoch ?? 0,
      fileBytes: statSync(this.#path).size,
      pagesInUse,
      pagesFree,
      rows: { ...this.#rows },
      journal: { first: this.#first, last: this.#last, cutBelow: this.#cutBelow },
      tasks,
      problems: this.#problems,
      ok: this.#problemCount === 0,
    };
  }

  #problem(text: string): void {
    this.#problemCount++;
    if (this.#problemCount <= PROBLEMS_MAX) this.#problems.push(text);
  }

  #entry(tree: string, key: Buffer, value: Buffer): void {
    if (tree === "cold") this.#coldEntry(key, value);
    else if (tree === "pages") this.#pageEntry(key, value);
    else if (tree === "journal") this.#journalEntry(key, value);
    else this.#problem(`the tree "${tree}" is not one of ours`);
  }

  #coldEntry(key: Buffer, value: Buffer): void {
    const name = describeKey("cold", key);
    const decoded = decodeColdKey(key);
    if (decoded === null) {
      this.#problem(`${name} belongs to no table`);
      return;
    }
    const payload = unseal("cold", key, value);
    if (payload === null) {
      this.#problem(`the CRC of ${name} does not fit`);
      return;
    }
    const { table } = decoded;
    if (table === "own") {
      this.#ownEntry(String(decoded.key[0]), payload);
      return;
    }
    this.#rows[table]++;
    if (table === "meta") return;
    try {
      const { row, key: ids } = decodeRow(table, payload);
      if (ids.join() !== decoded.key.join()) {
        this.#problem(`${name} holds the row of ${table} [${ids.join(", ")}]`);
      }
      if (table === "task") this.#tasks.set((row as TaskRow).id, row as TaskRow);
      if (table === "bundle") this.#bundles.push(row as BundleRow);
      if (table === "reason") this.#reasons.push(row as ReasonRow);
      if (table === "file") {
        const file = row as FileRow;
        const files = this.#files.get(file.task) ?? [];
        files.push(file);
        this.#files.set(file.task, files);
      }
    } catch (error) {
      this.#problem(`${name}: ${messageOf(error)}`);
    }
  }

  #ownEntry(name: string, payload: Uint8Array): void {
    if (name === "identity") {
      try {
        this.#identity = decodeIdentity(this.#path, payload);
      } catch (error) {
        this.#problem(messageOf(error));
      }
    } else if (name === "tail" && payload.length === 0) {
      this.#isTailMarked = true;
    } else if (name === "cut" && payload.length === 8) {
      this.#cutBelow = Math.max(this.#cutBelow, Buffer.from(payload).readDoubleLE());
    } else {
      this.#problem(`the store's own row "${name}" is not known or not of its form`);
    }
  }

  #pageEntry(key: Buffer, value: Buffer): void {
    const name = describeKey("pages", key);
    this.#rows.page++;
    const decoded = decodePageKey(key);
    if (decoded === null) {
      this.#problem(`${name} is no page's key`);
      return;
    }
    const payload = unseal("pages", key, value);
    if (payload === null) {
      this.#problem(`the CRC of ${name} does not fit`);
      return;
    }
    this.#pages.push({ ...decoded, value: Uint8Array.from(payload) });
  }

  #journalEntry(key: Buffer, value: Buffer): void {
    const name = describeKey("journal", key);
    this.#rows.journal++;
    const sequence = decodeJournalKey(key);
    const record = unsealJournal(key, value);
    if (sequence === 0 || record === null) {
      this.#problem(`the CRC of ${name} does not fit`);
      this.#last = sequence;
      this.#chain = -1;
      return;
    }
    if (record.sequence !== sequence) this.#problem(`${name} holds record ${record.sequence}`);
    if (this.#last !== 0 && sequence !== this.#last + 1) {
      this.#problem(`the journal has a gap: ${name} follows ${this.#last}`);
    } else if (this.#last !== 0 && this.#chain >= 0 && record.chain !== this.#chain) {
      this.#problem(`${name} does not follow the record before it: the chain is broken`);
    }
    if (this.#first === 0) this.#first = sequence;
    this.#last = sequence;
    this.#chain = record.crc;
    this.#cutBelow = Math.max(this.#cutBelow, record.cutBelow);
    this.#journal.push({ sequence, payload: Uint8Array.from(record.payload) });
  }

  /** What an engine that was killed left there: the next start would take it in. */
  #readTail(): void {
    if (this.#identity === null || this.#chain < 0) return;
    const { engineId } = this.#identity;
    const base = { engineId, lastSequence: this.#last, chain: this.#chain };
    try {
      const records = readTail(join(dirname(this.#path), TAIL_FILE), base);
      for (const { key, value } of records) this.#journalEntry(key, value);
    } catch (error) {
      if (!(error instanceof JumboError)) throw ioError(this.#path, error);
      this.#problem(error.message);
    }
  }

  #checkBooks(): void {
    for (const [id, row] of this.#tasks) {
      const files = this.#files.get(id) ?? [];
      if (files.length !== row.files) {
        this.#problem(`task ${id} has ${files.length} of its ${row.files} file rows`);
      }
      let ranges = 0;
      let events = 0;
      for (const file of files) {
        if (file.firstRange !== ranges) {
          this.#problem(
            `file [${id}, ${file.file}] starts at range ${file.firstRange}, not ${ranges}`,
          );
        }
        ranges += file.ranges;
        events += file.events;
      }
      if (ranges !== row.ranges || events !== row.events) {
        this.#problem(
          `task ${id} has ${row.ranges} ranges and ${row.events} events, ` +
            `its files ${ranges} and ${events}`,
        );
      }
    }
    for (const task of this.#files.keys()) {
      if (!this.#tasks.has(task))
        this.#problem(`there are file rows of task ${task}, but no task row`);
    }
    for (const { task, id } of this.#reasons) {
      if (!this.#tasks.has(task)) this.#problem(`reason [${task}, ${id}] belongs to no task`);
    }
    for (const { task, page } of this.#pages) {
      const ranges = this.#tasks.get(task)?.ranges;
      if (ranges === undefined) this.#problem(`page [${task}, ${page}] belongs to no task`);
      else if (page * RANGES_PER_PAGE >= ranges) {
        this.#problem(`page [${task}, ${page}] lies behind the ${ranges} ranges of its task`);
      }
    }
  }

  /** The same steps as a start of the engine, in the same ledger. */
  #checkLedger(): TaskReport[] {
    const epoch = ((this.#identity?.epoch ?? 0) + 1) as Epoch;
    const ledger = new Ledger({ epoch });
    this.#attempt("the ledger refuses the store", () => {
      for (const row of this.#tasks.values()) {
        ledger.addTask(ledgerTerms(row), ledgerStanding(row));
      }
      for (const bundle of this.#bundles) {
        if (bundle.state === "lost") ledger.loseBundle(bundle.id as BundleId);
      }
    });
    for (const { task, page, value } of this.#pages) {
      if (!this.#tasks.has(task)) continue;
      this.#attempt(`page [${task}, ${page}] can't be loaded`, () => {
        ledger.loadPage(task as TaskId, page, value);
      });
    }
    for (const { sequence, payload } of this.#journal) {
      if (sequence < this.#cutBelow) continue;
      const went = this.#attempt(`journal ${sequence} can't be replayed`, () => {
        ledger.replay(sequence, payload);
      });
      if (!went) return [];
    }
    this.#attempt("the recovered ledger breaks an invariant", () => {
      ledger.endRecovery();
      ledger.check();
    });
    const reports: TaskReport[] = [];
    for (const row of this.#tasks.values()) {
      this.#attempt(`task ${row.id} can't be counted`, () => {
        const counts = { ...ledger.counts(row.id as TaskId) };
        const sum =
          counts.ready +
          counts.leased +
          counts.done +
          counts.merged +
          counts.failed +
          counts.cancelled;
        if (sum !== counts.total || counts.total !== row.ranges) {
          this.#problem(`the counts of task ${row.id} add up to ${sum} of ${row.ranges} ranges`);
        }
        const { id, phase, manifest } = row;
        reports.push({ id, name: row.spec.name, phase, counts, manifest });
      });
    }
    return reports;
  }

  #attempt(what: string, action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      this.#problem(`${what}: ${messageOf(error)}`);
      return false;
    }
  }
}

/** What the ledger must know of a stored task, at a start of the engine and here. */
export function ledgerTerms(row: TaskRow): Parameters<Ledger["addTask"]>[0] {
  return {
    id: row.id as TaskId,
    ranges: row.ranges,
    attemptsMax: row.spec.attempts,
    lossesMax: row.spec.losses,
  };
}

export function ledgerStanding(row: TaskRow): Parameters<Ledger["addTask"]>[1] {
  return {
    cancelled: row.phase === "cancelled",
    finished: row.phase === "done" || row.phase === "failed",
    mergedBelow: row.mergedBelow as RangeIndex,
  };
}

function ioError(path: string, error: unknown): JumboError {
  return new JumboError(
    "store_io",
    `the store ${path} can't be read (${messageOf(error)}) look at the disk and the file's rights`,
    { subject: path, cause: error },
  );
}
