/** What a pilot is started with, and how it ends. */
import { randomBytes } from "node:crypto";
import { availableParallelism, hostname, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { AccessFile } from "../base/index.ts";

export interface PilotOptions {
  /** Path of an access file (read again at each connection), or its content. */
  readonly access: AccessFile | string;
  /** Cores for payloads; default: those that this process may use. */
  readonly slots?: number;
  /** Created. Default: jumbo-bundles in the current folder, since the engine must see it too. */
  readonly bundlesDir?: string;
  /** Created. Attempts run in a folder of this pilot's inside it. Default: the system's tmpdir. */
  readonly workDir?: string;
  /** Stable over reconnects. Default: host, pid and 8 random digits. */
  readonly pilotId?: string;
  /**
   * Raised by a process that takes over an id. Default: 1 for an id made here; for a given one the
   * seconds since 1970, so that a restarted pilot is newer and its bundles have names of their own.
   */
  readonly generation?: number;
  readonly queue?: string;
  readonly allocation?: string;
  /** Time that this process has, from its start on; null: no limit. */
  readonly walltimeSeconds?: number | null;
  /**
   * Slurm job whose true end is asked now and then, since limits change. Default: the one this
   * process runs in, unless a walltime was told; "": none.
   */
  readonly slurmJob?: string;
  /** Ends `unreachable` after so long without an engine. Default 600. */
  readonly giveUpSeconds?: number;
  /** Time for what runs after a SIGTERM; null (default): as long as it needs. */
  readonly drainSeconds?: number | null;
  readonly log?: (line: string) => void;
  /** Stops at once when the process that started it is gone. Default false. */
  readonly dieWithParent?: boolean;
  /** SIGTERM, SIGINT, SIGUSR1 drain; a second SIGTERM or SIGINT stops. Default true. */
  readonly handleSignals?: boolean;
}

export interface PilotEnd {
  readonly reason: string;
  /** EXIT.ok after a drain, unreachable, refused, storeIo (bundles), interrupted (second signal). */
  readonly exitCode: number;
  /** Ranges by the engine's verdicts: accepted as done, and all others that were reported. */
  readonly accepted: number;
  readonly failed: number;
  readonly returned: number;
  readonly lost: number;
  /** Done, but the engine had no use for it (duplicate, stale, closed, unknown). */
  readonly unused: number;
  readonly bundles: number;
}

export type ResolvedOptions = Required<PilotOptions> & { readonly node: string };

export function resolveOptions(options: PilotOptions): ResolvedOptions {
  const node = hostname();
  const walltimeSeconds = options.walltimeSeconds ?? null;
  const random = randomBytes(4).toString("hex");
  const pilotId = options.pilotId ?? `${node}-${process.pid}-${random}`;
  const safeId = pilotId.replace(/[^A-Za-z0-9._-]/g, "_").slice(0, 100);
  return {
    access: options.access,
    slots: Math.max(1, Math.trunc(options.slots ?? availableParallelism())),
    bundlesDir: resolve(options.bundlesDir ?? "jumbo-bundles"),
    workDir: join(resolve(options.workDir ?? tmpdir()), `jumbo-${safeId}`),
    pilotId,
    generation: options.generation ?? (options.pilotId ? Math.floor(Date.now() / 1000) : 1),
    queue: options.queue ?? "",
    allocation: options.allocation ?? "",
    walltimeSeconds,
    slurmJob: options.slurmJob ?? (walltimeSeconds === null ? ownSlurmJob() : ""),
    giveUpSeconds: options.giveUpSeconds ?? 600,
    drainSeconds: options.drainSeconds ?? null,
    log: options.log ?? (() => {}),
    dieWithParent: options.dieWithParent ?? false,
    handleSignals: options.handleSignals ?? true,
    node,
  };
}

const ownSlurmJob = () => process.env["SLURM_JOB_ID"] ?? "";
