/** Routes of tasks: submit, look, wait, change. Whose a task is decides who sees it (I11). */

import { isAbsolute } from "node:path";
import { Readable } from "node:stream";
import { JumboError } from "../base/index.ts";
import type { TaskView } from "../broker/index.ts";
import {
  checkAgainstScan,
  expandInputs,
  type JsonSchema,
  TASK_SCHEMA,
  validateTask,
} from "../task/index.ts";
import {
  EXPLANATION_DOCUMENT,
  RANGES_CHANGED_DOCUMENT,
  SUBMITTED_DOCUMENT,
  TASK_DOCUMENT,
  TASK_SHOWN_DOCUMENT,
  TASKS_DOCUMENT,
  taskDocument,
  taskRow,
} from "./documents.ts";
import { streamEvents } from "./event-stream.ts";
import { rangeStream } from "./range-stream.ts";
import type { Call, HttpParts, Route } from "./route.ts";

const WAIT_SECONDS_MAX = 600;
const WAIT_SECONDS_DEFAULT = 30;
/** Submissions being scanned at once; each may walk terabytes. */
const SCANS_MAX = 64;
export const ARROW_MEDIA_TYPE = "application/vnd.apache.arrow.stream";

const FOLDERS: Record<string, JsonSchema> = {
  taskDir: { type: "string", description: "Absolute folder: relative inputs start there." },
  results: {
    type: "string",
    description: "Absolute folder for the merged files; default: taskDir.",
  },
};

const ok = (document: JsonSchema, description: string) => ({ status: 200, document, description });

