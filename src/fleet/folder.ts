/**
 * The folder of an allocation, on a file system that its nodes see:
 *
 *   FOLDER/QUEUE/ALLOCATION/   mode 0700
 *     access.json              mode 0400: the engine's pilot addresses and key, without its token
 *     job.sh, slurm-ID.out     (slurm), pilot.out (local)
 *   FOLDER/QUEUE/bundles/      outputs, until they are merged
 *
 * The secret lives as long as the job: it is removed with its end, the whole folder if all went
 * well. What it says is written anew when the engine comes back at another address.
 */
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { type AccessFile, JumboError, parsePilotAddress } from "../base/index.ts";
import { SCRIPT_NAME } from "./script.ts";
import { allocationDirOf, bundlesDirOf, type QueueSettings } from "./settings.ts";

export interface AllocationFolder {
  readonly folder: string;
  readonly accessPath: string;
  readonly bundlesDir: string;
}

export function folderOf(
  queue: string,
  settings: QueueSettings,
  allocation: string,
): AllocationFolder {
  const folder = allocationDirOf(queue, settings, allocation);
  return {
    folder,
    accessPath: join(folder, "access.json"),
    bundlesDir: bundlesDirOf(queue, settings),
  };
}

export function makeFolder(
  at: AllocationFolder,
  access: AccessFile,
  kind: QueueSettings["kind"],
): void {
  mkdirSync(at.bundlesDir, { recursive: true });
  mkdirSync(at.folder, { recursive: true, mode: 0o700 });
  chmodSync(at.folder, 0o700);
  writeAccessCopy(at.accessPath, accessCopy(access, kind));
}

/** Written beside and renamed: a pilot that reconnects reads the old one or the new one. */
export function writeAccessCopy(path: string, access: AccessFile): void {
  const partial = `${path}.partial`;
  rmSync(partial, { force: true });
  writeFileSync(partial, `${JSON.stringify(access, null, 2)}\n`, { mode: 0o400 });
  chmodSync(partial, 0o400);
  renameSync(partial, path);
}

/** Without the token, and for other machines only with addresses that lead there. */
export function accessCopy(access: AccessFile, kind: QueueSettings["kind"]): AccessFile {
  const copy = { ...access, token: "", http: "" };
  if (kind === "local") return copy;
  const pilots: string[] = [];
  for (const text of access.pilots) {
    const address = parsePilotAddress(text);
    if (address.kind === "unix" || /^(127\.|::1$|localhost$)/.test(address.host)) continue;
    const any = address.host === "0.0.0.0" || address.host === "::";
    pilots.push(any ? `${address.kind}://${hostname()}:${address.port}` : text);
  }
  if (pilots.length === 0) {
    throw new JumboError(
      "refused",
      "no compute node could reach this engine (it listens for pilots on this machine only) start it with --listen tls://HOST:PORT, HOST being this machine's name on the cluster",
    );
  }
  return { ...copy, pilots };
}

/** `keep`: leave the logs for people. */
export function clearFolder(at: AllocationFolder, keep: boolean): void {
  rmSync(at.accessPath, { force: true });
  rmSync(join(at.folder, SCRIPT_NAME), { force: true });
  if (!keep) rmSync(at.folder, { recursive: true, force: true });
}
