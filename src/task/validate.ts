/**
 * From any value to a TaskSpec: the schema's rules, the rules that span several keys, and the
 * inputs on disk. Nothing is stored or scanned here; the first mistake is thrown as one
 * JumboError("task_invalid" or "input_unreadable") that names its key.
 */
import { isAbsolute } from "node:path";
import { assert, STRING_BYTES_MAX } from "../base/index.ts";
import { expandInputs } from "./inputs.ts";
import { taskInvalid } from "./messages.ts";
import { checkPlaceholders, placeholdersOf } from "./placeholders.ts";
import { checkShape } from "./shape-check.ts";
import type { InputFormatName, MergeKindName, TaskSpec } from "./types.ts";

export interface TaskContext {
  /** Absolute folder that relative inputs start at; "" where the task came without one. */
  readonly taskDir: string;
  /** Absolute folder in which the merged files land. */
  readonly results: string;
  /** The owner of a task whose own `owner` is empty. */
  readonly ownerDefault: string;
}

/** A task object as the schema leaves it: every default filled in. */
interface TaskObject extends Omit<TaskSpec, "taskDir" | "input" | "output"> {
  readonly input: {
    readonly files?: readonly string[];
    readonly format: InputFormatName;
    readonly tree: string;
    readonly count?: number;
  };
  readonly output: Omit<TaskSpec["output"], "results" | "merge"> & {
    readonly merge: MergeKindName;
  };
}

/** Merge kinds whose outputs have no records that anyone could count. */
const WITHOUT_RECORDS: readonly MergeKindName[] = ["concat", "zip", "command"];

export function validateTask(value: unknown, context: TaskContext): TaskSpec {
  assert(context.taskDir === "" || isAbsolute(context.taskDir), `taskDir "${context.taskDir}"`);
  assert(isAbsolute(context.results), `results folder "${context.results}" is not absolute`);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const right = "write keys: name, input, payload, output";
    throw taskInvalid("", "is no group of keys", "a task is an object", right);
  }
  const copy = copyOf(value);
  checkShape(copy);
  const task = copy as TaskObject;
  checkInput(task);
  checkPayload(task);
  checkOutput(task);
  const spec = toSpec(task, context);
  checkPlaceholders(spec);
  return spec;
}

/** A copy that defaults may be filled into; hostile nesting ends here. */
function copyOf(value: object): unknown {
  try {
    return structuredClone(value);
  } catch {
    throw taskInvalid("", "can't be copied", "it nests too deep", "write it as documented");
  }
}

function checkInput(task: TaskObject): void {
  const { files, count, format, tree } = task.input;
  if (files !== undefined && count !== undefined) {
    const why = "the events come from files or are a plain count, never both";
    throw taskInvalid("input", "has both files and count", why, "take one of the two out");
  }
  if (files === undefined && count === undefined) {
    const right = "write input.files, or input.count for events without files";
    throw taskInvalid("input", "has neither files nor count", "there would be no events", right);
  }
  if (count !== undefined && (format !== "auto" || tree !== "")) {
    const key = format !== "auto" ? "input.format" : "input.tree";
    throw taskInvalid(key, "is set", "a task with input.count reads no files", "take it out");
  }
  if (tree !== "" && format !== "auto" && format !== "root") {
    const why = `only root files have trees, and input.format is ${format}`;
    throw taskInvalid("input.tree", "is set", why, "take it out");
  }
}

function checkPayload(task: TaskObject): void {
  const { command, mode, channel, environment } = task.payload;
  if (command[0] === "") {
    const right = "name a program on the pilot's PATH or an absolute path";
    throw taskInvalid("payload.command[0]", "is empty", "it names the program", right);
  }
  if (command[0]?.startsWith(":") && command[0] !== ":null") {
    const why = "words with a colon first are the pilot's own payloads, and :null is the only one";
    const right = "write :null, or the path of a program";
    throw taskInvalid("payload.command[0]", `is "${command[0]}"`, why, right);
  }
  if (channel === "fd3" && mode === "once") {
    const why = "only a stream payload talks with its pilot";
    throw taskInvalid(
      "payload.channel",
      "is fd3",
      why,
      "set payload.mode to stream, or take it out",
    );
  }
  for (const [name, value] of Object.entries(environment)) {
    const bytes = Buffer.byteLength(value);
    if (bytes <= STRING_BYTES_MAX) continue;
    const why = `a variable has at most ${STRING_BYTES_MAX}`;
    const key = `payload.environment.${name}`;
    throw taskInvalid(key, `is ${bytes} bytes long`, why, "put the text into a file and name that");
  }
}

function checkOutput(task: TaskObject): void {
  const { merge, command, recordsPerEvent } = task.output;
  if (merge === "command") {
    if (command.length === 0 || command[0] === "") {
      const right = `write argv, like ["hadd", "{output}", "@{inputs}"]`;
      throw taskInvalid("output.command", "is missing", "output.merge is command", right);
    }
    const used = command.flatMap(placeholdersOf);
    for (const name of ["inputs", "output"]) {
      if (used.includes(name)) continue;
      const why =
        name === "inputs" ? "it could not find its inputs" : "its output would not be found";
      throw taskInvalid("output.command", `lacks {${name}}`, why, `put {${name}} into an argument`);
    }
  } else if (command.length > 0) {
    const why = `output.merge is ${merge}, which needs none`;
    throw taskInvalid(
      "output.command",
      "is set",
      why,
      "set output.merge to command, or take it out",
    );
  }
  if (recordsPerEvent !== null && WITHOUT_RECORDS.includes(merge)) {
    const why = `outputs merged by ${merge} have no records that could be counted`;
    throw taskInvalid("output.recordsPerEvent", `is ${recordsPerEvent}`, why, "set it to null");
  }
  if (recordsPerEvent === 0 && !task.output.allowEmpty) {
    const why = "then right outputs are empty, and output.allowEmpty is false";
    throw taskInvalid("output.recordsPerEvent", "is 0", why, "set output.allowEmpty to true");
  }
}

function toSpec(task: TaskObject, context: TaskContext): TaskSpec {
  const { input, output, payload, cost } = task;
  return {
    name: task.name,
    owner: task.owner === "" ? context.ownerDefault : task.owner,
    taskDir: context.taskDir,
    input: {
      files: input.files === undefined ? [] : expandInputs(input.files, context.taskDir),
      format: input.format,
      tree: input.tree,
      count: input.count ?? null,
    },
    eventsPerRange: task.eventsPerRange,
    payload: {
      command: payload.command,
      mode: payload.mode,
      channel: payload.channel,
      cores: payload.cores,
      environment: payload.environment,
      passEnvironment: payload.passEnvironment,
      timeoutSeconds: payload.timeoutSeconds,
    },
    output: {
      name: output.name,
      merge: output.merge,
      command: output.command,
      eventsPerFile: output.eventsPerFile,
      recordsPerEvent: output.recordsPerEvent,
      allowEmpty: output.allowEmpty,
      results: context.results,
    },
    attempts: task.attempts,
    losses: task.losses,
    allowPartial: task.allowPartial,
    priority: task.priority,
    seed: task.seed,
    cost: { meanSeconds: cost.meanSeconds, cv: cost.cv, weights: cost.weights },
  };
}
