/**
 * Merges tasks whose every range is final: hears of them by event, asks for the ones left over from
 * an earlier life at its start, a few at a time. Byte work is done in pool workers (worker.ts);
 * this class only decides what happens next:
 *
 *   finished      disposable bundles are deleted (unless they are to be kept)
 *   reopened      the task runs again; if it is final already, it is merged again at once
 *   disk full, descriptors exhausted ...     tried again later, for about three minutes
 *   anything else                            the task ends as failed, with the reason
 *
 * It holds nothing that matters: kill it at any point and start it again.
 */
import { existsSync, rmSync } from "node:fs";
import { JumboError, messageOf } from "../base/index.ts";
import type { EngineClient } from "../broker/index.ts";
import { pathOfUri } from "../bundle/index.ts";
import { contentHash } from "../task/index.ts";
import type { JobOutcome, MergeJob, MergeResult } from "./jobs.ts";
import { removeFolder, scratchFolderOf, TaskMerge } from "./task-merge.ts";

const TASKS_AT_ONCE = 2;
const TRIES_MAX = 8;
const FIRST_PAUSE_MS = 1_000;
const PAUSE_MAX_MS = 60_000;
/** Pilots leave by the thousand, and a look for bundles goes through all that there are. */
const LOOK_SOON_MS = 250;
/** Errors of a full or stalled machine: waiting helps. */
const PASSING_CODES = new Set([
  "ENOSPC",
  "EDQUOT",
  "EROFS",
  "EMFILE",
  "ENFILE",
  "EAGAIN",
  "EBUSY",
  "ENOMEM",
  "ESTALE",
  "ETIMEDOUT",
  "EIO",
]);

export interface MergeOptions {
  /** Runs a job in a worker whose file is MERGE_WORKER; rejects with what it threw. */
  readonly runJob: (job: MergeJob) => Promise<unknown>;
  /** Bundles stay where they are after their task is done. */
  readonly keepBundles: boolean;
  readonly log: (line: string) => void;
}

/** Worker file for the pool. */
export const MERGE_WORKER = new URL(
  import.meta.url.endsWith(".ts") ? "./merge-worker.ts" : "./merge-worker.js",
  import.meta.url,
);

export class MergeCoordinator {
  readonly #client: EngineClient;
  readonly #options: MergeOptions;
  readonly #abort = new AbortController();
  readonly #waiting = new Set<number>();
  readonly #running = new Map<number, Promise<void>>();
  readonly #tries = new Map<number, number>();
  #unsubscribe: () => void = () => {};
  #deleting: Promise<void> = Promise.resolve();
  /** Set while something has happened by which bundles may have become disposable. */
  #lookSoon: NodeJS.Timeout | null = null;

  constructor(client: EngineClient, options: MergeOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Takes up what is mergeable now, and from then on what becomes so. */
  async start(): Promise<void> {
    this.#unsubscribe = this.#client.onEvent((event) => {
      if (event.type === "mergeable") this.#enqueue(event.task);
      if (event.type === "failstop") this.#abort.abort();
      // A bundle is disposable only when its pilot is gone: nobody appends to it any more.
      const leaves = event.type === "pilot" && !event.joined;
      const isCancelled = event.type === "task" && event.view.state === "cancelled";
      if (leaves || isCancelled) this.#planLook();
    });
    for (const { task } of await this.#client.ask("mergeable", {})) this.#enqueue(task);
    await this.#sweepScratch();
    await this.#deleteBundles();
  }

