/**
 * The HTTP API under /api/v1: fastify, routes as data, a token on every call (also on loopback),
 * and a time limit on everything a client sends, since fastify's own are off by default.
 *
 * `/healthz`, `/metrics` and `/openapi.json` are also served at the root, where probes look.
 * Nothing secret is logged or put into an error; what is unexpected is told to `onInternalError`.
 */
import { chmodSync } from "node:fs";
import { isIPv6 } from "node:net";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { assert, JumboError, messageOf, TASK_FILE_BYTES_MAX } from "../base/index.ts";
import type { EngineClient } from "../broker/index.ts";
import type { Fleet } from "../fleet/index.ts";
import { clearUnixPath, type GatewayCounters } from "../gateway/index.ts";
import type { TaskFile, TaskSpec } from "../task/index.ts";
import { openApiOf } from "./openapi.ts";
import { ENGINE_ROUTES, PILOT_KEY_ROUTES, PILOT_ROUTES, TOKEN_ROUTES } from "./other-routes.ts";
import { QUEUE_ROUTES } from "./queue-routes.ts";
import type { Call, HttpParts, Route, Weigh } from "./route.ts";
import { TASK_ROUTES } from "./task-routes.ts";
import { authenticate, type Caller, hasUsableToken, scopeHolds } from "./tokens.ts";

export interface HttpLimits {
  /** Time for a request's headers, and for the whole of it. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** Time in which a client must take something of an answer that is being streamed. */
  readonly stallTimeoutMs: number;
  readonly connectionsMax: number;
}

export const HTTP_LIMITS: HttpLimits = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  stallTimeoutMs: 60_000,
  connectionsMax: 4_096,
};

/** Where to listen: a host and port (0 picks one), or the path of a unix socket. */
export type HttpAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

export type HttpOptions = HttpAddress & HttpRooms & HttpManner;

/** What an API can be prepared with before there is an engine. */
export interface HttpManner {
  /** Version of the software, for the API's description. */
  readonly version?: string;
  readonly onInternalError?: (error: unknown) => void;
  readonly limits?: Partial<HttpLimits>;
}

export interface HttpRooms {
  /** Counts and indexes the inputs of a task (the scan room's `scanTask`). */
  readonly scan: (spec: TaskSpec) => Promise<TaskFile[]>;
  /** Reads cost weights (the scan room's `weighTask`); absent: none are read. */
  readonly weigh?: Weigh;
  /** Counters of the listeners for pilots, shown besides the core's numbers. */
  readonly gateway?: () => GatewayCounters;
  /** The queues that give allocations; without it their routes say that there are none. */
  readonly fleet?: Fleet;
}

export interface HttpServer {
  /** `http://host:port`, or `unix:/path`. */
  readonly url: string;
  close(): Promise<void>;
}

const HEADER_BYTES_MAX = 16 * 1024;
export const API_PREFIX = "/api/v1";
const NOBODY: Caller = { tokenId: "", owner: "", scope: "read" };

/** Serves until `close`. Throws what `PreparedHttp.serve` throws. */
export async function startHttp(client: EngineClient, options: HttpOptions): Promise<HttpServer> {
  return (await prepareHttp(options)).serve(client, options);
}

/** The API with all its routes, which nobody reaches yet. */
export interface PreparedHttp {
  /**
   * Throws JumboError("refused") for an address beyond loopback while no token exists, "conflict"
   * or "usage" if it can't listen. Once only.
   */
  serve(client: EngineClient, options: HttpAddress & HttpRooms): Promise<HttpServer>;
}

/** A tenth of a second of work that a start does while the core reads its books back. */
export async function prepareHttp(manner: HttpManner): Promise<PreparedHttp> {
  const limits = { ...HTTP_LIMITS, ...manner.limits };
  const app = makeApp(limits, manner.onInternalError ?? ((error) => console.error(error)));
  let served: HttpParts | null = null;
  const partsOf = () => {
    assert(served, "a request came before the API was served");
    return served;
  };
  addRoutes(app, partsOf, manner.version ?? "");
  app.server.maxConnections = limits.connectionsMax;
  await app.ready();
  return {
    serve: async (client, options) => {
      await requireTokenBeyondLoopback(client, options);
      const parts = httpParts(client, options);
      served = parts;
      const stop = client.onEvent((event) => {
        if (event.type === "failstop") parts.failure = event.message;
      });
      const url = await open(app, options);
      return {
        url,
        close: async () => {
          stop();
          await app.close();
        },
      };
    },
  };
}

async function requireTokenBeyondLoopback(
  client: EngineClient,
  options: HttpAddress,
): Promise<void> {
  const host = "host" in options ? options.host : "localhost";
  if (isLoopback(host) || (await hasUsableToken(client))) return;
  throw new JumboError(
    "refused",
    `can't serve HTTP on ${host} (it can be reached from outside, and no token exists) ` +
      "make a token first, or listen on 127.0.0.1",
    { subject: host },
  );
}

function httpParts(client: EngineClient, rooms: HttpRooms): HttpParts {
  return {
    client,
    scan: rooms.scan,
    weigh: rooms.weigh ?? (() => Promise.resolve(null)),
    metrics: () => rooms.gateway?.().metrics() ?? {},
    fleet: rooms.fleet ?? null,
    failure: null,
  };
}

