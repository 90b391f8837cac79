/**
 * `merge: command`: a program of the task's owner turns the ranges' outputs into the result.
 *
 *   {inputs}    a file that lists the outputs in event order, one absolute path a line
 *   {output}    where the program must write; {taskdir} as in payloads
 *
 * It runs in a scratch folder of its own, in its own process group, with the payload's environment
 * and nothing else of the engine's. Done = exit 0 AND {output} exists. Whatever remains of its
 * group when it ends is killed, so that nothing can write to the result afterwards. Its word is on
 * the merge as a whole, never on a range: a failure ends the task, there is nothing to run again.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  JumboError,
  messageOf,
  PAYLOAD_KILL_GRACE_MS,
  PAYLOAD_LOG_BYTES_MAX,
} from "../base/index.ts";
import { fillPlaceholders, type TaskSpec } from "../task/index.ts";

const REASON_TAIL_CHARACTERS = 300;

/**
 * Runs the command over the files in `inputsFolder`; resolves with the path of what it wrote.
 * Throws JumboError("merge_failed") if it ends badly, "interrupted" if `signal` ended it.
 */
export async function runMergeCommand(
  spec: TaskSpec,
  scratch: string,
  inputsFolder: string,
  signal: AbortSignal,
): Promise<string> {
  const workdir = join(scratch, "work");
  mkdirSync(workdir);
  const inputs = join(scratch, "inputs.txt");
  const output = join(scratch, "output");
  const names = readdirSync(inputsFolder).sort();
  writeFileSync(inputs, names.map((name) => `${join(inputsFolder, name)}\n`).join(""));
  const values = { inputs, output, taskdir: spec.taskDir };
  const argv = spec.output.command.map((argument) => fillPlaceholders(argument, values));
  const environment = commandEnvironment(spec, workdir);
  const end = await runInGroup(argv, workdir, environment, signal);
  if (signal.aborted) throw new JumboError("interrupted", "the merge command was stopped");
  if (end.problem !== "") {
    const tail = end.log.trim().slice(-REASON_TAIL_CHARACTERS).replaceAll("\n", " | ");
    throw new JumboError(
      "merge_failed",
      `merge command ${argv[0]} failed (${end.problem}${tail === "" ? "" : `: ${tail}`}) ` +
        "it must exit 0 after writing {output}",
    );
  }
  if (!statSync(output, { throwIfNoEntry: false })?.isFile()) {
    throw new JumboError(
      "merge_failed",
      `merge command ${argv[0]} wrote no output (it exited 0 without the file {output}) ` +
        "it must write that file",
    );
  }
  return output;
}

function commandEnvironment(spec: TaskSpec, workdir: string): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of ["PATH", "HOME", "LANG", ...spec.payload.passEnvironment]) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  return { ...environment, TMPDIR: workdir, ...spec.payload.environment };
}

interface CommandEnd {
  /** "" if it exited 0. */
  readonly problem: string;
  /** The last of what it printed. */
  readonly log: string;
}

async function runInGroup(
  argv: readonly string[],
  cwd: string,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<CommandEnd> {
  let log = Buffer.alloc(0);
  const keep = (chunk: Buffer): void => {
    log = Buffer.concat([log, chunk]).subarray(-PAYLOAD_LOG_BYTES_MAX);
  };
  const [program, ...rest] = argv;
  let child: ChildProcess;
  try {
    child = spawn(program as string, rest, {
      cwd,
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (error) {
    return { problem: messageOf(error), log: "" };
  }
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  const stop = (): void => {
    signalGroup(child, "SIGTERM");
    setTimeout(() => signalGroup(child, "SIGKILL"), PAYLOAD_KILL_GRACE_MS).unref();
  };
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    const problem = await new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("exit", (code, name) => resolve(endOf(code, name)));
    });
    return { problem, log: log.toString("utf8") };
  } finally {
    signal.removeEventListener("abort", stop);
    signalGroup(child, "SIGKILL");
    child.stdout?.destroy();
    child.stderr?.destroy();
  }
}

function endOf(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal !== null) return `killed by ${signal}`;
  return code === 0 ? "" : `exit code ${code}`;
}

/** The group outlives its leader; one that is empty gives ESRCH, which is what is wanted. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Nobody is left in it.
  }
}
