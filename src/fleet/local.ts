/**
 * This machine as a queue: one pilot process at a time, a child of the engine that stops when the
 * engine is gone. The machine is one node that is always free for as long as the queue's walltime
 * says; whether it is in use already is in the engine's own records.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { availableParallelism, hostname } from "node:os";
import { join } from "node:path";
import { JumboError, messageOf } from "../base/index.ts";
import type { JobState, Provisioner, ProvisionerParts, SiteSight, SubmitRequest } from "./types.ts";

const WALLTIME_SECONDS_MAX = 86_400;
/** Time for a pilot to stop and deliver, from the SIGTERM to the SIGKILL. */
const STOP_GRACE_MS = 10_000;

interface Child {
  readonly process: ChildProcess;
  state: JobState;
}

export class LocalProvisioner implements Provisioner {
  readonly kind = "local";
  readonly #parts: ProvisionerParts;
  readonly #children = new Map<string, Child>();

  constructor(parts: ProvisionerParts) {
    this.#parts = parts;
  }

  async look(): Promise<SiteSight> {
    const nowSeconds = this.#parts.nowSeconds();
    return {
      nowSeconds,
      nodes: [
        {
          name: hostname(),
          cores: availableParallelism(),
          endsSeconds: nowSeconds + WALLTIME_SECONDS_MAX,
          why: "a local pilot is renewed every day",
        },
      ],
      nodesTotal: 1,
      limits: { nodesMin: 1, nodesMax: 1, walltimeSecondsMax: WALLTIME_SECONDS_MAX },
      notes: [],
    };
  }

  async submit(request: SubmitRequest): Promise<string> {
    const { queue, settings, pilot } = this.#parts;
    const [command = "", ...rest] = pilot.argv;
    const words = [...rest, "pilot", "start", "--access", request.accessPath];
    words.push("--bundles", request.bundlesDir, "--work", request.folder, "--queue", queue);
    words.push("--allocation", request.allocation, "--walltime", String(request.seconds));
    if (settings.slots > 0) words.push("--slots", String(settings.slots));
    words.push("--drain", String(STOP_GRACE_MS / 1000 - 2), "--with-parent", "--output", "quiet");
    const log = openSync(join(request.folder, "pilot.out"), "a", 0o600);
    const child = spawn(command, words, { stdio: ["ignore", log, log, "ipc"] });
    closeSync(log);
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (error) => {
        reject(new JumboError("refused", `no pilot could be started (${messageOf(error)})`));
      });
    });
    const jobId = String(child.pid);
    const state: JobState = {
      jobId,
      name: request.jobName,
      phase: "running",
      state: "RUNNING",
      reason: "",
      exitCode: 0,
      startSeconds: this.#parts.nowSeconds(),
      endSeconds: this.#parts.nowSeconds() + request.seconds,
    };
    const entry: Child = { process: child, state };
    this.#children.set(jobId, entry);
    child.once("exit", (code, signal) => {
      const exitCode = code ?? 128;
      const word = exitCode === 0 ? "COMPLETED" : "FAILED";
      const reason = signal === null ? "" : `ended by ${signal}`;
      const endSeconds = this.#parts.nowSeconds();
      entry.state = { ...entry.state, phase: "ended", state: word, exitCode, reason, endSeconds };
    });
    return jobId;
  }

  async cancel(jobId: string): Promise<void> {
    const child = this.#children.get(jobId);
    if (child === undefined || child.state.phase === "ended") return;
    child.process.kill("SIGTERM");
    const timer = setTimeout(() => child.process.kill("SIGKILL"), STOP_GRACE_MS);
    child.process.once("exit", () => clearTimeout(timer));
  }

  /** A process of an earlier life of the engine is not among them: it ended with it. */
  async states(jobs: readonly { jobId: string; name: string }[]): Promise<JobState[]> {
    const found: JobState[] = [];
    for (const { jobId, name } of jobs) {
      const child = this.#children.get(jobId);
      if (child === undefined || child.state.name !== name) continue;
      found.push(child.state);
      if (child.state.phase === "ended") this.#children.delete(jobId);
    }
    return found;
  }

  async close(): Promise<void> {
    const ends: Promise<void>[] = [];
    for (const [jobId, child] of this.#children) {
      if (child.state.phase === "ended") continue;
      ends.push(new Promise((resolve) => child.process.once("exit", () => resolve())));
      await this.cancel(jobId);
    }
    await Promise.all(ends);
  }
}
