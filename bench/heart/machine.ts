/**
 * What everything of the bench needs of its machine: processes pinned to one core, their ends, CPU
 * time of a process, fresh folders, the programs in C. Each process is ended by its own pid.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { createServer } from "node:net";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CLOCK_TICKS_PER_SECOND = 100;

/** Servers run on one core, what loads them on the other. */
export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

/** How pilots come: over TCP, as from other machines, or over a unix socket of this one. */
export type Transport = "tcp" | "unix";

export interface Place {
  /** The same for the engine, its peers and the echo. */
  readonly transport: Transport;
  /** Everything that must be durable lies here: a disk, or tmpfs with modelled flushes. */
  readonly dir: string;
  /** The built `jumbo`. */
  readonly engine: string;
  /** Folder of heart-load, heart-echo, heart-flush. */
  readonly programs: string;
  /** Of servers: LD_PRELOAD of the modelled flush, or nothing. */
  readonly environment: NodeJS.ProcessEnv;
  readonly close: () => void;
}

/** A folder of our own, the engine's package and the programs in C, built where they are not. */
export async function openPlace(
  modelledFlushUs: number | null,
  diskDir: string | null,
  transport: Transport,
): Promise<Place> {
  const building = buildEngine();
  const programs = buildPrograms();
  const engine = await building;
  const base = modelledFlushUs === null ? (diskDir ?? tmpdir()) : "/dev/shm";
  const dir = mkdtempSync(join(base, "jumbo-heart-"));
  const environment: NodeJS.ProcessEnv = { ...process.env };
  if (modelledFlushUs !== null) {
    environment["LD_PRELOAD"] = join(programs, "libmodelled-flush.so");
    environment["MODELLED_FLUSH_US"] = String(modelledFlushUs);
  }
  const close = () => rmSync(dir, { recursive: true, force: true });
  return { transport, dir, engine, programs, environment, close };
}

/** The engine as it is installed (`npm run build`), made anew where the source is newer. */
async function buildEngine(): Promise<string> {
  const programs = join(ROOT, "dist", "lib", "cli");
  const main = join(programs, "main.js");
  const source = ["rolldown.config.ts", "package-lock.json", "src"];
  for (const path of readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })) {
    source.push(join("src", path));
  }
  const changedMs = Math.max(...source.map((path) => statSync(join(ROOT, path)).mtimeMs));
  if (!existsSync(main) || statSync(main).mtimeMs < changedMs) {
    const rolldown = join(ROOT, "node_modules", "rolldown", "bin", "cli.mjs");
    const command = [rolldown, "-c", "rolldown.config.ts"];
    await promisify(execFile)(process.execPath, command, { cwd: ROOT });
  }
  return join(programs, "jumbo.mjs");
}

function buildPrograms(): string {
  const build = join(ROOT, "native", "build", "bench");
  mkdirSync(build, { recursive: true });
  const quiet = { stdio: ["ignore", "ignore", "inherit"] as ["ignore", "ignore", "inherit"] };
  const options = [
    "-DJUMBO_BUILD_BENCH=ON",
    "-DJUMBO_BUILD_TESTS=OFF",
    "-DCMAKE_BUILD_TYPE=Release",
  ];
  if (!existsSync(join(build, "CMakeCache.txt"))) {
    execFileSync("cmake", ["-S", join(ROOT, "native"), "-B", build, ...options], quiet);
  }
  const targets = ["heart-load", "heart-echo", "heart-flush", "modelled-flush"];
  execFileSync("cmake", ["--build", build, "--target", ...targets], quiet);
  return join(build, "bench");
}

export function freshDir(place: Place, name: string): string {
  const dir = join(place.dir, name);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return dir;
}

const TASKSET = "/usr/bin/taskset";

function canPin(): boolean {
  return availableParallelism() >= 2 && existsSync(TASKSET);
}

/** The command, on one core where the machine has two or more. */
export function pinned(core: number | null, command: readonly string[]): string[] {
  if (core === null || !canPin()) return [...command];
  return [TASKSET, "-c", String(core), ...command];
}

/** Moves a running process, with all of its threads; null: to all cores. */
export function pin(pid: number, core: number | null): void {
  if (!canPin()) return;
  const cores = core === null ? `0-${cpus().length - 1}` : String(core);
  execFileSync(TASKSET, ["-a", "-c", "-p", cores, String(pid)], { stdio: "ignore" });
}

export interface RunOptions {
  readonly core: number | null;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly timeoutMs?: number;
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
}

/** Runs to the end; its standard output. Rejects with what it wrote if it ends badly. */
export function run(command: readonly string[], options: RunOptions): Promise<string> {
  const child = start(command, options);
  let output = "";
  let errors = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 300_000);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(output);
      else
        reject(new Error(`${command.join(" ")} ended with ${code ?? signal}: ${errors}${output}`));
    });
  });
}

export function start(command: readonly string[], options: RunOptions): ChildProcess {
  const [program, ...rest] = pinned(options.core, command) as [string, ...string[]];
  return spawn(program, rest, {
    stdio: ["ignore", "pipe", "pipe"],
    env: options.env ?? process.env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.user ?? {}),
  });
}

/** Ends a process by its pid and waits until it is gone. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
  await gone;
  clearTimeout(timer);
}

export async function until(what: string, seconds: number, look: () => boolean): Promise<void> {
  const endMs = performance.now() + seconds * 1000;
  while (!look()) {
    if (performance.now() > endMs) throw new Error(`${what} did not come within ${seconds} s`);
    await sleep(20);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** User and system CPU seconds of a process and its threads so far. */
export function cpuSecondsOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

export function residentBytesOf(pid: number): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(match?.[1] ?? Number.NaN) * 1024;
}

export function describeMachine(): Record<string, string | number> {
  return {
    cpu: cpus()[0]?.model.trim() ?? "?",
    cores: cpus().length,
    node: process.versions.node,
    kernel: execFileSync("uname", ["-r"]).toString().trim(),
  };
}
