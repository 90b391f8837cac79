/**
 * The merge of one task, step by step; each step may be the last before a `kill -9`, and the next
 * life does the rest:
 *
 *   runs of the books -> scratch files, one an output file       rebuilt at every try
 *   each output file  -> NAME.partial, rows, rename, `merged`    kept once it is recorded
 *   manifest          -> checked, written, proven                rewritten, same bytes
 *   `finish`          -> the scratch folder goes                 swept at the next start
 *
 * Output files are made one after the other, since `merged` is a watermark. What stands in the
 * scratch folder of an output that is recorded and still whole is used; all else is made again.
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { extname, join } from "node:path";
import { assert, JumboError, killPoint } from "../base/index.ts";
import type { EngineClient, FileTableRow, TaskView } from "../broker/index.ts";
import { contentHash, FileTable } from "../task/index.ts";
import { runMergeCommand } from "./command.ts";
import type {
  BundleEntry,
  FileJob,
  FileResult,
  Finding,
  ManifestJob,
  ManifestResult,
  MergeJob,
  MergeResult,
  SealResult,
} from "./jobs.ts";
import { manifestPathOf } from "./manifest.ts";
import { MANIFEST_SCHEMA, type ManifestHead, type Tally } from "./manifest-head.ts";
import { type PlannedOutput, planOutputs } from "./output-plan.ts";
import { RUN_STATE, RunFileWriter, rowsAreWhole } from "./record-file.ts";

const RUNS_PER_PAGE = 65_536;
const BUNDLES_PER_QUESTION = 4096;
const REOPENS_AT_ONCE = 256;

export interface MergeTools {
  readonly client: EngineClient;
  readonly runJob: (job: MergeJob) => Promise<MergeResult>;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

/** `open`: ranges are still to be done. `reopened`: some have to be done again. */
export type MergeEnd = "finished" | "open" | "reopened";

/** Scratch folder of a task's merge: beside the result, so that renames stay on one file system. */
export function scratchFolderOf(results: string, taskHash: string, task: number): string {
  return join(results, `.jumbo-merge-t${task}-${taskHash.slice(0, 12)}`);
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}

interface Books {
  /** Numbers of bundles that hold accepted outputs. */
  readonly bundles: Set<number>;
  merged: { ranges: number; events: number };
  failed: { ranges: number; events: number };
}

export class TaskMerge {
  readonly #tools: MergeTools;
  readonly #task: number;
  readonly #view: TaskView;
  readonly #files: readonly FileTableRow[];
  readonly #table: FileTable;
  readonly #hash: string;
  readonly #scratch: string;
  readonly #outputs: readonly PlannedOutput[];
  /** Bytes and sha256 of each output that is done, by index. */
  readonly #sealed = new Map<number, SealResult>();
  #bundles: readonly BundleEntry[] = [];

  static async of(tools: MergeTools, task: number): Promise<TaskMerge | null> {
    const view = await tools.client.ask("show", { task });
    if (view.state !== "open" && view.state !== "merging") return null;
    const files = await tools.client.ask("files", { task });
    return new TaskMerge(tools, view, files);
  }

