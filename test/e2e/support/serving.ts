/** An engine as a service with pilots beside it, each a process that a test may kill. */
import { join } from "node:path";
import { readAccessFile } from "../../../src/base/index.ts";
import { type Bench, type Child, expectCode, type Finished, type StartOptions } from "./bench.ts";
import { documentOf, type TaskDocument } from "./documents.ts";

const SERVICE_MS = 600_000;

export interface ServeDocument {
  readonly schema: "serve/1";
  readonly epoch: number;
  readonly http: string;
  readonly pilots: readonly string[];
  readonly access: string;
  readonly recovery: { readonly tasks: number; readonly openLeases: number };
}

export class Serving {
  readonly folder: string;
  readonly store: string;
  readonly bundles: string;
  readonly #bench: Bench;
  engine: Child | null = null;
  readonly pilots: Child[] = [];

  constructor(bench: Bench) {
    this.#bench = bench;
    this.folder = bench.place();
    this.store = join(this.folder, "store");
    this.bundles = join(this.folder, "bundles");
  }

  /** `jumbo serve`, until it listens. */
  async start(flags: readonly string[] = [], options: StartOptions = {}): Promise<ServeDocument> {
    const args = ["serve", "--store", this.store, "--inline", "--output", "json", ...flags];
    this.engine = this.#bench.start(args, { timeoutMs: SERVICE_MS, ...options });
    return await this.engine.saying((stdout) =>
      stdout.trimEnd().endsWith("}") ? (JSON.parse(stdout) as ServeDocument) : null,
    );
  }

  /** `jumbo pilot start` with `slots`; more flags after that. */
  pilot(slots = 1, flags: readonly string[] = [], options: StartOptions = {}): Child {
    const place = ["--store", this.store, "--bundles", this.bundles, "--slots", String(slots)];
    const args = ["pilot", "start", ...place, "--output", "json", ...flags];
    const child = this.#bench.start(args, { timeoutMs: SERVICE_MS, ...options });
    this.pilots.push(child);
    return child;
  }

  /** Any other command, at this engine. */
  ask(args: readonly string[], options: StartOptions = {}): Promise<Finished> {
    return this.#bench.jumbo([...args, "--store", this.store], { cwd: this.folder, ...options });
  }

  /** Submits a task file; its number. */
  async submit(taskFile: string, options: StartOptions = {}): Promise<number> {
    const finished = await this.ask(["submit", taskFile, "--output", "quiet"], options);
    expectCode(finished, 0);
    return Number(finished.stdout);
  }

  async show(task: number): Promise<TaskDocument> {
    return documentOf(await this.ask(["show", String(task), "--output", "json"]));
  }

  /** Ranges that are done, asked without a command's start: for what lasts a second. */
  async done(task: number): Promise<number> {
    const { http, token } = readAccessFile(join(this.store, "access.json"));
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(`${http}/api/v1/tasks/${task}`, { headers });
    return ((await answer.json()) as TaskDocument).ranges.done;
  }

  /** Waits for the task's end, which must have the exit code. */
  async wait(task: number, code = 0, timeoutMs = 120_000): Promise<TaskDocument> {
    const finished = await this.ask(["wait", String(task), "--output", "json"], { timeoutMs });
    return documentOf(finished, code);
  }

  /** Lines of `explain`, for the task or one range of it. */
  async explain(task: number, range?: number): Promise<string> {
    const words = range === undefined ? [] : [String(range)];
    const finished = await this.ask(["explain", String(task), ...words]);
    expectCode(finished, 0);
    return finished.stdout;
  }

  /** SIGTERM to pilots, then the engine: all must end in order. */
  async stop(): Promise<void> {
    for (const pilot of this.pilots) pilot.kill("SIGTERM");
    await Promise.all(this.pilots.map((pilot) => pilot.ended));
    this.engine?.kill("SIGTERM");
    if (this.engine !== null) expectCode(await this.engine.ended, 0);
  }
}
