/**
 * Writes `NAME.manifest.arrow`: one row a range, in order, from the runs of the books and the rows
 * that merging left behind. Before that each output file is read again and must be, byte for byte,
 * what was recorded; after it the manifest is proven like `jumbo verify` would, files apart.
 * The same accepted outputs give the same manifest: no clock, no random name goes into it.
 */
import { basename, dirname, join } from "node:path";
import { assert, leaseEpoch, leaseNumber } from "../base/index.ts";
import { memberName } from "../bundle/index.ts";
import {
  createManifest,
  MANIFEST_STATE,
  ManifestColumns,
  type ManifestDictionaries,
  type ManifestWriter,
} from "../formats/index.ts";
import { FileTable } from "../task/index.ts";
import { DurableFile, hashFile } from "./durable-file.ts";
import type { ManifestJob, ManifestPart, ManifestResult } from "./jobs.ts";
import { headMetadata, type ManifestOutput } from "./manifest-head.ts";
import {
  type MemberRow,
  type RangeRunRecord,
  RUN_STATE,
  readRows,
  readRowTexts,
  readRuns,
} from "./record-file.ts";
import { verifyManifest } from "./verify-task.ts";

export function manifestPathOf(results: string, outputName: string): string {
  return join(results, `${outputName}.manifest.arrow`);
}

export async function runManifestJob(job: ManifestJob): Promise<ManifestResult> {
  const folder = dirname(job.path);
  const changed: number[] = [];
  for (const [index, output] of job.head.outputs.entries()) {
    if (!(await isAsRecorded(folder, output))) changed.push(index);
  }
  if (changed.length > 0) return { ok: false, changed, problems: [] };
  const file = new DurableFile(job.path);
  try {
    await writeRows(file, job);
    file.seal();
  } finally {
    file.discard();
  }
  const certificate = await verifyManifest(job.path, { hashFiles: false });
  if (!certificate.ok) return { ok: false, changed: [], problems: [...certificate.problems] };
  return { ok: true, events: certificate.covered, failedEvents: certificate.failed };
}

