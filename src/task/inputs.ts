/**
 * `input.files` to absolute paths. Each entry is a path if such a file exists, else, where it holds
 * one of * ? [ { !(, a glob. Matches of one glob come in bytewise order; entries stay in the order
 * written, and a file listed twice is two instances. No shell is involved.
 *
 * Whatever is not a readable regular file is refused, also when a glob finds it: an input that is
 * silently skipped would be events silently lost.
 */
import { accessSync, constants, globSync, type Stats, statSync } from "node:fs";
import { isAbsolute, join, normalize } from "node:path";
import { FILES_PER_TASK_MAX, JumboError, messageOf } from "../base/index.ts";
import { taskInvalid } from "./messages.ts";

const MAGIC = /[*?[\]{}]|[!@+]\(/;

/** `taskDir` is absolute, or "" where there is none: then every entry must be absolute itself. */
export function expandInputs(entries: readonly string[], taskDir: string): string[] {
  const paths: string[] = [];
  entries.forEach((entry, i) => {
    const key = `input.files[${i}]`;
    if (!isAbsolute(entry) && taskDir === "") {
      const why = "the task came without a folder that it could be relative to";
      throw taskInvalid(key, `is ${JSON.stringify(entry)}`, why, "write absolute paths");
    }
    const found = expandEntry(entry, taskDir, key);
    for (const path of found) refuseUnlessFile(path, key);
    if (paths.length + found.length > FILES_PER_TASK_MAX) {
      const why = `a task has at most ${FILES_PER_TASK_MAX}`;
      throw taskInvalid("input.files", "names too many files", why, "make several tasks");
    }
    for (const path of found) paths.push(path);
  });
  return paths;
}

function expandEntry(entry: string, taskDir: string, key: string): string[] {
  const path = normalize(isAbsolute(entry) ? entry : join(taskDir, entry));
  if (!MAGIC.test(entry) || statOf(path) !== null) return [path];
  const matches = globSync(entry, { cwd: taskDir === "" ? "/" : taskDir });
  if (matches.length === 0) {
    const why = `nothing under ${taskDir === "" ? "/" : taskDir} has such a name`;
    throw missing(key, `${JSON.stringify(entry)} matches no file (${why}) correct the glob`);
  }
  const absolute = matches.map((match) =>
    normalize(isAbsolute(match) ? match : join(taskDir, match)),
  );
  return absolute.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

function refuseUnlessFile(path: string, key: string): void {
  const stat = statOf(path);
  if (stat === null) {
    throw missing(
      key,
      `${path} is missing (no such file) correct the path; relative ones start at the task file`,
    );
  }
  if (stat.isDirectory()) {
    throw missing(
      key,
      `${path} is a directory (inputs are files) name its files, like "${path}/*"`,
    );
  }
  if (!stat.isFile()) {
    throw missing(key, `${path} is no regular file (it could not be read twice) name a file`);
  }
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw missing(
      key,
      `${path} is unreadable (${messageOf(error)}) give this user the right to read it`,
    );
  }
}

/** Follows symlinks; null if there is nothing, an error for everything but that. */
function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw missing(
      "input.files",
      `${path} can't be looked at (${messageOf(error)}) correct its path or rights`,
    );
  }
}

function missing(key: string, message: string): JumboError {
  return new JumboError("input_unreadable", `"${key}": ${message}`, { subject: key });
}
