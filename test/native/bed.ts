/** An engine and native pilots in one temporary folder, for tests that kill and restart them. */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { AccessFile } from "../../src/base/index.ts";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../..");
export const CLI = `${ROOT}/src/cli/jumbo.mjs`;
export const PILOT = process.env["JUMBO_PILOT"] ?? `${ROOT}/native/build/serial/jumbo-pilot`;
export const isBuilt = existsSync(PILOT);
export const hasTls = isBuilt && !String(execFileSync(PILOT, ["--version"])).includes("TLS: none");

export function skipLoudly(what: string): void {
  if (!isBuilt) console.warn(`SKIPPED: ${what} (jumbo-pilot is not built) npm run build:native`);
  else if (!hasTls)
    console.warn(`SKIPPED: TLS of ${what} (built without) apt-get install libssl-dev`);
}

export interface Ended {
  readonly code: number | null;
  readonly text: string;
}

/** A process that a test started, its standard error, and its end. */
export class Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  text = "";

  constructor(child: ChildProcess) {
    this.child = child;
    child.stderr?.on("data", (chunk) => {
      this.text += String(chunk);
    });
    child.stdout?.on("data", (chunk) => {
      this.text += String(chunk);
    });
    this.ended = new Promise((done) => {
      child.once("close", (code) => done({ code, text: this.text }));
    });
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<Ended> {
    this.child.kill(signal);
    return await this.ended;
  }
}

export interface TaskView {
  readonly state: string;
  readonly attempts: number;
  readonly ranges: { readonly total: number; readonly done: number; readonly leased: number };
}

export interface PilotView {
  readonly nodes: readonly { readonly name: string }[];
}

export class NativeBed {
  readonly folder = mkdtempSync(join(tmpdir(), "jumbo-native-"));
  readonly store = join(this.folder, "store");
  readonly accessPath = join(this.store, "access.json");
  readonly #all: Started[] = [];
  engine: Started | null = null;

  start(program: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}): Started {
    const { JUMBO_PROXY: _proxy, ...inherited } = process.env;
    const env = { ...inherited, ...environment };
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env });
    const started = new Started(child);
    this.#all.push(started);
    return started;
  }

  async startEngine(...flags: string[]): Promise<void> {
    rmSync(this.accessPath, { force: true });
    const serve = [CLI, "serve", "--store", this.store, "--http", "127.0.0.1:0", "--inline"];
    const engine = this.start(process.execPath, [...serve, ...flags]);
    this.engine = engine;
    await this.until("the engine's access file", () => {
      if (engine.child.exitCode !== null) throw new Error(engine.text);
      return existsSync(this.accessPath);
    });
  }

  access(): AccessFile {
    return JSON.parse(readFileSync(this.accessPath, "utf8")) as AccessFile;
  }

  /** An access file like the engine's but for `change`; its path. */
  accessWith(name: string, change: Partial<AccessFile>): string {
    const path = join(this.folder, `${name}.json`);
    writeFileSync(path, JSON.stringify({ ...this.access(), ...change }), { mode: 0o600 });
    return path;
  }

  /** Addresses of one kind among the engine's. */
  addresses(kind: string): string[] {
    return this.access().pilots.filter((address) => address.startsWith(kind));
  }

  pilot(access: string, flags: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Started {
    const places = ["--bundles", join(this.folder, "bundles"), "--work", this.folder];
    return this.start(PILOT, ["--access", access, "--slots", "2", ...places, ...flags], env);
  }

  async jumbo(...args: string[]): Promise<string> {
    const { stdout } = await run(process.execPath, [CLI, ...args, "--store", this.store]);
    return stdout;
  }

  /** Over HTTP, since a command takes a second to start. */
  async #ask(path: string, body?: unknown): Promise<unknown> {
    const { http, token } = this.access();
    const authorization = { authorization: `Bearer ${token}` };
    const sent = { "content-type": "application/json", ...authorization };
    const post = { method: "POST", headers: sent, body: JSON.stringify(body) };
    const get = { headers: authorization };
    const response = await fetch(`${http}/api/v1${path}`, body === undefined ? get : post);
    if (!response.ok) throw new Error(await response.text());
    return await response.json();
  }

  async submit(task: Record<string, unknown>): Promise<number> {
    const results = encodeURIComponent(join(this.folder, "results"));
    const made = (await this.#ask(`/tasks?results=${results}`, task)) as { task: number };
    return made.task;
  }

  async show(id: number): Promise<TaskView> {
    return (await this.#ask(`/tasks/${id}`)) as TaskView;
  }

  async pilots(): Promise<readonly PilotView[]> {
    return ((await this.#ask("/pilots")) as { pilots: PilotView[] }).pilots;
  }

  /** Until the merged result is there. */
  async wait(id: number): Promise<TaskView> {
    let view: TaskView | null = null;
    await this.until(`the end of task ${id}`, async () => {
      view = await this.show(id).catch(() => null);
      return view !== null && view.state !== "open" && view.state !== "merging";
    });
    return view as unknown as TaskView;
  }

  async until(what: string, test: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (!(await test())) {
      if (Date.now() > deadline) throw new Error(`${what}: not within 60 s\n${this.logs()}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  async done(id: number, ranges: number): Promise<void> {
    await this.until(`${ranges} ranges done`, async () => {
      const view = await this.show(id).catch(() => null);
      return (view?.ranges.done ?? 0) >= ranges;
    });
  }

  logs(): string {
    return this.#all.map(({ text }) => text).join("---\n");
  }

  result(name: string): string {
    return readFileSync(join(this.folder, "results", name), "utf8");
  }

  async close(): Promise<void> {
    for (const started of this.#all) await started.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A task whose ranges each write their number; `seconds` each. */
export function countTask(name: string, count: number, seconds = 0): Record<string, unknown> {
  const wait = seconds > 0 ? `sleep ${seconds}; ` : "";
  const script = `${wait}echo "{\\"i\\":$1}" > "$2"`;
  return {
    name,
    input: { count },
    payload: { command: ["sh", "-c", script, "x", "{skip}", "{output}"] },
    output: { name: `${name}.jsonl`, merge: "jsonl", recordsPerEvent: 1 },
    attempts: 10,
    losses: 50,
  };
}

export const countResult = (count: number) =>
  Array.from({ length: count }, (_, i) => `{"i":${i}}\n`).join("");