async function isAsRecorded(folder: string, output: ManifestOutput): Promise<boolean> {
  try {
    const found = await hashFile(join(folder, output.path));
    return found.bytes === output.bytes && found.sha256 === output.sha256;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** Distinct texts, and where each stands. */
class TextTable {
  readonly texts: string[] = [];
  readonly #index = new Map<string, number>();

  add(text: string): number {
    let index = this.#index.get(text);
    if (index === undefined) {
      index = this.texts.push(text) - 1;
      this.#index.set(text, index);
    }
    return index;
  }
}

async function writeRows(file: DurableFile, job: ManifestJob): Promise<void> {
  const texts = {
    file: new TextTable(),
    bundle: new TextTable(),
    pilot: new TextTable(),
    node: new TextTable(),
    outputFile: new TextTable(),
    reason: new TextTable(),
  };
  const rows = new RowMaker(job, texts);
  const dictionaries: ManifestDictionaries = {
    file: texts.file.texts,
    bundle: texts.bundle.texts,
    pilot: texts.pilot.texts,
    node: texts.node.texts,
    outputFile: texts.outputFile.texts,
    reason: texts.reason.texts,
  };
  const writer = await createManifest(file, headMetadata(job.head), dictionaries);
  for (const part of job.parts) rows.addPart(part, writer);
  rows.flush(writer);
  writer.finish();
}

type TextTables = Record<keyof ManifestDictionaries, TextTable>;

/** Fills batches row by row. All texts are known at its construction: Arrow wants them first. */
class RowMaker {
  readonly #job: ManifestJob;
  readonly #texts: TextTables;
  readonly #table: FileTable;
  readonly #batch = new ManifestColumns();
  /** By input, bundle id, reason id, output index: where their texts stand. */
  readonly #fileText: Int32Array;
  readonly #bundleText = new Map<number, number>();
  readonly #pilotText = new Map<number, number>();
  readonly #reasonText = new Map<number, number>();

  constructor(job: ManifestJob, texts: TextTables) {
    this.#job = job;
    this.#texts = texts;
    const { inputs, task } = job.head;
    this.#table = new FileTable(
      inputs.map((input) => input.events),
      task.eventsPerRange,
    );
    this.#fileText = Int32Array.from(inputs, (input) => texts.file.add(input.source));
    for (const { id, uri, pilotId } of job.bundles) {
      this.#bundleText.set(id, texts.bundle.add(uri));
      this.#pilotText.set(id, texts.pilot.add(pilotId));
    }
    for (const { id, text } of job.reasons) this.#reasonText.set(id, texts.reason.add(text));
    for (const part of job.parts) {
      texts.outputFile.add(part.name);
      for (const node of readRowTexts(part.rows).nodes) texts.node.add(node);
    }
  }

  addPart(part: ManifestPart, writer: ManifestWriter): void {
    const members = readRows(part.rows);
    const outputIndex = this.#texts.outputFile.add(part.name);
    for (const run of readRuns(part.runs)) {
      for (let range = run.first; range < run.first + run.count; ) {
        const place = this.#table.locate(range);
        const left = this.#table.firstRange(place.file) + this.#table.rangesOf(place.file) - range;
        const count = Math.min(left, run.first + run.count - range);
        this.#addAlike(run, range, count, place.file, outputIndex, members, writer);
        range += count;
      }
    }
    assert(members.next().done, `${basename(part.rows)} has rows beyond the last range`);
  }

  /** `count` ranges from `range` on: one run of the books, inside one input file. */
  #addAlike(
    run: Readonly<RangeRunRecord>,
    range: number,
    count: number,
    file: number,
    outputIndex: number,
    members: Generator<Readonly<MemberRow>>,
    writer: ManifestWriter,
  ): void {
    const batch = this.#batch;
    const perRange = this.#table.eventsPerRange;
    const lastEvent = this.#table.eventsOf(file) - 1;
    const failed = run.state === RUN_STATE.failed;
    for (let at = range; at < range + count; at++) {
      if (batch.full) this.flush(writer);
      const row = batch.addRow();
      const first = (at - this.#table.firstRange(file)) * perRange;
      batch.range[row] = at;
      batch.inputIndex[row] = file;
      batch.fileIndex[row] = this.#fileText[file] as number;
      batch.firstEvent0[row] = first;
      batch.lastEvent0[row] = Math.min(first + perRange - 1, lastEvent);
      batch.state[row] = failed ? MANIFEST_STATE.failed : MANIFEST_STATE.merged;
      batch.attempt[row] = run.attempts;
      if (failed) {
        batch.reasonIndex[row] = this.#reasonText.get(run.reason) ?? -1;
        continue;
      }
      batch.outputFileIndex[row] = outputIndex;
      batch.epoch[row] = leaseEpoch(run.lease);
      batch.lease[row] = leaseNumber(run.lease);
      if (run.bundle !== 0) this.#addMember(row, at, run, members);
    }
  }

  #addMember(
    row: number,
    range: number,
    run: Readonly<RangeRunRecord>,
    members: Generator<Readonly<MemberRow>>,
  ): void {
    const next = members.next();
    assert(!next.done && next.value.range === range, `no row of range ${range} was kept`);
    const member = next.value as MemberRow;
    const batch = this.#batch;
    const fence = { task: this.#job.head.task.id, range, lease: run.lease };
    batch.bundleIndex[row] = this.#bundleText.get(run.bundle) ?? -1;
    batch.member[row] = memberName(fence, member.fileName);
    batch.attempt[row] = member.attempt;
    batch.bytes[row] = member.bytes;
    batch.crc32[row] = member.crc32;
    batch.pilotIndex[row] = this.#pilotText.get(run.bundle) ?? -1;
    batch.nodeIndex[row] = this.#texts.node.add(member.node);
    batch.cpuSeconds[row] = member.cpuSeconds;
    batch.wallSeconds[row] = member.wallSeconds;
  }

  flush(writer: ManifestWriter): void {
    if (this.#batch.length > 0) writer.write(this.#batch);
    this.#batch.clear();
  }
}
