/**
 * What a payload sees of the pilot's environment: PATH, HOME, LANG and TMPDIR, what the task passes
 * by name, and what it sets; nothing else. So a payload can't come to depend on the shell a pilot
 * was started from, and secrets of that shell don't reach it.
 */
import { homedir } from "node:os";
import type { TaskInfo } from "../wire/index.ts";

const PATH_DEFAULT = "/usr/local/bin:/usr/bin:/bin";
const LANG_DEFAULT = "C.UTF-8";

/** `folder` is the payload's own: TMPDIR, so that what it forgets there goes with the attempt. */
export function payloadEnvironment(
  task: Pick<TaskInfo, "environment" | "passEnvironment">,
  folder: string,
  source: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: source["PATH"] || PATH_DEFAULT,
    HOME: source["HOME"] || homedir(),
    LANG: source["LANG"] || LANG_DEFAULT,
    TMPDIR: folder,
  };
  for (const name of task.passEnvironment) {
    const value = source[name];
    if (value !== undefined) environment[name] = value;
  }
  for (let i = 0; i + 1 < task.environment.length; i += 2) {
    environment[task.environment[i]!] = task.environment[i + 1]!;
  }
  return environment;
}
