/**
 * A whole engine for merge tests: the real core on a real store, and a pilot of few lines that
 * speaks the real protocol over the core's port and writes real bundles. What a range puts out is a
 * function that the test gives.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CorePort, type Engine, startEngine } from "../../src/broker/index.ts";
import { FrameGatherer } from "../../src/broker/port.ts";
import { type BundleWriter, createBundle } from "../../src/bundle/index.ts";
import type { MergeJob } from "../../src/merge/index.ts";
import { MergeCoordinator } from "../../src/merge/index.ts";
import runMergeJob from "../../src/merge/merge-worker.ts";
import { FileTable, type TaskFile, type TaskSpec, validateTask } from "../../src/task/index.ts";
import {
  decodePayload,
  encodeFrame,
  FRAME_PREFIX_BYTES,
  type Message,
  OUTCOME,
  type PilotMessage,
  type SpanBlock,
  SpanBlockBuilder,
} from "../../src/wire/index.ts";
import { forEachFrame } from "../helpers/frames.ts";

const KEY = "merge-test";

export interface RangeAt {
  readonly range: number;
  readonly file: number;
  readonly start: number;
  readonly count: number;
  readonly attempt: number;
}
/** Output of a range; a string is what it fails with; null is a done without any output. */
export type OutputOf = (at: RangeAt) => Uint8Array | { failed: string } | null;

export interface World {
  readonly folder: string;
  readonly results: string;
  readonly engine: Engine;
  readonly coordinator: MergeCoordinator;
  readonly log: string[];
  /** Jobs that the coordinator gave out, in order. */
  readonly jobs: MergeJob[];
  close(): Promise<void>;
}

export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "jumbo-merge-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export async function openWorld(
  folder: string,
  options: { keepBundles?: boolean; inline?: boolean } = {},
): Promise<World> {
  const results = join(folder, "results");
  mkdirSync(results, { recursive: true });
  const engine = await startEngine({
    storeDir: join(folder, "store"),
    inline: options.inline ?? true,
    core: { freeBytesMin: 0 },
  });
  await engine.client.ask("setPilotKeys", { keys: [KEY] });
  const log: string[] = [];
  const jobs: MergeJob[] = [];
  const coordinator = new MergeCoordinator(engine.client, {
    runJob: async (job) => {
      jobs.push(structuredClone(job));
      return structuredClone(await runMergeJob(structuredClone(job)));
    },
    keepBundles: options.keepBundles ?? false,
    log: (line) => void log.push(line),
  });
  return {
    folder,
    results,
    engine,
    coordinator,
    log,
    jobs,
    close: async () => {
      await coordinator.stop();
      await engine.stop();
    },
  };
}

export function specOf(world: { folder: string; results: string }, task: object): TaskSpec {
  return validateTask(task, {
    taskDir: world.folder,
    results: world.results,
    ownerDefault: "tester",
  });
}

export function countFiles(events: number): TaskFile[] {
  return [fileOf("", events)];
}

export function fileOf(source: string, events: number): TaskFile {
  return {
    source,
    path: source,
    format: source === "" ? "count" : "jsonl",
    variant: "",
    tree: "",
    events,
    sizeBytes: -1,
    mtimeMs: -1,
    sha256: "",
    indexPath: "",
    header: [],
    footer: [],
    clusters: [],
    notes: [],
  };
}

export async function submit(world: World, task: object, files: TaskFile[]): Promise<number> {
  const spec = specOf(world, task);
  return (await world.engine.client.ask("submit", { spec, files })).task;
}

interface Work extends RangeAt {
  readonly task: number;
  readonly lease: number;
}

let nextConnection = 1;
/** Bundles of pilots that "died": kept, since a collected file handle is closed with a warning. */
const unclosed: BundleWriter[] = [];

/** Does ranges as they are granted, until nothing comes any more. */
export class TestPilot {
  readonly name: string;
  readonly bundlePaths: string[] = [];
  readonly #port: CorePort;
  readonly #folder: string;
  readonly #connection = nextConnection++;
  readonly #tables: Map<number, FileTable>;
  readonly #outputOf: OutputOf;
  readonly #closeBundles: boolean;
  #bundle: BundleWriter | null = null;
  #bundles = 0;
  #sequence = 0;
  #want = 0;
  #busy: Promise<void> = Promise.resolve();
  #answered: () => void = () => {};

