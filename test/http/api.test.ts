import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Engine, type EngineClient, startEngine } from "../../src/broker/index.ts";
import { GatewayCounters } from "../../src/gateway/index.ts";
import { createToken, type HttpServer, startHttp } from "../../src/http/index.ts";
import type { TaskFile, TaskSpec } from "../../src/task/index.ts";

const dir = mkdtempSync(join(tmpdir(), "jumbo-http-"));
const results = join(dir, "results");
for (const [name, lines] of [
  ["a.csv", 5],
  ["b.csv", 3],
] as const) {
  writeFileSync(join(dir, name), `h\n${"1\n".repeat(lines)}`);
}

let engine: Engine;
let client: EngineClient;
let server: HttpServer;
const tokens: Record<string, string> = {};
const unexpected: unknown[] = [];

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
  server = await startHttp(client, { host: "127.0.0.1", port: 0, scan, gateway, onInternalError });
});

afterAll(async () => {
  await server?.close();
  await engine?.stop();
  rmSync(dir, { recursive: true, force: true });
  expect(unexpected).toEqual([]);
});

/** Stands for the scan room: events are the lines behind the header. */
async function scan(spec: TaskSpec): Promise<TaskFile[]> {
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

async function call(
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

function task(name: string, change: object = {}): object {
  return {
    name,
    input: { count: 10 },
    payload: { command: [":null"] },
    output: { name: `${name}.jsonl`, allowEmpty: true },
    ...change,
  };
}

const FOLDERS = `?taskDir=${encodeURIComponent(dir)}&results=${encodeURIComponent(results)}`;
const submit = (who: string, body: object) => call(who, "POST", `/tasks${FOLDERS}`, body);

describe("tasks", () => {
  it("are submitted with relative paths, shown by id and name, and listed", async () => {
    const value = task("first", { input: { files: ["*.csv"] }, eventsPerRange: 2 });
    const made = await submit("ann", value);
    expect(made).toMatchObject({ status: 201, json: { schema: "submitted/1", existed: false } });
    const byId = await call("ann", "GET", `/tasks/${made.json.task}`);
    const byName = await call("reader", "GET", "/tasks/first");
    expect(byId.status).toBe(200);
    expect(byName.json.id).toBe(byId.json.id);
    expect(byId.json).toMatchObject({
      schema: "task/1",
      name: "first",
      owner: "ann",
      state: "open",
      events: { total: 8, ready: 8 },
      ranges: { total: 5, ready: 5 },
      spec: { taskDir: dir, input: { files: [join(dir, "a.csv"), join(dir, "b.csv")] } },
    });
    const listed = await call("ann", "GET", "/tasks");
    expect(listed.json.tasks.map((row: { name: string }) => row.name)).toContain("first");
    expect(listed.json.tasks[0]).not.toHaveProperty("spec");
  });

  it("submitted again are the same task; with other content they are a conflict", async () => {
    const made = await submit("ann", task("again"));
    const again = await submit("ann", task("again"));
    expect(again).toMatchObject({ status: 200, json: { task: made.json.task, existed: true } });
    const other = await submit("ann", task("again", { seed: 1 }));
    expect(other).toMatchObject({ status: 409, json: { schema: "error/1", code: "conflict" } });
  });

  it("that are wrong are refused like a task file, and nothing is stored", async () => {
    const wrong = await submit("ann", task("wrong", { evntsPerRange: 2 }));
    expect(wrong).toMatchObject({
      status: 400,
      json: { code: "task_invalid", subject: "evntsPerRange" },
    });
    expect(wrong.json.message).toMatch(/did you mean "eventsPerRange"/);
    const missing = await submit("ann", task("wrong", { input: { files: ["none.csv"] } }));
    expect(missing).toMatchObject({ status: 400, json: { code: "input_unreadable" } });
    expect((await call("ann", "GET", "/tasks/wrong")).status).toBe(404);
  });

  it("need absolute paths, or a taskDir; and a place for results", async () => {
    const value = task("absolute", { input: { files: ["a.csv"] } });
    const relative = await call("ann", "POST", `/tasks?results=${results}`, value);
    expect(relative).toMatchObject({ status: 400, json: { subject: "input.files[0]" } });
    const homeless = await call("ann", "POST", "/tasks", value);
    expect(homeless).toMatchObject({ status: 400, json: { code: "usage", subject: "results" } });
    const dotted = await call("ann", "POST", "/tasks?results=here", value);
    expect(dotted).toMatchObject({ status: 400, json: { subject: "results" } });
    const right = task("absolute", { input: { files: [join(dir, "a.csv")] } });
    const made = await call("ann", "POST", `/tasks?results=${results}`, right);
    expect(made.status).toBe(201);
  });

  it("can be cancelled, and then not retried", async () => {
    await submit("ann", task("gone"));
    const cancelled = await call("ann", "POST", "/tasks/gone/cancel", {});
    expect(cancelled).toMatchObject({ status: 200, json: { state: "cancelled" } });
    expect(cancelled.json.ranges).toMatchObject({ cancelled: 10, ready: 0 });
    const retried = await call("ann", "POST", "/tasks/gone/retry", {});
    expect(retried).toMatchObject({ status: 409, json: { code: "conflict" } });
  });

  it("grow by files, not twice by the same request, never by a count", async () => {
    await submit("ann", task("grows", { input: { files: ["a.csv"] } }));
    const more = await call("ann", "POST", "/tasks/grows/extend", { files: ["b.csv"] });
    expect(more).toMatchObject({ status: 200, json: { ranges: 8 } });
    expect((await call("ann", "GET", "/tasks/grows")).json.events.total).toBe(8);
    const lost = await call("ann", "POST", "/tasks/grows/extend", { files: ["b.csv"] });
    expect(lost).toMatchObject({ status: 409, json: { code: "conflict", subject: "files" } });
    expect((await call("ann", "GET", "/tasks/grows")).json.events.total).toBe(8);
    const again = { files: ["b.csv"], again: true };
    const meant = await call("ann", "POST", "/tasks/grows/extend", again);
    expect(meant).toMatchObject({ status: 200, json: { ranges: 11 } });
    const wrong = await call("ann", "POST", "/tasks/grows/extend", { ...again, again: 1 });
    expect(wrong).toMatchObject({ status: 400, json: { code: "usage" } });
    const empty = await call("ann", "POST", "/tasks/grows/extend", { files: [] });
    expect(empty).toMatchObject({ status: 400, json: { code: "usage", subject: "files" } });
    await submit("ann", task("counts"));
    const counted = await call("ann", "POST", "/tasks/counts/extend", { files: ["b.csv"] });
    expect(counted.status).toBe(409);
  });

  it("are explained, as a whole and by range", async () => {
    await submit("ann", task("why"));
    const whole = await call("ann", "GET", "/tasks/why/explain");
    expect(whole.json.lines.length).toBeGreaterThan(0);
    const one = await call("ann", "GET", "/tasks/why/explain?range=9");
    expect(one.json.lines.length).toBeGreaterThan(0);
    const beyond = await call("ann", "GET", "/tasks/why/explain?range=10");
    expect(beyond).toMatchObject({ status: 404, json: { subject: "range" } });
    const strange = await call("ann", "GET", "/tasks/why/explain?range=x");
    expect(strange).toMatchObject({ status: 400, json: { code: "usage" } });
    const unknown = await call("ann", "GET", "/tasks/why/explain?rnge=1");
    expect(unknown).toMatchObject({ status: 400, json: { code: "usage" } });
  });

  it("are waited for, until the end or the timeout", async () => {
    await submit("ann", task("slow"));
    const late = await call("ann", "GET", "/tasks/slow/wait?timeout=0.05");
    expect(late).toMatchObject({ status: 504, json: { code: "timed_out" } });
    const waiting = call("ann", "GET", "/tasks/slow/wait?timeout=20");
    await call("ann", "POST", "/tasks/slow/cancel", {});
    expect(await waiting).toMatchObject({ status: 200, json: { state: "cancelled" } });
    expect((await call("ann", "GET", "/tasks/slow/wait?timeout=601")).status).toBe(400);
  });
});

describe("ranges", () => {
  it("come as an Arrow stream, a row a run of alike ranges of one file", async () => {
    const value = task("ranged", { input: { files: ["a.csv", "b.csv"] }, eventsPerRange: 2 });
    await submit("ann", value);
    const response = await fetch(`${server.url}/api/v1/tasks/ranged/ranges`, {
      headers: { authorization: `Bearer ${tokens["ann"]}` },
    });
    expect(response.headers.get("content-type")).toBe("application/vnd.apache.arrow.stream");
    const table = tableFromIPC(new Uint8Array(await response.arrayBuffer()));
    const rows = table.toArray().map((row) => JSON.parse(JSON.stringify(row, bigintsAsNumbers)));
    const same = { state: "ready", attempts: 0, failures: 0, losses: 0, lease: 0, bundle: 0 };
    expect(rows).toEqual([
      {
        ...same,
        firstRange: 0,
        ranges: 3,
        file: join(dir, "a.csv"),
        firstEvent0: 0,
        lastEvent0: 4,
        reason: null,
      },
      {
        ...same,
        firstRange: 3,
        ranges: 2,
        file: join(dir, "b.csv"),
        firstEvent0: 0,
        lastEvent0: 2,
        reason: null,
      },
    ]);
    expect(table.schema.metadata.get("schema")).toBe("ranges/1");
  });

  it("of a task of 10^8 are as quick", async () => {
    await submit("ann", task("huge", { input: { count: 100_000_000 } }));
    const response = await fetch(`${server.url}/api/v1/tasks/huge/ranges`, {
      headers: { authorization: `Bearer ${tokens["ann"]}` },
    });
    const table = tableFromIPC(new Uint8Array(await response.arrayBuffer()));
    expect(table.numRows).toBe(1);
    expect(Number(table.getChild("lastEvent0")?.get(0))).toBe(99_999_999);
  });
});

function bigintsAsNumbers(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}

describe("access", () => {
  const routes = [
    ["GET", "/tasks"],
    ["POST", "/tasks"],
    ["GET", "/tasks/1"],
    ["POST", "/tasks/1/cancel"],
    ["POST", "/tasks/1/retry"],
    ["POST", "/tasks/1/extend"],
    ["GET", "/tasks/1/ranges"],
    ["GET", "/tasks/1/explain"],
    ["GET", "/tasks/1/wait"],
    ["GET", "/tasks/1/events"],
    ["GET", "/events"],
    ["GET", "/pilots"],
    ["GET", "/pilots/1/explain"],
    ["POST", "/pilots/1/drain"],
    ["GET", "/queues"],
    ["POST", "/queues"],
    ["GET", "/queues/q"],
    ["DELETE", "/queues/q"],
    ["POST", "/queues/q/pause"],
    ["POST", "/queues/q/resume"],
    ["GET", "/queues/q/dry-run"],
    ["GET", "/tokens"],
    ["POST", "/tokens"],
    ["DELETE", "/tokens/abc"],
    ["GET", "/metrics"],
  ] as const;

  it("needs a token on every route but health and description", async () => {
    const { json } = await call(null, "GET", "/openapi.json");
    const described: string[] = [];
    for (const [path, methods] of Object.entries(json.paths as Record<string, object>)) {
      for (const [method, operation] of Object.entries(methods)) {
        const open = (operation as { security?: unknown[] }).security?.length === 0;
        if (!open) described.push(`${method.toUpperCase()} ${path}`);
      }
    }
    expect(described.sort()).toEqual(
      routes
        .map(([method, path]) => `${method} /api/v1${path}`)
        .map((text) => text.replace("/tasks/1", "/tasks/{task}"))
        .map((text) => text.replace("/queues/q", "/queues/{queue}"))
        .map((text) => text.replace("/pilots/1", "/pilots/{pilot}").replace("abc", "{token}"))
        .sort(),
    );
    const bad = [null, "nonsense", `jumbo_000000000000_${"A".repeat(43)}`, `${tokens["ann"]}x`];
    for (const who of bad) {
      for (const [method, path] of routes) {
        const answer = await call(who, method, path);
        expect(answer, `${method} ${path}`).toMatchObject({
          status: 401,
          json: { schema: "error/1", code: "unauthorized" },
        });
      }
    }
  });

  it("gives read tokens no change, and none but admins the pilots", async () => {
    for (const path of ["/tasks", "/tasks/first/cancel", "/tokens"]) {
      const answer = await call("reader", "POST", path, {});
      expect(answer).toMatchObject({ status: 403, json: { code: "refused" } });
    }
    expect((await call("ann", "POST", "/pilots/1/drain", {})).status).toBe(403);
    expect((await call("admin", "POST", "/pilots/77/drain", {})).status).toBe(404);
    expect((await call("admin", "POST", "/pilots/x/drain", {})).status).toBe(400);
    expect((await call("reader", "GET", "/pilots")).json).toMatchObject({ pilots: [] });
  });

  it("shows and changes only the owner's tasks; others are not there", async () => {
    const { json } = await submit("ann", task("private"));
    for (const name of ["private", String(json.task)]) {
      const paths = ["", "/ranges", "/explain", "/wait", "/events"];
      for (const path of paths) {
        const answer = await call("bob", "GET", `/tasks/${name}${path}`);
        expect(answer, path).toMatchObject({ status: 404, json: { code: "not_found" } });
        const none = await call("bob", "GET", `/tasks/${name}0000${path}`);
        expect(answer.json.message).toBe(none.json.message.replace(`${name}0000`, name));
      }
      for (const path of ["/cancel", "/retry", "/extend"]) {
        expect((await call("bob", "POST", `/tasks/${name}${path}`, {})).status).toBe(404);
      }
    }
    const listed = (await call("bob", "GET", "/tasks")).json.tasks as { owner: string }[];
    expect(listed.filter((row) => row.owner !== "bob")).toEqual([]);
    expect((await call("admin", "GET", "/tasks/private")).status).toBe(200);
    expect((await call("ann", "GET", "/tasks/private")).json.state).toBe("open");
  });

  it("lets nobody submit in another's name, nor learn another's task by its name", async () => {
    const foreign = await submit("bob", task("foreign", { owner: "ann" }));
    expect(foreign).toMatchObject({ status: 403, json: { subject: "owner" } });
    const same = await submit("bob", task("private"));
    expect(same).toMatchObject({ status: 409, json: { code: "conflict" } });
    const made = await submit("admin", task("for-ann", { owner: "ann" }));
    expect(made.status).toBe(201);
    expect((await call("ann", "GET", "/tasks/for-ann")).json.owner).toBe("ann");
  });
});

describe("tokens", () => {
  it("are made, used, listed without secrets, and revoked", async () => {
    const made = await call("ann", "POST", "/tokens", { scope: "read" });
    expect(made.status).toBe(201);
    expect(made.json.token).toMatch(/^jumbo_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
    expect(made.headers.get("cache-control")).toBe("no-store");
    expect((await call(made.json.token, "GET", "/tasks")).status).toBe(200);
    const listed = await call("ann", "GET", "/tokens");
    expect(JSON.stringify(listed.json)).not.toContain(made.json.token);
    expect(JSON.stringify(listed.json)).not.toContain("sha256");
    expect((await call("bob", "DELETE", `/tokens/${made.json.id}`)).status).toBe(404);
    expect((await call("ann", "DELETE", `/tokens/${made.json.id}`)).status).toBe(200);
    expect((await call(made.json.token, "GET", "/tasks")).status).toBe(401);
  });

  it("end at their time", async () => {
    const made = await call("ann", "POST", "/tokens", { expiresWallMs: Date.now() + 200.5 });
    expect((await call(made.json.token, "GET", "/tasks")).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect((await call(made.json.token, "GET", "/tasks")).status).toBe(401);
  });

  it.each<[string, object, number]>([
    ["a wider scope", { scope: "admin" }, 403],
    ["another owner", { owner: "bob" }, 403],
    ["an unknown scope", { scope: "root" }, 400],
    ["an end that is past", { expiresWallMs: 1 }, 400],
    ["an end that is no number", { expiresWallMs: "1" }, 400],
    ["an unknown key", { life: 1 }, 400],
    ["an owner that is none", { owner: 7 }, 400],
  ])("are refused with %s", async (_, body, status) => {
    expect((await call("ann", "POST", "/tokens", body)).status).toBe(status);
  });

  it("are kept as hashes only, over a restart of the server too", async () => {
    const { value } = await client.ask("getMeta", { key: "tokens" });
    for (const token of Object.values(tokens)) expect(value).not.toContain(token);
    // The secret itself may hold underscores: everything behind the id.
    expect(value).not.toContain(tokens["ann"]?.split("_").slice(2).join("_"));
    const sameStore = { ask: client.ask.bind(client), onEvent: client.onEvent.bind(client) };
    const second = await startHttp(sameStore, { host: "127.0.0.1", port: 0, scan });
    const headers = { authorization: `Bearer ${tokens["ann"]}` };
    expect((await fetch(`${second.url}/api/v1/tasks`, { headers })).status).toBe(200);
    await second.close();
  });
});

describe("events", () => {
  it("of a task come as they happen, and end with it", async () => {
    await submit("ann", task("followed"));
    const response = await fetch(`${server.url}/api/v1/tasks/followed/events`, {
      headers: { authorization: `Bearer ${tokens["ann"]}` },
    });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const reading = response.text();
    await call("ann", "POST", "/tasks/followed/cancel", {});
    const states = [...(await reading).matchAll(/event: task\ndata: (.*)\n\n/g)].map(
      (match) => JSON.parse(match[1] as string).state,
    );
    expect(states[0]).toBe("open");
    expect(states.at(-1)).toBe("cancelled");
  });

  it("of all tasks are the owner's alone", async () => {
    const follow = async (who: string, until: string) => {
      const response = await fetch(`${server.url}/api/v1/events`, {
        headers: { authorization: `Bearer ${tokens[who]}` },
      });
      const body = response.body as ReadableStream<Uint8Array>;
      return { until: readUntil(body, until) };
    };
    const bob = await follow("bob", "bobs-own");
    const admin = await follow("admin", "bobs-own");
    await submit("ann", task("anns-own"));
    await call("ann", "POST", "/tasks/anns-own/cancel", {});
    await new Promise((resolve) => setTimeout(resolve, 250));
    await submit("bob", task("bobs-own"));
    await call("bob", "POST", "/tasks/bobs-own/cancel", {});
    expect(await bob.until).not.toContain("anns-own");
    expect(await admin.until).toContain("anns-own");
  });
});

async function readUntil(body: ReadableStream<Uint8Array>, word: string): Promise<string> {
  const reader = body.getReader();
  let text = "";
  while (!text.includes(word)) {
    const { done, value } = await reader.read();
    if (done) break;
    text += Buffer.from(value).toString();
  }
  await reader.cancel();
  return text;
}

describe("a server that closes", () => {
  it("does not wait for those who follow events or wait for tasks", async () => {
    await submit("ann", task("long"));
    const second = await startHttp(client, { host: "127.0.0.1", port: 0, scan });
    const headers = { authorization: `Bearer ${tokens["ann"]}` };
    const follow = await fetch(`${second.url}/api/v1/events`, { headers });
    const waiting = fetch(`${second.url}/api/v1/tasks/long/wait?timeout=60`, { headers });
    const outcome = waiting.then(
      () => "answered",
      () => "cut",
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    const startedMs = performance.now();
    await second.close();
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(await outcome).toBe("cut");
    await follow.body?.cancel().catch(() => undefined);
  });
});

describe("the engine's own pages", () => {
  it("are health, metrics and description, also at the root", async () => {
    for (const prefix of ["", "/api/v1"]) {
      const health = await fetch(`${server.url}${prefix}/healthz`);
      expect(await health.json()).toEqual({ schema: "health/1", status: "ok" });
      const description = await fetch(`${server.url}${prefix}/openapi.json`);
      expect(((await description.json()) as { openapi: string }).openapi).toBe("3.1.0");
      const metrics = await fetch(`${server.url}${prefix}/metrics`, {
        headers: { authorization: `Bearer ${tokens["reader"]}` },
      });
      expect(metrics.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
      const text = await metrics.text();
      expect(text).toMatch(/^# TYPE jumbo_tasks gauge\njumbo_tasks \d+$/m);
      expect(text).toMatch(/^# TYPE jumbo_commit_groups_total counter$/m);
      expect(text).toMatch(/^jumbo_gateway_connections 0$/m);
    }
  });
});

describe("requests that are wrong", () => {
  it("get an error document, whatever is wrong", async () => {
    const cases: [string, string, unknown, number][] = [
      ["GET", "/nowhere", undefined, 404],
      ["PUT", "/tasks", {}, 404],
      ["POST", `/tasks${FOLDERS}`, "{no json", 400],
      ["POST", `/tasks${FOLDERS}`, "", 400],
      ["POST", `/tasks${FOLDERS}`, "[]", 400],
      ["POST", `/tasks${FOLDERS}`, '{"__proto__": {"x": 1}}', 400],
      ["POST", `/tasks${FOLDERS}`, `${"[".repeat(50_000)}${"]".repeat(50_000)}`, 400],
      ["GET", `/tasks/${"x".repeat(5000)}`, undefined, 404],
      ["GET", "/tasks/%00", undefined, 404],
      ["GET", "/tasks/..%2f..", undefined, 404],
      ["GET", "/tasks/%zz", undefined, 400],
    ];
    for (const [method, path, body, status] of cases) {
      const answer = await call("ann", method, path, body);
      expect(answer.status, `${method} ${path.slice(0, 40)}`).toBe(status);
      expect(answer.json.schema, path.slice(0, 40)).toBe("error/1");
      expect(JSON.stringify(answer.json)).not.toContain(tokens["ann"]);
    }
  });

  it("are refused when their body is above the limit", async () => {
    const answer = await call("ann", "POST", "/tasks", `"${"x".repeat(17 * 1024 * 1024)}"`).catch(
      () => null,
    );
    if (answer !== null) expect(answer.status).toBe(413);
    expect((await call("ann", "GET", "/tasks")).status).toBe(200);
  });

  it("that drip are ended, while others are served", async () => {
    const limits = { headersTimeoutMs: 150, requestTimeoutMs: 200 };
    const strict = await startHttp(client, { host: "127.0.0.1", port: 0, scan, limits });
    const port = Number(new URL(strict.url).port);
    const lorises = Array.from({ length: 20 }, () => connect({ port, host: "127.0.0.1" }));
    const ends = lorises.map(
      (socket) => new Promise((resolve) => socket.on("close", resolve).on("error", () => {})),
    );
    for (const socket of lorises) socket.write("GET /api/v1/tasks HTTP/1.1\r\nHost: x\r\n");
    const drip = setInterval(() => {
      for (const socket of lorises) if (socket.writable) socket.write("X-A: b\r\n");
    }, 30);
    const headers = { authorization: `Bearer ${tokens["ann"]}` };
    expect((await fetch(`${strict.url}/api/v1/tasks`, { headers })).status).toBe(200);
    for (const socket of lorises) socket.resume();
    await Promise.all(ends);
    clearInterval(drip);
    await strict.close();
  });
});

describe("listening", () => {
  it("beyond loopback is refused while no token exists", async () => {
    const bare = await startEngine({ storeDir: join(dir, "bare"), inline: true });
    try {
      const open = (host: string) => startHttp(bare.client, { host, port: 0, scan });
      await expect(open("0.0.0.0")).rejects.toMatchObject({ code: "refused" });
      await expect(open("::")).rejects.toMatchObject({ code: "refused" });
      await (await open("127.0.0.1")).close();
      await createToken(bare.client, { owner: "ann", scope: "admin", expiresWallMs: 0 });
      await (await open("0.0.0.0")).close();
    } finally {
      await bare.stop();
    }
  });

  it("on a port that is taken is a conflict", async () => {
    const port = Number(new URL(server.url).port);
    const again = startHttp(client, { host: "127.0.0.1", port, scan });
    await expect(again).rejects.toMatchObject({ code: "conflict" });
  });

  it("on a unix socket is this user's alone, and needs a token too", async () => {
    const path = join(dir, "http.sock");
    const unix = await startHttp(client, { path, scan });
    expect(unix.url).toBe(`unix:${path}`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const status = (headers: Record<string, string>) =>
      new Promise((resolve, reject) => {
        const request = httpRequest({ socketPath: path, path: "/api/v1/tasks", headers });
        request.on("response", (response) => resolve(response.resume().statusCode));
        request.on("error", reject);
        request.end();
      });
    expect(await status({})).toBe(401);
    expect(await status({ authorization: `Bearer ${tokens["ann"]}` })).toBe(200);
    await unix.close();
  });
});
