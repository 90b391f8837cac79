/**
 * The pool for jobs of 5 ms and more: scan, merge, Arrow export. Each room brings its own worker
 * file; the pool only keeps threads warm and bounded. The library is loaded with the first job, so
 * that an engine without one starts sooner.
 *
 * `atomics: "disabled"`: the default busy-waits on a shared counter between jobs, which takes a
 * core away from payloads.
 */
import { availableParallelism } from "node:os";
import type { Piscina } from "piscina";

export interface JobPool {
  /** Runs `job` in a worker whose file is the URL `filename`; rejects with what the job threw. */
  run(job: unknown, worker: { readonly filename: string }): Promise<unknown>;
  close(): Promise<void>;
}

export function openPool(threadsMax = Math.max(1, availableParallelism())): JobPool {
  let opening: Promise<Piscina> | null = null;
  const open = async () => {
    const { Piscina } = await import("piscina");
    return new Piscina({
      minThreads: 0,
      maxThreads: threadsMax,
      idleTimeout: 5_000,
      atomics: "disabled",
    });
  };
  return {
    run: async (job, { filename }) => {
      opening ??= open();
      return (await opening).run(job, { filename });
    },
    close: async () => {
      if (opening) await (await opening).destroy();
    },
  };
}
