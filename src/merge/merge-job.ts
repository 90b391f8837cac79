/**
 * Merges one output file: members out of bundles, in event order, each CRC checked, through the
 * format's merger into `NAME.partial`, then made durable under its name. Memory: a few members read
 * ahead (READ_AHEAD_*), the open bundles' directories, one write buffer.
 *
 * What can't be merged is a *finding*. After the first one nothing is written any more, but the rest
 * is still read and checked, so that one pass finds everything that has to be done again:
 *
 *   bundle gone, unreadable         its ranges are done again, uncharged
 *   member missing, CRC wrong       that range is done again, uncharged: its output was good once
 *   part unfit (malformed, another  that range is done again and charged: the payload wrote it so,
 *   header, wrong record count)     and doing it again for ever would never end
 *
 * An empty part (a null payload, an allowed empty output) adds nothing to any kind of file.
 */
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { assert, messageOf } from "../base/index.ts";
import { BundleDamage, type BundleMember, type BundleReader } from "../bundle/index.ts";
import { type MergePart, type MergeRule, type Merger, mergeRule, PartError } from "../formats/index.ts";
import { FileTable } from "../task/index.ts";
import { BundleShelf } from "./bundle-shelf.ts";
import { DurableFile } from "./durable-file.ts";
import type { FileJob, FileResult, Finding } from "./jobs.ts";
import { RowFileWriter, RUN_STATE, readRuns } from "./record-file.ts";

const READ_AHEAD_PARTS_MAX = 64;
const READ_AHEAD_BYTES_MAX = 16 * 1024 * 1024;
/** More are not collected in one pass: the next one finds the rest. */
const FINDINGS_MAX = 10_000;

/** A member on its way: found in a directory, its bytes being read. */
interface PendingPart {
  readonly range: number;
  readonly member: BundleMember;
  readonly read: Promise<Uint8Array>;
}

export async function runFileJob(job: FileJob): Promise<FileResult> {
  const shelf = new BundleShelf(job.bundles);
  const pass = new MergePass(job);
  try {
    await readInOrder(job, shelf, pass);
    return await pass.end();
  } finally {
    pass.discard();
    await shelf.trim(0);
  }
}

/** Feeds the members of all done ranges to `pass`, in range order, a few read ahead. */
async function readInOrder(job: FileJob, shelf: BundleShelf, pass: MergePass): Promise<void> {
  const waiting: PendingPart[] = [];
  let waitingBytes = 0;
  const drain = async (partsLeft: number, bytesLeft: number): Promise<void> => {
    while (waiting.length > partsLeft || (waitingBytes > bytesLeft && waiting.length > 0)) {
      const part = waiting.shift() as PendingPart;
      waitingBytes -= part.member.bytes;
      await pass.take(part);
    }
  };
  try {
    for (const run of readRuns(job.runs)) {
      if (run.state !== RUN_STATE.done && run.state !== RUN_STATE.merged) continue;
      if (run.bundle === 0) continue;
      for (let range = run.first; range < run.first + run.count; range++) {
        if (pass.full) return;
        if (shelf.crowded) {
          await drain(0, 0);
          await shelf.trim();
        }
        const reader = shelf.opened(run.bundle) ?? (await shelf.reader(run.bundle));
        if (!reader) {
          pass.findBundle(run.bundle, shelf.damage(run.bundle) ?? "it can't be read");
          break;
        }
        const fence = { task: job.task, range, lease: run.lease };
        const member = reader.find(fence);
        if (!member) {
          pass.findRange(range, `its output is not in bundle ${reader.uri}`, false);
          continue;
        }
        await drain(READ_AHEAD_PARTS_MAX - 1, READ_AHEAD_BYTES_MAX - member.bytes);
        waiting.push({ range, member, read: startRead(reader, member) });
        waitingBytes += member.bytes;
      }
    }
    await drain(0, 0);
  } finally {
    await Promise.allSettled(waiting.map((part) => part.read));
  }
}

function startRead(reader: BundleReader, member: BundleMember): Promise<Uint8Array> {
  const read = reader.read(member);
  // A read ahead may fail while an earlier one is awaited: it is looked at when its turn comes.
  read.catch(() => undefined);
  return read;
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

  constructor(job: FileJob) {
    this.#job = job;
    this.#rule = job.merge === "command" ? null : mergeRule(job.merge);
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

  async take(part: PendingPart): Promise<void> {
    const { range, member } = part;
    let bytes: Uint8Array;
    try {
      bytes = await part.read;
    } catch (error) {
      if (!(error instanceof BundleDamage)) throw error;
      // Without the member's name: one cause, one reason, however many ranges it hits.
      return this.findRange(range, messageOf(error).replace(member.name, "an output"), false);
    }
    if (bytes.length > 0) {
      const unfit = await this.#add(range, member, bytes);
      if (unfit !== null) return this.findRange(range, `unfit for the merge: ${unfit}`, true);
    }
    this.#parts++;
    this.#rows.add({
      range,
      bytes: member.bytes,
      crc32: member.crc32,
      attempt: member.attempt,
      cpuSeconds: member.cpuSeconds,
      wallSeconds: member.wallSeconds,
      node: member.node,
      fileName: basename(member.name),
    });
  }

  /** Null if the part was added, else why it is unfit. Errors of the disk are thrown. */
  async #add(range: number, member: BundleMember, bytes: Uint8Array): Promise<string | null> {
    const part = { label: `r${range}`, name: basename(member.name), bytes };
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
