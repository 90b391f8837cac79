/** Routes of pilots, tokens, and the engine itself. */
import { JumboError } from "../base/index.ts";
import {
  HEALTH_DOCUMENT,
  KEY_REVOKED_DOCUMENT,
  PILOT_EXPLANATION_DOCUMENT,
  PILOTS_DOCUMENT,
  TOKEN_DOCUMENT,
  TOKENS_DOCUMENT,
} from "./documents.ts";
import { METRICS_MEDIA_TYPE, metricsText } from "./metrics-text.ts";
import type { Call, HttpParts, Route } from "./route.ts";
import {
  createToken,
  listTokens,
  revokeToken,
  SCOPES,
  type Scope,
  scopeHolds,
  type TokenView,
} from "./tokens.ts";

const DONE = { type: "object", additionalProperties: false } as const;

export const PILOT_ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/pilots",
    summary: "Lists the pilots that are connected.",
    scope: "read",
    answers: [{ status: 200, document: PILOTS_DOCUMENT, description: "Pilots." }],
    handle: async ({ client }) => ({ schema: "pilots/1", pilots: await client.ask("pilots", {}) }),
  },
  {
    method: "GET",
    path: "/pilots/:pilot/explain",
    summary: "Says in words why a pilot (by number, id or node) has the work that it has, or none.",
    scope: "admin",
    answers: [{ status: 200, document: PILOT_EXPLANATION_DOCUMENT, description: "Lines." }],
    handle: async ({ client }, { params }) => {
      const pilot = params["pilot"] as string;
      return { schema: "pilot-explanation/1", ...(await client.ask("explainPilot", { pilot })) };
    },
  },
  {
    method: "POST",
    path: "/pilots/:pilot/drain",
    summary: "Lets a pilot finish what it runs and leave.",
    scope: "admin",
    answers: [{ status: 200, document: DONE, description: "It was told." }],
    handle: async ({ client }, { params, caller }) => {
      const text = params["pilot"] as string;
      if (!/^[1-9]\d{0,9}$/.test(text)) {
        throw new JumboError(
          "usage",
          `"pilot" is ${JSON.stringify(text)} (pilots have numbers from 1) list the pilots ` +
            "to see them",
          { subject: "pilot" },
        );
      }
      const reason = `asked for by ${caller.owner}`;
      await client.ask("drainPilot", { pilot: Number(text), reason });
      return {};
    },
  },
];

export const TOKEN_ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/tokens",
    summary: "Lists the owner's tokens (an admin: all), without their secrets.",
    scope: "read",
    answers: [{ status: 200, document: TOKENS_DOCUMENT, description: "Tokens." }],
    handle: async (parts, call) => ({
      schema: "tokens/1",
      tokens: await visibleTokens(parts, call),
    }),
  },
  {
    method: "POST",
    path: "/tokens",
    summary: "Makes a token; its secret is in this answer and nowhere else.",
    scope: "write",
    body: {
      type: "object",
      properties: {
        owner: {
          type: "string",
          default: "",
          description: "Empty: the caller; others: admin only.",
        },
        scope: { type: "string", enum: SCOPES, default: "write" },
        expiresWallMs: {
          type: "number",
          default: 0,
          description: "When it ends, milliseconds since 1970; 0: never.",
        },
      },
      additionalProperties: false,
    },
    answers: [{ status: 201, document: TOKEN_DOCUMENT, description: "The token." }],
    handle: makeToken,
  },
  {
    method: "DELETE",
    path: "/tokens/:token",
    summary: "Revokes a token by its id; it is refused from then on.",
    scope: "write",
    answers: [{ status: 200, document: DONE, description: "It is gone." }],
    handle: async (parts, call) => {
      const id = call.params["token"] as string;
      const seen = await visibleTokens(parts, call);
      if (!seen.some((token) => token.id === id)) throw unknownToken(id);
      await revokeToken(parts.client, id);
      return {};
    },
  },
];

