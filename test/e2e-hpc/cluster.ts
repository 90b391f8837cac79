/** The cluster fixture: where it is, whether it can run here, and commands on its hosts. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, openSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
export const ROOT = resolve(import.meta.dirname, "../..");
export const SHARED = process.env["JUMBO_SHARED"] ?? resolve(ROOT, "../shared");
const CLUSTER = `${SHARED}/cluster/cluster`;
export const BUILD = `${ROOT}/native/build`;

/** "" if the suite can run, else why it can't and what would help. */
export function missing(): string {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs Linux and root";
  if (!existsSync(CLUSTER)) return `no cluster fixture at ${CLUSTER} (set JUMBO_SHARED)`;
  for (const program of ["openmpi/jumbo-pilot", "mpich/jumbo-pilot", "serial/jumbo-echo"]) {
    if (!existsSync(`${BUILD}/${program}`)) {
      return `no ${program}: apt-get install libopenmpi-dev libmpich-dev && npm run build:native`;
    }
  }
  return "";
}

export async function cluster(...args: string[]): Promise<string> {
  const { stdout } = await run(CLUSTER, args, { timeout: 60_000, maxBuffer: 1 << 26 });
  return stdout;
}

/** Standard output of a command on a host; throws if it fails. */
export function on(host: string, ...argv: string[]): Promise<string> {
  return cluster("exec", host, "--", ...argv);
}

/** The same, "" if it fails. */
export async function tryOn(host: string, ...argv: string[]): Promise<string> {
  return on(host, ...argv).catch(() => "");
}

/** A process on the login host, its output in a file. */
export function start(log: string, ...argv: string[]): ChildProcess {
  const out = openSync(log, "a");
  return spawn(CLUSTER, ["exec", "login", "--", ...argv], { stdio: ["ignore", out, out] });
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
