/**
 * Opens a running engine: `serve` and `run` both live in one of these. The core's thread is started
 * first; while it reads the books back, this thread loads the other rooms (rooms.ts).
 *
 *   store DIR/   store.mdb       the books (LMDB)
 *                access.json      addresses and credentials, mode 0600, replaced at each start
 *                scratch/         decompressed inputs, indexes, merge scratch
 *                pilots.sock      unix socket for pilots on this machine
 */
import { join, resolve } from "node:path";
import { type AccessFile, HEARTBEAT_MS, type PilotAddress } from "../base/index.ts";
import { type Engine, type JobPool, startEngine } from "../broker/index.ts";
import type { TaskFile, TaskSpec } from "../task/index.ts";

export interface HouseOptions {
  readonly storeDir: string;
  /** null: `scratch` in the store's folder. Pilots' nodes must see it. */
  readonly scratchDir: string | null;
  readonly pool: JobPool;
  readonly inline: boolean;
  /** Listeners for pilots beside the unix socket in the store's folder. */
  readonly listen: readonly PilotAddress[];
  /** null: no HTTP API (`run`). */
  readonly http: { readonly host: string; readonly port: number } | null;
  readonly keepBundles: boolean;
  readonly leaseTermMs?: number;
  readonly log: (line: string) => void;
  /** The books can't be trusted any more: end the process, code 74, without another word to it. */
  readonly onFailStop: (message: string) => void;
}

export interface House {
  readonly engine: Engine;
  readonly access: AccessFile;
  readonly accessPath: string;
  readonly scratchDir: string;
  scan(spec: TaskSpec): Promise<TaskFile[]>;
  /** Ends listeners, merge and core in this order; what is acknowledged is on disk. */
  close(): Promise<void>;
}

/** Throws what `startEngine` throws, and what listeners say. */
export async function openHouse(options: HouseOptions): Promise<House> {
  const starting = startEngine({
    storeDir: resolve(options.storeDir),
    inline: options.inline,
    core: options.leaseTermMs === undefined ? {} : termsOf(options.leaseTermMs),
  });
  // Its failure is looked at below, behind the import.
  starting.catch(() => {});
  const { furnish } = await import("./rooms.ts");
  return furnish(starting, options);
}

/** Pilots must be heard often enough within a term, however short it is. */
function termsOf(leaseTermMs: number): { leaseTermMs: number; heartbeatMs: number } {
  return { leaseTermMs, heartbeatMs: Math.min(HEARTBEAT_MS, Math.floor(leaseTermMs / 4)) };
}

export function scratchOf(storeDir: string, scratchDir: string | null): string {
  return resolve(scratchDir ?? join(storeDir, "scratch"));
}
