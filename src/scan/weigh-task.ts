/**
 * `cost.weights` of a task, from one number an event to one weight a range (their sum). The key
 * names a file if it has a slash or such a file lies beside the task file; else a column of the
 * inputs. A wrong one is refused before the task is stored: it would silently give another order.
 */
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { JumboError, messageOf } from "../base/index.ts";
import { COLUMN_FORMATS, readColumn } from "../formats/index.ts";
import { FileTable, type TaskFile, type TaskSpec } from "../task/index.ts";

/** A weight a range is held in memory; more ranges are better told by their mean alone. */
const WEIGHTED_RANGES_MAX = 2 ** 24;

/**
 * Weights of the ranges of `files`, null if the task tells none. Of a task that is extended `before`
 * are the files that it had: a weights file tells the costs of all events, old and new. Throws
 * `task_invalid` about cost.weights, or `input_unreadable` about an input.
 */
export async function weighTask(
  spec: TaskSpec,
  files: readonly TaskFile[],
  before: readonly TaskFile[] = [],
): Promise<Float32Array | null> {
  const { weights } = spec.cost;
  if (weights === null) return null;
  const counts = files.map((file) => file.events);
  const table = new FileTable(counts, spec.eventsPerRange);
  if (table.ranges > WEIGHTED_RANGES_MAX) {
    throw invalid(
      `is set for ${table.ranges} ranges`,
      `at most ${WEIGHTED_RANGES_MAX} can be ordered one by one`,
      "raise eventsPerRange, or leave it out and set cost.meanSeconds",
    );
  }
  const path = resolve(spec.taskDir, weights);
  const perEvent = isFile(path)
    ? fromFile(path, table.events, sum(before))
    : await fromColumn(spec, files, weights, path);
  return rangeWeights(table, files, perEvent);
}

const sum = (files: readonly TaskFile[]) => files.reduce((all, file) => all + file.events, 0);

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function fromFile(path: string, events: number, skip: number): (event: number) => number {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw invalid(`names ${path}`, messageOf(error), "make it readable");
  }
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length !== events + skip) {
    throw invalid(
      `names ${path}, which has ${lines.length} numbers`,
      `the task has ${events + skip} events`,
      "write one number a line for each event, in the order of input.files",
    );
  }
  const values = Float64Array.from(lines, (line, i) => {
    const value = Number(line);
    if (value >= 0 && value < Number.POSITIVE_INFINITY) return value;
    const shown = JSON.stringify(line.trim().slice(0, 40));
    throw invalid(
      `names ${path}, whose number ${i + 1} is ${shown}`,
      "a cost is a number from 0 up",
      "write seconds, or any unit that is the same for all events",
    );
  });
  return (event) => values[skip + event] as number;
}

async function fromColumn(
  spec: TaskSpec,
  files: readonly TaskFile[],
  name: string,
  path: string,
): Promise<(event: number) => number> {
  const isPath = name.includes("/");
  const unfit = files.find((file) => file.events > 0 && !COLUMN_FORMATS.has(file.format));
  if (isPath || unfit !== undefined || spec.input.count !== null) {
    const why =
      isPath || spec.input.count !== null
        ? "there is no such file"
        : `there is no such file, and columns of ${unfit?.format} files are not read`;
    throw invalid(`is ${JSON.stringify(name)}`, why, `write one number an event into ${path}`);
  }
  const columns: Float64Array[] = [];
  for (const file of files) {
    const column = await readColumn(file, name);
    if (column === null) {
      throw invalid(
        `is ${JSON.stringify(name)}`,
        `${file.source} has no such column, and ${path} is no file`,
        "name a column that all inputs have, or a file with one number an event",
      );
    }
    columns.push(column);
  }
  const all = new Float64Array(sum(files));
  let at = 0;
  for (const column of columns) {
    all.set(column, at);
    at += column.length;
  }
  return (event) => all[event] as number;
}

function rangeWeights(
  table: FileTable,
  files: readonly TaskFile[],
  perEvent: (event: number) => number,
): Float32Array {
  const weights = new Float32Array(table.ranges);
  let firstEvent = 0;
  for (const [index, file] of files.entries()) {
    const first = table.firstRange(index);
    for (let range = first; range < first + table.rangesOf(index); range++) {
      const { start, count } = table.locate(range);
      let weight = 0;
      for (let event = start; event < start + count; event++)
        weight += perEvent(firstEvent + event);
      weights[range] = weight;
    }
    firstEvent += file.events;
  }
  return weights;
}

function invalid(problem: string, why: string, right: string): JumboError {
  return new JumboError("task_invalid", `"cost.weights" ${problem} (${why}) ${right}`, {
    subject: "cost.weights",
  });
}