  private constructor(tools: MergeTools, view: TaskView, files: readonly FileTableRow[]) {
    this.#tools = tools;
    this.#task = view.id;
    this.#view = view;
    this.#files = files;
    this.#table = new FileTable(
      files.map((file) => file.events),
      view.spec.eventsPerRange,
    );
    this.#hash = contentHash(view.spec, files);
    this.#scratch = scratchFolderOf(view.spec.output.results, this.#hash, view.id);
    this.#outputs = planOutputs(this.#table, view.spec.output);
  }

  get scratch(): string {
    return this.#scratch;
  }

  async run(): Promise<MergeEnd> {
    mkdirSync(this.#scratch, { recursive: true });
    for (const name of readdirSync(this.#scratch)) {
      if (name.startsWith("command-")) removeFolder(join(this.#scratch, name));
    }
    const books = await this.#writeRuns();
    if (books === null) return "open";
    this.#bundles = await this.#askBundles(books.bundles);
    for (const output of this.#outputs) {
      if (this.#isRecorded(output)) continue;
      const findings = await this.#makeOutput(output);
      if (findings.length > 0) return await this.#reopen(findings);
      await this.#record(output);
    }
    const end = await this.#makeManifest(books);
    if (end !== "finished") return end;
    killPoint("merge-before-finish");
    const manifest = manifestPathOf(this.#view.spec.output.results, this.#view.spec.output.name);
    await this.#tools.client.ask("finish", { task: this.#task, manifest, problem: "" });
    killPoint("merge-after-finish");
    removeFolder(this.#scratch);
    return "finished";
  }

  /** Pages the runs of the books into one file an output; null if a range is not final. */
  async #writeRuns(): Promise<Books | null> {
    const books: Books = {
      bundles: new Set(),
      merged: { ranges: 0, events: 0 },
      failed: { ranges: 0, events: 0 },
    };
    let index = 0;
    let writer = new RunFileWriter(this.#runsPath(0));
    try {
      for (let from = 0; from >= 0 && from < this.#table.ranges; ) {
        const ask = { task: this.#task, from, runsMax: RUNS_PER_PAGE };
        const page = await this.#tools.client.ask("ranges", ask);
        for (let i = 0; i < page.first.length; i++) {
          const state = page.state[i] as number;
          const done = state === RUN_STATE.done || state === RUN_STATE.merged;
          if (!done && state !== RUN_STATE.failed) return null;
          let first = page.first[i] as number;
          const end = first + (page.count[i] as number);
          this.#tally(done ? books.merged : books.failed, first, end - first);
          if (done && page.bundle[i] !== 0) books.bundles.add(page.bundle[i] as number);
          while (first < end) {
            const output = this.#outputs[index] as PlannedOutput;
            const count = Math.min(end, output.firstRange + output.ranges) - first;
            if (count <= 0) {
              writer.close();
              writer = new RunFileWriter(this.#runsPath(++index));
              continue;
            }
            writer.add({
              first,
              count,
              state,
              attempts: page.attempts[i] as number,
              lease: page.lease[i] as number,
              bundle: page.bundle[i] as number,
              reason: page.reason[i] as number,
            });
            first += count;
          }
        }
        from = page.next;
      }
    } finally {
      writer.close();
    }
    const total = books.merged.ranges + books.failed.ranges;
    assert(total === this.#table.ranges, `the books answer ${total} of ${this.#table.ranges}`);
    return books;
  }

  #tally(tally: { ranges: number; events: number }, first: number, count: number): void {
    tally.ranges += count;
    tally.events += this.#table.eventsIn(first, count);
  }

  async #askBundles(ids: ReadonlySet<number>): Promise<BundleEntry[]> {
    const sorted = [...ids].sort((a, b) => a - b);
    const found: BundleEntry[] = [];
    for (let at = 0; at < sorted.length; at += BUNDLES_PER_QUESTION) {
      const ask = { ids: sorted.slice(at, at + BUNDLES_PER_QUESTION) };
      for (const row of await this.#tools.client.ask("bundles", ask)) {
        const { id, uri, pilotId } = row;
        found.push({ id, uri, pilotId, usable: row.state === "open" });
      }
    }
    assert(found.length === sorted.length, "the books know every bundle that they name");
    return found;
  }

  /** True if an earlier life recorded the output and left its rows whole. */
  #isRecorded(output: PlannedOutput): boolean {
    const recorded = this.#view.files[output.index];
    if (!recorded || !rowsAreWhole(this.#rowsPath(output.index))) return false;
    assert(recorded.path === output.path, `output ${recorded.path} is not of this plan`);
    this.#sealed.set(output.index, recorded);
    return true;
  }

  async #makeOutput(output: PlannedOutput): Promise<readonly Finding[]> {
    const { spec } = this.#view;
    const byCommand = spec.output.merge === "command";
    const work = byCommand ? this.#commandFolder(output.index) : "";
    const job: FileJob = {
      type: "file",
      task: this.#task,
      merge: spec.output.merge,
      runs: this.#runsPath(output.index),
      rows: this.#rowsPath(output.index),
      path: output.path,
      bundles: this.#bundles,
      eventsPerFile: Float64Array.from(this.#files, (file) => file.events),
      eventsPerRange: spec.eventsPerRange,
      recordsPerEvent: spec.output.recordsPerEvent,
      extractTo: byCommand ? join(work, "inputs") : "",
      extension: extname(spec.output.name),
    };
    const result = (await this.#tools.runJob(job)) as FileResult;
    if (!result.ok) return result.findings;
    if (!byCommand) this.#sealed.set(output.index, result);
    else {
      const from = await runMergeCommand(spec, work, job.extractTo, this.#tools.signal);
      const seal: MergeJob = { type: "seal", from, path: output.path };
      this.#sealed.set(output.index, (await this.#tools.runJob(seal)) as SealResult);
      removeFolder(work);
    }
    return [];
  }

  /** A new one each time: a command that outlived a killed engine writes into its own old one. */
  #commandFolder(index: number): string {
    const work = join(this.#scratch, `command-${index}-${process.pid}-${Date.now()}`);
    mkdirSync(join(work, "inputs"), { recursive: true });
    return work;
  }

  async #record(output: PlannedOutput): Promise<void> {
    const { bytes, sha256 } = this.#sealed.get(output.index) as SealResult;
    const known = this.#view.files[output.index];
    if (known) {
      if (known.sha256 === sha256) return;
      throw new JumboError(
        "merge_failed",
        `output ${output.name} came out other than recorded (its accepted outputs changed after ` +
          "it was merged) keep the bundles and look into the manifest's scratch folder",
      );
    }
    await this.#tools.client.ask("merged", {
      task: this.#task,
      output: {
        path: output.path,
        bytes,
        sha256,
        firstRange: output.firstRange,
        ranges: output.ranges,
      },
      mergedBelow: output.firstRange + output.ranges,
    });
    killPoint("merge-after-merged");
  }

  async #makeManifest(books: Books): Promise<MergeEnd> {
    const reasons = await this.#tools.client.ask("reasons", { task: this.#task });
    for (let attempt = 0; ; attempt++) {
      const result = (await this.#tools.runJob(
        this.#manifestJob(books, reasons),
      )) as ManifestResult;
      if (result.ok) return "finished";
      if (result.problems.length > 0 || attempt > 0) {
        const changed = result.changed.map((index) => this.#outputs[index]?.name).join(", ");
        throw new JumboError(
          "merge_failed",
          `the merged result could not be proven (${
            result.problems[0] ?? `${changed} changes on disk after it was written`
          }) see whether something else writes to ${this.#view.spec.output.results}`,
        );
      }
      for (const index of result.changed) {
        const output = this.#outputs[index] as PlannedOutput;
        this.#tools.log(`${output.name} is not on disk as it was written; it is merged again`);
        const findings = await this.#makeOutput(output);
        if (findings.length > 0) return await this.#reopen(findings);
        await this.#record(output);
      }
    }
  }

  #manifestJob(books: Books, reasons: readonly { id: number; text: string }[]): ManifestJob {
    const { spec } = this.#view;
    const merged: Tally = books.merged;
    const failed: Tally = books.failed;
    const head: ManifestHead = {
      schema: MANIFEST_SCHEMA,
      task: {
        id: this.#task,
        name: spec.name,
        contentHash: this.#hash,
        merge: spec.output.merge,
        eventsPerRange: spec.eventsPerRange,
        ranges: this.#table.ranges,
        events: this.#table.events,
      },
      counts: { merged, failed },
      inputs: this.#files.map(({ source, format, tree, events, sha256 }) => ({
        source,
        format,
        tree,
        events,
        sha256,
      })),
      outputs: this.#outputs.map((output) => ({
        path: output.name,
        ...pick(this.#sealed.get(output.index) as SealResult),
        firstRange: output.firstRange,
        ranges: output.ranges,
      })),
    };
    return {
      type: "manifest",
      path: manifestPathOf(spec.output.results, spec.output.name),
      head,
      parts: this.#outputs.map((output) => ({
        name: output.name,
        runs: this.#runsPath(output.index),
        rows: this.#rowsPath(output.index),
      })),
      bundles: this.#bundles,
      reasons,
    };
  }

  async #reopen(findings: readonly Finding[]): Promise<MergeEnd> {
    const task = this.#task;
    const { client, log } = this.#tools;
    let ranges = 0;
    for (const finding of findings) {
      if (finding.type !== "bundle") continue;
      const { bundle, why } = finding;
      ranges += (await client.ask("reopenBundle", { task, bundle, why })).ranges;
    }
    const single = findings.filter((finding) => finding.type === "range");
    for (let at = 0; at < single.length; at += REOPENS_AT_ONCE) {
      const asked = single
        .slice(at, at + REOPENS_AT_ONCE)
        .map(({ range, why, charge }) => client.ask("reopenRange", { task, range, why, charge }));
      for (const answer of await Promise.all(asked)) ranges += answer.ranges;
    }
    log(`task ${this.#view.name}: ${ranges} ranges are done again (${findings[0]?.why})`);
    return "reopened";
  }

  #runsPath(index: number): string {
    return join(this.#scratch, `runs-${String(index).padStart(5, "0")}`);
  }

  #rowsPath(index: number): string {
    return join(this.#scratch, `rows-${String(index).padStart(5, "0")}`);
  }
}

function pick(sealed: SealResult): SealResult {
  return { bytes: sealed.bytes, sha256: sealed.sha256 };
}