  constructor(
    world: { engine: Engine; folder: string },
    options: {
      name?: string;
      tables: Map<number, FileTable>;
      outputOf: OutputOf;
      /** Bundles get their central directory; false: as if the pilot had died. */
      closeBundles?: boolean;
    },
  ) {
    this.name = options.name ?? `pilot-${this.#connection}`;
    this.#port = world.engine.port;
    this.#folder = world.folder;
    this.#tables = options.tables;
    this.#outputOf = options.outputOf;
    this.#closeBundles = options.closeBundles ?? true;
    batchListenersOf(world.engine.port).set(this.#connection, (frame) => this.#receive(frame));
  }

  /** Connects wanting `want` ranges and resolves when `ranges` have been answered by verdicts. */
  async work(ranges: number, want = 64): Promise<void> {
    this.#want = want;
    this.#left = ranges;
    const over = new Promise<void>((resolve) => {
      this.#answered = resolve;
    });
    const node = { name: this.name, cores: 4, gpus: 0, memoryMiB: 1024, slots: 4 };
    this.#send({
      type: "hello",
      version: 1,
      role: "pilot",
      pilotId: this.name,
      generation: 1,
      credential: KEY,
      software: "test",
      queue: "local",
      allocation: "",
      nodes: [node],
      secondsLeft: -1,
      held: [],
      want,
      freeSlots: 4,
    });
    await over;
  }

  /** Says bye: its bundles are nobody's to append to any more. */
  async leave(): Promise<void> {
    this.#leaving = true; // what is granted from here on goes back to the engine with the bye
    await this.#busy;
    if (this.#bundle && this.#closeBundles) await this.#bundle.close();
    this.#send({ type: "bye", reason: "done" });
    this.#port.post({ opened: [], frames: null, closed: [this.#connection] });
  }

  #left = 0;
  #opened = false;
  #leaving = false;

  #send(message: PilotMessage): void {
    const gatherer = new FrameGatherer();
    gatherer.add(this.#connection, encodeFrame(message).subarray(FRAME_PREFIX_BYTES));
    const opened = this.#opened ? [] : [{ connection: this.#connection, peer: "test" }];
    this.#opened = true;
    this.#port.post({ opened, frames: gatherer.take(), closed: [] });
  }

  #receive(frame: Uint8Array): void {
    const message: Message = decodePayload(frame.slice(FRAME_PREFIX_BYTES), "engine");
    if (message.type === "fault") throw new Error(`fault: ${message.message}`);
    if (message.type === "welcome") this.#take(message.grant.spans);
    if (message.type === "grant") this.#take(message.spans);
    if (message.type === "verdicts") {
      for (let i = 0; i < message.runs.length; i += 2) this.#left -= message.runs[i] as number;
      if (this.#left <= 0) this.#answered();
    }
  }

  #take(blocks: readonly SpanBlock[]): void {
    const work: Work[] = [];
    for (const block of blocks) {
      for (let i = 0; i < block.size; i++) {
        const first = block.first[i] as number;
        for (let range = first; range < first + (block.count[i] as number); range++) {
          const place = this.#tables.get(block.task)!.locate(range);
          const attempt = block.attempt[i] as number;
          const lease = block.lease[i] as number;
          work.push({ task: block.task, range, lease, attempt, ...place });
        }
      }
    }
    if (work.length > 0 && !this.#leaving) this.#busy = this.#busy.then(() => this.#do(work));
  }

  async #do(work: Work[]): Promise<void> {
    const good: Work[] = [];
    const empty: Work[] = [];
    const bad: { work: Work; reason: string }[] = [];
    for (const each of work) {
      const output = this.#outputOf(each);
      if (output === null) empty.push(each);
      else if ("failed" in output) bad.push({ work: each, reason: output.failed });
      else {
        await this.#append(each, output);
        good.push(each);
      }
    }
    await this.#bundle?.sync();
    const reports = [
      ...this.#report(OUTCOME.done, good, this.#bundles, ""),
      ...this.#report(OUTCOME.done, empty, 0, ""),
      ...bad.flatMap(({ work: each, reason }) => this.#report(OUTCOME.failed, [each], 0, reason)),
    ];
    const sequence = ++this.#sequence;
    const want = this.#want;
    this.#send({ type: "exchange", sequence, reports, want, freeSlots: 4, secondsLeft: -1 });
  }

  #report(
    outcome: (typeof OUTCOME)[keyof typeof OUTCOME],
    work: Work[],
    bundle: number,
    reason: string,
  ) {
    const cost = { wallSum: work.length * 0.5, wallSquares: 0, wallMax: 0.5, cpuSum: 0 };
    const byTask = new Map<number, SpanBlockBuilder>();
    for (const { task, range, attempt, lease } of work) {
      const builder = byTask.get(task) ?? new SpanBlockBuilder(task as never);
      byTask.set(task, builder);
      builder.add(range, 1, attempt, 1, lease as never);
    }
    return [...byTask.values()].flatMap((builder) =>
      builder.build().map((spans) => ({ outcome, spans, bundle, reason, cost, node: 0 })),
    );
  }

  async #append(work: Work, output: Uint8Array): Promise<void> {
    if (this.#bundle === null) {
      const path = join(this.#folder, `${this.name}-${++this.#bundles}.zip`);
      this.#bundle = await createBundle(path, { node: this.name });
      unclosed.push(this.#bundle);
      this.bundlePaths.push(path);
      const number = this.#bundles;
      this.#send({ type: "bundle", number, node: 0, uri: this.#bundle.uri });
    }
    const source = join(this.#folder, `${this.name}.out`);
    writeFileSync(source, output);
    const note = { attempt: work.attempt, wallSeconds: 0.5, cpuSeconds: 0.25, node: this.name };
    await this.#bundle.append(work, note, "out.dat", source);
  }

  /** What comes next goes into another bundle. */
  async rotate(): Promise<void> {
    await this.#busy;
    if (this.#bundle && this.#closeBundles) await this.#bundle.close();
    this.#bundle = null;
  }
}

/** One port has one listener: frames are handed on by connection. */
const listeners = new WeakMap<CorePort, Map<number, (frame: Uint8Array) => void>>();
function batchListenersOf(port: CorePort): Map<number, (frame: Uint8Array) => void> {
  let known = listeners.get(port);
  if (!known) {
    known = new Map();
    listeners.set(port, known);
    const map = known;
    port.onBatch((batch) => {
      if (batch.frames) forEachFrame(batch.frames, (at, frame) => map.get(at)?.(frame));
    });
  }
  return known;
}

export function tableOf(files: readonly TaskFile[], eventsPerRange: number): FileTable {
  return new FileTable(
    files.map((file) => file.events),
    eventsPerRange,
  );
}

/** A JSON line an event: file and entry. */
export function jsonLines(at: RangeAt): Uint8Array {
  let text = "";
  for (let event = at.start; event < at.start + at.count; event++) {
    text += `{"file":${at.file},"entry0":${event}}\n`;
  }
  return Buffer.from(text);
}

export async function ended(world: World, task: number) {
  return await world.engine.client.ask("wait", { task, timeoutMs: 20_000 });
}
