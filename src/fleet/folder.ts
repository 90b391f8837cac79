/**
 * The folder of an allocation, on a file system that its nodes see:
 *
 *   FOLDER/QUEUE/ALLOCATION/   mode 0700
 *     access.json              mode 0400: the engine's pilot addresses and the allocation's own key
 *     job.sh, slurm-ID.out     (slurm), pilot.out (local)
 *   FOLDER/QUEUE/bundles/      outputs, until they are merged
 *
 * The key ends with the job's walltime and a little more, whoever has copied it; the file is removed
 * with the job, the whole folder if all went well. The addresses are written anew when the engine
 * comes back at others.
 */
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import {
  type AccessFile,
  identityOf,
  isLocal,
  JumboError,
  type PilotCaveats,
  parsePilotAddress,
  pilotKeyOf,
  writeAccessFile,
} from "../base/index.ts";
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
  caveats: PilotCaveats,
): void {
  mkdirSync(at.bundlesDir, { recursive: true });
  mkdirSync(at.folder, { recursive: true, mode: 0o700 });
  chmodSync(at.folder, 0o700);
  writeAccessFile(at.accessPath, allocationAccess(access, kind, caveats), 0o400);
}

/** An allocation's access file: the addresses that its nodes reach, and a key with its caveats. */
export function allocationAccess(
  access: AccessFile,
  kind: QueueSettings["kind"],
  caveats: PilotCaveats,
): AccessFile {
  const pilotIdentity = identityOf(caveats);
  const pilotKey = pilotKeyOf(access.pilotKey, pilotIdentity);
  if (pilotKey === null || access.pilotIdentity !== undefined) {
    throw new JumboError(
      "refused",
      "no key can be derived from this access file (it is an allocation's own) use the one in the engine's store",
    );
  }
  return { ...accessCopy(access, kind), pilotIdentity, pilotKey };
}

/** Without the token, and for other machines only with addresses that lead there. */
function accessCopy(access: AccessFile, kind: QueueSettings["kind"]): AccessFile {
  const copy = { ...access, token: "", http: "" };
  if (kind === "local") return copy;
  const pilots: string[] = [];
  for (const text of access.pilots) {
    const address = parsePilotAddress(text);
    if (address.kind === "unix" || isLocal(address)) continue;
    if (address.kind === "spool") {
      pilots.push(text);
      continue;
    }
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
