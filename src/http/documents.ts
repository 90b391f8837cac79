/** The documents that the API answers with, and their schemas. */
import type { TaskView } from "../broker/index.ts";
import type { JsonSchema } from "../task/index.ts";

/** `task/1`: what `jumbo show --output json` prints. */
export function taskDocument(view: TaskView): Record<string, unknown> {
  return { schema: "task/1", ...view };
}

/** A row of `tasks/1`: the task without its spec, which may be long. */
export function taskRow(view: TaskView): Record<string, unknown> {
  const { spec: _, ...row } = view;
  return row;
}

const number: JsonSchema = { type: "number" };
const text: JsonSchema = { type: "string" };
const flag: JsonSchema = { type: "boolean" };

function object(properties: Record<string, JsonSchema>, description?: string): JsonSchema {
  const head = { type: "object", properties, required: Object.keys(properties) };
  return description === undefined ? head : { ...head, description };
}

function list(items: JsonSchema): JsonSchema {
  return { type: "array", items };
}

function tag(name: string): JsonSchema {
  return { type: "string", const: name };
}

const COUNTS = object({
  total: number,
  ready: number,
  leased: number,
  done: number,
  merged: number,
  failed: number,
  cancelled: number,
});

const TASK_PROPERTIES: Record<string, JsonSchema> = {
  id: number,
  name: text,
  owner: text,
  state: { type: "string", enum: ["open", "merging", "done", "failed", "cancelled"] },
  events: COUNTS,
  ranges: COUNTS,
  attempts: number,
  files: list(
    object({ path: text, bytes: number, sha256: text, firstRange: number, ranges: number }),
  ),
  manifest: text,
  failures: list(object({ reason: text, ranges: number, example: number })),
  seconds: number,
  priority: number,
  createdWallMs: number,
  problem: text,
  rangesPerSecond: number,
  etaSeconds: { type: "number", description: "-1: unknown" },
};

export const TASK_DOCUMENT = object({
  schema: tag("task/1"),
  ...TASK_PROPERTIES,
  spec: { type: "object", description: "The task object with its defaults and absolute paths." },
});
const SPLIT = object(
  { total: number, useful: number, startup: number, edge: number, idle: number, running: number },
  "Core-seconds; useful, startup, edge and idle add up to total, running is a part of edge.",
);
const FORECAST = object(
  {
    seconds: { type: "number", description: "-1: nothing can be said" },
    low: number,
    high: number,
    known: { type: "string", enum: ["measured", "hint", "rate", "nothing"] },
    ranges: number,
    slots: number,
    meanSeconds: { type: "number", description: "Of a range; -1: unknown" },
    cv: number,
    relativeError: number,
  },
  "When the last range will be done, seconds from now.",
);
const ALLOCATION = object({
  queue: text,
  allocation: text,
  pilots: list(text),
  connected: number,
  slots: number,
  split: SPLIT,
  taskCoreSeconds: { type: "number", description: "Useful core-seconds of this task." },
});
/** `task/1` of one task that is asked for by itself: with how it stands. */
export const TASK_SHOWN_DOCUMENT = object({
  schema: tag("task/1"),
  ...TASK_PROPERTIES,
  spec: { type: "object", description: "The task object with its defaults and absolute paths." },
  forecast: FORECAST,
  split: SPLIT,
  allocations: list(ALLOCATION),
  allocationsLeft: { type: "number", description: "How many more are only in the sum." },
});
export const PILOT_EXPLANATION_DOCUMENT = object({
  schema: tag("pilot-explanation/1"),
  pilot: text,
  lines: list(text),
});
export const TASKS_DOCUMENT = object({
  schema: tag("tasks/1"),
  tasks: list(object(TASK_PROPERTIES)),
});
export const SUBMITTED_DOCUMENT = object({
  schema: tag("submitted/1"),
  task: number,
  existed: flag,
});
export const RANGES_CHANGED_DOCUMENT = object({
  schema: tag("ranges-changed/1"),
  task: number,
  ranges: number,
});
export const EXPLANATION_DOCUMENT = object({
  schema: tag("explanation/1"),
  task: number,
  lines: list(text),
});
const PILOT = object({
  number,
  pilotId: text,
  queue: text,
  allocation: text,
  software: text,
  nodes: list(object({ name: text, cores: number, slots: number })),
  slots: number,
  freeSlots: number,
  held: number,
  running: number,
  secondsLeft: { type: "number", description: "-1: unknown" },
  connectedSeconds: number,
  done: number,
  draining: flag,
});
export const PILOTS_DOCUMENT = object({ schema: tag("pilots/1"), pilots: list(PILOT) });
const TOKEN: Record<string, JsonSchema> = {
  id: text,
  owner: text,
  scope: { type: "string", enum: ["read", "write", "admin"] },
  createdWallMs: number,
  expiresWallMs: { type: "number", description: "0: never" },
};
export const TOKENS_DOCUMENT = object({ schema: tag("tokens/1"), tokens: list(object(TOKEN)) });
export const TOKEN_DOCUMENT = object({
  schema: tag("token/1"),
  ...TOKEN,
  token: { type: "string", description: "The secret; shown this once." },
});
export const KEY_REVOKED_DOCUMENT = object({
  schema: tag("pilot-key-revoked/1"),
  identity: text,
  sessions: { type: "number", description: "Of pilots that were connected with it." },
});
export const HEALTH_DOCUMENT = object({ schema: tag("health/1"), status: text });
export const ERROR_DOCUMENT: JsonSchema = {
  type: "object",
  properties: { schema: tag("error/1"), code: text, message: text, subject: text },
  required: ["schema", "code", "message"],
};