export const TASK_ROUTES: readonly Route[] = [
  {
    method: "POST",
    path: "/tasks",
    summary: "Submits a task; answered once it is on disk.",
    scope: "write",
    query: FOLDERS,
    body: TASK_SCHEMA,
    answers: [
      { status: 201, document: SUBMITTED_DOCUMENT, description: "A new task." },
      ok(SUBMITTED_DOCUMENT, "The same name and content was there already."),
    ],
    handle: submit,
  },
  {
    method: "GET",
    path: "/tasks",
    summary: "Lists the tasks that the token may see.",
    scope: "read",
    answers: [ok(TASKS_DOCUMENT, "Tasks in the order of their ids, without specs.")],
    handle: async ({ client }, { caller }) => {
      const views = await client.ask("list", {});
      const seen = views.filter((view) => caller.scope === "admin" || view.owner === caller.owner);
      return { schema: "tasks/1", tasks: seen.map(taskRow) };
    },
  },
  {
    method: "GET",
    path: "/tasks/:task",
    summary: "Shows a task by id or name.",
    scope: "read",
    answers: [ok(TASK_SHOWN_DOCUMENT, "The task, its forecast, and its core-seconds.")],
    handle: async (parts, call) => {
      const view = await ownTask(parts, call);
      const { task: _, ...standing } = await parts.client.ask("standing", { task: view.id });
      return { ...taskDocument(view), ...standing };
    },
  },
  {
    method: "POST",
    path: "/tasks/:task/cancel",
    summary: "Cancels a task; answered once it is on disk.",
    scope: "write",
    answers: [ok(TASK_DOCUMENT, "The task, cancelled.")],
    handle: async (parts, call) => {
      const { id: task } = await ownTask(parts, call);
      await parts.client.ask("cancel", { task });
      return taskDocument(await parts.client.ask("show", { task }));
    },
  },
  {
    method: "POST",
    path: "/tasks/:task/retry",
    summary: "Takes failed ranges up again, with all attempts and losses back.",
    scope: "write",
    answers: [ok(RANGES_CHANGED_DOCUMENT, "How many ranges are taken up again.")],
    handle: async (parts, call) => {
      const { id: task } = await ownTask(parts, call);
      const { ranges } = await parts.client.ask("retry", { task });
      return { schema: "ranges-changed/1", task, ranges };
    },
  },
  {
    method: "POST",
    path: "/tasks/:task/extend",
    summary: "Adds files at the end of a task.",
    scope: "write",
    body: {
      type: "object",
      properties: {
        files: { type: "array", items: { type: "string" }, minItems: 1 },
        again: { type: "boolean" },
      },
      required: ["files"],
      additionalProperties: false,
    },
    answers: [ok(RANGES_CHANGED_DOCUMENT, "How many ranges the task has now.")],
    handle: extend,
  },
  {
    method: "GET",
    path: "/tasks/:task/ranges",
    summary: "Streams the states of all ranges, one row a run of alike ranges of one file.",
    scope: "read",
    answers: [
      {
        status: 200,
        mediaType: ARROW_MEDIA_TYPE,
        document: { type: "string", contentMediaType: ARROW_MEDIA_TYPE },
        description: "An Arrow IPC stream.",
      },
    ],
    handle: async (parts, call) => {
      const view = await ownTask(parts, call);
      const bytes = await rangeStream(parts.client, view.id);
      const stream = Readable.from(bytes, { objectMode: false, highWaterMark: 256 * 1024 });
      call.reply.header("content-type", ARROW_MEDIA_TYPE).header("cache-control", "no-store");
      await call.reply.send(stream);
      return undefined;
    },
  },
  {
    method: "GET",
    path: "/tasks/:task/explain",
    summary: "Says in words why a task, or one of its ranges, is where it is.",
    scope: "read",
    query: { range: { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER } },
    answers: [ok(EXPLANATION_DOCUMENT, "Lines for people.")],
    handle: async (parts, call) => {
      const { id: task, ranges } = await ownTask(parts, call);
      const range = call.query["range"] === undefined ? null : Number(call.query["range"]);
      if (range !== null && range >= ranges.total) {
        throw new JumboError(
          "not_found",
          `no range ${range} in task ${task} (it has ${ranges.total}) ranges are counted from 0`,
          { subject: "range" },
        );
      }
      const { lines } = await parts.client.ask("explain", { task, range });
      return { schema: "explanation/1", task, lines };
    },
  },
  {
    method: "GET",
    path: "/tasks/:task/wait",
    summary: "Answers once the task has ended, merge included; 504 after the timeout.",
    scope: "read",
    query: {
      timeout: {
        type: "number",
        exclusiveMinimum: 0,
        maximum: WAIT_SECONDS_MAX,
        default: WAIT_SECONDS_DEFAULT,
        description: "Seconds.",
      },
    },
    answers: [ok(TASK_DOCUMENT, "The task, ended.")],
    handle: async (parts, call) => {
      const { id: task } = await ownTask(parts, call);
      const seconds = Number(call.query["timeout"] ?? WAIT_SECONDS_DEFAULT);
      const timeoutMs = Math.max(1, Math.ceil(seconds * 1000));
      return taskDocument(await parts.client.ask("wait", { task, timeoutMs }));
    },
  },
  {
    method: "GET",
    path: "/tasks/:task/events",
    summary: "Follows a task as server-sent events, until it has ended.",
    scope: "read",
    answers: [eventStream()],
    handle: async (parts, call) => streamEvents(parts, call, await ownTask(parts, call)),
  },
  {
    method: "GET",
    path: "/events",
    summary: "Follows all tasks that the token may see, and pilots, as server-sent events.",
    scope: "read",
    answers: [eventStream()],
    handle: (parts, call) => streamEvents(parts, call, null),
  },
];

function eventStream() {
  const document: JsonSchema = { type: "string" };
  const description = "Events `task` (a task/1 document), `pilot` and `failstop`.";
  return { status: 200, document, mediaType: "text/event-stream", description };
}

/** The named task, if the caller may know of it. Others' tasks are not there, for it. */
async function ownTask(parts: HttpParts, call: Call): Promise<TaskView> {
  const name = call.params["task"] as string;
  const notFound = () =>
    new JumboError(
      "not_found",
      `no task ${JSON.stringify(name)} (none that this token may see has that name or id) ` +
        "list the tasks to see their names",
      { subject: "task" },
    );
  const { task } = await parts.client.ask("find", { name }).catch((error: unknown) => {
    throw error instanceof JumboError && error.code === "not_found" ? notFound() : error;
  });
  const view = await parts.client.ask("show", { task });
  if (!isOwn(call, view.owner)) throw notFound();
  return view;
}

