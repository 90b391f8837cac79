/** Commands on the tasks of a serving engine, over its HTTP API: submit, look, wait, change. */
import { createWriteStream } from "node:fs";
import { dirname, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { EXIT, JumboError, parseDurationSeconds } from "../base/index.ts";
import type { TaskView } from "../broker/index.ts";
import { loadTaskFile } from "../task/index.ts";
import { type AccessFlags, ApiClient, withAccess } from "./api-client.ts";
import { print, type Style } from "./output.ts";
import { Progress } from "./progress.ts";
import { outputOption, styleOf } from "./style.ts";
import {
  exitCodeOf,
  type ShownTask,
  taskDocument,
  taskListText,
  taskText,
} from "./task-document.ts";

const POLL_WAIT_SECONDS = 30;
const WATCH_MS = 500;

export function registerTaskCommands(jumbo: Command): void {
  remote(jumbo, "submit", "hand a task to a serving engine")
    .argument("<task-file>", "task file (YAML or JSON)")
    .option("--results <dir>", "where merged files land", ".")
    .action(async (file: string, _options: unknown, command: Command) => submit(file, command));
  remote(jumbo, "list", "tasks of the engine").action(async (_options: unknown, command: Command) =>
    list(command),
  );
  remote(jumbo, "show", "one task: counts, failures, results")
    .argument("<task>", "name or number")
    .action(async (task: string, _options: unknown, command: Command) => show(task, command));
  remote(jumbo, "watch", "follow a task until it ends")
    .argument("<task>", "name or number")
    .action(async (task: string, _options: unknown, command: Command) => watch(task, command));
  remote(jumbo, "explain", "why a task, one of its ranges, or a pilot is where it is")
    .argument("[task]", "name or number")
    .argument("[range]", "index of a range, from 0")
    .option("--pilot <pilot>", "a pilot instead: its number, id or node")
    .action(
      async (
        task: string | undefined,
        range: string | undefined,
        _options: unknown,
        command: Command,
      ) => explain(task, range, command),
    );
  remote(jumbo, "cancel", "end a task; what runs of it is stopped")
    .argument("<task>", "name or number")
    .action(async (task: string, _options: unknown, command: Command) => cancel(task, command));
  remote(jumbo, "retry", "take a task's failed ranges up again")
    .argument("<task>", "name or number")
    .action(async (task: string, _options: unknown, command: Command) => retry(task, command));
  remote(jumbo, "extend", "add files at the end of a task")
    .argument("<task>", "name or number")
    .argument("<files...>", "more input files")
    .option("--again", "add them also if they are the task's last files already")
    .action(async (task: string, files: string[], _options: unknown, command: Command) =>
      extend(task, files, command),
    );
  remote(jumbo, "wait", "wait for a task's merged result; ends with its exit code")
    .argument("<task>", "name or number")
    .option("--timeout <duration>", "give up after this long (exit code 6)")
    .action(async (task: string, _options: unknown, command: Command) => {
      process.exitCode = await wait(task, command);
    });
  remote(jumbo, "export", "states of all ranges as an Arrow stream")
    .argument("<task>", "name or number")
    .option("--to <file>", "file to write (default: standard output)")
    .action(async (task: string, _options: unknown, command: Command) =>
      exportRanges(task, command),
    );
}

function remote(jumbo: Command, name: string, summary: string): Command {
  return withAccess(jumbo.command(name).summary(summary)).addOption(outputOption());
}

const clientOf = (command: Command) => ApiClient.fromFlags(command.opts<AccessFlags>());
const pathOf = (task: string) => `/tasks/${encodeURIComponent(task)}`;

async function submit(file: string, command: Command): Promise<void> {
  const flags = command.opts<{ results: string }>();
  const results = resolve(flags.results);
  // Validated here too: a wrong file is refused before anything is sent, with its own path.
  const spec = loadTaskFile(file, { results });
  const { taskDir, ...body } = bodyOf(spec);
  const query = `?taskDir=${encodeURIComponent(dirname(resolve(file)))}&results=${encodeURIComponent(results)}`;
  const answer = await clientOf(command).post<{ task: number; existed: boolean }>(
    `/tasks${query}`,
    body,
  );
  void taskDir;
  print(styleOf(command), {
    json: () => answer,
    text: () =>
      answer.existed
        ? `task ${answer.task} "${spec.name}" was there already`
        : `task ${answer.task} "${spec.name}" submitted`,
    quiet: () => String(answer.task),
  });
}

/** The task file's form again, with absolute inputs. */
function bodyOf(
  spec: ReturnType<typeof loadTaskFile>,
): Record<string, unknown> & { taskDir: string } {
  const { input, output, ...rest } = spec;
  const { results: _results, ...outputKeys } = output;
  const inputKeys =
    input.count === null
      ? { files: input.files, format: input.format, tree: input.tree }
      : { count: input.count };
  return { ...rest, input: inputKeys, output: outputKeys };
}

async function list(command: Command): Promise<void> {
  const document = await clientOf(command).get<{ tasks: TaskView[] }>("/tasks");
  print(styleOf(command), {
    json: () => document,
    text: () => taskListText(document.tasks),
    quiet: () => document.tasks.map((task) => task.id).join("\n"),
  });
}

async function show(task: string, command: Command): Promise<void> {
  printTask(styleOf(command), await clientOf(command).get<ShownTask>(pathOf(task)));
}

function printTask(style: Style, view: ShownTask): void {
  print(style, {
    json: () => taskDocument(view),
    text: () => taskText(view),
    quiet: () => view.state,
  });
}

async function watch(task: string, command: Command): Promise<void> {
  const client = clientOf(command);
  const progress = new Progress(styleOf(command) === "quiet");
  for (;;) {
    const view = await client.get<ShownTask>(pathOf(task));
    if (hasEnded(view)) {
      progress.clear();
      printTask(styleOf(command), view);
      return;
    }
    progress.show(view);
    await new Promise((resolveSleep) => setTimeout(resolveSleep, WATCH_MS));
  }
}

const hasEnded = (view: TaskView) =>
  view.state === "done" || view.state === "failed" || view.state === "cancelled";

async function explain(
  task: string | undefined,
  range: string | undefined,
  command: Command,
): Promise<void> {
  const { pilot } = command.opts<{ pilot?: string }>();
  if ((task === undefined) === (pilot === undefined)) {
    throw new JumboError(
      "usage",
      "explain needs a task or a pilot (one of the two is explained) write `jumbo explain TASK` or `jumbo explain --pilot ID`",
    );
  }
  if (pilot !== undefined) {
    await explainPath(`/pilots/${encodeURIComponent(pilot)}/explain`, command);
    return;
  }
  if (range !== undefined && !/^\d+$/.test(range)) {
    throw new JumboError(
      "usage",
      `range "${range}" is no index (ranges are numbered from 0) write a whole number`,
      { subject: "range" },
    );
  }
  const query = range === undefined ? "" : `?range=${range}`;
  await explainPath(`${pathOf(task as string)}/explain${query}`, command);
}

async function explainPath(path: string, command: Command): Promise<void> {
  const document = await clientOf(command).get<{ lines: string[] }>(path);
  print(styleOf(command), {
    json: () => document,
    text: () => document.lines.join("\n"),
    quiet: () => document.lines[0] ?? "",
  });
}

async function cancel(task: string, command: Command): Promise<void> {
  printTask(styleOf(command), await clientOf(command).post<TaskView>(`${pathOf(task)}/cancel`));
}

async function retry(task: string, command: Command): Promise<void> {
  await changeRanges(`${pathOf(task)}/retry`, {}, command, (n) => `${n} ranges are tried again`);
}

async function extend(task: string, files: string[], command: Command): Promise<void> {
  const again = command.opts<{ again?: boolean }>().again === true;
  const body = { files: files.map((file) => resolve(file)), again };
  await changeRanges(
    `${pathOf(task)}/extend`,
    body,
    command,
    (n) => `the task has ${n} ranges now`,
  );
}

async function changeRanges(
  path: string,
  body: unknown,
  command: Command,
  say: (ranges: number) => string,
): Promise<void> {
  const answer = await clientOf(command).post<{ ranges: number }>(path, body);
  print(styleOf(command), {
    json: () => answer,
    text: () => say(answer.ranges),
    quiet: () => String(answer.ranges),
  });
}

async function wait(task: string, command: Command): Promise<number> {
  const { timeout } = command.opts<{ timeout?: string }>();
  const seconds = timeout === undefined ? Number.POSITIVE_INFINITY : parseDurationSeconds(timeout);
  if (seconds === null) {
    throw new JumboError(
      "usage",
      `--timeout "${timeout}" is no duration (it has an unknown form) write e.g. 90m, 1h30m or 00:05:00`,
    );
  }
  const client = clientOf(command);
  const endMs = performance.now() + seconds * 1000;
  for (;;) {
    const left = Math.ceil((endMs - performance.now()) / 1000);
    const turn = Math.max(1, Math.min(POLL_WAIT_SECONDS, left));
    try {
      const view = await client.get<TaskView>(`${pathOf(task)}/wait?timeout=${turn}`);
      printTask(styleOf(command), view);
      return view.state === "cancelled" ? EXIT.workFailed : exitCodeOf(view);
    } catch (error) {
      const again = error instanceof JumboError && error.code === "timed_out";
      if (!again || performance.now() >= endMs) throw error;
    }
  }
}

async function exportRanges(task: string, command: Command): Promise<void> {
  const { to } = command.opts<{ to?: string }>();
  const response = await clientOf(command).request("GET", `${pathOf(task)}/ranges`);
  const body = Readable.fromWeb(response.body as import("node:stream/web").ReadableStream);
  if (to === undefined) {
    for await (const chunk of body) process.stdout.write(chunk as Uint8Array);
    return;
  }
  await pipeline(body, createWriteStream(to));
  print(styleOf(command), {
    json: () => ({ schema: "export/1", path: resolve(to) }),
    text: () => `ranges of task ${task} written to ${resolve(to)}`,
    quiet: () => resolve(to),
  });
}
