import { statSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { describe, expect, it } from "vitest";
import { startEngine } from "../../src/broker/index.ts";
import { createToken, startHttp } from "../../src/http/index.ts";
import {
  call,
  client,
  dir,
  FOLDERS,
  results,
  scan,
  serveForTests,
  server,
  submit,
  task,
  tokens,
} from "./harness.ts";

serveForTests();

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
