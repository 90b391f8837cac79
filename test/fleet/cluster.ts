/**
 * A real Slurm cluster inside this machine for the slow suite: the fixture's `cluster` command,
 * looked for in $JUMBO_SHARED/cluster, then ../shared/cluster beside the repository. It needs root;
 * where it can't be had, the suite skips and says why.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";

const REPOSITORY = resolve(import.meta.dirname, "../..");
const JUMBO = join(REPOSITORY, "src/cli/jumbo.mjs");

/** The command, or null (said on the console). */
export const clusterCommand: string | null = find();

function find(): string | null {
  const places = [process.env["JUMBO_SHARED"], join(REPOSITORY, "../shared")];
  const command = places
    .filter((place) => place !== undefined && place !== "")
    .map((place) => join(place as string, "cluster/cluster"))
    .find((path) => existsSync(path));
  const why =
    command === undefined
      ? "no cluster/cluster in $JUMBO_SHARED or ../shared"
      : process.getuid?.() !== 0
        ? "it needs root"
        : null;
  if (why !== null) console.warn(`SKIPPED: queues on a real Slurm cluster (${why})`);
  return why === null ? (command as string) : null;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Cluster {
  readonly #name: string;
  readonly #environment: Record<string, string>;
  readonly shared: string;
  engine: ChildProcess | null = null;
  engineSaid = "";

  constructor(name: string) {
    this.#name = name;
    const base = process.env["CLUSTER_BASE"] ?? "/var/tmp/cluster";
    this.shared = join(base, name, "shared");
    const own = `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`;
    const home = { HOME: "/root", USER: "root", LANG: "C.UTF-8", NO_COLOR: "1" };
    this.#environment = { PATH: own, ...home, CLUSTER_NAME: this.#name };
  }

  /** Starts and stops it with the suite that calls this. */
  use(nodes: number, cores: number): void {
    beforeAll(async () => {
      const up = await this.#run(
        [clusterCommand as string, "up", String(nodes), String(cores)],
        "/",
      );
      expect(up.code, up.stderr).toBe(0);
    });
    afterAll(async () => {
      await this.stopEngine();
      await this.#run([clusterCommand as string, "down"], "/");
    });
  }

  folder(name: string): string {
    const path = join(this.shared, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** A command on the login host; its standard output. Fails the test unless it ends with 0. */
  async login(...argv: string[]): Promise<string> {
    const ran = await this.#run(this.#onLogin(argv), this.shared);
    expect(ran.code, `${argv.join(" ")}\n${ran.stdout}${ran.stderr}`).toBe(0);
    return ran.stdout;
  }

  /** Breaks a node, or mends it: `cluster node n2 crash`. */
  async node(name: string, action: string): Promise<void> {
    const ran = await this.#run([clusterCommand as string, "node", name, action], "/");
    expect(ran.code, ran.stderr).toBe(0);
  }

  /** A document of the engine's HTTP API, asked on the login host. */
  async api<Document>(store: string, path: string): Promise<Document> {
    const { http, token } = JSON.parse(readFileSync(join(store, "access.json"), "utf8"));
    const ask = `fetch("${http}${path}", { headers: { authorization: "Bearer ${token}" } })
      .then((answer) => answer.text()).then((text) => console.log(text))`;
    return JSON.parse(await this.login(process.execPath, "-e", ask)) as Document;
  }

  async jumbo(...argv: string[]): Promise<string> {
    return await this.login(process.execPath, JUMBO, ...argv);
  }

  async jumboJson<Document>(...argv: string[]): Promise<Document> {
    return JSON.parse(await this.jumbo(...argv, "--output", "json")) as Document;
  }

  /** Starts `jumbo serve` on the login host; nodes reach it as `login`. */
  async startEngine(store: string, listen = "tls://login:0"): Promise<void> {
    const words = ["serve", "--store", store, "--listen", listen, "--inline"];
    const [command = "", ...rest] = this.#onLogin([process.execPath, JUMBO, ...words]);
    const child = spawn(command, rest, {
      cwd: this.shared,
      env: this.#environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.engine = child;
    this.engineSaid = "";
    const heard = (chunk: Buffer) => {
      this.engineSaid += chunk.toString();
    };
    child.stdout.on("data", heard);
    child.stderr.on("data", heard);
    try {
      await until(20, async () => {
        if (child.exitCode !== null) throw new Error(`the engine ended: exit ${child.exitCode}`);
        return this.engineSaid.includes("  access ");
      });
    } catch (error) {
      throw new Error(`${String(error)}\n${this.engineSaid}`);
    }
  }

  async stopEngine(): Promise<void> {
    const child = this.engine;
    this.engine = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolveEnd) => child.once("exit", resolveEnd));
    child.kill("SIGTERM");
    await ended;
  }

  #onLogin(argv: readonly string[]): string[] {
    return [clusterCommand as string, "exec", "login", "--", ...argv];
  }

  #run(argv: readonly string[], cwd: string): Promise<Ran> {
    const [command = "", ...rest] = argv;
    return new Promise((resolveRan) => {
      const options = { cwd, env: this.#environment, timeout: 240_000, maxBuffer: 2 ** 26 };
      const child = execFile(command, rest, options, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
        resolveRan({ code, stdout, stderr });
      });
      child.stdin?.end();
    });
  }
}

/** Asks again and again, half a second apart, until it holds. */
export async function until(seconds: number, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`it did not come within ${seconds} s`);
    await new Promise((wake) => setTimeout(wake, 500));
  }
}
