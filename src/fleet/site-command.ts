/**
 * Runs one command of a site: argv, never a shell line; a time limit on each; an environment that
 * carries nothing of the engine's but what such commands need, since sbatch hands its own
 * environment on to the job.
 */
import { execFile } from "node:child_process";
import { JumboError } from "../base/index.ts";

const TIMEOUT_MS = 60_000;
/** `squeue --json` of a large site: a few kilobytes for each of its jobs. */
const OUTPUT_BYTES_MAX = 512 * 1024 * 1024;
const PASSED_ON = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "SLURM_CONF"];

export class SiteCommandError extends JumboError {
  readonly exitCodeOfCommand: number;

  constructor(command: string, exitCode: number, said: string) {
    super("unreachable", `\`${command}\` failed (${said}) try it by hand on this machine`, {
      subject: command,
    });
    this.exitCodeOfCommand = exitCode;
  }
}

export function siteEnvironment(): Record<string, string> {
  const environment: Record<string, string> = { SLURM_TIME_FORMAT: "%s" };
  for (const name of PASSED_ON) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}

/** Standard output of a command that ends with 0. Throws SiteCommandError with its own words. */
export function runSiteCommand(argv: readonly string[]): Promise<string> {
  const [command, ...rest] = argv as [string, ...string[]];
  return new Promise((resolve, reject) => {
    const child = execFile(
      command,
      rest,
      { env: siteEnvironment(), timeout: TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout);
        const code = typeof error.code === "number" ? error.code : -1;
        reject(new SiteCommandError(command, code, reasonOf(error, stderr)));
      },
    );
    child.stdin?.end();
  });
}

function reasonOf(error: Error & { code?: unknown; killed?: boolean }, stderr: string): string {
  if (error.code === "ENOENT") return "there is no such program on the PATH";
  if (error.killed) return `no end within ${TIMEOUT_MS / 1000} s`;
  const said = stderr.trim().split("\n").slice(-3).join("; ").slice(0, 500);
  return said === "" ? `exit ${String(error.code)}` : said;
}
