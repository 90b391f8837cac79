/**
 * The exactly-once certificate: proves from a manifest alone, without engine and store, that
 *
 *   - every event (input file, 0-based entry index) of the input table lies in exactly one row, in
 *     order, and that row is merged, or failed and listed as such;
 *   - every merged row's member carries that row's own task, range and lease in its name, so no
 *     member can have been used for two rows;
 *   - the rows of each output file are the ranges it claims, and the files claim every range once;
 *   - counts in the head add up to the rows and to the input table;
 *   - the output files are on disk with the recorded sizes and sha256.
 *
 * Memory is one batch of rows and the input table, whatever the number of ranges.
 */
import { dirname, join } from "node:path";
import { formatBytes, formatCount, messageOf } from "../base/index.ts";
import { MANIFEST_STATE, type ManifestColumns, openManifest } from "../formats/index.ts";
import { hashFile } from "./durable-file.ts";
import { headOf, type ManifestHead, type ManifestOutput } from "./manifest-head.ts";

/** More problems than this are counted, not told. */
const PROBLEMS_TOLD_MAX = 20;

export interface CertificateFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** "" if it is as recorded (or was not to be read), else what is wrong with it. */
  readonly problem: string;
}

/** Counts are in events. events = covered + failed + missing; duplicated ones are counted extra. */
export interface Certificate {
  readonly ok: boolean;
  readonly task: string;
  readonly manifest: string;
  readonly ranges: number;
  readonly events: number;
  readonly covered: number;
  readonly failed: number;
  readonly duplicated: number;
  readonly missing: number;
  readonly files: readonly CertificateFile[];
  readonly problems: readonly string[];
}

export interface VerifyOptions {
  /** Read the output files again and compare size and sha256 (default true). */
  readonly hashFiles?: boolean;
  /** The input table as the engine's books hold it; the manifest's own must be equal to it. */
  readonly inputs?: readonly { source: string; events: number; sha256: string }[];
  /** Content hash of the task as the engine's books hold it. */
  readonly contentHash?: string;
}

/** Throws JumboError "not_found" or "input_unreadable" if there is no manifest to judge. */
export async function verifyManifest(
  manifestPath: string,
  options: VerifyOptions = {},
): Promise<Certificate> {
  const reader = await openManifest(manifestPath);
  try {
    const head = headOf(reader.metadata, manifestPath);
    const sweep = new Sweep(head, reader.dictionaries.outputFile, reader.dictionaries.file);
    for await (const batch of reader.batches()) {
      for (let row = 0; row < batch.length; row++) sweep.take(batch, row);
    }
    sweep.end();
    compareWithBooks(head, options, sweep);
    const files: CertificateFile[] = [];
    for (const output of head.outputs) {
      files.push(await checkFile(dirname(manifestPath), output, options.hashFiles ?? true));
    }
    const problems = [
      ...sweep.problems,
      ...files.filter((file) => file.problem !== "").map((file) => `${file.path} ${file.problem}`),
    ];
    if (sweep.untold > 0) problems.push(`${formatCount(sweep.untold)} more problems of rows`);
    return {
      ok: problems.length === 0,
      task: head.task.name,
      manifest: manifestPath,
      ranges: sweep.rows,
      events: sweep.events,
      covered: sweep.covered,
      failed: sweep.failed,
      duplicated: sweep.duplicated,
      missing: sweep.missing,
      files,
      problems,
    };
  } finally {
    await reader.close();
  }
}

async function checkFile(
  folder: string,
  output: ManifestOutput,
  hash: boolean,
): Promise<CertificateFile> {
  const path = join(folder, output.path);
  const { bytes, sha256 } = output;
  if (!hash) return { path, bytes, sha256, problem: "" };
  try {
    const found = await hashFile(path);
    let problem = "";
    if (found.bytes !== bytes) problem = `has ${found.bytes} bytes, recorded are ${bytes}`;
    else if (found.sha256 !== sha256) problem = `has another sha256 than recorded`;
    return { path, bytes, sha256, problem };
  } catch (error) {
    return { path, bytes, sha256, problem: `can't be read (${messageOf(error)})` };
  }
}

function compareWithBooks(head: ManifestHead, options: VerifyOptions, sweep: Sweep): void {
  const { inputs, contentHash } = options;
  if (contentHash !== undefined && contentHash !== head.task.contentHash) {
    sweep.complain("the manifest is of another task content than the one in the books");
  }
  if (inputs === undefined) return;
  const same =
    inputs.length === head.inputs.length &&
    inputs.every((input, index) => {
      const listed = head.inputs[index];
      return (
        input.source === listed?.source &&
        input.events === listed.events &&
        input.sha256 === listed.sha256
      );
    });
  if (!same) sweep.complain("the manifest's input table is not the one in the books");
}

/** Walks the rows in order with one expected position; every deviation is counted in events. */
class Sweep {
  readonly problems: string[] = [];
  untold = 0;
  rows = 0;
  covered = 0;
  failed = 0;
  duplicated = 0;
  missing = 0;
  readonly events: number;
  readonly #head: ManifestHead;
  readonly #outputNames: readonly string[];
  readonly #fileNames: readonly string[];
  /** The next event that is due. */
  #input = 0;
  #event = 0;
  #mergedRanges = 0;
  #failedRanges = 0;
  #output = 0;

  constructor(head: ManifestHead, outputNames: readonly string[], fileNames: readonly string[]) {
    this.#head = head;
    this.#outputNames = outputNames;
    this.#fileNames = fileNames;
    this.events = head.inputs.reduce((sum, input) => sum + input.events, 0);
  }

  complain(problem: string): void {
    if (this.problems.length < PROBLEMS_TOLD_MAX) this.problems.push(problem);
    else this.untold++;
  }

