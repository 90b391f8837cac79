/**
 * The pilots that `run` starts on this machine: child processes that live and die with it. One that
 * dies is replaced, with a pause that grows while they keep dying; what had started on it costs the
 * ranges a loss each, nothing else.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { jumboCommand } from "./own-command.ts";

export interface LocalPilotOptions {
  readonly accessPath: string;
  readonly pilots: number;
  readonly slotsPerPilot: number;
  readonly bundlesDir: string;
  /** A pilot's process has ended. */
  readonly onEnded: (pilotId: string) => void;
  readonly log: (line: string) => void;
}

/** Ids of all pilots that any `run` starts begin so; none is the beginning of another. */
export const LOCAL_PILOTS = "run-";
const PAUSE_MS_FIRST = 100;
const PAUSE_MS_MAX = 10_000;
/** A pilot that lived so long had a chance: the pause begins anew. */
const LIVED_MS = 5_000;

export class LocalPilots {
  readonly #options: LocalPilotOptions;
  readonly #children = new Map<number, ChildProcess>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #life = randomBytes(4).toString("hex");
  #launches = 0;
  #stopping = false;

  constructor(options: LocalPilotOptions) {
    this.#options = options;
  }

  start(): void {
    for (let place = 0; place < this.#options.pilots; place++) this.#launch(place, PAUSE_MS_FIRST);
  }

  /** Process ids by place, for the demonstration that kills one. */
  get pids(): number[] {
    return [...this.#children.values()].map((child) => child.pid ?? 0).filter((pid) => pid > 0);
  }

  /** Asks all to drain, waits, and kills those that don't end. */
  async stop(graceMs = 10_000): Promise<void> {
    this.#stopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const ended = [...this.#children.values()].map(
      (child) => new Promise<void>((resolve) => child.once("exit", () => resolve())),
    );
    for (const child of this.#children.values()) child.kill("SIGTERM");
    const timer = setTimeout(() => {
      for (const child of this.#children.values()) child.kill("SIGKILL");
    }, graceMs);
    await Promise.all(ended);
    clearTimeout(timer);
  }

  #launch(place: number, pauseMs: number): void {
    const { accessPath, slotsPerPilot, bundlesDir, log } = this.#options;
    const [node, command] = jumboCommand() as [string, string];
    const pilotId = `${LOCAL_PILOTS}${++this.#launches}-${this.#life}`;
    const child = spawn(
      node,
      [
        command,
        "pilot",
        "start",
        "--access",
        accessPath,
        "--id",
        pilotId,
        "--slots",
        String(slotsPerPilot),
        "--bundles",
        bundlesDir,
        "--queue",
        "local",
        "--with-parent",
        "--output",
        "quiet",
      ],
      { stdio: ["ignore", "inherit", "inherit", "ipc"] },
    );
    const beganMs = performance.now();
    this.#children.set(place, child);
    child.once("exit", (code, signal) => {
      this.#children.delete(place);
      if (this.#stopping) return;
      this.#options.onEnded(pilotId);
      const lived = performance.now() - beganMs;
      const nextMs = lived > LIVED_MS ? PAUSE_MS_FIRST : Math.min(PAUSE_MS_MAX, pauseMs * 2);
      log(
        `local pilot ${place} ended (${signal ?? `exit ${code}`}); another starts in ${pauseMs} ms`,
      );
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.#launch(place, nextMs);
      }, pauseMs);
      this.#timers.add(timer);
    });
  }
}
