/** Documents of the queue routes, for the API's description. */
import type { JsonSchema } from "../task/index.ts";

const number = { type: "number" } as const;
const text = { type: "string" } as const;
const list = (items: JsonSchema): JsonSchema => ({ type: "array", items });
const tag = (name: string): JsonSchema => ({ type: "string", const: name });

function object(properties: Record<string, JsonSchema>): JsonSchema {
  return { type: "object", properties, required: Object.keys(properties) };
}

const ALLOCATION = object({
  id: text,
  jobId: { type: "string", description: 'The site\'s id; "" while it is submitted.' },
  phase: { type: "string", enum: ["submitting", "pending", "running", "ended"] },
  state: { type: "string", description: "The site's last word." },
  reason: text,
  nodes: list(text),
  seconds: { type: "number", description: "Walltime." },
  why: { type: "string", description: "The reason for this shape." },
  submittedSeconds: { type: "number", description: "Seconds since 1970, like all times here." },
  startSeconds: { type: "number", description: "0: it has not begun." },
  endSeconds: number,
  exitCode: number,
  startupSeconds: { type: "number", description: "Begin to first pilot's word; -1: none yet." },
  cancelled: { type: "string", description: 'Why we took it back; "" if we did not.' },
});

const QUEUE_PROPERTIES: Record<string, JsonSchema> = {
  name: text,
  kind: { type: "string", enum: ["local", "slurm"] },
  paused: { type: "boolean" },
  settings: { type: "object", description: "With defaults; see docs/operating/queues.md." },
  problem: { type: "string", description: 'The last trouble in words; "" if there is none.' },
  heldUntilSeconds: number,
  lookedSeconds: { type: "number", description: "Last look at the site; 0: none yet." },
  startupSeconds: { type: "number", description: "S as learned; -1: nothing yet." },
  allocations: list(ALLOCATION),
};

export const QUEUE_DOCUMENT = object({ schema: tag("queue/1"), ...QUEUE_PROPERTIES });
export const QUEUES_DOCUMENT = object({
  schema: tag("queues/1"),
  queues: list(object(QUEUE_PROPERTIES)),
});

export const DRY_RUN_DOCUMENT = object({
  schema: tag("dry-run/1"),
  queue: text,
  holes: list(
    object({ nodes: list(text), cores: number, seconds: number, endsSeconds: number, why: text }),
  ),
  steps: list(object({ nodes: number, seconds: number })),
  shapes: list(
    object({
      nodes: list(text),
      seconds: number,
      usefulNodeSeconds: number,
      ranges: number,
      reason: text,
    }),
  ),
  none: { type: "string", description: 'Why there are no shapes; "" where there are.' },
  notes: list(text),
});
