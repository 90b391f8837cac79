/**
 * The engine under test: `jumbo serve` as people run it, in a process of its own on one core, with
 * three tasks of different priority that never end, so that attempts, leases with deadlines,
 * priorities, journal and checkpoint all work as in production.
 */
import type { ChildProcess } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { AccessFile } from "../../src/base/index.ts";
import { end, type Place, ROOT, SERVER_CORE, start, until } from "./machine.ts";

export interface EngineProcess {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly access: AccessFile;
  /** Address and key as heart-load wants them. */
  readonly connect: string;
  readonly key: string;
  submit(name: string, ranges: number, priority: number): Promise<number>;
  metrics(): Promise<Map<string, number>>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface ServeOptions {
  readonly inline?: boolean;
  readonly core?: number | null;
  /** Node's own flags, for profiles. */
  readonly nodeFlags?: readonly string[];
}

export async function serve(
  place: Place,
  dir: string,
  options: ServeOptions = {},
): Promise<EngineProcess> {
  const store = join(dir, "store");
  const accessPath = join(store, "access.json");
  rmSync(accessPath, { force: true });
  const command = [
    process.execPath,
    ...(options.nodeFlags ?? []),
    join(ROOT, "src", "cli", "jumbo.mjs"),
    ...["serve", "--store", store, "--http", "127.0.0.1:0", "--output", "quiet"],
    ...(options.inline ? ["--inline"] : []),
  ];
  const core = options.core === undefined ? SERVER_CORE : options.core;
  const child = start(command, { core, env: place.environment, cwd: dir });
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4000);
  });
  let ready = false;
  child.stdout?.on("data", () => {
    ready = true;
  });
  await until("the engine", 60, () => {
    if (child.exitCode !== null) throw new Error(`the engine ended: ${errors}`);
    return ready && existsSync(accessPath);
  });
  const access = JSON.parse(readFileSync(accessPath, "utf8")) as AccessFile;
  return {
    pid: access.pid,
    child,
    access,
    connect: access.pilots[0] as string,
    key: access.pilotKey,
    submit: (name, ranges, priority) => submit(access, dir, name, ranges, priority),
    metrics: () => metrics(access),
    stop: (signal) => end(child, signal),
  };
}

/** The tasks that every throughput run works on; the first one has all the ranges it can eat. */
export async function submitStandardTasks(engine: EngineProcess): Promise<void> {
  for (const [name, priority] of [
    ["high", 10],
    ["middle", 5],
    ["low", 1],
  ] as const) {
    await engine.submit(name, 1e9, priority);
  }
}

async function submit(
  access: AccessFile,
  dir: string,
  name: string,
  ranges: number,
  priority: number,
): Promise<number> {
  const query = new URLSearchParams({ results: join(dir, "results"), taskDir: dir });
  const response = await fetch(`${access.http}/api/v1/tasks?${query}`, {
    method: "POST",
    headers: { authorization: `Bearer ${access.token}`, "content-type": "application/json" },
    body: JSON.stringify({
      name,
      input: { count: ranges },
      payload: { command: [":null"] },
      output: { name: `${name}.jsonl` },
      priority,
    }),
  });
  if (!response.ok) throw new Error(`submit: ${response.status} ${await response.text()}`);
  return ((await response.json()) as { task: number }).task;
}

async function metrics(access: AccessFile): Promise<Map<string, number>> {
  const response = await fetch(`${access.http}/api/v1/metrics`, {
    headers: { authorization: `Bearer ${access.token}` },
  });
  const values = new Map<string, number>();
  for (const line of (await response.text()).split("\n")) {
    const [name, value] = line.split(" ");
    if (name && value && !name.startsWith("#")) values.set(name, Number(value));
  }
  return values;
}
