/**
 * Placeholders of payload and merge commands. `{lower-case}` is one, whatever stands around it;
 * `{{lower-case}}` is the text `{lower-case}`; all other braces are themselves, so that awk
 * programs, JSON and shell-like texts pass untouched. Values reach the process byte for byte.
 */
import { assert, STRING_BYTES_MAX } from "../base/index.ts";
import { nearest, taskInvalid } from "./messages.ts";
import type { TaskSpec } from "./types.ts";

const PATTERN = /\{\{([a-z]+)\}\}|\{([a-z]+)\}/g;

/** Of a payload that runs once a range; see docs/reference/task-file.md for each. */
export const ONCE_PLACEHOLDERS = [
  "file",
  "tree",
  "skip",
  "count",
  "first",
  "last",
  "start",
  "stop",
  "offset",
  "bytes",
  "seed",
  "range",
  "attempt",
  "output",
  "workdir",
  "taskdir",
  "slice",
] as const;
/** Of a stream payload, which is started before it has a range. */
export const STREAM_PLACEHOLDERS = ["workdir", "taskdir", "tree"] as const;
/** Of `output.command`. */
export const MERGE_PLACEHOLDERS = ["inputs", "output", "taskdir"] as const;

/** Those that need to know where an event's bytes begin and end. */
export const BYTE_PLACEHOLDERS = ["slice", "offset", "bytes"] as const;
const FILE_PLACEHOLDERS = ["file", "tree", ...BYTE_PLACEHOLDERS] as const;

/** Names of the placeholders in `argument`, in order, escaped ones left out. */
export function placeholdersOf(argument: string): string[] {
  const names: string[] = [];
  for (const [, , name] of argument.matchAll(PATTERN)) if (name !== undefined) names.push(name);
  return names;
}

/** `argument` with values put in; every placeholder must have one. */
export function fillPlaceholders(
  argument: string,
  values: Readonly<Record<string, string>>,
): string {
  return argument.replaceAll(PATTERN, (_, escaped: string | undefined, name: string) => {
    if (escaped !== undefined) return `{${escaped}}`;
    const value = values[name];
    assert(value !== undefined, `placeholder {${name}} has no value`);
    return value;
  });
}

/** Refuses placeholders that could never be filled. Throws JumboError("task_invalid"). */
export function checkPlaceholders(spec: TaskSpec): void {
  const stream = spec.payload.mode === "stream";
  const known = stream ? STREAM_PLACEHOLDERS : ONCE_PLACEHOLDERS;
  spec.payload.command.forEach((argument, i) => {
    const key = `payload.command[${i}]`;
    checkLength(key, argument);
    for (const name of placeholdersOf(argument)) {
      if (stream && (ONCE_PLACEHOLDERS as readonly string[]).includes(name)) {
        refuseUnlessIn(known, name, key, "a stream payload is started before it is given a range");
      }
      refuseUnlessIn(known, name, key, "it is no placeholder");
      refuseWithoutFile(spec, name, key);
      if (name === "taskdir" && spec.taskDir === "") {
        const why = "the task came without a folder";
        throw taskInvalid(key, "has {taskdir}", why, "write the path itself, or name a taskDir");
      }
    }
  });
  spec.output.command.forEach((argument, i) => {
    const key = `output.command[${i}]`;
    checkLength(key, argument);
    for (const name of placeholdersOf(argument)) {
      refuseUnlessIn(MERGE_PLACEHOLDERS, name, key, "it is no placeholder of a merge command");
    }
  });
}

function refuseUnlessIn(known: readonly string[], name: string, key: string, why: string): void {
  if (known.includes(name)) return;
  const meant = nearest(name, known);
  const guess = meant === null ? "" : `did you mean {${meant}}? `;
  const list = known.map((each) => `{${each}}`).join(" ");
  const right = `${guess}known are ${list}; {{${name}}} stands for the text itself`;
  throw taskInvalid(key, `has {${name}}`, why, right);
}

function refuseWithoutFile(spec: TaskSpec, name: string, key: string): void {
  if (spec.input.count === null || !(FILE_PLACEHOLDERS as readonly string[]).includes(name)) return;
  const right = "use {start} and {count}, or {first} and {last}, which number the events";
  throw taskInvalid(key, `has {${name}}`, "a task with input.count has no files", right);
}

function checkLength(key: string, argument: string): void {
  const bytes = Buffer.byteLength(argument);
  if (bytes <= STRING_BYTES_MAX) return;
  const why = `an argument has at most ${STRING_BYTES_MAX}`;
  throw taskInvalid(key, `is ${bytes} bytes long`, why, "put the text into a file and name that");
}
