/**
 * Merges one output file: members out of bundles, in event order, each CRC checked, through the
 * format's merger into `NAME.partial`, then made durable under its name. Memory: one slab of places
 * (member-index.ts), one window a bundle in use (member-files.ts), one member, one write buffer.
 *
 * What can't be merged is a *finding*. After the first one nothing is written any more, but the
 * rest is still read and checked, so that one pass finds everything that has to be done again:
 *
 *   bundle gone, unreadable         its ranges are done again, uncharged
 *   member missing, CRC wrong       that range is done again, uncharged: its output was good once
 *   part unfit (malformed, another  that range is done again and charged: the payload wrote it so,
 *   header, wrong record count)     and doing it again for ever would never end
 *
 * An empty part (a null payload, an allowed empty output) adds nothing to any kind of file.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert, crc32, messageOf } from "../base/index.ts";
import {
  type MergePart,
  type MergeRule,
  type Merger,
  mergeRule,
  PartError,
} from "../formats/index.ts";
import { FileTable } from "../task/index.ts";
import { DurableFile } from "./durable-file.ts";
import type { BundleEntry, FileJob, FileResult, Finding } from "./jobs.ts";
import { MemberFiles } from "./member-files.ts";
import { isGone, MemberIndex, SLAB_RANGES } from "./member-index.ts";
import { RowFileWriter, RUN_STATE, readRuns } from "./record-file.ts";

/** More are not collected in one pass: the next one finds the rest. */
const FINDINGS_MAX = 10_000;

/** `slabRanges` is what is looked up at once; tests make it small. */
export async function runFileJob(job: FileJob, slabRanges = SLAB_RANGES): Promise<FileResult> {
  const files = new MemberFiles();
  const pass = new MergePass(job, job.merge === "command" ? null : await mergeRule(job.merge));
  try {
    await readInOrder(job, new MemberIndex(job.task, slabRanges), files, pass);
    return await pass.end();
  } finally {
    pass.discard();
    files.close();
  }
}

/** Feeds the members of all done ranges to `pass`, in range order, slab by slab. */
async function readInOrder(
  job: FileJob,
  index: MemberIndex,
  files: MemberFiles,
  pass: MergePass,
): Promise<void> {
  const entries = new Map(job.bundles.map((entry) => [entry.id, entry]));
  const damaged = new Map<number, string>();
  const empty = async (): Promise<void> => {
    await index.locate(entries, damaged);
    for (const [bundle, why] of damaged) pass.findBundle(bundle, why);
    for (let row = 0; row < index.count && !pass.full; row++) {
      const bundle = index.bundle[row] as number;
      if (bundle === 0 || damaged.has(bundle)) continue;
      const uri = (entries.get(bundle) as BundleEntry).uri;
      const bytes = readMember(index, row, uri, files, pass);
      if (bytes !== null) await pass.take(index, row, bytes);
    }
  };
  for (const run of readRuns(job.runs)) {
    const done = run.state === RUN_STATE.done || run.state === RUN_STATE.merged;
    const bundle = done ? run.bundle : 0;
    // Runs without anything to read end a slab instead of filling it: they may be 10^8 ranges long.
    if (bundle === 0 && run.count > SLAB_RANGES) continue;
    for (let range = run.first; range < run.first + run.count; ) {
      if (index.full || range !== index.first + index.count) {
        await empty();
        index.begin(range);
      }
      range += index.append(run.first + run.count - range, bundle, run.lease);
    }
  }
  await empty();
}

/** The member's bytes, checked; null if a finding was made instead. */
function readMember(
  index: MemberIndex,
  row: number,
  uri: string,
  files: MemberFiles,
  pass: MergePass,
): Uint8Array | null {
  const range = index.first + row;
  const offset = index.offset[row] as number;
  const size = index.bytes[row] as number;
  let why = "";
  if (offset < 0) why = `its output is not in bundle ${uri}`;
  else {
    try {
      const bytes = files.read(uri, offset, size);
      if (bytes.length < size) why = `its output in bundle ${uri} is cut off`;
      else if (crc32(bytes) === index.crc32[row]) return bytes;
      else why = `its output in bundle ${uri} is damaged (its CRC-32 does not match)`;
    } catch (error) {
      if (!isGone(error) && (error as NodeJS.ErrnoException).code !== "EIO") throw error;
      why = `its output in bundle ${uri} can't be read (${messageOf(error)})`;
    }
  }
  pass.findRange(range, why, false);
  return null;
}

/** Reasons are counted by their text: the same cause in a thousand ranges is one reason. */
function unlabelled(message: string, label: string): string {
  return message.replace(`output ${label} `, "output ");
}

