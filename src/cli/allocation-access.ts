/** Access files of single allocations: the engine's addresses with a key that is good for little. */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import {
  type AccessFile,
  KEY_SLACK_SECONDS,
  readAccessFile,
  writeAccessFile,
} from "../base/index.ts";
import { allocationAccess } from "../fleet/index.ts";

export interface AllocationTerms {
  /** "": any. */
  readonly queue: string;
  /** "": everybody's tasks. */
  readonly owner: string;
  /** 0: any number. */
  readonly cores: number;
  /** How long from now on pilots may begin. */
  readonly enrolSeconds: number;
  /** Walltime of one allocation. */
  readonly walltimeSeconds: number;
  /** Whether the pilots are on other machines: addresses of this one are left out then. */
  readonly isRemote: boolean;
}

/** Writes a 0400 access file with a key of its own, made of the engine's `accessPath`. */
export function writeAllocationAccess(
  path: string,
  accessPath: string,
  terms: AllocationTerms,
): AccessFile {
  const enrolBeforeSeconds = Math.ceil(Date.now() / 1000 + terms.enrolSeconds);
  const access = allocationAccess(readAccessFile(accessPath), terms.isRemote ? "slurm" : "local", {
    allocation: randomBytes(6).toString("hex"),
    queue: terms.queue,
    owner: terms.owner,
    cores: terms.cores,
    enrolBeforeSeconds,
    notAfterSeconds: enrolBeforeSeconds + Math.ceil(terms.walltimeSeconds) + KEY_SLACK_SECONDS,
  });
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeAccessFile(path, access, 0o400);
  return access;
}
