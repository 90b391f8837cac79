/**
 * Opening a store, step by step; each step says no with a diagnosis before the next one may crash.
 *
 *   folder -> local file system? -> lock -> (create: temporary name, first transaction, sync,
 *   rename, sync the folder) -> check the file without LMDB -> LMDB -> identity -> the journal's
 *   tail -> one transaction that takes the tail in and raises the epoch, durably
 *
 * A file under the final name has therefore always been synced once; one under the temporary name
 * is the rest of an interrupted creation and is thrown away. Kill points: create-before-rename,
 * create-after-rename, epoch-raised.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { assert, COMMIT_WATCHDOG_MS, JumboError, killPoint, messageOf } from "../base/index.ts";
import { seal, TRAILER_BYTES } from "./envelope.ts";
import {
  appendRecords,
  type Environment,
  openEnvironment,
  PAGE_BYTES,
  STORE_FILE,
  WriteHangs,
  writeNow,
} from "./environment.ts";
import { checkStoreFile, mendSyncedRecord } from "./file-check.ts";
import { requireLocalFileSystem } from "./file-system.ts";
import { FlushCheck } from "./flush-check.ts";
import { IDENTITY_KEY, TAIL_KEY } from "./group.ts";
import { LmdbStore } from "./lmdb-store.ts";
import { StoreLock } from "./lock.ts";
import { firstPages } from "./meta-pages.ts";
import {
  encodeIdentity,
  type Identity,
  newIdentity,
  readIdentity,
  readJournalState,
  recoveredFrom,
} from "./recovery.ts";
import { emptyTail, isFitTail, readTail, TAIL_FILE, Tail, type TailRecord } from "./tail.ts";
import type { Recovered } from "./types.ts";

const NEW_PREFIX = "creating-";
/** A life may raise its epoch seven times, over 3 * 10^10 leases, before one could come twice. */
export const EPOCH_STEP = 8;
/** LMDB's lock table for its default of 126 readers. */
const LOCK_TABLE_BYTES = 8_272;

export interface OpenOptions {
  /** Make the folder and the store if they are not there; default true. */
  readonly create?: boolean;
  /** A commit that takes longer is a failed one; default COMMIT_WATCHDOG_MS. */
  readonly watchdogMs?: number;
  /** Free bytes under which no commit is begun, 0 to let LMDB find the end; default 5 MiB. */
  readonly spareBytes?: number;
}

export interface OpenedStore {
  readonly store: LmdbStore;
  readonly recovered: Recovered;
}

/**
 * Opens or creates the store in the folder `dir`. When it returns, the epoch in `recovered` is on
 * disk. Errors: `refused` (network file system), `not_found` (create: false), `conflict` (another
 * engine has it), `store_damaged` (the file fails its checks), `store_io` (it can't be read or
 * written).
 */
export async function openStore(dir: string, options: OpenOptions = {}): Promise<OpenedStore> {
  const folder = resolve(dir);
  const path = join(folder, STORE_FILE);
  const watchdogMs = options.watchdogMs ?? COMMIT_WATCHDOG_MS;
  prepareFolder(folder, options.create ?? true);
  const lock = await StoreLock.acquire(folder).catch((error: unknown) => {
    throw asStoreError(error, path);
  });
  let environment: Environment | null = null;
  let tail: Tail | null = null;
  try {
    sweepCreations(folder);
    if (!existsSync(path)) {
      if (options.create === false) throw notFound(folder);
      await createStoreFile(folder, path, watchdogMs);
    }
    checkStoreFile(path);
    mendSyncedRecord(path);
    prepareToOpen(path);
    environment = openEnvironment(path);
    const found = readIdentity(environment);
    const tailPath = join(folder, TAIL_FILE);
    const isMarked = environment.cold.doesExist(TAIL_KEY);
    const records = isMarked ? tailRecords(environment, tailPath, found) : [];
    const identity: Identity = { ...found, epoch: nextEpoch(found.epoch) };
    await raiseEpoch(environment, path, watchdogMs, identity, records);
    killPoint("epoch-raised");
    const state = readJournalState(environment);
    if (isMarked || !isFitTail(tailPath, identity.engineId, state.lastSequence)) {
      makeTail(folder, tailPath, identity.engineId);
    }
    tail = new Tail(tailPath);
    const recovered = recoveredFrom(environment, identity, state);
    const store = new LmdbStore({
      environment,
      tail,
      journal: state,
      release: () => lock.release(),
      stillHeld: () => lock.held,
      watchdogMs,
      ...(options.spareBytes === undefined ? {} : { spareBytes: options.spareBytes }),
    });
    return { store, recovered };
  } catch (error) {
    tail?.close();
    if (!(error instanceof WriteHangs)) await environment?.close(true).catch(() => undefined);
    lock.release();
    throw asStoreError(error, path);
  }
}

function prepareFolder(folder: string, create: boolean): void {
  try {
    if (create && mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined) {
      syncFolder(dirname(folder));
    }
    const status = statSync(folder, { throwIfNoEntry: false });
    if (status === undefined) throw notFound(folder);
    requireLocalFileSystem(folder, status.dev);
  } catch (error) {
    throw asStoreError(error, folder);
  }
}

