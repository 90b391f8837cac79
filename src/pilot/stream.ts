/**
 * One long-lived process of a stream payload: started once, given a range for each credit.
 *
 *   starting --first ready--> ready --stop--> stopping --exit--> over
 *       |                       |                                 ^
 *       +---- breach, timeout, exit: the group is killed ---------+
 *
 * A dead process costs exactly the ranges it had been given and had not answered. An answer for a
 * range that it was not given, or a second one, drops the process: its word is worth nothing.
 */
import { mkdirSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { isAbsolute, relative, resolve } from "node:path";
import type { Readable, Writable } from "node:stream";
import { messageOf, PAYLOAD_LOG_BYTES_MAX } from "../base/index.ts";
import type { TaskInfo } from "../wire/index.ts";
import { payloadEnvironment } from "./environment.ts";
import { inputProblem } from "./input-check.ts";
import { lastLines, PayloadLog } from "./payload-log.ts";
import { fillCommand } from "./placeholders.ts";
import { describeEnd, PayloadProcess, type ProcessEnd } from "./process-group.ts";
import { writeSlice } from "./slice.ts";
import { LineSplitter, type PayloadLine, parsePayloadLine } from "./stream-lines.ts";
import { type AttemptEnd, failedEnd, fatalEnd, preparationEnd, type RangeWork } from "./work.ts";

/** Real payloads need up to 15 minutes before they are ready. */
const START_SECONDS_MAX = 1800;
/** An idle process that was asked to stop. */
const STOP_GRACE_MS = 10_000;
/** How long a process may be seen dying after its channel has ended. */
const CHANNEL_END_MS = 500;
/** How long what a dead process wrote may take to arrive. */
const LAST_WORDS_MS = 1_000;

interface Given {
  readonly work: RangeWork;
  readonly startedAt: number;
  readonly resolve: (end: AttemptEnd) => void;
  timer: NodeJS.Timeout | undefined;
  /** How it ends whatever the process says; set by a recall or a timeout. */
  ordered: AttemptEnd | null;
}

export interface StreamOptions {
  readonly task: TaskInfo;
  /** ROOT tree of the task's files, "" where there is none. */
  readonly tree: string;
  readonly folder: string;
  /** A credit came, or the process ended. */
  readonly onChange: () => void;
}

export class StreamWorker {
  readonly task: TaskInfo;
  readonly folder: string;
  readonly #onChange: () => void;
  readonly #given = new Map<string, Given>();
  readonly #process: PayloadProcess | null = null;
  readonly #out: PayloadLog | null = null;
  readonly #err: PayloadLog | null = null;
  readonly #toPayload: Writable | null = null;
  #state: "starting" | "ready" | "stopping" | "over" = "starting";
  #credits = 0;
  /** Given, but still being prepared; with the end of those that were cancelled meanwhile. */
  readonly #preparing = new Map<string, AttemptEnd | null>();
  #greeted = false;
  #wantsSlices = true;
  #everReady = false;
  #startTimer: NodeJS.Timeout | undefined;
  #problem: string | null = null;
  #text = "";
  /** Why the process never became ready, once it is over; null if it did, or was stopped. */
  startFailure: string | null = null;
  /** Set if this machine has no room for a process. */
  broken: string | null = null;
  idleSinceMs = performance.now();

  constructor(options: StreamOptions) {
    this.task = options.task;
    this.folder = options.folder;
    this.#onChange = options.onChange;
    const values = { workdir: options.folder, taskdir: this.task.taskDir, tree: options.tree };
    const filled = fillCommand(this.task.command, values);
    if ("missing" in filled) {
      this.#fail(`a stream payload's command can't have {${filled.missing}}`);
      return;
    }
    try {
      mkdirSync(this.folder, { recursive: true });
      this.#out = new PayloadLog(`${this.folder}.out`);
      this.#err = new PayloadLog(`${this.folder}.err`);
    } catch (error) {
      this.broken = `the payload's folder could not be prepared (${messageOf(error)})`;
      this.#fail(this.broken);
      return;
    }
    const fd3 = this.task.channel === "fd3";
    const process = new PayloadProcess(filled.argv, {
      cwd: this.folder,
      env: payloadEnvironment(this.task, this.folder),
      stdio: fd3
        ? ["ignore", this.#out.descriptor, this.#err.descriptor, "pipe", "pipe"]
        : ["pipe", "pipe", this.#err.descriptor],
    });
    this.#process = process;
    const stdio = process.child?.stdio;
    const from = (fd3 ? stdio?.[4] : stdio?.[1]) as Readable | null | undefined;
    this.#toPayload = ((fd3 ? stdio?.[3] : stdio?.[0]) as Writable | null | undefined) ?? null;
    this.#toPayload?.on("error", () => {});
    const drained = from ? this.#listen(from) : Promise.resolve();
    const limitMs = Math.max(START_SECONDS_MAX, this.task.timeoutSeconds) * 1000;
    this.#startTimer = setTimeout(() => this.#drop("it was not ready in time"), limitMs);
    void process.ended.then(async (end) => {
      let timer: NodeJS.Timeout | undefined;
      const limited = new Promise((done) => {
        timer = setTimeout(done, LAST_WORDS_MS);
      });
      await Promise.race([drained, limited]);
      clearTimeout(timer);
      from?.destroy();
      this.#over(end);
    });
  }

  /** Ends before there was a process; told in the next tick, when the owner has this object. */
  #fail(reason: string): void {
    this.#state = "over";
    this.startFailure = reason;
    this.#out?.close();
    setImmediate(this.#onChange);
  }

  #listen(from: Readable): Promise<void> {
    const lines = new LineSplitter((line, cut) => this.#onLine(parsePayloadLine(line, cut)));
    return new Promise((done) => {
      from.on("data", (chunk: Buffer) => lines.push(chunk));
      from.on("error", () => done());
      from.on("close", () => done());
      from.on("end", () => {
        lines.finish();
        done();
        // Who closed its side of the channel can't answer any more; who is dying did so too, and
        // how it died shall be seen first.
        setTimeout(() => {
          if (this.#state === "ready" || this.#state === "starting") this.#process?.stop();
        }, CHANNEL_END_MS);
      });
    });
  }

  get state(): "starting" | "ready" | "stopping" | "over" {
    return this.#state;
  }

  /** Ranges that it would take now. */
  get credits(): number {
    return this.#state === "ready" ? this.#credits : 0;
  }

  /** Ranges that it works on. */
  get busy(): number {
    return this.#given.size + this.#preparing.size;
  }

  /** Gives one range for one credit; resolves when it is answered or the process is gone. */
  async give(work: RangeWork, announce: () => Promise<void>): Promise<AttemptEnd> {
    const id = rangeId(work);
    this.#credits--;
    this.#preparing.set(id, null);
    const notGiven = (end: AttemptEnd): AttemptEnd => {
      this.#preparing.delete(id);
      this.#credits++;
      return end;
    };
    const changed = await inputProblem(work.file);
    if (changed !== null) return notGiven(fatalEnd(changed));
    let slice = "";
    try {
      await mkdir(work.folder, { recursive: true });
      if (this.#wantsSlices && work.offset >= 0) slice = await writeSlice(work);
    } catch (error) {
      return notGiven(preparationEnd("the range's folder could not be prepared", error));
    }
    if (this.#state !== "ready") return notGiven({ kind: "returned" });
    await announce();
    const cancelled = this.#preparing.get(id);
    if (cancelled) return notGiven(cancelled);
    if (this.#state !== "ready") {
      return notGiven(failedEnd(this.#problem ?? "the payload ended before it had the range"));
    }
    return new Promise((resolve) => {
      this.#preparing.delete(id);
      const startedAt = performance.now();
      const given: Given = { work, startedAt, resolve, timer: undefined, ordered: null };
      const { timeoutSeconds } = this.task;
      if (timeoutSeconds > 0) {
        given.timer = setTimeout(() => this.#timeOut(given), timeoutSeconds * 1000);
      }
      this.#given.set(id, given);
      this.#send({ range: rangeMessage(work, id, slice, timeoutSeconds) });
    });
  }

  #send(message: unknown): void {
    const line = `${JSON.stringify(message)}\n`;
    if (this.#toPayload?.writable) this.#toPayload.write(line);
  }

  #timeOut(given: Given): void {
    const { timeoutSeconds } = this.task;
    given.ordered = failedEnd(`timed out after ${timeoutSeconds} s`);
    this.#drop("it was stopped because a range of it timed out");
  }

  /** Takes a range back: asks with cancel, and stops the process if it doesn't answer. */
  cancel(work: RangeWork, end: AttemptEnd, atOnce: boolean): void {
    const id = rangeId(work);
    const given = this.#given.get(id);
    if (given === undefined) {
      if (this.#preparing.has(id)) this.#preparing.set(id, end);
      return;
    }
    given.ordered = end;
    if (atOnce) {
      this.kill("it was stopped with another range");
      return;
    }
    clearTimeout(given.timer);
    this.#send({ cancel: id });
    given.timer = setTimeout(
      () => this.#drop("it was stopped because it did not answer to cancel"),
      LAST_WORDS_MS * 2,
    );
  }

  /** Asks an idle process to end; whatever it still works on it may finish. */
  stop(graceMs = STOP_GRACE_MS): void {
    if (this.#state === "over" || this.#state === "stopping") return;
    const wasReady = this.#state === "ready";
    this.#state = "stopping";
    clearTimeout(this.#startTimer);
    if (!wasReady) {
      this.#process?.stop();
      return;
    }
    this.#send({ stop: { deadline: (Date.now() + graceMs) / 1000 } });
    this.#toPayload?.end();
    this.#startTimer = setTimeout(() => this.#process?.stop(), graceMs);
  }

  kill(why: string): void {
    this.#problem ??= why;
    if (this.#state !== "over") this.#state = "stopping";
    this.#process?.kill();
  }

  /** Its word is worth nothing any more: the group is stopped. */
  #drop(problem: string): void {
    this.#problem ??= problem;
    if (this.#state === "over") return;
    if (!this.#everReady) this.startFailure ??= `payload was dropped: ${problem}`;
    this.#state = "stopping";
    this.#process?.stop();
  }

  #onLine(line: PayloadLine): void {
    if (line.kind === "log") {
      this.#text = `${this.#text}${line.text}\n`.slice(-PAYLOAD_LOG_BYTES_MAX);
      return;
    }
    if (this.#problem !== null || line.kind === "progress") return;
    if (line.kind === "breach") this.#drop(line.problem);
    else if (line.kind === "hello") {
      if (this.#greeted) this.#drop("it said hello twice");
      this.#greeted = true;
      this.#wantsSlices = line.slice;
    } else if (!this.#greeted) this.#drop(`its first word was ${line.kind}, not hello`);
    else if (line.kind === "ready") this.#onReady(line.credits);
    else this.#onAnswer(line);
  }

  #onReady(credits: number): void {
    this.#everReady = true;
    if (this.#state !== "stopping") clearTimeout(this.#startTimer);
    if (this.#state === "starting") this.#state = "ready";
    this.#credits = Math.min(this.#credits + credits, 1024);
    this.#onChange();
  }

  #onAnswer(line: PayloadLine & { kind: "done" | "failed" }): void {
    const given = this.#given.get(line.id);
    if (given === undefined) {
      this.#drop(`it answered for a range that it was not given or had answered (${line.id})`);
      return;
    }
    this.#given.delete(line.id);
    clearTimeout(given.timer);
    this.idleSinceMs = performance.now();
    const wallSeconds = (performance.now() - given.startedAt) / 1000;
    // Done in the moment in which the pilot gave it up: what has finished is not lost.
    const isGivenUp = given.ordered?.kind === "lost" && line.kind === "done";
    if (given.ordered !== null && !isGivenUp) given.resolve(given.ordered);
    else if (line.kind === "failed") {
      const cpuSeconds = 0;
      const { reason, fatal } = line;
      given.resolve({ kind: "failed", reason, fatal, wallSeconds, cpuSeconds });
    } else given.resolve(doneEnd(given.work, line, wallSeconds));
    if (this.busy === 0 && this.credits === 0 && this.#state === "ready") this.#awaitCredit();
    this.#onChange();
  }

  /** It may tidy up before it takes more, but not for ever: it holds cores meanwhile. */
  #awaitCredit(): void {
    const { timeoutSeconds } = this.task;
    const limitMs = (timeoutSeconds > 0 ? timeoutSeconds : START_SECONDS_MAX) * 1000;
    clearTimeout(this.#startTimer);
    this.#startTimer = setTimeout(() => this.#drop("it gave no credit after its answer"), limitMs);
  }

  #over(end: ProcessEnd): void {
    clearTimeout(this.#startTimer);
    const wasStopping = this.#state === "stopping";
    this.#state = "over";
    this.#credits = 0;
    const lines = lastLines(this.#err?.tail() ?? "", this.#out?.tail() ?? "", this.#text);
    const said = lines === "" ? "" : `: ${lines}`;
    if (!this.#everReady && !wasStopping) {
      const why = describeEnd(end);
      this.startFailure = end.problem === null ? `${why} before it was ready` : why;
    }
    if (this.startFailure !== null) this.startFailure += said;
    this.#problem ??= describeEnd(end);
    const outside = this.#process?.wasStoppedFromOutside(end) ?? false;
    for (const given of this.#given.values()) {
      clearTimeout(given.timer);
      const wall = (performance.now() - given.startedAt) / 1000;
      const { ordered } = given;
      if (ordered === null) {
        const reason = `payload was lost (${this.#problem})${said}`;
        given.resolve(
          outside ? { kind: "lost", reason, wallSeconds: wall } : failedEnd(reason, wall),
        );
      } else if (ordered.kind === "failed") {
        given.resolve({ ...ordered, reason: `${ordered.reason}${said}`, wallSeconds: wall });
      } else given.resolve(ordered);
    }
    this.#given.clear();
    this.#out?.close();
    this.#err?.close();
    rmSync(this.folder, { recursive: true, force: true });
    this.#onChange();
  }
}

/** Opaque to payloads; whole ids are compared, so one that is the start of another is no matter. */
export function rangeId(work: RangeWork): string {
  const { task, lease, attempt } = work.span;
  return `t${task}-r${work.range}-l${lease}-a${attempt}`;
}

function rangeMessage(work: RangeWork, id: string, slice: string, timeoutSeconds: number) {
  const deadline = timeoutSeconds > 0 ? Date.now() / 1000 + timeoutSeconds : null;
  return {
    id,
    file: work.file.path,
    tree: work.file.tree,
    start: work.start,
    count: work.count,
    offset: work.offset < 0 ? null : work.offset,
    bytes: work.bytes < 0 ? null : work.bytes,
    slice,
    seed: work.file.seed,
    output: work.output,
    deadline,
    range: work.range,
    attempt: work.attempt,
  };
}

function doneEnd(
  work: RangeWork,
  line: PayloadLine & { kind: "done" },
  wallSeconds: number,
): AttemptEnd {
  const { cpuSeconds } = line;
  if (line.events !== work.count) {
    const reason = `payload did ${line.events} events (the range has ${work.count})`;
    return failedEnd(reason, wallSeconds, cpuSeconds);
  }
  const path = line.output === null ? work.output : resolve(work.folder, line.output.path);
  const inside = relative(work.folder, path);
  if (inside === "" || inside.startsWith("..") || isAbsolute(inside)) {
    const reason = `output ${line.output?.path} lies outside the range's folder`;
    return failedEnd(reason, wallSeconds, cpuSeconds);
  }
  const bytes = line.output?.bytes ?? null;
  return { kind: "output", path, bytes, wallSeconds, cpuSeconds };
}
