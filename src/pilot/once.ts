/**
 * One process for one range: folder, slice, `started` told, exec, exit. What it left is judged in
 * finish.ts.
 */
import { mkdir } from "node:fs/promises";
import { payloadEnvironment } from "./environment.ts";
import { inputProblem } from "./input-check.ts";
import { lastLines, PayloadLog } from "./payload-log.ts";
import { fillCommand, rangeValues, usesPlaceholder } from "./placeholders.ts";
import { describeEnd, PayloadProcess, type ProcessEnd } from "./process-group.ts";
import { writeSlice } from "./slice.ts";
import { type AttemptEnd, failedEnd, fatalEnd, preparationEnd, type RangeWork } from "./work.ts";

interface Prepared {
  readonly argv: string[];
  readonly out: PayloadLog;
  readonly err: PayloadLog;
}

function missingValue(name: string, work: RangeWork): string {
  const format = work.file.format || "none";
  return `payload.command asks for {${name}}, which this input has not (its format is ${format})`;
}

export class OnceRun {
  readonly work: RangeWork;
  readonly #announce: () => Promise<void>;
  #process: PayloadProcess | null = null;
  /** How it ends whatever the process does; set by a stop or a timeout. */
  #ordered: AttemptEnd | null = null;
  #startedAt = 0;

  /** `announce` resolves when `started` is on its way. */
  constructor(work: RangeWork, announce: () => Promise<void>) {
    this.work = work;
    this.#announce = announce;
  }

  /** Ends the attempt with `end`: politely, or at once. */
  stop(end: AttemptEnd, atOnce: boolean): void {
    this.#ordered ??= end;
    if (atOnce) this.#process?.kill();
    else this.#process?.stop();
  }

  async run(): Promise<AttemptEnd> {
    const { work } = this;
    const changed = await inputProblem(work.file);
    if (changed !== null) return fatalEnd(changed);
    const prepared = await this.#prepare();
    if ("kind" in prepared) return prepared;
    try {
      await this.#announce();
      if (this.#ordered !== null) return this.#ordered;
      return await this.#execute(prepared);
    } finally {
      prepared.out.close();
      prepared.err.close();
    }
  }

  async #prepare(): Promise<Prepared | AttemptEnd> {
    const { work } = this;
    const { command } = work.task;
    try {
      await mkdir(work.folder, { recursive: true });
      const sliced = usesPlaceholder(command, "slice") && work.offset >= 0;
      const slice = sliced ? await writeSlice(work) : null;
      const filled = fillCommand(command, rangeValues(work, slice));
      if ("missing" in filled) return fatalEnd(missingValue(filled.missing, work));
      const out = new PayloadLog(`${work.folder}.out`);
      const err = new PayloadLog(`${work.folder}.err`);
      return { argv: filled.argv, out, err };
    } catch (error) {
      return preparationEnd("the attempt's folder could not be prepared", error);
    }
  }

  async #execute({ argv, out, err }: Prepared): Promise<AttemptEnd> {
    const { work } = this;
    this.#startedAt = performance.now();
    const process = new PayloadProcess(argv, {
      cwd: work.folder,
      env: payloadEnvironment(work.task, work.folder),
      stdio: ["ignore", out.descriptor, err.descriptor],
    });
    this.#process = process;
    const { timeoutSeconds } = work.task;
    const timer =
      timeoutSeconds > 0 ? setTimeout(() => this.#timeOut(), timeoutSeconds * 1000) : undefined;
    const end = await process.ended;
    clearTimeout(timer);
    return this.#endOf(end, process, lastLines(err.tail(), out.tail()));
  }

  #timeOut(): void {
    const { timeoutSeconds } = this.work.task;
    this.stop(failedEnd(`timed out after ${timeoutSeconds} s`, timeoutSeconds), false);
  }

  #endOf(end: ProcessEnd, process: PayloadProcess, lines: string): AttemptEnd {
    const wallSeconds = (performance.now() - this.#startedAt) / 1000;
    const said = lines === "" ? "" : `: ${lines}`;
    const ordered = this.#ordered;
    if (ordered?.kind === "failed") {
      const reason = `${ordered.reason}${said}`;
      return { ...ordered, reason, wallSeconds, cpuSeconds: end.cpuSeconds };
    }
    if (ordered?.kind === "lost") return { ...ordered, wallSeconds };
    if (ordered !== null) return ordered;
    if (end.problem === null && end.code === 0) {
      const { output } = this.work;
      const { cpuSeconds } = end;
      return { kind: "output", path: output, bytes: null, wallSeconds, cpuSeconds };
    }
    const reason = `${describeEnd(end)}${said}`;
    // It has done nothing wrong: that costs a loss and no attempt.
    if (process.wasStoppedFromOutside(end)) return { kind: "lost", reason, wallSeconds };
    return failedEnd(reason, wallSeconds, end.cpuSeconds);
  }
}
