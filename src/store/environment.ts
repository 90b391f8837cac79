/**
 * The one place that opens LMDB, so that the options are the ones the power-cut campaign was run
 * with: overlapping syncs (the default), `safeRestore` (after any crash LMDB goes back to the last
 * state that was synced, never to one that was only visible), metrics, named tables; never noSync,
 * noMetaSync, mapAsync, useWritemap or separateFlushed.
 *
 * One environment, one file DIR/store.mdb beside its lock table DIR/store.mdb-lock, three tables:
 * cold, journal, pages.
 */
import { type Database as LmdbDatabase, open as lmdbOpen, type RootDatabase } from "lmdb";
import { repairLmdb } from "./lmdb-repair.ts";

export const STORE_FILE = "store.mdb";
export const PAGE_BYTES = 4096;
export const TABLE_NAMES = ["cold", "journal", "pages"] as const;
/** Those, and room for one later. */
const TABLES_MAX = 4;

type Options = Parameters<typeof lmdbOpen>[0] & { safeRestore: boolean; trackMetrics: boolean };
export type Bytes = Uint8Array;
export type Database = LmdbDatabase<Bytes, Bytes> & {
  put(key: Bytes, value: Bytes, options?: { append: boolean }): Promise<boolean>;
};

export interface Environment {
  readonly path: string;
  readonly root: RootDatabase<Bytes, Bytes>;
  readonly cold: Database;
  readonly journal: Database;
  readonly pages: Database;
  /** Takes away LMDB's close at exit, which would wait for a write thread that hangs. */
  readonly disarm: () => void;
  /**
   * Closes the file. `broken`: a commit has failed, so LMDB's own close would wait for a flush that
   * never comes; its write thread is idle then, and closing at once is safe.
   */
  readonly close: (broken: boolean) => Promise<void>;
}

const exitHooks = new Set<NodeJS.ExitListener>();

/** The file must have passed `checkStoreFile` before: LMDB crashes on damaged ones. */
export function openEnvironment(path: string): Environment {
  repairLmdb();
  const before = new Set(process.listeners("exit"));
  const plain = { encoding: "binary", keyEncoding: "binary", cache: false } as const;
  const options: Options = {
    ...plain,
    path,
    noSubdir: true,
    maxDbs: TABLES_MAX,
    pageSize: PAGE_BYTES,
    safeRestore: true,
    trackMetrics: true,
    // Every write here is an explicit batch. The implicit one around it would own a promise that
    // nobody can reach, and its rejection would be an unhandled one.
    eventTurnBatching: false,
  };
  const root = lmdbOpen<Bytes, Bytes>(options);
  const table = (name: (typeof TABLE_NAMES)[number]): Database =>
    root.openDB({ ...plain, name }) as Database;
  const environment = {
    path,
    root,
    cold: table("cold"),
    journal: table("journal"),
    pages: table("pages"),
    disarm: () => {
      for (const hook of exitHooks) process.removeListener("exit", hook);
    },
    close: (broken: boolean) => {
      if (broken) Object.assign(root, { _endWrites: null });
      return root.close();
    },
  };
  for (const hook of process.listeners("exit")) if (!before.has(hook)) exitHooks.add(hook);
  root.readerCheck();
  return environment;
}

/**
 * Inside a transaction: records are appended to LMDB's journal. False if one of them was there
 * already; rejects as the transaction does.
 */
export function appendRecords(
  environment: Environment,
  records: readonly { readonly key: Bytes; readonly value: Bytes }[],
): Promise<boolean> {
  const { journal } = environment;
  const puts = records.map(({ key, value }) => journal.put(key, value, { append: true }));
  return Promise.all(puts).then((isNew) => isNew.every(Boolean));
}

/** LMDB's own counters; `lastTxnId` is the last transaction that readers see. */
export interface EnvironmentStats {
  readonly lastTxnId: number;
  readonly pagesWritten: number;
  readonly pageFlushes: number;
  readonly txns: number;
  readonly timeSync: number;
  readonly mapSize: number;
  readonly lastPageNumber: number;
}

export function environmentStats(environment: Environment): EnvironmentStats {
  return environment.root.getStats() as EnvironmentStats;
}

/**
 * One small transaction outside of group commits: at creation, and to raise the epoch. LMDB may
 * never settle it (a failed meta write): after `watchdogMs` that is an error, and the environment
 * must be left alone.
 */
export async function writeNow(
  environment: Environment,
  watchdogMs: number,
  write: () => unknown,
): Promise<void> {
  const committed = environment.root.batch(write);
  const flushed = Promise.resolve(environment.root.flushed);
  const settled = Promise.all([committed, flushed]);
  settled.catch(() => undefined);
  flushed.catch(() => undefined);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      environment.disarm();
      reject(new WriteHangs(`a write did not end within ${watchdogMs} ms`));
    }, watchdogMs);
  });
  try {
    await Promise.race([settled, late]);
  } catch (error) {
    throw await causeOf(error);
  } finally {
    clearTimeout(timer);
  }
}

/** LMDB's write thread may hang: nothing of its environment may be touched any more. */
export class WriteHangs extends Error {}

/** lmdb-js rejects with "see commitError" and keeps the reason in a second promise. */
export async function causeOf(error: unknown): Promise<unknown> {
  const cause = (error as { commitError?: Promise<unknown> }).commitError;
  if (cause === undefined) return error;
  return Promise.resolve(cause).then(
    () => error,
    (reason: unknown) => reason,
  );
}