function makeApp(limits: HttpLimits, onInternalError: (error: unknown) => void): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: TASK_FILE_BYTES_MAX,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: 5_000,
    forceCloseConnections: true,
    // Headers are bounded as a whole, so that any name can get its 404 in our own words.
    routerOptions: { maxParamLength: HEADER_BYTES_MAX },
    frameworkErrors: (error, _request, reply) => {
      void answerError(error, reply as FastifyReply, onInternalError);
    },
    http: {
      headersTimeout: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
      connectionsCheckingInterval: Math.min(1_000, limits.headersTimeoutMs),
      maxHeaderSize: HEADER_BYTES_MAX,
    },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true, useDefaults: false } },
  });
  // Waits and quiet event streams may be silent for long; a stalled download may not.
  app.addHook("onSend", async (_request, reply, payload) => {
    const streamed = typeof payload === "object" && payload !== null && "pipe" in payload;
    if (streamed) reply.raw.setTimeout(limits.stallTimeoutMs, () => reply.raw.destroy());
    return payload;
  });
  app.setErrorHandler((error, _request, reply) => answerError(error, reply, onInternalError));
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?")[0];
    const message =
      `no route ${request.method} ${path} (the API has none of that name) ` +
      `see ${API_PREFIX}/openapi.json`;
    return reply.code(404).send(new JumboError("not_found", message).toJSON());
  });
  return app;
}

function addRoutes(app: FastifyInstance, partsOf: () => HttpParts, version: string): void {
  const api = [
    ...TASK_ROUTES,
    ...PILOT_ROUTES,
    ...QUEUE_ROUTES,
    ...TOKEN_ROUTES,
    ...PILOT_KEY_ROUTES,
    ...ENGINE_ROUTES,
  ];
  const described: Route = {
    method: "GET",
    path: "/openapi.json",
    summary: "This document.",
    scope: null,
    answers: [{ status: 200, document: { type: "object" }, description: "OpenAPI 3.1." }],
    handle: async () => openApi,
  };
  const openApi = openApiOf([...api, described], API_PREFIX, version);
  for (const route of [...api, described]) addRoute(app, partsOf, route, API_PREFIX);
  for (const route of [...ENGINE_ROUTES, described]) addRoute(app, partsOf, route, "");
}

function addRoute(
  app: FastifyInstance,
  partsOf: () => HttpParts,
  route: Route,
  prefix: string,
): void {
  const callers = new WeakMap<FastifyRequest, Caller>();
  const querystring = {
    type: "object",
    properties: withoutDefaults(route.query ?? {}),
    additionalProperties: false,
  };
  app.route({
    method: route.method,
    url: prefix + route.path,
    schema: { querystring },
    // Before the body is read: who may not speak is not listened to.
    onRequest: async (request) => {
      if (route.scope === null) return;
      callers.set(request, await callerOf(partsOf().client, request, route));
    },
    handler: async (request, reply) => {
      const call: Call = {
        caller: callers.get(request) ?? NOBODY,
        params: request.params as Call["params"],
        query: request.query as Call["query"],
        body: request.body,
        reply,
      };
      const answer = await route.handle(partsOf(), call);
      return answer === undefined ? reply : answer;
    },
  });
}

/** Fastify's schema compiler takes defaults as values to fill in; handlers know their own. */
function withoutDefaults(query: NonNullable<Route["query"]>): Record<string, unknown> {
  const entries = Object.entries(query).map(([name, { default: _, ...schema }]) => [name, schema]);
  return Object.fromEntries(entries) as Record<string, unknown>;
}

async function callerOf(
  client: EngineClient,
  request: FastifyRequest,
  route: Route,
): Promise<Caller> {
  const header = request.headers.authorization ?? "";
  const token = /^Bearer ([\x21-\x7e]+)$/i.exec(header)?.[1];
  const caller = token === undefined ? null : await authenticate(client, token);
  if (caller === null) {
    const why = header === "" ? "none came" : "it is unknown, revoked, or over";
    throw new JumboError(
      "unauthorized",
      `a valid token is needed (${why}) send "Authorization: Bearer TOKEN"; the access ` +
        "file of the engine has one",
    );
  }
  if (route.scope !== null && !scopeHolds(caller.scope, route.scope)) {
    throw new JumboError(
      "refused",
      `the token's scope is ${caller.scope} (this needs ${route.scope}) use another token`,
    );
  }
  return caller;
}

function answerError(
  error: unknown,
  reply: FastifyReply,
  onInternalError: (error: unknown) => void,
): FastifyReply {
  if (error instanceof JumboError) {
    if (error.httpStatus === 401) reply.header("www-authenticate", "Bearer");
    return reply.code(error.httpStatus).send(error.toJSON());
  }
  const { statusCode = 500, validation } = error as { statusCode?: number; validation?: unknown };
  if (statusCode >= 400 && statusCode < 500) {
    const what = validation === undefined ? "the request is not understood" : "the query is wrong";
    const message = `${what} (${messageOf(error)}) see ${API_PREFIX}/openapi.json`;
    return reply.code(statusCode).send(new JumboError("usage", message).toJSON());
  }
  onInternalError(error);
  const message = "something unexpected happened (this is a mistake of the engine) see its log";
  return reply.code(500).send({ schema: "error/1", code: "internal", message });
}

async function open(app: FastifyInstance, listen: HttpAddress): Promise<string> {
  const where = "path" in listen ? listen.path : `${listen.host}:${listen.port}`;
  try {
    if ("path" in listen) {
      await clearUnixPath(listen.path);
      await app.listen({ path: listen.path });
      chmodSync(listen.path, 0o600);
      return `unix:${listen.path}`;
    }
    await app.listen({ host: listen.host, port: listen.port });
  } catch (error) {
    await app.close();
    if (error instanceof JumboError) throw error;
    const taken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
    const right = taken ? "stop what listens there, or choose another" : "choose another address";
    const message = `can't serve HTTP on ${where} (${messageOf(error)}) ${right}`;
    throw new JumboError(taken ? "conflict" : "usage", message, { subject: where, cause: error });
  }
  const bound = app.server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : listen.port;
  return `http://${isIPv6(listen.host) ? `[${listen.host}]` : listen.host}:${port}`;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
