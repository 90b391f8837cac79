/**
 * A task file from disk: YAML 1.2, of which JSON is a part. Bounded before it is read, with
 * duplicate keys refused, aliases bounded, and no tags beyond the core schema, so that what is
 * written is what is meant. Every error names the file, and the line where there is one.
 */
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { JumboError, messageOf, TASK_FILE_BYTES_MAX } from "../base/index.ts";
import { yaml } from "./libraries.ts";
import type { TaskSpec } from "./types.ts";
import { validateTask } from "./validate.ts";

/** Values that the aliases of one file may add; hand-written files need a handful. */
const ALIASES_MAX = 100;

/**
 * Reads, validates and completes the task file at `path`. `results` is where merged files land,
 * made absolute; `owner` is that of the caller's token. Throws JumboError("task_invalid" or
 * "input_unreadable"), exit code 2, with the file's path in front.
 */
export function loadTaskFile(path: string, options: { results: string; owner?: string }): TaskSpec {
  const absolute = resolve(path);
  try {
    const value = parseTaskText(readTaskText(absolute));
    return validateTask(value, {
      taskDir: dirname(absolute),
      results: resolve(options.results),
      ownerDefault: options.owner ?? "",
    });
  } catch (error) {
    if (!(error instanceof JumboError)) throw error;
    const about =
      error.subject === undefined ? { cause: error } : { cause: error, subject: error.subject };
    throw new JumboError(error.code, `${path}: ${error.message}`, about);
  }
}

function readTaskText(path: string): string {
  let bytes: Buffer;
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) {
      throw invalid("is a directory (a task file is wanted) name the YAML or JSON file in it");
    }
    if (stat.size > TASK_FILE_BYTES_MAX) {
      throw invalid(
        `has ${stat.size} bytes (at most ${TASK_FILE_BYTES_MAX} are taken) name inputs by globs`,
      );
    }
    bytes = readFileSync(path);
  } catch (error) {
    if (error instanceof JumboError) throw error;
    throw invalid(`can't be read (${messageOf(error)}) correct the path`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw invalid("is no UTF-8 text (task files are) save it as UTF-8");
  }
}

/** The value written in `text`. Throws JumboError("task_invalid") with line and column. */
export function parseTaskText(text: string): unknown {
  try {
    const document = yaml().parseDocument(text, { uniqueKeys: true, strict: true, schema: "core" });
    const problem = document.errors[0] ?? document.warnings[0];
    if (problem !== undefined) {
      const place = problem.linePos?.[0];
      const where = place === undefined ? "" : `line ${place.line}, column ${place.col}: `;
      throw invalid(`${where}${yamlProblem(problem.code, problem.message)}`);
    }
    return document.toJS({ maxAliasCount: ALIASES_MAX });
  } catch (error) {
    if (error instanceof JumboError) throw error;
    const why = error instanceof RangeError ? "it nests too deep" : messageOf(error);
    throw invalid(`can't be read as YAML or JSON (${why}) write it plainly, without many aliases`);
  }
}

function yamlProblem(code: string, message: string): string {
  const first = (message.split("\n")[0] ?? "").replace(/ at line \d+, column \d+:?$/, "");
  switch (code) {
    case "DUPLICATE_KEY":
      return "a key is written twice (one of the two would be ignored) take one out";
    case "MULTIPLE_DOCS":
      return "a second document begins (a task file holds one task) use one file for each task";
    case "TAG_RESOLVE_FAILED":
      return `a tag is not understood (${first}) write plain values`;
    default:
      return `this is no YAML or JSON (${first}) correct it there`;
  }
}

function invalid(message: string): JumboError {
  return new JumboError("task_invalid", message);
}