  /** Takes nothing new, stops merge commands, and resolves when what runs has ended. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    if (this.#lookSoon) this.#look();
    this.#abort.abort();
    this.#waiting.clear();
    await Promise.allSettled([...this.#running.values(), this.#deleting]);
  }

  /** Resolves once nothing is being merged or waits to be. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.race(this.#running.values());
    await this.#deleting;
  }

  #enqueue(task: number): void {
    if (this.#abort.signal.aborted) return;
    this.#waiting.add(task);
    this.#pump();
  }

  #pump(): void {
    for (const task of this.#waiting) {
      if (this.#running.size >= TASKS_AT_ONCE) return;
      if (this.#running.has(task)) continue;
      this.#waiting.delete(task);
      const run = this.#mergeGuarded(task).finally(() => {
        this.#running.delete(task);
        if (!this.#abort.signal.aborted) this.#pump();
      });
      this.#running.set(task, run);
    }
  }

  async #mergeGuarded(task: number): Promise<void> {
    try {
      await this.#merge(task);
      this.#tries.delete(task);
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      await this.#giveUpOrTryLater(task, error).catch((second: unknown) => {
        this.#options.log(`task ${task}: its merge can't be ended (${messageOf(second)})`);
      });
    }
  }

  async #merge(task: number): Promise<void> {
    const merge = await TaskMerge.of(
      {
        client: this.#client,
        runJob: async (job) => revive((await this.#options.runJob(job)) as JobOutcome),
        signal: this.#abort.signal,
        log: this.#options.log,
      },
      task,
    );
    const end = await merge?.run();
    if (end === "finished") void this.#deleteBundles();
    if (end !== "reopened") return;
    // Ranges that were charged may have failed at once: then nothing is left to announce it.
    const left = await this.#client.ask("mergeable", {});
    if (left.some((each) => each.task === task)) this.#waiting.add(task);
  }

  async #giveUpOrTryLater(task: number, error: unknown): Promise<void> {
    const tries = (this.#tries.get(task) ?? 0) + 1;
    const code = (error as NodeJS.ErrnoException).code ?? "";
    // The books moved on meanwhile: the task was cancelled, or ranges were reopened.
    if (error instanceof JumboError && (code === "conflict" || code === "not_found")) return;
    if (error instanceof JumboError && (code === "unreachable" || code === "store_io")) return;
    if (PASSING_CODES.has(code) && tries < TRIES_MAX) {
      this.#tries.set(task, tries);
      const pauseMs = Math.min(PAUSE_MAX_MS, FIRST_PAUSE_MS * 2 ** (tries - 1));
      this.#options.log(`task ${task}: merge is tried again soon (${messageOf(error)})`);
      setTimeout(() => this.#enqueue(task), pauseMs).unref();
      return;
    }
    this.#tries.delete(task);
    this.#options.log(`task ${task}: merge failed (${messageOf(error)})`);
    await this.#client.ask("mergeFailed", { task, problem: messageOf(error) });
  }

  #planLook(): void {
    this.#lookSoon ??= setTimeout(() => this.#look(), LOOK_SOON_MS).unref();
  }

  #look(): void {
    if (this.#lookSoon) clearTimeout(this.#lookSoon);
    this.#lookSoon = null;
    void this.#deleteBundles();
  }

  /** Deletes the files of bundles that no task needs any more. */
  #deleteBundles(): Promise<void> {
    if (this.#options.keepBundles) return Promise.resolve();
    this.#deleting = this.#deleting.then(() => this.#deleteDisposable());
    return this.#deleting;
  }

  async #deleteDisposable(): Promise<void> {
    const gone: number[] = [];
    try {
      for (const { id, uri } of await this.#client.ask("disposable", { task: 0 })) {
        if (deleteBundle(uri, this.#options.log)) gone.push(id);
      }
      if (gone.length > 0) await this.#client.ask("bundleDeleted", { ids: gone });
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#options.log(`bundles stay (${messageOf(error)})`);
    }
  }

  /** Removes what a life that was killed between `finish` and its last step left behind. */
  async #sweepScratch(): Promise<void> {
    for (const view of await this.#client.ask("list", {})) {
      if (view.state !== "done" && view.state !== "failed" && view.state !== "cancelled") continue;
      const { results } = view.spec.output;
      if (!existsSync(results)) continue;
      const files = await this.#client.ask("files", { task: view.id });
      const scratch = scratchFolderOf(results, contentHash(view.spec, files), view.id);
      removeFolder(scratch);
    }
  }
}

/** An error's code does not survive the thread border; the worker sends it as plain data. */
function revive(outcome: JobOutcome): MergeResult {
  if (!("threw" in outcome)) return outcome;
  const { code, message } = outcome.threw;
  throw Object.assign(new Error(message), { code });
}

function deleteBundle(uri: string, log: (line: string) => void): boolean {
  try {
    rmSync(pathOfUri(uri), { force: true });
    return true;
  } catch (error) {
    log(`bundle ${uri} can't be deleted (${messageOf(error)})`);
    return false;
  }
}