  take(batch: ManifestColumns, row: number): void {
    const range = batch.range[row] as number;
    if (range !== this.rows) this.complain(`row ${this.rows} is of range ${range}, not in order`);
    this.rows++;
    const input = batch.inputIndex[row] as number;
    const first = batch.firstEvent0[row] as number;
    const last = batch.lastEvent0[row] as number;
    const entry = this.#head.inputs[input];
    if (!entry || last < first || last >= entry.events) {
      this.complain(`range ${range}: events ${first}..${last} are not in input ${input}`);
      return;
    }
    if (this.#fileNames[batch.fileIndex[row] as number] !== entry.source) {
      this.complain(`range ${range}: its file is not the one of input ${input}`);
    }
    const fresh = this.#advance(range, input, first, last);
    if (batch.state[row] === MANIFEST_STATE.merged) {
      this.covered += fresh;
      this.#mergedRanges++;
      this.#checkMerged(batch, row, range);
    } else {
      this.failed += fresh;
      this.#failedRanges++;
    }
  }

  /** Counts gaps and overlaps against the expected position; returns the events seen first here. */
  #advance(range: number, input: number, first: number, last: number): number {
    if (input < this.#input) {
      this.duplicated += last - first + 1;
      this.complain(`range ${range}: input ${input} comes after input ${this.#input}`);
      return 0;
    }
    this.#moveToInput(input);
    if (first > this.#event) this.#gap(input, this.#event, first - 1);
    const overlap = Math.min(last + 1, this.#event) - first;
    if (overlap > 0) {
      this.duplicated += overlap;
      const again = `events ${first}..${first + overlap - 1}`;
      this.complain(`${this.#named(input)}: ${again} are covered again by range ${range}`);
    }
    const fresh = Math.max(0, last + 1 - Math.max(first, this.#event));
    this.#event = Math.max(this.#event, last + 1);
    return fresh;
  }

  #moveToInput(input: number): void {
    while (this.#input < input) {
      const events = this.#head.inputs[this.#input]?.events ?? 0;
      if (this.#event < events) this.#gap(this.#input, this.#event, events - 1);
      this.#input++;
      this.#event = 0;
    }
  }

  #gap(input: number, first: number, last: number): void {
    this.missing += last - first + 1;
    this.complain(`${this.#named(input)}: events ${first}..${last} are in no range`);
  }

  #named(input: number): string {
    return `input ${input} (${this.#head.inputs[input]?.source})`;
  }

  #checkMerged(batch: ManifestColumns, row: number, range: number): void {
    const outputs = this.#head.outputs;
    while (this.#output < outputs.length && range >= endOf(outputs[this.#output])) this.#output++;
    const output = outputs[this.#output];
    const name = this.#outputNames[batch.outputFileIndex[row] as number];
    if (!output || range < output.firstRange || name !== output.path) {
      this.complain(`range ${range}: ${name ?? "no output file"} does not claim it`);
    }
    const member = batch.member[row];
    if (member == null) return;
    const prefix = `t${this.#head.task.id}/r${range}.e${batch.epoch[row]}.l${batch.lease[row]}/`;
    if (!member.startsWith(prefix)) {
      this.complain(`range ${range}: its member ${member} belongs to another range or lease`);
    }
  }

  end(): void {
    this.#moveToInput(this.#head.inputs.length);
    const { task, counts, outputs } = this.#head;
    let next = 0;
    for (const output of outputs) {
      if (output.firstRange !== next) {
        this.complain(`${output.path} begins at range ${output.firstRange}, ${next} is due`);
      }
      next = endOf(output);
    }
    this.#equal("ranges of the output files", next, task.ranges);
    this.#equal("rows", this.rows, task.ranges);
    this.#equal("events of the input table", this.events, task.events);
    this.#equal("merged ranges", this.#mergedRanges, counts.merged.ranges);
    this.#equal("failed ranges", this.#failedRanges, counts.failed.ranges);
    this.#equal("merged events", this.covered, counts.merged.events);
    this.#equal("failed events", this.failed, counts.failed.events);
  }

  #equal(what: string, found: number, stated: number): void {
    if (found !== stated) this.complain(`${what}: ${found} found, the head states ${stated}`);
  }
}

function endOf(output: ManifestOutput | undefined): number {
  return output ? output.firstRange + output.ranges : 0;
}

/** The certificate as lines for people. */
export function formatCertificate(certificate: Certificate): string {
  const { events, ranges, covered, failed, duplicated, missing } = certificate;
  const count = (value: number, word: string): string =>
    `${formatCount(value)} ${word}${value === 1 ? "" : "s"}`;
  const width = Math.max(...[events, covered, failed].map((n) => formatCount(n).length));
  const line = (value: number, text: string): string =>
    `  ${formatCount(value).padStart(width)}  ${text}`;
  const lines = [
    certificate.ok
      ? `exactly once: proven for task ${certificate.task}`
      : `exactly once: NOT proven for task ${certificate.task}`,
    line(events, `events in the input table, in ${count(ranges, "range")}`),
    line(covered, "merged exactly once"),
    line(failed, failed === 0 ? "failed" : "failed, listed in the manifest"),
    line(missing, "missing"),
    line(duplicated, "duplicated"),
  ];
  for (const file of certificate.files) {
    const state = file.problem === "" ? `sha256 ${file.sha256.slice(0, 16)}…` : file.problem;
    lines.push(`  ${file.path}  ${formatBytes(file.bytes)}  ${state}`);
  }
  for (const problem of certificate.problems) lines.push(`  problem: ${problem}`);
  return `${lines.join("\n")}\n`;
}
