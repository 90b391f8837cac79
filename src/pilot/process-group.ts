/**
 * One payload process in a process group of its own. Whoever stops it stops the whole group:
 * politely, and after the grace for good. When the leader has ended, what is left of its group is
 * killed too, so nothing of an attempt outlives it.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { PAYLOAD_KILL_GRACE_MS } from "../base/index.ts";
import { guardGroup, releaseGroup } from "./watchdog.ts";

/** `problem` is set if the program could not be started at all. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly problem: string | null;
  /** CPU of what was waited for since the last process ended; exact in the sum over processes. */
  readonly cpuSeconds: number;
}

export class PayloadProcess {
  readonly child: ChildProcess | null;
  readonly ended: Promise<ProcessEnd>;
  #over = false;
  #killTimer: NodeJS.Timeout | null = null;
  #asked = false;

  constructor(argv: readonly string[], options: SpawnOptions) {
    const [program = "", ...rest] = argv;
    try {
      this.child = spawn(program, rest, { ...options, detached: true, shell: false });
    } catch (error) {
      // Node throws for what can be seen before: a NUL byte, an argv that is too long.
      this.child = null;
      this.#over = true;
      this.ended = Promise.resolve(notStarted(program, error));
      return;
    }
    const child = this.child;
    if (child.pid !== undefined) guardGroup(child.pid);
    this.ended = new Promise((resolve) => {
      child.once("error", (error) => {
        if (child.pid === undefined) this.#finish(resolve, notStarted(program, error));
      });
      child.once("exit", (code, signal) => {
        const cpuSeconds = cpuSinceLastEnd();
        this.#finish(resolve, { code, signal, problem: null, cpuSeconds });
      });
    });
  }

  #finish(resolve: (end: ProcessEnd) => void, end: ProcessEnd): void {
    this.#signal("SIGKILL");
    if (this.child?.pid !== undefined) releaseGroup(this.child.pid);
    this.#over = true;
    if (this.#killTimer !== null) clearTimeout(this.#killTimer);
    resolve(end);
  }

  /** Dead of a SIGTERM that nobody here sent: whoever ends the allocation signals every process. */
  wasStoppedFromOutside({ signal }: ProcessEnd): boolean {
    return signal === "SIGTERM" && !this.#asked;
  }

  get over(): boolean {
    return this.#over;
  }

  /** SIGTERM to the group, SIGKILL after the grace. */
  stop(graceMs = PAYLOAD_KILL_GRACE_MS): void {
    if (this.#over || this.#killTimer !== null) return;
    this.#asked = true;
    this.#signal("SIGTERM");
    this.#killTimer = setTimeout(() => this.#signal("SIGKILL"), graceMs);
  }

  kill(): void {
    if (!this.#over) this.#signal("SIGKILL");
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // ESRCH: nothing is left of the group.
    }
  }
}

function notStarted(program: string, error: unknown): ProcessEnd {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  const hint =
    code === "ENOENT"
      ? "not found on PATH; a program beside the task file is {taskdir}/NAME"
      : code === "EACCES"
        ? "not executable"
        : code;
  const problem = `payload can't be started: ${program} (${hint})`;
  return { code: null, signal: null, problem, cpuSeconds: 0 };
}

let cpuTicksBefore = 0;
const TICKS_PER_SECOND = 100;

/** Linux keeps the CPU of waited-for children in fields 16 and 17 of stat; elsewhere it is 0. */
function cpuSinceLastEnd(): number {
  try {
    const text = readFileSync("/proc/self/stat", "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[13]) + Number(fields[14]);
    const seconds = (ticks - cpuTicksBefore) / TICKS_PER_SECOND;
    cpuTicksBefore = ticks;
    return seconds;
  } catch {
    return 0;
  }
}

/** `exit 3`, `signal SIGSEGV`, or why it could not be started. */
export function describeEnd(end: ProcessEnd): string {
  if (end.problem !== null) return end.problem;
  return end.signal === null
    ? `payload ended with exit ${end.code}`
    : `payload ended by signal ${end.signal}`;
}
