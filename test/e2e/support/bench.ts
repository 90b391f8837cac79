/**
 * The real command as child processes: one Bench a test file, one `place` (a folder) a test. Every
 * child has a time limit of its own and is killed with the bench, so nothing outlives its test.
 *
 * What a child sees of the environment is small and the same everywhere: PATH with this Node first,
 * HOME and TMPDIR inside the bench's folder, no colours. Compiled sources are cached over all
 * children, which is most of a short command's time.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, expect } from "vitest";

export const repository = resolve(import.meta.dirname, "../../..");
/** The clone's, or that of a built package, so that all these tests can be made of it too. */
const JUMBO = process.env["JUMBO_PROGRAM"] ?? join(repository, "src/cli/jumbo.mjs");
/** Node that runs the tests; payloads written in JavaScript name it too. */
export const node = process.execPath;
/** Path of one of the payload programs of these tests. */
export const payload = (name: string) => join(repository, "test/e2e/payloads", name);

const TIMEOUT_MS = 60_000;
const COMPILE_CACHE = join(tmpdir(), "jumbo-e2e-compile-cache");

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** The child is killed after this long, and its end says so. Default one minute. */
  readonly timeoutMs?: number;
}

/** One child that was started and may still run. */
export class Child {
  readonly process: ChildProcess;
  readonly ended: Promise<Finished>;
  stdout = "";
  stderr = "";
  #over = false;
  #timedOut = false;
  #listeners: (() => void)[] = [];

  constructor(command: string, args: readonly string[], options: Required<StartOptions>) {
    const began = performance.now();
    const { cwd, env, timeoutMs } = options;
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    this.process = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => this.#heard("stdout", text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => this.#heard("stderr", text));
    const timer = setTimeout(() => {
      this.#timedOut = true;
      this.kill();
    }, timeoutMs);
    this.ended = new Promise((done, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => {
        clearTimeout(timer);
        this.#over = true;
        this.#wake();
        const said = this.#timedOut ? `\nkilled by the test after ${timeoutMs} ms` : "";
        const { stdout, stderr } = this;
        const seconds = (performance.now() - began) / 1000;
        done({ code, signal, stdout, stderr: stderr + said, seconds });
      });
    });
  }

  get pid(): number {
    return this.process.pid as number;
  }

  get over(): boolean {
    return this.#over;
  }

  #heard(stream: "stdout" | "stderr", text: string): void {
    this[stream] += text;
    this.#wake();
  }

  #wake(): void {
    for (const listener of this.#listeners.splice(0)) listener();
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    if (!this.#over) this.process.kill(signal);
  }

  /** SIGKILL, and its end. */
  async kill9(): Promise<Finished> {
    this.kill();
    return await this.ended;
  }

  /** Resolves once standard output has text that `holds`; rejects if the child ends before. */
  async saying<Value>(holds: (stdout: string) => Value | null): Promise<Value> {
    for (;;) {
      const value = holds(this.stdout);
      if (value !== null) return value;
      if (this.#over) throw new Error(`it ended before: ${this.stdout}\n${this.stderr}`);
      await new Promise<void>((wake) => this.#listeners.push(wake));
    }
  }
}

export class Bench {
  readonly folder: string = mkdtempSync(join(tmpdir(), "jumbo-e2e-"));
  program = JUMBO;
  readonly #children = new Set<Child>();
  #places = 0;

  /** A fresh folder. */
  place(): string {
    const folder = join(this.folder, `p${++this.#places}`);
    mkdirSync(folder);
    return folder;
  }

  environment(more: Record<string, string> = {}): Record<string, string> {
    return {
      PATH: `${dirname(node)}:/usr/local/bin:/usr/bin:/bin`,
      HOME: this.folder,
      TMPDIR: this.folder,
      LANG: "C.UTF-8",
      USER: "tester",
      NO_COLOR: "1",
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      ...more,
    };
  }

  /** `jumbo ARGS`, running. */
  start(args: readonly string[], options: StartOptions = {}): Child {
    const child = new Child(node, [this.program, ...args], {
      cwd: options.cwd ?? this.folder,
      env: this.environment(options.env),
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    });
    this.#children.add(child);
    void child.ended.then(
      () => this.#children.delete(child),
      () => {},
    );
    return child;
  }

  /** `jumbo ARGS`, to its end. */
  jumbo(args: readonly string[], options: StartOptions = {}): Promise<Finished> {
    return this.start(args, options).ended;
  }

  async remove(): Promise<void> {
    const children = [...this.#children];
    for (const child of children) child.kill();
    await Promise.allSettled(children.map((child) => child.ended));
    // Pilots of a killed `run` notice within a quarter of a second and may still write.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

/** The bench of a test file; gone after its last test. */
export function useBench(): Bench {
  const bench = new Bench();
  afterAll(() => bench.remove());
  return bench;
}

/** Fails with everything that the child said if it ended otherwise. */
export function expectCode(finished: Finished, code: number): void {
  const { stdout, stderr, signal } = finished;
  const said = `${signal ?? ""}\n${stdout.slice(-4000)}\n${stderr.slice(-4000)}`;
  expect(finished.code, said).toBe(code);
}

/** Resolves once `holds` is true (or returns something); rejects after `ms`. */
export async function until<Value>(
  what: string,
  holds: () => Value | Promise<Value>,
  ms = 30_000,
): Promise<NonNullable<Value>> {
  const deadline = performance.now() + ms;
  for (;;) {
    const value = await holds();
    if (value) return value as NonNullable<Value>;
    if (performance.now() > deadline) throw new Error(`waited in vain for: ${what}`);
    await new Promise((wake) => setTimeout(wake, 25));
  }
}

/** Writes a task file (JSON is YAML) and returns its path. */
export function writeTask(folder: string, task: TaskObject, name = "task.yaml"): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(task, null, 1));
  return path;
}

/** A task file's content, as loose as what people write. */
export interface TaskObject {
  readonly name: string;
  readonly input: Record<string, unknown>;
  readonly payload: Record<string, unknown>;
  readonly output: Record<string, unknown>;
  readonly [key: string]: unknown;
}
