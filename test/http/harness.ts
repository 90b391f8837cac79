/** An engine with HTTP in front, some tokens, and calls as clients make them. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { type Engine, type EngineClient, startEngine } from "../../src/broker/index.ts";
import { GatewayCounters } from "../../src/gateway/index.ts";
import { createToken, type HttpServer, startHttp } from "../../src/http/index.ts";
import type { TaskFile, TaskSpec } from "../../src/task/index.ts";

export const dir = mkdtempSync(join(tmpdir(), "jumbo-http-"));
export const results = join(dir, "results");
for (const [name, lines] of [
  ["a.csv", 5],
  ["b.csv", 3],
] as const) {
  writeFileSync(join(dir, name), `h\n${"1\n".repeat(lines)}`);
}

let engine: Engine;
export let client: EngineClient;
export let server: HttpServer;
/** By who: ann and bob write, reader reads ann's, admin is all. */
export const tokens: Record<string, string> = {};
const unexpected: unknown[] = [];

/** Before and after all tests of the file. */
export function serveForTests(): void {
  beforeAll(async () => {
    engine = await startEngine({ storeDir: join(dir, "store"), inline: true });
    client = engine.client;
    const wanted = [
      ["ann", "ann", "write"],
      ["bob", "bob", "write"],
      ["reader", "ann", "read"],
      ["admin", "root", "admin"],
    ] as const;
    for (const [name, owner, scope] of wanted) {
      const made = await createToken(client, { owner, scope, expiresWallMs: 0 });
      tokens[name] = made.token;
    }
    const onInternalError = (error: unknown) => unexpected.push(error);
    const counters = new GatewayCounters();
    const gateway = () => counters;
    server = await startHttp(client, {
      host: "127.0.0.1",
      port: 0,
      scan,
      gateway,
      onInternalError,
    });
  });

  afterAll(async () => {
    await server?.close();
    await engine?.stop();
    rmSync(dir, { recursive: true, force: true });
    expect(unexpected).toEqual([]);
  });
}

/** Stands for the scan room: events are the lines behind the header. */
export async function scan(spec: TaskSpec): Promise<TaskFile[]> {
  const { count, files } = spec.input;
  const sources = count === null ? files : [""];
  return sources.map((source) => ({
    source,
    path: source,
    format: count === null ? "csv" : "",
    variant: "",
    tree: "",
    events: count ?? (source.endsWith("a.csv") ? 5 : 3),
    sizeBytes: source === "" ? -1 : statSync(source).size,
    mtimeMs: 0,
    sha256: "00",
    indexPath: "",
    header: [],
    footer: [],
    clusters: [],
    notes: [],
  }));
}

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: documents of many schemas are looked into
  json: any;
  headers: Headers;
}

export async function call(
  who: string | null,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  const headers: Record<string, string> = {};
  if (who !== null) headers["authorization"] = `Bearer ${tokens[who] ?? who}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const url = `${server.url}${path.startsWith("/api") ? "" : "/api/v1"}${path}`;
  const response = await fetch(url, { method, headers, body: text ?? null });
  const content = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json");
  return {
    status: response.status,
    json: isJson ? JSON.parse(content) : content,
    headers: response.headers,
  };
}

export function task(name: string, change: object = {}): object {
  return {
    name,
    input: { count: 10 },
    payload: { command: [":null"] },
    output: { name: `${name}.jsonl`, allowEmpty: true },
    ...change,
  };
}

export const FOLDERS = `?taskDir=${encodeURIComponent(dir)}&results=${encodeURIComponent(results)}`;
export const submit = (who: string, body: object) => call(who, "POST", `/tasks${FOLDERS}`, body);
