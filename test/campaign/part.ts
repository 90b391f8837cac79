/** What every part of the campaign is, and the few things that several of them need. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export interface PartOptions {
  readonly seed: number;
  readonly count: number;
  /** The form that is run once and recorded, not each time. */
  readonly long: boolean;
}

export interface PartResult {
  readonly counts: Readonly<Record<string, number | string>>;
  readonly violations: readonly string[];
  /** Why nothing could be tried on this machine. */
  readonly skipped?: string;
}

export interface Part {
  readonly what: string;
  /** Default of --count. */
  readonly count: number;
  run(options: PartOptions): Promise<PartResult>;
}

export const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));
/** Path of one of the campaign's programs. */
export const program = (name: string) =>
  fileURLToPath(new URL(`./programs/${name}.ts`, import.meta.url));
export const LANES = Math.min(4, availableParallelism());
const JUMBO = join(REPOSITORY, "src/cli/jumbo.mjs");
const COMPILE_CACHE = join(tmpdir(), "jumbo-campaign-compile-cache");

const folders: string[] = [];
process.on("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A fresh folder, gone at the end; `memory` where flushes are not the matter. */
export function workFolder(kind: "disk" | "memory" = "disk"): string {
  const shm = "/dev/shm";
  const roomy = existsSync(shm) && statfsSync(shm).bavail * statfsSync(shm).bsize > 512 * 1024 ** 2;
  const folder = mkdtempSync(join(kind === "memory" && roomy ? shm : tmpdir(), "jumbo-campaign-"));
  folders.push(folder);
  return folder;
}

/** Compiles a shim of test/campaign/shims; "" if there is no C compiler. */
export function compileShim(name: string, folder: string): string {
  const source = fileURLToPath(new URL(`./shims/${name}.c`, import.meta.url));
  const shim = join(folder, `${name}.so`);
  const args = ["-shared", "-fPIC", "-O1", "-Wall", "-o", shim, source, "-ldl", "-lpthread"];
  const compiled = spawnSync("cc", args, { encoding: "utf8" });
  if (compiled.error) return "";
  if (compiled.status !== 0) throw new Error(`${name}.c: ${compiled.stderr}`);
  return shim;
}

export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
  readonly timedOut: boolean;
}

export class Child {
  readonly process: ChildProcess;
  readonly end: Promise<End>;
  stdout = "";
  stderr = "";
  ended = false;

  constructor(args: readonly string[], env: Record<string, string> = {}, timeoutMs = 60_000) {
    const began = performance.now();
    const child = spawn(process.execPath, args, {
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.process = child;
    child.stdout.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, timeoutMs);
    this.end = new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => {
        clearTimeout(timer);
        this.ended = true;
        const { stdout, stderr } = this;
        const seconds = (performance.now() - began) / 1000;
        resolve({ code, signal, stdout, stderr, seconds, timedOut });
      });
    });
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    if (!this.ended) this.process.kill(signal);
  }

  /** Resolves once standard output matches; throws if the child ends before. */
  async saying(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stdout);
      if (match) return match;
      if (this.ended) throw new Error(`it ended before: ${this.stdout}${this.stderr}`);
      await sleep(5);
    }
  }
}

/** `jumbo ARGS` as a child. */
export function jumbo(args: readonly string[], env = {}, timeoutMs = 60_000): Child {
  return new Child([JUMBO, ...args], env, timeoutMs);
}

export function sleep(ms: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, ms));
}

/** Runs jobs on `width` lanes. */
export async function inLanes<Item>(
  items: readonly Item[],
  width: number,
  job: (item: Item) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < items.length) await job(items[next++] as Item);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

/** Standard output of a program of ours, in lines; its exit code is not looked at. */
export async function linesOf(
  file: string,
  args: readonly string[],
  flags: readonly string[] = [],
): Promise<string[]> {
  const run = promisify(execFile)(process.execPath, [...flags, join(REPOSITORY, file), ...args], {
    maxBuffer: 64 * 1024 ** 2,
  });
  const { stdout } = await run.catch((error: { stdout?: string }) => {
    if (!error.stdout) throw error;
    return { stdout: error.stdout };
  });
  return stdout.trim().split("\n");
}

/** A small tmpfs at a folder; false where this machine does not allow it. */
export function mountMemory(folder: string, sizeMiB: number): boolean {
  mkdirSync(folder, { recursive: true });
  const args = ["-t", "tmpfs", "-o", `size=${sizeMiB}m`, "tmpfs", folder];
  return spawnSync("mount", args).status === 0;
}

export function unmount(folder: string): void {
  spawnSync("umount", ["-l", folder]);
}
