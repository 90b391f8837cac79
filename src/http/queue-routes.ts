/** Routes of the queues that give allocations. What they run on a site is the operator's: admin. */
import { JumboError } from "../base/index.ts";
import type { Fleet } from "../fleet/index.ts";
import type { JsonSchema } from "../task/index.ts";
import { DRY_RUN_DOCUMENT, QUEUE_DOCUMENT, QUEUES_DOCUMENT } from "./queue-documents.ts";
import type { Call, HttpParts, Route } from "./route.ts";

const DONE: JsonSchema = { type: "object", additionalProperties: false };

export const QUEUE_ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/queues",
    summary: "Lists the queues with their allocations.",
    scope: "admin",
    answers: [{ status: 200, document: QUEUES_DOCUMENT, description: "Queues." }],
    handle: async (parts) => ({ schema: "queues/1", queues: fleetOf(parts).list() }),
  },
  {
    method: "POST",
    path: "/queues",
    summary: "Adds a queue; unless it is paused, allocations are asked for from now on.",
    scope: "admin",
    body: {
      type: "object",
      properties: {
        name: { type: "string" },
        paused: { type: "boolean", default: false },
        settings: { type: "object", description: "See docs/operating/queues.md." },
      },
      required: ["name", "settings"],
      additionalProperties: false,
    },
    answers: [{ status: 200, document: QUEUE_DOCUMENT, description: "It is kept." }],
    handle: async (parts, { body }) => {
      const { name, paused, settings } = bodyOf(body);
      const view = await fleetOf(parts).add(name, settings, paused);
      return { schema: "queue/1", ...view };
    },
  },
  {
    method: "GET",
    path: "/queues/:queue",
    summary: "Shows one queue.",
    scope: "admin",
    answers: [{ status: 200, document: QUEUE_DOCUMENT, description: "The queue." }],
    handle: async (parts, call) => ({ schema: "queue/1", ...fleetOf(parts).show(nameOf(call)) }),
  },
  {
    method: "DELETE",
    path: "/queues/:queue",
    summary: "Takes a queue's jobs back, waits up to 90 s for their ends, and forgets it.",
    scope: "admin",
    answers: [{ status: 200, document: DONE, description: "It is gone." }],
    handle: async (parts, call) => {
      await fleetOf(parts).remove(nameOf(call));
      return {};
    },
  },
  ...(["pause", "resume"] as const).map(
    (action): Route => ({
      method: "POST",
      path: `/queues/:queue/${action}`,
      summary:
        action === "pause"
          ? "Submits nothing more; what runs goes on."
          : "Submits again from now on; a hold after failures ends.",
      scope: "admin",
      answers: [{ status: 200, document: QUEUE_DOCUMENT, description: "The queue." }],
      handle: async (parts, call) => ({
        schema: "queue/1",
        ...(await fleetOf(parts)[action](nameOf(call))),
      }),
    }),
  ),
  {
    method: "GET",
    path: "/queues/:queue/dry-run",
    summary: "Looks at the site now and says what would be submitted, and why; submits nothing.",
    scope: "admin",
    answers: [{ status: 200, document: DRY_RUN_DOCUMENT, description: "Holes and shapes." }],
    handle: async (parts, call) => {
      const queue = nameOf(call);
      return { schema: "dry-run/1", queue, ...(await fleetOf(parts).dryRun(queue)) };
    },
  },
];

function fleetOf(parts: HttpParts): Fleet {
  if (parts.fleet !== null) return parts.fleet;
  throw new JumboError("refused", "this engine keeps no queues (it was started without them)");
}

function nameOf({ params }: Call): string {
  return params["queue"] as string;
}

function bodyOf(body: unknown): { name: unknown; paused: boolean; settings: unknown } {
  if (typeof body !== "object" || body === null) {
    throw new JumboError("usage", "the body is no JSON object (a queue has name and settings)");
  }
  const { name, settings, paused = false, ...others } = body as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined || typeof paused !== "boolean") {
    const key = unknown ?? "paused";
    throw new JumboError(
      "usage",
      `"${key}" of the queue is wrong (name, settings and true or false for paused are known)`,
      { subject: key },
    );
  }
  return { name, settings, paused };
}
