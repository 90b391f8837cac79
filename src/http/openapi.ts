/** The OpenAPI 3.1 document, made from the list of routes. */
import { PROTOCOL_VERSION } from "../wire/index.ts";
import { ERROR_DOCUMENT } from "./documents.ts";
import type { Route } from "./route.ts";

export function openApiOf(
  routes: readonly Route[],
  prefix: string,
  software: string,
): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = prefix + route.path.replaceAll(/:([a-z]+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Jumbo",
      version: "1",
      description: "Event-level processing engine: tasks, ranges, pilots, tokens.",
      "x-software": software,
      "x-pilot-protocol": PROTOCOL_VERSION,
    },
    paths,
    components: {
      schemas: { error: ERROR_DOCUMENT },
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
    },
    security: [{ token: [] }],
  };
}

function operationOf(route: Route): Record<string, unknown> {
  const names = [...route.path.matchAll(/:([a-z]+)/g)].map((match) => match[1] as string);
  const inPath = names.map((name) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const inQuery = Object.entries(route.query ?? {}).map(([name, schema]) => ({
    name,
    in: "query",
    required: false,
    schema,
  }));
  const responses: Record<string, unknown> = {};
  for (const answer of route.answers) {
    const mediaType = answer.mediaType ?? "application/json";
    const content = { [mediaType]: { schema: answer.document } };
    responses[answer.status] = { description: answer.description, content };
  }
  const error = { "application/json": { schema: { $ref: "#/components/schemas/error" } } };
  responses["default"] = {
    description: "What went wrong, why, and what would be right.",
    content: error,
  };
  const body = { required: true, content: { "application/json": { schema: route.body } } };
  return {
    summary: route.summary,
    ...(inPath.length + inQuery.length > 0 ? { parameters: [...inPath, ...inQuery] } : {}),
    ...(route.body === undefined ? {} : { requestBody: body }),
    ...(route.scope === null ? { security: [] } : { "x-scope": route.scope }),
    responses,
  };
}
