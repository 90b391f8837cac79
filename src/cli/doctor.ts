/**
 * What this machine has for Jumbo and what it lacks, each with its remedy. Nothing is changed: a
 * store's folder is looked at, not opened.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync, statfsSync, statSync } from "node:fs";
import { availableParallelism, freemem } from "node:os";
import { dirname, join } from "node:path";
import { DISK_FREE_BYTES_MIN, formatBytes, messageOf, readAccessFile } from "../base/index.ts";
import { requireLocalFileSystem } from "../store/index.ts";

export interface Finding {
  readonly level: "ok" | "note" | "problem";
  readonly what: string;
  /** What would be right; "" where all is well. */
  readonly remedy: string;
}

const ok = (what: string): Finding => ({ level: "ok", what, remedy: "" });
const note = (what: string, remedy: string): Finding => ({ level: "note", what, remedy });
const problem = (what: string, remedy: string): Finding => ({ level: "problem", what, remedy });

const OPEN_FILES_MIN = 4_096;

export async function examine(storeDir: string): Promise<Finding[]> {
  return [
    node(),
    ok(`${availableParallelism()} cores for payloads, ${formatBytes(freemem())} of memory free`),
    openFiles(),
    ...storeFolder(storeDir),
    engine(storeDir),
    await lmdbBinding(),
    tool(
      "mpirun",
      ["--version"],
      "MPI launcher",
      "HPC allocations use it; apt-get install openmpi-bin",
    ),
    tool("sbatch", ["--version"], "Slurm", "only needed to shape and submit allocations from here"),
    tool(
      "cmake",
      ["--version"],
      "CMake",
      "needed to build the native pilot; apt-get install cmake g++",
    ),
  ];
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const fits = major > 22 || (major === 22 && minor >= 18);
  return fits
    ? ok(`Node ${process.versions.node}`)
    : problem(
        `Node ${process.versions.node} is too old`,
        "use Node 22.18 or later; `npm ci` brings one",
      );
}

function openFiles(): Finding {
  try {
    const line = readFileSync("/proc/self/limits", "utf8")
      .split("\n")
      .find((text) => text.startsWith("Max open files"));
    const soft = Number(/Max open files\s+(\d+)/.exec(line ?? "")?.[1] ?? Number.NaN);
    if (Number.isNaN(soft)) return note("the limit of open files is unknown", "");
    return soft >= OPEN_FILES_MIN
      ? ok(`${soft} open files allowed`)
      : note(
          `${soft} open files allowed`,
          `thousands of pilots need more: ulimit -n ${OPEN_FILES_MIN * 16}`,
        );
  } catch {
    return note("the limit of open files is unknown", "this system has no /proc");
  }
}

function storeFolder(storeDir: string): Finding[] {
  let folder = storeDir;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  const findings: Finding[] = [];
  try {
    accessSync(folder, constants.W_OK);
    findings.push(ok(`${folder} can be written`));
  } catch (error) {
    findings.push(
      problem(`${folder} can't be written (${messageOf(error)})`, "choose another --store"),
    );
  }
  try {
    requireLocalFileSystem(folder, statSync(folder).dev);
    findings.push(ok(`${folder} is on a file system of this node`));
  } catch (error) {
    findings.push(problem(messageOf(error), "choose a --store on a node-local disk"));
  }
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  findings.push(
    free >= DISK_FREE_BYTES_MIN
      ? ok(`${formatBytes(free)} free for a store`)
      : problem(
          `${formatBytes(free)} free for a store`,
          `nothing is leased under ${formatBytes(DISK_FREE_BYTES_MIN)}; free some`,
        ),
  );
  return findings;
}

function engine(storeDir: string): Finding {
  const path = join(storeDir, "access.json");
  if (!existsSync(path))
    return note("no engine has served from this folder", "start one: jumbo serve --store DIR");
  try {
    const { pid, http } = readAccessFile(path);
    process.kill(pid, 0);
    return ok(`an engine runs here: process ${pid}${http === "" ? "" : `, ${http}`}`);
  } catch (error) {
    return note(
      `no engine runs here now (${messageOf(error)})`,
      "start one: jumbo serve --store DIR",
    );
  }
}

/** The native parts are prebuilt in their packages: they load, or the platform has none. */
async function lmdbBinding(): Promise<Finding> {
  try {
    await import("../store/index.ts");
    return ok("the LMDB binding loads");
  } catch (error) {
    return problem(
      `the LMDB binding does not load (${messageOf(error)})`,
      "run npm ci on this platform",
    );
  }
}

function tool(command: string, args: string[], name: string, remedy: string): Finding {
  const result = spawnSync(command, args, { encoding: "utf8", timeout: 5_000 });
  if (result.status !== 0) return note(`${name}: not found`, remedy);
  const firstLine = `${result.stdout}${result.stderr}`.trim().split("\n")[0] ?? "";
  return ok(`${name}: ${firstLine}`);
}
