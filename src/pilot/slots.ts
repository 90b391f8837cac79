/**
 * The slots of one machine: which held range starts next, and on what.
 *
 *   fill: tasks in the order of their oldest unstarted range
 *     null    the whole piece is done at once, without a process
 *     once    a process each, while its cores are free
 *     stream  a process with a credit, else one more process while its cores are free and fewer
 *             are starting than ranges wait
 *
 * A task that finds no free cores blocks those behind it (else a wide task would starve among
 * narrow ones); processes that idle for another task are asked to end. A range counts as running
 * until its output is judged and durable, but its cores are free as soon as its process ended; so
 * the number of those being settled is bounded too.
 */
import { join } from "node:path";
import type { TaskId } from "../base/index.ts";
import { OUTCOME, type TaskInfo } from "../wire/index.ts";
import type { Bundles } from "./bundles.ts";
import type { Catalog } from "./catalog.ts";
import { settle } from "./finish.ts";
import type { Holdings, ReportItem } from "./holdings.ts";
import { OnceRun } from "./once.ts";
import { StartTrouble } from "./start-trouble.ts";
import { StreamWorker } from "./stream.ts";
import { type AttemptEnd, failedEnd, type HeldSpan, type RangeWork, rangeWork } from "./work.ts";

const IDLE_STREAM_MS = 300_000;
/** What idle stream payloads may take for their last words when the pilot ends. */
const WORKERS_END_MS = 3_000;
/** Weight of the newest range in the moving mean of wall times. */
const MEAN_WEIGHT = 0.1;
/** What a range of the null payload counts for in the mean: less than any process can take. */
const NULL_SECONDS = 1e-6;
export const NULL_COMMAND = ":null";

export interface SlotsHost {
  readonly holdings: Holdings;
  readonly catalog: Catalog;
  readonly bundles: Bundles;
  readonly workDir: string;
  /** Tells the engine that a range starts; resolves when that is on its way. */
  announce(span: HeldSpan): Promise<void>;
  /** Something is to be reported, or places became free. */
  changed(): void;
  /** No range can be kept on this machine any more. */
  broken(reason: string): void;
  /** False if a range of about `meanSeconds` (0: unknown) should not start now. */
  mayStart(meanSeconds: number): boolean;
  log(line: string): void;
}

/** A running range and the way to end it. */
interface Active {
  readonly span: HeldSpan;
  readonly stop: (end: AttemptEnd, atOnce: boolean) => void;
}

export class Slots {
  readonly capacity: number;
  readonly #host: SlotsHost;
  readonly #active = new Map<string, Active>();
  readonly #workers = new Set<StreamWorker>();
  readonly #startTrouble = new StartTrouble();
  #usedCores = 0;
  #settling = 0;
  #filling = false;
  #workerNumber = 0;
  #meanSeconds = 0;
  #idleTimer: NodeJS.Timeout;

  constructor(capacity: number, host: SlotsHost) {
    this.capacity = capacity;
    this.#host = host;
    this.#idleTimer = setInterval(() => this.#stopIdle(), IDLE_STREAM_MS / 4).unref();
  }

  /** Moving mean of the wall time of a range, seconds; 0 before the first. */
  get meanSeconds(): number {
    return this.#meanSeconds;
  }