export const PILOT_KEY_ROUTES: readonly Route[] = [
  {
    method: "POST",
    path: "/pilot-keys/revoke",
    summary:
      "Takes an allocation's key back: its pilots are disconnected and refused from then on.",
    scope: "admin",
    body: {
      type: "object",
      properties: {
        identity: { type: "string", description: "The pilotIdentity of its access file." },
      },
      required: ["identity"],
      additionalProperties: false,
    },
    answers: [{ status: 200, document: KEY_REVOKED_DOCUMENT, description: "It is revoked." }],
    handle: async ({ client }, { body }) => {
      const identity = identityOf(body);
      const { sessions } = await client.ask("revokePilotKey", { identity });
      return { schema: "pilot-key-revoked/1", identity, sessions };
    },
  },
];

export const ENGINE_ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/healthz",
    summary: "Whether the engine runs; open to everyone and says nothing else.",
    scope: null,
    answers: [{ status: 200, document: HEALTH_DOCUMENT, description: "It runs." }],
    handle: async ({ failure }) => {
      if (failure === null) return { schema: "health/1", status: "ok" };
      throw new JumboError(
        "store_io",
        "the engine has stopped (its store failed, so nothing more is acknowledged) see " +
          "its log and start it again",
      );
    },
  },
  {
    method: "GET",
    path: "/metrics",
    summary: "Numbers of the engine as Prometheus text.",
    scope: "read",
    answers: [
      {
        status: 200,
        mediaType: "text/plain",
        document: { type: "string" },
        description: "Exposition format 0.0.4.",
      },
    ],
    handle: async (parts, { reply }) => {
      const core = await parts.client.ask("metrics", {});
      const text = metricsText({ ...core, ...parts.metrics() });
      await reply.header("content-type", METRICS_MEDIA_TYPE).send(text);
      return undefined;
    },
  },
];

async function visibleTokens(parts: HttpParts, { caller }: Call): Promise<TokenView[]> {
  const tokens = await listTokens(parts.client);
  return tokens.filter((token) => caller.scope === "admin" || token.owner === caller.owner);
}

async function makeToken(parts: HttpParts, call: Call): Promise<unknown> {
  const { caller } = call;
  const body = (call.body ?? {}) as Record<string, unknown>;
  const { owner: named = "", scope = "write", expiresWallMs = 0, ...unknown } = body;
  const owner = named === "" ? caller.owner : named;
  const strange = Object.keys(unknown)[0];
  if (strange !== undefined) {
    throw usage(strange, "is unknown", "a token has owner, scope and expiresWallMs", "take it out");
  }
  if (typeof owner !== "string") throw usage("owner", "is no text", "it is a name", "write one");
  if (!SCOPES.includes(scope as Scope)) {
    throw usage(
      "scope",
      "is not known",
      "it says what the token may do",
      `choose ${SCOPES.join(", ")}`,
    );
  }
  if (typeof expiresWallMs !== "number") {
    const right = "write milliseconds since 1970, or 0 for a token without end";
    throw usage("expiresWallMs", "is no number", "it is a time", right);
  }
  const beyond = !scopeHolds(caller.scope, scope as Scope);
  if (beyond || (owner !== caller.owner && caller.scope !== "admin")) {
    const key = beyond ? "scope" : "owner";
    throw new JumboError(
      "refused",
      `"${key}" is beyond the caller's own (a token gives no more than its maker has) ask an admin`,
      { subject: key },
    );
  }
  const request = { owner, scope: scope as Scope, expiresWallMs: Math.ceil(expiresWallMs) };
  const made = await createToken(parts.client, request);
  call.reply.code(201).header("cache-control", "no-store");
  return { schema: "token/1", ...made.view, token: made.token };
}

function identityOf(body: unknown): string {
  const { identity, ...unknown } = (body ?? {}) as Record<string, unknown>;
  const strange = Object.keys(unknown)[0];
  if (strange !== undefined) {
    throw usage(strange, "is unknown", "a key is revoked by its identity", "take it out");
  }
  if (typeof identity === "string") return identity;
  const right = "write the pilotIdentity of the key's access file";
  throw usage("identity", "is no text", "it says which key", right);
}

function unknownToken(id: string): JumboError {
  return new JumboError(
    "not_found",
    `no token ${JSON.stringify(id)} (none that this token may see has that id) list tokens ` +
      "to see their ids",
    { subject: "token" },
  );
}

function usage(key: string, problem: string, why: string, right: string): JumboError {
  return new JumboError("usage", `"${key}" ${problem} (${why}) ${right}`, { subject: key });
}
