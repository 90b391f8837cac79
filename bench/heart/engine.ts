/**
 * The engine under test: `jumbo serve` as it is installed, in a process of its own on one core, with
 * three tasks of different priority that never end, so that attempts, leases with deadlines,
 * priorities, journal and checkpoint all work as in production.
 */
import type { ChildProcess } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { AccessFile } from "../../src/base/index.ts";
import {
  end,
  freshDir,
  type Place,
  pin,
  SERVER_CORE,
  start,
  type Transport,
  until,
} from "./machine.ts";

export interface EngineProcess {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly access: AccessFile;
  /** Address and key as heart-load wants them. */
  readonly connect: string;
  readonly key: string;
  submit(name: string, ranges: number, priority: number): Promise<number>;
  cancel(task: number): Promise<void>;
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
    place.engine,
    ...["serve", "--store", store, "--http", "127.0.0.1:0", "--output", "quiet"],
    ...(options.inline ? ["--inline"] : []),
    ...(place.transport === "tcp" ? ["--listen", "tcp://127.0.0.1:0"] : []),
  ];
  const child = start(command, { core: coreOf(options), env: place.environment, cwd: dir });
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
    connect: addressOf(place.transport, access),
    key: access.pilotKey,
    submit: (name, ranges, priority) => submit(access, dir, name, ranges, priority),
    cancel: (task) => cancel(access, task),
    metrics: () => metrics(access),
    stop: (signal) => end(child, signal),
  };
}

function coreOf({ core }: ServeOptions): number | null {
  return core === undefined ? SERVER_CORE : core;
}

/** Where heart-load connects, written as it wants it: `tcp:HOST:PORT` or `unix:/PATH`. */
function addressOf(transport: Transport, { pilots }: AccessFile): string {
  const address = pilots.find((one) => one.startsWith(`${transport}:`));
  if (address === undefined) throw new Error(`the engine does not listen on ${transport}`);
  return address.replace("tcp://", "tcp:");
}

/**
 * Engines for the sections. A long run gives each one an engine of its own; a short look has no time
 * for a start each, nor for making each of them warm: its sections share the first one.
 */
export class Engines {
  readonly #place: Place;
  readonly #isShared: boolean;
  #shared: EngineProcess | null = null;

  constructor(place: Place, isShared: boolean) {
    this.#place = place;
    this.#isShared = isShared;
  }

  async use<Result>(
    name: string,
    options: ServeOptions,
    work: (engine: EngineProcess) => Promise<Result>,
  ): Promise<Result> {
    if (this.#isShared) return await work(await this.#sharedOne(options));
    const engine = await serve(this.#place, freshDir(this.#place, name), options);
    try {
      return await work(engine);
    } finally {
      await engine.stop();
    }
  }

  async #sharedOne(options: ServeOptions): Promise<EngineProcess> {
    this.#shared ??= await serve(this.#place, freshDir(this.#place, "engine"), options);
    pin(this.#shared.pid, coreOf(options));
    return this.#shared;
  }

  async close(): Promise<void> {
    await this.#shared?.stop();
  }
}

/** By engine: what the run before worked on. */
const standardTasks = new WeakMap<EngineProcess, number[]>();

/**
 * The tasks that every throughput run works on; the first one has all the ranges it can eat. What
 * an earlier run left in pieces is no part of the next one: its tasks are cancelled.
 */
export async function submitStandardTasks(engine: EngineProcess): Promise<void> {
  const before = standardTasks.get(engine) ?? [];
  for (const task of before) await engine.cancel(task);
  const tasks: number[] = [];
  for (const [name, priority] of [
    ["high", 10],
    ["middle", 5],
    ["low", 1],
  ] as const) {
    tasks.push(await engine.submit(`${name}-${before[0] ?? 0}`, 1e9, priority));
  }
  standardTasks.set(engine, tasks);
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

async function cancel(access: AccessFile, task: number): Promise<void> {
  const headers = { authorization: `Bearer ${access.token}` };
  const url = `${access.http}/api/v1/tasks/${task}/cancel`;
  const response = await fetch(url, { method: "POST", headers });
  if (!response.ok) throw new Error(`cancel: ${response.status} ${await response.text()}`);
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