/** One pass over the parts of one output file: either a durable file, or findings. */
class MergePass {
  readonly #job: FileJob;
  /** Null for `merge: command`, which has no notion of parts. */
  readonly #rule: MergeRule | null;
  readonly #table: FileTable;
  readonly #file: DurableFile | null;
  readonly #rows: RowFileWriter;
  readonly #merger: Merger | null;
  readonly #findings: Finding[] = [];
  readonly #bundlesFound = new Set<number>();
  #parts = 0;

  /** `rule`: null for `merge: command`. */
  constructor(job: FileJob, rule: MergeRule | null) {
    this.#job = job;
    this.#rule = rule;
    this.#table = new FileTable(job.eventsPerFile, job.eventsPerRange);
    this.#rows = new RowFileWriter(job.rows);
    const file = this.#rule ? new DurableFile(job.path) : null;
    this.#file = file;
    const write = (bytes: Uint8Array): void => {
      if (this.#findings.length === 0) file?.write(bytes);
    };
    this.#merger = this.#rule?.open({ write }) ?? null;
  }

  get full(): boolean {
    return this.#findings.length >= FINDINGS_MAX;
  }

  findBundle(bundle: number, why: string): void {
    if (this.#bundlesFound.has(bundle)) return;
    this.#bundlesFound.add(bundle);
    this.#findings.push({ type: "bundle", bundle, why });
  }

  findRange(range: number, why: string, charge: boolean): void {
    this.#findings.push({ type: "range", range, why, charge });
  }

  /** The next member in event order: row `row` of the index, with its bytes. */
  async take(index: MemberIndex, row: number, bytes: Uint8Array): Promise<void> {
    const range = index.first + row;
    const fileName = index.fileNameOf(row);
    if (bytes.length > 0) {
      const unfit = await this.#add(range, fileName, bytes);
      if (unfit !== null) return this.findRange(range, `unfit for the merge: ${unfit}`, true);
    }
    this.#parts++;
    this.#rows.add({
      range,
      bytes: bytes.length,
      crc32: index.crc32[row] as number,
      attempt: index.attempt[row] as number,
      cpuSeconds: index.cpuSeconds[row] as number,
      wallSeconds: index.wallSeconds[row] as number,
      node: index.nodeOf(row),
      fileName,
    });
  }

  /** Null if the part was added, else why it is unfit. Errors of the disk are thrown. */
  async #add(range: number, name: string, bytes: Uint8Array): Promise<string | null> {
    const part = { label: `r${range}`, name, bytes };
    try {
      const miscounted = this.#countProblem(range, this.#recordsOf(part));
      if (miscounted !== null) return miscounted;
      if (this.#merger) await this.#merger.add(part);
      else this.#extract(range, bytes);
      return null;
    } catch (error) {
      if (this.#file?.failure !== undefined) throw this.#file.failure;
      if (!this.#merger) throw error;
      // Whatever a merger throws on a part, other than for the disk, is a word on that part.
      return unlabelled(messageOf(error), part.label);
    }
  }

  #recordsOf(part: MergePart): number | null {
    return this.#job.recordsPerEvent === null ? null : (this.#rule?.countRecords(part) ?? null);
  }

  #countProblem(range: number, records: number | null): string | null {
    if (records === null || this.#job.recordsPerEvent === null) return null;
    const events = this.#table.locate(range).count;
    const due = events * this.#job.recordsPerEvent;
    if (records === due) return null;
    return `output has ${records} records (${events} events give ${due} with recordsPerEvent ${
      this.#job.recordsPerEvent
    }) the payload must write that many`;
  }

  /** Names rise with the event order, so that a listing is in that order too. */
  #extract(range: number, bytes: Uint8Array): void {
    const name = `r${String(range).padStart(12, "0")}${this.#job.extension}`;
    writeFileSync(join(this.#job.extractTo, name), bytes);
  }

  async end(): Promise<FileResult> {
    if (this.#findings.length === 0) await this.#finishMerger();
    if (this.#findings.length > 0) return { ok: false, findings: this.#findings };
    // The rows first: a finished file whose rows are lost would have to be merged once more.
    this.#rows.seal();
    const sealed = this.#file ? this.#file.seal() : { bytes: 0, sha256: "" };
    return { ok: true, ...sealed, parts: this.#parts };
  }

  async #finishMerger(): Promise<void> {
    try {
      await this.#merger?.finish();
    } catch (error) {
      if (!(error instanceof PartError)) throw error;
      const range = Number(/^r(\d+)$/.exec(error.label)?.[1] ?? Number.NaN);
      assert(Number.isSafeInteger(range), `a merger blamed a part that it was not given`);
      const why = unlabelled(error.message, error.label);
      this.findRange(range, `unfit for the merge: ${why}`, true);
    }
  }

  discard(): void {
    this.#rows.discard();
    this.#file?.discard();
  }
}
