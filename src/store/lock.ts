/**
 * One engine a store. DIR/engine.lock names its holder; it appears in one step with its content
 * (hard link of a finished file), so nobody reads half a lock.
 *
 * A holder is alive if its process id exists with the same start time since the same boot; that
 * survives kill -9, reboots and reused ids. A process id means nothing in another pid namespace
 * (another container): such a holder is alive if the lock's modification time moves, which every
 * holder sees to once a second; we watch it for some seconds.
 *
 * Taking over a dead holder's lock must not remove the lock of someone who was faster. So only who
 * holds the lock of that ONE holder's name (`engine.lock.TOKEN`, same protocol) may remove it, and
 * looks again before. If that one dies too, the same rule applies to it.
 */
import { randomBytes } from "node:crypto";
import {
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { assert, JumboError } from "../base/index.ts";

export const LOCK_FILE = "engine.lock";
const BEAT_MS = 1_000;
const FOREIGN_WATCH_MS = 6_000;
const FOREIGN_LOOKS = 12;
const TRIES_MAX = 20;
const DEPTH_MAX = 4;

export interface LockHolder {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since boot. */
  readonly startTicks: string;
  readonly bootId: string;
  readonly pidNamespace: string;
  readonly host: string;
  readonly token: string;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

/**
 * Start time of a process, "" if there is none of that id (or it is a zombie: it holds nothing).
 */
export function startTicksOf(pid: number): string {
  const stat = readText(`/proc/${pid}/stat`);
  // The command name may hold spaces and brackets; the fields after it do not.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? "" : (fields[19] ?? "");
}

function thisProcess(): LockHolder {
  let pidNamespace = "";
  try {
    pidNamespace = readlinkSync("/proc/self/ns/pid");
  } catch {
    // Without /proc every holder counts as foreign, and the watch decides.
  }
  return {
    pid: process.pid,
    startTicks: startTicksOf(process.pid),
    bootId: readText("/proc/sys/kernel/random/boot_id"),
    pidNamespace,
    host: hostname(),
    token: randomBytes(12).toString("hex"),
  };
}

function readHolder(path: string): LockHolder | null {
  try {
    const holder = JSON.parse(readText(path)) as LockHolder;
    return typeof holder.token === "string" && /^[0-9a-f]{24}$/.test(holder.token) ? holder : null;
  } catch {
    return null;
  }
}

async function isAlive(
  path: string,
  holder: LockHolder,
  own: LockHolder,
  watchMs: number,
): Promise<boolean> {
  if (holder.bootId !== own.bootId) return false;
  if (holder.pidNamespace === own.pidNamespace && own.startTicks !== "") {
    return startTicksOf(holder.pid) === holder.startTicks;
  }
  const before = modified(path);
  for (let looks = 0; looks < FOREIGN_LOOKS; looks++) {
    await sleep(watchMs / FOREIGN_LOOKS);
    if (modified(path) !== before) return true;
  }
  return false;
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

export class StoreLock {
  readonly path: string;
  readonly #own: LockHolder;
  #beat: NodeJS.Timeout | null = null;

  private constructor(path: string, own: LockHolder) {
    this.path = path;
    this.#own = own;
  }

  /** Takes the lock of a store's folder. Throws `conflict` while a living engine has it. */
  static async acquire(folder: string, watchMs = FOREIGN_WATCH_MS): Promise<StoreLock> {
    const lock = await StoreLock.#take(join(folder, LOCK_FILE), watchMs, 0);
    lock.#sweep();
    lock.#beat = setInterval(() => lock.#touch(), BEAT_MS);
    lock.#beat.unref();
    return lock;
  }

  static async #take(path: string, watchMs: number, depth: number): Promise<StoreLock> {
    assert(depth <= DEPTH_MAX, "lock takeovers nested too deeply");
    const own = thisProcess();
    const draft = `${path}.draft-${own.token}`;
    writeFileSync(draft, `${JSON.stringify(own)}\n`, { mode: 0o600, flush: true });
    try {
      for (let tries = 0; tries < TRIES_MAX; tries++) {
        if (tryLink(draft, path)) return new StoreLock(path, own);
        const holder = readHolder(path);
        if (holder === null) {
          if (existsSync(path)) throw unreadable(path);
          continue;
        }
        if (await isAlive(path, holder, own, watchMs)) throw taken(path, holder);
        await StoreLock.#removeDead(path, holder, watchMs, depth);
      }
    } finally {
      rmSync(draft, { force: true });
    }
    throw new JumboError(
      "conflict",
      `the lock ${path} changes hands all the time (several engines start at once) start only one`,
      { subject: path },
    );
  }

  static async #removeDead(
    path: string,
    dead: LockHolder,
    watchMs: number,
    depth: number,
  ): Promise<void> {
    const right = await StoreLock.#take(`${path}.${dead.token}`, watchMs, depth + 1);
    try {
      if (readHolder(path)?.token === dead.token) rmSync(path);
    } finally {
      right.release();
    }
  }

  /** True as long as nobody took the lock away (which only a foreign pid namespace could). */
  get held(): boolean {
    return readHolder(this.path)?.token === this.#own.token;
  }

  release(): void {
    if (this.#beat !== null) clearInterval(this.#beat);
    this.#beat = null;
    if (this.held) rmSync(this.path, { force: true });
  }

  #touch(): void {
    try {
      const now = new Date();
      utimesSync(this.path, now, now);
    } catch {
      // A lost lock shows in `held`; a folder that is gone shows at the next commit.
    }
  }

  /** Left by killed starters; only the holder sweeps, and draft owners that live are left alone. */
  #sweep(): void {
    const prefix = `${basename(this.path)}.`;
    for (const name of readdirSync(dirname(this.path))) {
      if (!name.startsWith(prefix)) continue;
      const left = join(dirname(this.path), name);
      const holder = readHolder(left);
      const gone =
        holder === null ||
        holder.bootId !== this.#own.bootId ||
        (holder.pidNamespace === this.#own.pidNamespace &&
          startTicksOf(holder.pid) !== holder.startTicks);
      if (gone) rmSync(left, { force: true });
    }
  }
}

function tryLink(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function taken(path: string, holder: LockHolder): JumboError {
  return new JumboError(
    "conflict",
    `the store ${dirname(path)} is in use by process ${holder.pid} on ${holder.host} ` +
      "(two engines would write over each other) stop that engine, or talk to it with --store " +
      dirname(path),
    { subject: dirname(path) },
  );
}

function unreadable(path: string): JumboError {
  return new JumboError(
    "conflict",
    `the lock ${path} names no holder (it was not written by an engine of this version) make ` +
      "sure that no engine uses this store, then remove the file",
    { subject: path },
  );
}