function notFound(folder: string): JumboError {
  return new JumboError(
    "not_found",
    `no store in ${folder} (there is no ${STORE_FILE}) name the folder given to ` +
      "`jumbo serve --store`",
    { subject: folder },
  );
}

function asStoreError(error: unknown, path: string): unknown {
  if (error instanceof JumboError) return error;
  return new JumboError(
    "store_io",
    `the store ${path} can't be opened (${messageOf(error)}) ` +
      "look at the disk and the folder's rights",
    { subject: path, cause: error },
  );
}

/** Remains of creations that were interrupted; the lock is ours, so nobody is at work on them. */
function sweepCreations(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.startsWith(NEW_PREFIX)) rmSync(join(folder, name), { force: true });
  }
}

async function createStoreFile(folder: string, path: string, watchdogMs: number): Promise<void> {
  const draft = join(folder, `${NEW_PREFIX}${process.pid}.mdb`);
  writeFileSync(draft, firstPages(PAGE_BYTES), { mode: 0o664 });
  prepareToOpen(draft);
  const environment = openEnvironment(draft);
  try {
    await writeIdentity(environment, watchdogMs, newIdentity(), []);
  } catch (error) {
    if (!(error instanceof WriteHangs)) await environment.close(true);
    throw error;
  }
  await environment.close(true);
  syncFile(draft);
  killPoint("create-before-rename");
  renameSync(draft, path);
  killPoint("create-after-rename");
  rmSync(`${draft}-lock`, { force: true });
  syncFolder(folder);
}

/**
 * Whatever may fail while LMDB opens its two files is tried here before: lmdb-js 3.5.6 answers a
 * failed open with SIGSEGV. The lock table gets its blocks now, since a full disk would otherwise
 * show as SIGBUS when it is first written through the map.
 */
function prepareToOpen(path: string): void {
  closeSync(openSync(path, "r+"));
  const descriptor = openSync(`${path}-lock`, constants.O_RDWR | constants.O_CREAT, 0o664);
  try {
    const { size } = fstatSync(descriptor);
    if (size >= LOCK_TABLE_BYTES) return;
    // Nobody has it open: the store's own lock is ours, and LMDB makes the table anew.
    const zeros = Buffer.alloc(LOCK_TABLE_BYTES);
    for (let at = 0; at < zeros.length; ) {
      at += writeSync(descriptor, zeros, at, zeros.length - at, at);
    }
  } finally {
    closeSync(descriptor);
  }
}

/**
 * A new life's epoch. It leaves room: a life raises its epoch by itself after 2^32 - 1 leases, and
 * that raise may be lost in a crash although leases under it were handed out.
 */
function nextEpoch(last: number): number {
  return last === 0 ? 1 : last + EPOCH_STEP;
}

/** What the life before left in the tail, checked. */
function tailRecords(
  environment: Environment,
  tailPath: string,
  { engineId }: Identity,
): TailRecord[] {
  const { lastSequence, chain } = readJournalState(environment);
  return readTail(tailPath, { engineId, lastSequence, chain });
}

/**
 * A new file each time that an engine did not end in order: if it was frozen and comes back, it
 * writes to the old one, which nobody reads any more.
 */
function makeTail(folder: string, tailPath: string, engineId: string): void {
  const draft = join(folder, `${NEW_PREFIX}${process.pid}.tail`);
  writeFileSync(draft, emptyTail(engineId), { mode: 0o664 });
  syncFile(draft);
  renameSync(draft, tailPath);
  syncFolder(folder);
}

/** LMDB may claim success where its synced record was not written: see flush-check.ts. */
async function raiseEpoch(
  environment: Environment,
  path: string,
  watchdogMs: number,
  identity: Identity,
  tail: readonly TailRecord[],
): Promise<void> {
  const check = new FlushCheck(path);
  try {
    const before = check.flushedTransaction();
    await writeIdentity(environment, watchdogMs, identity, tail);
    environment.cold.doesExist(IDENTITY_KEY);
    if (check.flushedTransaction() > before) return;
  } finally {
    check.close();
  }
  throw new Error("LMDB reported a flush, but its synced meta record was not written");
}

async function writeIdentity(
  environment: Environment,
  watchdogMs: number,
  identity: Identity,
  tail: readonly TailRecord[],
): Promise<void> {
  const payload = encodeIdentity(identity);
  const buffer = Buffer.allocUnsafeSlow(payload.length + TRAILER_BYTES);
  const value = seal("cold", IDENTITY_KEY, payload, buffer, 0);
  const { cold } = environment;
  let appended = Promise.resolve(true);
  await writeNow(environment, watchdogMs, () => {
    appended = appendRecords(environment, tail);
    appended.catch(() => undefined);
    if (cold.doesExist(TAIL_KEY)) cold.remove(TAIL_KEY);
    cold.put(IDENTITY_KEY, value);
  });
  assert(await appended, "records of the tail are in LMDB already");
}

function syncFile(path: string): void {
  const descriptor = openSync(path, "r+");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function syncFolder(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
