/**
 * The cluster fixture: where it is, whether it can run here, and commands on its hosts. Everything
 * that uses it runs on its login host (inside.ts puts it there), so that the engine's HTTP API, the
 * launchers and Slurm's commands are reached without a detour.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
export const ROOT = resolve(import.meta.dirname, "../..");
export const SHARED = process.env["JUMBO_SHARED"] ?? resolve(ROOT, "../shared");
export const CLUSTER = `${SHARED}/cluster/cluster`;
export const BUILD = `${ROOT}/native/build`;

/** "" if a cluster can be started here, else why not and what would help. */
export function missing(): string {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs Linux and root";
  if (!existsSync(CLUSTER)) return `no cluster fixture at ${CLUSTER} (set JUMBO_SHARED)`;
  if (/^\/(tmp|run|dev)\//.test(`${ROOT}/`)) return `${ROOT} is not seen by the nodes: move it`;
  for (const program of ["openmpi/jumbo-pilot", "mpich/jumbo-pilot", "serial/jumbo-echo"]) {
    if (!existsSync(`${BUILD}/${program}`)) {
      return `no ${program}: apt-get install libopenmpi-dev libmpich-dev && npm run build:native`;
    }
  }
  return "";
}

/** The same for a suite that is to run on the login host now. */
export function outside(): string {
  const why = missing();
  if (why !== "") return why;
  return process.env["CLUSTER_HOST"] === "login" ? "" : "starts by `npm run test:hpc`";
}

export async function cluster(...args: string[]): Promise<string> {
  const { stdout } = await run(CLUSTER, args, { timeout: 150_000, maxBuffer: 1 << 26 });
  return stdout;
}

/** Standard output of a command on a host; throws if it fails. */
export async function on(host: string, ...argv: string[]): Promise<string> {
  if (host !== "login") return cluster("exec", host, "--", ...argv);
  const [program, ...rest] = argv as [string, ...string[]];
  return (await run(program, rest, { timeout: 150_000, maxBuffer: 1 << 26 })).stdout;
}

/** The same, "" if it fails. */
export async function tryOn(host: string, ...argv: string[]): Promise<string> {
  return on(host, ...argv).catch(() => "");
}

/** A process on the login host, its output in a file. */
export function start(log: string, ...argv: string[]): ChildProcess {
  const out = openSync(log, "a");
  const [program, ...rest] = argv as [string, ...string[]];
  const child = spawn(program, rest, { stdio: ["ignore", out, out] });
  closeSync(out);
  return child;
}

export function ended(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

export async function until(
  what: string,
  seconds: number,
  test: () => Promise<boolean> | boolean,
): Promise<void> {
  const deadline = Date.now() + 1000 * seconds;
  while (!(await test())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

export const sleep = (seconds: number) =>
  new Promise<void>((done) => setTimeout(done, 1000 * seconds));
