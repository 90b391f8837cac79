/**
 * A route as data: from one list of these the server registers its handlers and the OpenAPI
 * document is made, so that what is documented is what is served.
 */
import type { FastifyReply } from "fastify";
import type { EngineClient, EngineMetrics } from "../broker/index.ts";
import type { Fleet } from "../fleet/index.ts";
import type { JsonSchema, TaskFile, TaskSpec } from "../task/index.ts";
import type { Caller, Scope } from "./tokens.ts";

/** What routes work with. */
export type Weigh = (
  spec: TaskSpec,
  files: readonly TaskFile[],
  before?: readonly TaskFile[],
) => Promise<Float32Array | null>;

export interface HttpParts {
  readonly client: EngineClient;
  /** Counts and indexes the inputs of a task. */
  readonly scan: (spec: TaskSpec) => Promise<TaskFile[]>;
  /** Cost weights of a task's ranges, null if it tells none (the scan room's `weighTask`). */
  readonly weigh: Weigh;
  /** Numbers of this process besides the core's. */
  readonly metrics: () => EngineMetrics;
  /** The queues; null where the engine keeps none. */
  readonly fleet: Fleet | null;
  /** Set once the engine has stopped itself: why. */
  failure: string | null;
}

export interface Call {
  readonly caller: Caller;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | number | undefined>>;
  readonly body: unknown;
  readonly reply: FastifyReply;
}

export interface RouteAnswer {
  readonly status: number;
  readonly document: JsonSchema;
  readonly mediaType?: string;
  readonly description: string;
}

export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** Below /api/v1, in fastify's form: `/tasks/:task`. */
  readonly path: string;
  readonly summary: string;
  /** null: open to everyone. */
  readonly scope: Scope | null;
  readonly query?: Readonly<Record<string, JsonSchema>>;
  readonly body?: JsonSchema;
  readonly answers: readonly RouteAnswer[];
  /** Its value is sent as JSON; undefined: the handler has sent what there is. */
  handle(parts: HttpParts, call: Call): Promise<unknown>;
}