function isOwn({ caller }: Call, owner: string): boolean {
  return caller.scope === "admin" || caller.owner === owner;
}

let scans = 0;

/** Runs `work`, which scans inputs, unless too many do so already. */
async function scanning<Result>(work: () => Promise<Result>): Promise<Result> {
  if (scans >= SCANS_MAX) {
    throw new JumboError(
      "refused",
      `${scans} tasks are being scanned (no more are taken at once) submit it again later`,
    );
  }
  scans++;
  try {
    return await work();
  } finally {
    scans--;
  }
}

async function submit(parts: HttpParts, call: Call): Promise<unknown> {
  const taskDir = folderOf(call, "taskDir");
  const results = folderOf(call, "results") || taskDir;
  if (results === "") {
    throw new JumboError(
      "usage",
      `"results" is missing (without it and taskDir the merged files have no place) add ` +
        "?results=/absolute/folder",
      { subject: "results" },
    );
  }
  const spec = validateTask(call.body, { taskDir, results, ownerDefault: call.caller.owner });
  if (!isOwn(call, spec.owner)) {
    throw new JumboError(
      "refused",
      `"owner" is ${JSON.stringify(spec.owner)} (the token is ${call.caller.owner}'s) ` +
        "leave the key out",
      { subject: "owner" },
    );
  }
  const submitted = await scanning(async () => {
    const files = await parts.scan(spec);
    checkAgainstScan(spec, files);
    const weights = await parts.weigh(spec, files);
    return parts.client.ask("submit", { spec, files, weights });
  });
  if (submitted.existed) {
    const view = await parts.client.ask("show", { task: submitted.task });
    if (!isOwn(call, view.owner)) {
      throw new JumboError(
        "conflict",
        `task name "${spec.name}" is taken (another owner's task has it) choose another name`,
        { subject: "name" },
      );
    }
  }
  call.reply.code(submitted.existed ? 200 : 201);
  return { schema: "submitted/1", ...submitted };
}

async function extend(parts: HttpParts, call: Call): Promise<unknown> {
  const { id: task, spec } = await ownTask(parts, call);
  const { files: entries, again } = extensionOf(call.body);
  if (spec.input.count !== null) {
    throw new JumboError(
      "conflict",
      `task ${task} has a count as input (it has no files to add to) submit another task`,
    );
  }
  const files = expandInputs(entries, spec.taskDir);
  const ranges = await scanning(async () => {
    const added = await parts.scan({ ...spec, input: { ...spec.input, files } });
    const before = await parts.client.ask("files", { task });
    checkAgainstScan(spec, [...before, ...added]);
    const weights = await parts.weigh(spec, added, before);
    return parts.client.ask("extend", { task, files: added, again, weights });
  });
  return { schema: "ranges-changed/1", task, ranges: ranges.ranges };
}

function extensionOf(body: unknown): { files: string[]; again: boolean } {
  const object = typeof body === "object" && body !== null ? body : {};
  const { files, again = false, ...others } = object as { files?: unknown; again?: unknown };
  const right = Array.isArray(files) && files.every((entry) => typeof entry === "string");
  if (!right || files.length === 0 || Object.keys(others).length > 0) {
    throw new JumboError(
      "usage",
      `"files" is not a list of paths (an extension has them and "again", nothing else) write ` +
        `{"files": ["/data/more.lhe"]}`,
      { subject: "files" },
    );
  }
  if (typeof again === "boolean") return { files, again };
  throw new JumboError(
    "usage",
    `"again" is ${JSON.stringify(again)} (it says whether the task's last files are added once ` +
      "more) write true or false",
    { subject: "again" },
  );
}

function folderOf(call: Call, name: string): string {
  const folder = String(call.query[name] ?? "");
  if (folder === "" || (isAbsolute(folder) && !folder.includes("\0"))) return folder;
  throw new JumboError(
    "usage",
    `"${name}" is ${JSON.stringify(folder)} (the engine has no current folder of yours) ` +
      "write an absolute path",
    { subject: name },
  );
}
