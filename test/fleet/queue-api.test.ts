/** Queues over HTTP: who may, what is refused, and that a dry run shows the recorded holes. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Engine, startEngine } from "../../src/broker/index.ts";
import { planLines } from "../../src/cli/queue-commands.ts";
import { Fleet } from "../../src/fleet/index.ts";
import { createToken, type HttpServer, startHttp } from "../../src/http/index.ts";
import { FakeSite } from "./fake-site.ts";

const folder = mkdtempSync(join(tmpdir(), "jumbo-queues-"));
let site: FakeSite;
let engine: Engine;
let fleet: Fleet;
let server: HttpServer;
let bare: HttpServer;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  site = new FakeSite();
  site.becomeEmpty();
  engine = await startEngine({ storeDir: join(folder, "store"), inline: true });
  const { client } = engine;
  for (const scope of ["write", "admin"] as const) {
    tokens[scope] = (await createToken(client, { owner: "ann", scope, expiresWallMs: 0 })).token;
  }
  const accessPath = join(folder, "access.json");
  writeFileSync(accessPath, '{"schema": "access/1", "pilots": ["tcp://h:1"], "pilotKey": "00"}');
  fleet = new Fleet({ client, accessPath, pilot: { argv: ["/usr/bin/jumbo"] }, log: () => {} });
  const scan = async () => [];
  server = await startHttp(client, { host: "127.0.0.1", port: 0, scan, fleet });
  bare = await startHttp(client, { host: "127.0.0.1", port: 0, scan });
});
afterAll(async () => {
  await bare?.close();
  await server?.close();
  await fleet?.stop();
  await engine?.stop();
  site?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function call(method: string, path: string, body?: unknown, scope = "admin", at = server) {
  const headers: Record<string, string> = { authorization: `Bearer ${tokens[scope]}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(`${at.url}/api/v1${path}`, { method, headers, ...sent });
  // biome-ignore lint/suspicious/noExplicitAny: documents of several schemas are looked into
  return { status: response.status, json: (await response.json()) as any };
}

const settings = { kind: "slurm", partition: "main", folder: join(folder, "jobs") };

describe("queues over HTTP", () => {
  it("are for admins only", async () => {
    expect((await call("GET", "/queues", undefined, "write")).status).toBe(403);
    expect((await call("POST", "/queues", { name: "q", settings }, "write")).status).toBe(403);
  });

  it("are added, shown, paused, resumed and removed", async () => {
    const made = await call("POST", "/queues", { name: "hpc", paused: true, settings });
    expect(made.status).toBe(200);
    expect(made.json).toMatchObject({ schema: "queue/1", name: "hpc", paused: true });
    expect(made.json.settings.jobsMax).toBe(4);
    expect((await call("POST", "/queues", { name: "hpc", settings })).status).toBe(409);
    expect((await call("POST", "/queues/hpc/resume")).json.paused).toBe(false);
    expect((await call("POST", "/queues/hpc/pause")).json.paused).toBe(true);
    const { json } = await call("GET", "/queues");
    expect(json).toMatchObject({ schema: "queues/1", queues: [{ name: "hpc", kind: "slurm" }] });
    expect((await call("DELETE", "/queues/hpc")).status).toBe(200);
    expect((await call("GET", "/queues/hpc")).status).toBe(404);
    expect((await call("GET", "/queues")).json.queues).toEqual([]);
  });

  it.each([
    [{ name: "a b", settings }, /queue name/],
    [{ name: "q", settings: { ...settings, kind: "pbs" } }, /one of local, slurm/],
    [{ name: "q", settings, colour: 1 }, /"colour"/],
    [{ name: "q", settings, paused: "no" }, /"paused"/],
    [[], /is wrong|not usable/],
  ])("are refused with the key that is wrong: %j", async (body, message) => {
    const answer = await call("POST", "/queues", body);
    expect(answer.status).toBe(400);
    expect(answer.json.message).toMatch(message);
  });

  it("print holes, staircase, shapes or why there are none", async () => {
    await call("POST", "/queues", { name: "dry", paused: true, settings });
    const { json } = await call("GET", "/queues/dry/dry-run");
    expect(json).toMatchObject({ schema: "dry-run/1", queue: "dry", shapes: [] });
    expect(json.holes).toMatchObject([{ nodes: ["n1", "n2", "n3", "n4"], seconds: 86_400 }]);
    const lines = planLines(json).join("\n");
    expect(lines).toMatch(/4 x 64 cores for 24h 0m, until .*Z: limit of partition main/);
    expect(lines).toMatch(/4 nodes for at least 24h 0m/);
    expect(lines).toMatch(/none: no range is ready/);
    site.write("sinfo.json", "nothing");
    const failed = await call("GET", "/queues/dry/dry-run");
    expect(failed).toMatchObject({ status: 503, json: { code: "unreachable" } });
    await call("DELETE", "/queues/dry");
  });

  it("say that there are none where the engine keeps none", async () => {
    const answer = await call("GET", "/queues", undefined, "admin", bare);
    expect(answer).toMatchObject({ status: 403, json: { code: "refused" } });
  });
});
