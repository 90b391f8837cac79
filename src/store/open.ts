/**
 * Opening a store, step by step; each step says no with a diagnosis before the next one may crash.
 *
 *   folder -> local file system? -> lock -> (create: temporary name, first transaction, sync,
 *   rename, sync the folder) -> check the file without LMDB -> LMDB -> identity -> raise the
 *   epoch, durably
 *
 * A file under the final name has therefore always been synced once; one under the temporary name
 * is the rest of an interrupted creation and is thrown away. Kill points: create-before-rename,
 * create-after-rename, epoch-raised.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { JumboError, killPoint, messageOf } from "../base/index.ts";
import { seal, TRAILER_BYTES } from "./envelope.ts";
import { type Environment, openEnvironment, STORE_FILE, writeNow } from "./environment.ts";
import { checkStoreFile } from "./file-check.ts";
import { requireLocalFileSystem } from "./file-system.ts";
import { IDENTITY_KEY } from "./group.ts";
import { LmdbStore } from "./lmdb-store.ts";
import { StoreLock } from "./lock.ts";
import {
  encodeIdentity,
  type Identity,
  newIdentity,
  readIdentity,
  readJournalState,
  recoveredFrom,
} from "./recovery.ts";
import type { Recovered } from "./types.ts";

const NEW_PREFIX = "creating-";

export interface OpenOptions {
  /** Make the folder and the store if they are not there; default true. */
  readonly create?: boolean;
  /** A commit that takes longer is a failed one; default COMMIT_WATCHDOG_MS. */
  readonly watchdogMs?: number;
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
  prepareFolder(folder, options.create ?? true);
  const lock = await StoreLock.acquire(folder);
  let environment: Environment | null = null;
  try {
    sweepCreations(folder);
    if (!existsSync(path)) {
      if (options.create === false) throw notFound(folder);
      await createStoreFile(folder, path);
    }
    checkStoreFile(path);
    environment = openEnvironment(path);
    const found = readIdentity(environment);
    const state = readJournalState(environment);
    const identity: Identity = { ...found, epoch: found.epoch + 1 };
    await writeIdentity(environment, identity);
    killPoint("epoch-raised");
    const recovered = recoveredFrom(environment, identity, state);
    const store = new LmdbStore({
      environment,
      journal: state,
      release: () => lock.release(),
      stillHeld: () => lock.held,
      ...(options.watchdogMs === undefined ? {} : { watchdogMs: options.watchdogMs }),
    });
    return { store, recovered };
  } catch (error) {
    await environment?.close(true).catch(() => undefined);
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

async function createStoreFile(folder: string, path: string): Promise<void> {
  const draft = join(folder, `${NEW_PREFIX}${process.pid}.mdb`);
  const environment = openEnvironment(draft);
  try {
    await writeIdentity(environment, newIdentity());
  } finally {
    await environment.close(true);
  }
  syncFile(draft);
  killPoint("create-before-rename");
  renameSync(draft, path);
  killPoint("create-after-rename");
  rmSync(`${draft}-lock`, { force: true });
  syncFolder(folder);
}

async function writeIdentity(environment: Environment, identity: Identity): Promise<void> {
  const payload = encodeIdentity(identity);
  const buffer = Buffer.allocUnsafeSlow(payload.length + TRAILER_BYTES);
  const value = seal("cold", IDENTITY_KEY, payload, buffer, 0);
  await writeNow(environment, () => environment.cold.put(IDENTITY_KEY, value));
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