  /** Ranges that could start at once beyond those that run. */
  get freePlaces(): number {
    let places = 0;
    let widest = 1;
    for (const worker of this.#workers) {
      widest = Math.max(widest, this.#coresOf(worker.task));
      places += worker.state === "starting" ? 1 : worker.credits;
    }
    return places + Math.floor(Math.max(0, this.capacity - this.#usedCores) / widest);
  }

  get active(): number {
    return this.#active.size;
  }

  #coresOf(task: TaskInfo): number {
    return Math.min(Math.max(1, task.cores), this.capacity);
  }

  /** Starts whatever can start. */
  fill(): void {
    if (this.#filling) return;
    this.#filling = true;
    try {
      for (const task of this.#host.holdings.tasks()) {
        if (!this.#fillTask(task)) break;
      }
    } finally {
      this.#filling = false;
    }
  }

  /** False if the task waits for cores, so that nothing behind it may take them. */
  #fillTask(task: TaskId): boolean {
    const { holdings, catalog, log } = this.#host;
    if (!catalog.has(task)) {
      log(`task ${task} was granted without being told: its ranges go back`);
      for (const span of holdings.takeUnstarted(task)) holdings.report(plainItem(span, false));
      this.#host.changed();
      return true;
    }
    const info = catalog.task(task);
    if (info.command[0] === NULL_COMMAND) {
      for (const span of holdings.takeUnstarted(task)) holdings.report(plainItem(span, true));
      this.#learn(NULL_SECONDS);
      this.#host.changed();
      return true;
    }
    while (holdings.unstartedOf(task) > 0) {
      if (this.#settling > 4 * this.capacity + 16) return false;
      if (!this.#host.mayStart(this.#meanSeconds)) return false;
      const started = info.mode === "stream" ? this.#giveStream(info) : this.#startOnce(info);
      if (started !== "started") return started === "waits";
    }
    return true;
  }

  #startOnce(info: TaskInfo): "started" | "blocked" {
    const cores = this.#coresOf(info);
    if (!this.#room(cores, info)) return "blocked";
    const work = this.#takeWork(info);
    if (work === null) return "started";
    const run = new OnceRun(work, () => this.#host.announce(work.span));
    this.#usedCores += cores;
    const ended = run.run().finally(() => {
      this.#usedCores -= cores;
    });
    this.#follow(work, ended, (end, atOnce) => run.stop(end, atOnce));
    return "started";
  }

  #giveStream(info: TaskInfo): "started" | "waits" | "blocked" {
    let starting = 0;
    for (const worker of this.#workers) {
      if (worker.task.task !== info.task) continue;
      if (worker.state === "starting") starting++;
      if (worker.credits === 0) continue;
      const work = this.#takeWork(info);
      if (work === null) return "started";
      const ended = worker.give(work, () => this.#host.announce(work.span));
      this.#follow(work, ended, (end, atOnce) => worker.cancel(work, end, atOnce));
      return "started";
    }
    if (starting >= this.#host.holdings.unstartedOf(info.task)) return "waits";
    const nowMs = performance.now();
    const hopeless = this.#startTrouble.hopeless(info.task, nowMs);
    if (hopeless !== null) {
      this.#failNext(info, hopeless);
      return "started";
    }
    if (this.#startTrouble.waits(info.task, nowMs)) return "waits";
    const cores = this.#coresOf(info);
    if (!this.#room(cores, info)) return starting > 0 ? "waits" : "blocked";
    this.#startWorker(info, cores);
    return "started";
  }

  #startWorker(info: TaskInfo, cores: number): void {
    const number = ++this.#workerNumber;
    const startedMs = performance.now();
    const worker = new StreamWorker({
      task: info,
      tree: this.#host.catalog.anyFile(info.task)?.tree ?? "",
      folder: join(this.#host.workDir, `s${number}-t${info.task}`),
      onChange: () => {
        if (worker.state === "over") this.#workerOver(worker, cores, startedMs);
        else if (worker.credits > 0) this.#startTrouble.clear(info.task);
        this.#host.changed();
        this.fill();
      },
    });
    this.#usedCores += cores;
    this.#workers.add(worker);
  }

  #workerOver(worker: StreamWorker, cores: number, startedMs: number): void {
    if (!this.#workers.delete(worker)) return;
    this.#usedCores -= cores;
    if (worker.broken !== null) this.#host.broken(worker.broken);
    else if (worker.startFailure !== null) {
      this.#chargeStart(worker.task, worker.startFailure, startedMs);
    }
  }

  /**
   * A process that ends before it is ready costs one range an attempt, else a wrong command would
   * be tried for ever; and the next try waits.
   */
  #chargeStart(info: TaskInfo, reason: string, startedMs: number): void {
    const waitMs = this.#startTrouble.failed(info.task, startedMs, reason, performance.now());
    setTimeout(() => this.fill(), waitMs + 1).unref();
    if (this.#host.holdings.unstartedOf(info.task) > 0) this.#failNext(info, reason);
  }

  /** The task's next range ends as failed, charged as if its process had just failed to start. */
  #failNext(info: TaskInfo, reason: string): void {
    const work = this.#takeWork(info);
    if (work === null) return;
    const told = this.#host.announce(work.span).then(() => failedEnd(reason));
    this.#follow(work, told, () => {});
  }

  /** Room for `cores`; asks idle processes of other tasks to end if there is none. */
  #room(cores: number, info: TaskInfo): boolean {
    let free = this.capacity - this.#usedCores;
    if (free >= cores) return true;
    for (const worker of this.#workers) {
      if (worker.task.task === info.task || worker.busy > 0 || free >= cores) continue;
      if (worker.state === "stopping") free += this.#coresOf(worker.task);
      else if (worker.state === "ready" || !this.#waitsFor(worker.task.task)) {
        worker.stop();
        free += this.#coresOf(worker.task);
      }
    }
    return false;
  }

  #waitsFor(task: TaskId): boolean {
    return this.#host.holdings.unstartedOf(task) > 0;
  }

  /** Takes the task's next range; null (and reported) if the engine never told its file. */
  #takeWork(info: TaskInfo): RangeWork | null {
    const { holdings, catalog, workDir } = this.#host;
    const span = holdings.take(info.task);
    const file = catalog.file(info.task, span.first);
    if (file !== null) {
      return rangeWork(span, info, file, catalog.bytesOf(info.task, span.first), workDir);
    }
    this.#host.log(`range ${span.first} of task ${info.task} came without its file: it goes back`);
    holdings.finish(plainItem(span, false));
    this.#host.changed();
    return null;
  }

  #follow(
    work: RangeWork,
    ended: Promise<AttemptEnd>,
    stop: (end: AttemptEnd, atOnce: boolean) => void,
  ): void {
    const key = `${work.span.lease}/${work.range}`;
    this.#active.set(key, { span: work.span, stop });
    void ended
      .then((end) => {
        this.#settling++;
        queueMicrotask(() => this.fill());
        if (end.kind === "output") this.#learn(end.wallSeconds);
        return settle(work, end, this.#host.bundles).finally(() => {
          this.#settling--;
        });
      })
      .then(({ item, broken }) => {
        this.#host.holdings.finish(item);
        if (broken !== null) this.#host.broken(broken);
      })
      .catch((error) => {
        // Nothing above throws for a payload's doing: this is an error of the pilot itself.
        this.#host.broken(`the pilot could not settle a range (${String(error)})`);
      })
      .finally(() => {
        this.#active.delete(key);
        this.#host.changed();
        this.fill();
      });
  }

  #learn(wallSeconds: number): void {
    const mean = this.#meanSeconds;
    this.#meanSeconds = mean === 0 ? wallSeconds : mean + MEAN_WEIGHT * (wallSeconds - mean);
  }

  /** Ends a running range with `end`. */
  stop(span: HeldSpan, end: AttemptEnd, atOnce = false): void {
    this.#active.get(`${span.lease}/${span.first}`)?.stop(end, atOnce);
  }

  stopAll(end: AttemptEnd, atOnce: boolean): void {
    for (const active of [...this.#active.values()]) active.stop(end, atOnce);
  }

  /** No range will come any more: processes that idle are asked to end. */
  stopIdleWorkers(): void {
    for (const worker of this.#workers) if (worker.busy === 0) worker.stop();
  }

  #stopIdle(): void {
    const now = performance.now();
    for (const worker of this.#workers) {
      const idle = worker.state === "ready" && worker.busy === 0;
      if (idle && now - worker.idleSinceMs > IDLE_STREAM_MS) worker.stop();
    }
  }

  /** Waits until the processes that were asked to end have ended, killing them after a while. */
  async endWorkers(): Promise<void> {
    const deadline = performance.now() + WORKERS_END_MS;
    this.stopIdleWorkers();
    while (this.#workers.size > 0 && performance.now() < deadline) {
      await new Promise((done) => setTimeout(done, 20));
    }
    this.killAll();
  }

  /** Kills every process that is left. */
  killAll(): void {
    clearInterval(this.#idleTimer);
    for (const worker of this.#workers) worker.kill("the pilot ends");
    this.stopAll({ kind: "lost", reason: "the pilot ends", wallSeconds: 0 }, true);
  }
}

/** Done without a process, or given back. */
function plainItem(span: HeldSpan, done: boolean): ReportItem {
  const outcome = done ? OUTCOME.done : OUTCOME.returned;
  return {
    span,
    outcome,
    bundle: 0,
    reason: "",
    wallSum: 0,
    wallSquares: 0,
    wallMax: 0,
    cpuSum: 0,
  };
}
