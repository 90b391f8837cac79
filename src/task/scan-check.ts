/**
 * What can only be said once the files are scanned: whether there is anything to do, whether it can
 * be numbered, and whether the payload's byte placeholders have bytes to name. Runs before a task
 * is submitted, and over the added files before it is extended.
 */
import { EVENTS_PER_FILE_MAX, FILES_PER_TASK_MAX, JumboError } from "../base/index.ts";
import { FileTable } from "./file-table.ts";
import { taskInvalid } from "./messages.ts";
import { BYTE_PLACEHOLDERS, placeholdersOf } from "./placeholders.ts";
import type { TaskFile, TaskSpec } from "./types.ts";

/** The task's file table. Throws JumboError("task_invalid"), exit code 2. */
export function checkAgainstScan(spec: TaskSpec, files: readonly TaskFile[]): FileTable {
  for (const file of files) {
    if (spec.input.count !== null || file.events <= EVENTS_PER_FILE_MAX) continue;
    throw new JumboError(
      "task_invalid",
      `${file.source} has ${file.events} events (one file may have ${EVENTS_PER_FILE_MAX}) ` +
        "split it",
      { subject: "input.files" },
    );
  }
  checkBytes(spec, files);
  const table = new FileTable(
    files.map((file) => file.events),
    spec.eventsPerRange,
  );
  if (table.events === 0) {
    const why = `${files.length} files were scanned and none holds an event`;
    const right = "correct input.files, or input.format if they are of another format";
    throw taskInvalid("input", "has no events", why, right);
  }
  const cut = spec.output.eventsPerFile;
  if (cut > 0 && Math.ceil(table.events / cut) > FILES_PER_TASK_MAX) {
    const why = `${table.events} events would become more than ${FILES_PER_TASK_MAX} files`;
    throw taskInvalid("output.eventsPerFile", `is ${cut}`, why, "write a larger number, or 0");
  }
  return table;
}

function checkBytes(spec: TaskSpec, files: readonly TaskFile[]): void {
  if (spec.payload.mode !== "once") return;
  const used = spec.payload.command.flatMap(placeholdersOf);
  const name = BYTE_PLACEHOLDERS.find((each) => used.includes(each));
  if (name === undefined) return;
  const unfit = files.find((file) => file.events > 0 && file.indexPath === "");
  if (unfit === undefined) return;
  const index = spec.payload.command.findIndex((argument) =>
    placeholdersOf(argument).includes(name),
  );
  throw taskInvalid(
    `payload.command[${index}]`,
    `has {${name}}`,
    `${unfit.source} is of format ${unfit.format}, whose events have no bytes of their own`,
    "use {file} with {skip} and {count}, or {start} and {stop}",
  );
}
