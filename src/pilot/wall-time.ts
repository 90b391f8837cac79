/**
 * When this pilot's time ends: as it was told, or as Slurm says, asked again now and then, since
 * limits change while a job runs and Slurm 22.05 has no variable for the end. A controller that
 * does not answer changes nothing: the last known end counts.
 *
 * Every node of a job asks for itself; the more nodes, the more seldom, so that no job asks the
 * controller more than about twice a second.
 */
import { execFile } from "node:child_process";

/** Last part of a walltime that is kept for stopping payloads and delivering what was done. */
const LEAD_SECONDS = 5;
const LEAD_SHARE = 0.1;
/** The clocks of nodes and controller differ: an asked end is taken for so much earlier. */
const MARGIN_SECONDS = 5;
const ASK_MS = 30_000;
/** Jobs of more nodes ask more seldom in proportion. */
const NODES_AT_ASK_MS = 60;
const TIMEOUT_MS = 20_000;
/** An end that moved less is the same: Slurm speaks whole seconds. */
const CHANGE_SECONDS = 2;

export interface WallTimeOptions {
  /** From now on; null: not told. */
  readonly seconds: number | null;
  /** Slurm job whose end is asked; "": none. */
  readonly slurmJob: string;
  readonly log: (line: string) => void;
  /** Between two questions; default 30 s, more in jobs of many nodes. */
  readonly askMs?: number;
}

export class WallTime {
  readonly #options: WallTimeOptions;
  readonly #beganMs = performance.now();
  #endsMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WallTimeOptions) {
    this.#options = options;
    const { seconds } = options;
    this.#endsMs = seconds === null ? Number.POSITIVE_INFINITY : this.#beganMs + seconds * 1000;
  }

  /** Until the end, at least 0; -1: no end is known. */
  secondsLeft(): number {
    if (this.#endsMs === Number.POSITIVE_INFINITY) return -1;
    return Math.max(0, (this.#endsMs - performance.now()) / 1000);
  }

  /** How long before the end nothing may run any more. */
  leadSeconds(): number {
    return Math.min(LEAD_SECONDS, (LEAD_SHARE * (this.#endsMs - this.#beganMs)) / 1000);
  }

  /** Asks from now on, at once where nothing is known; `changed` after each new end. */
  start(changed: () => void): void {
    if (this.#options.slurmJob === "") return;
    const nodes = Number(process.env["SLURM_JOB_NUM_NODES"]) || 1;
    const everyMs = this.#options.askMs ?? ASK_MS * Math.max(1, nodes / NODES_AT_ASK_MS);
    if (this.secondsLeft() < 0) this.#ask(changed);
    // Nodes of one job begin together: their first questions are spread.
    const firstMs = everyMs * (0.5 + Math.random() / 2);
    const next = (afterMs: number) => {
      this.#timer = setTimeout(() => {
        this.#ask(changed);
        next(everyMs);
      }, afterMs);
    };
    next(firstMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #ask(changed: () => void): void {
    const words = ["-h", "-j", this.#options.slurmJob, "-o", "%e"];
    const env = { ...process.env, SLURM_TIME_FORMAT: "%s" };
    const child = execFile("squeue", words, { env, timeout: TIMEOUT_MS }, (error, said) => {
      const text = said.trim();
      if (error === null && /^\d{9,11}$/.test(text)) this.#take(Number(text), changed);
    });
    child.stdin?.end();
  }

  #take(endSeconds: number, changed: () => void): void {
    const left = endSeconds - MARGIN_SECONDS - Date.now() / 1000;
    const endsMs = performance.now() + left * 1000;
    if (Math.abs(endsMs - this.#endsMs) <= CHANGE_SECONDS * 1000) return;
    this.#endsMs = endsMs;
    this.#options.log(`the allocation ends in ${Math.round(left)} s`);
    changed();
  }
}
