/** One engine on the login host, and pilots by every launcher, in a folder that all nodes see. */
import type { ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AccessFile, readAccessFile } from "../../src/base/index.ts";
import { BUILD, ended, on, ROOT, start, tryOn, until } from "./cluster.ts";

const CLI = `${ROOT}/src/cli/jumbo.mjs`;

export const LAUNCHERS = ["srun-pmix", "mpirun.openmpi", "srun-pmi2", "mpirun.mpich"] as const;
export type Launcher = (typeof LAUNCHERS)[number];
export function launchLine(launcher: Launcher, nodes: string): string[] {
  const alloc = ["salloc", "--quiet", "--no-kill", "-N", nodes, "--ntasks-per-node=1"];
  switch (launcher) {
    case "srun-pmix":
      return ["srun", "-N", nodes, "--ntasks-per-node=1", "--mpi=pmix", "--cpu-bind=none"];
    case "srun-pmi2":
      return [
        "srun",
        "-N",
        nodes,
        "--ntasks-per-node=1",
        "--mpi=pmi2",
        "--cpu-bind=none",
        "--no-kill",
      ];
    case "mpirun.openmpi":
      return [
        ...alloc,
        "mpirun.openmpi",
        "--allow-run-as-root",
        "--bind-to",
        "none",
        "--enable-recovery",
      ];
    case "mpirun.mpich":
      return [...alloc, "mpirun.mpich", "-bind-to", "none", "-disable-auto-cleanup"];
  }
}

export function pilotOf(launcher: Launcher): string {
  const mpi = launcher === "srun-pmix" || launcher === "mpirun.openmpi" ? "openmpi" : "mpich";
  return `${BUILD}/${mpi}/jumbo-pilot`;
}

export interface TaskDocument {
  readonly state: string;
  readonly attempts: number;
  readonly ranges: {
    readonly total: number;
    readonly done: number;
    readonly failed: number;
    readonly leased: number;
  };
}

/** Where a bed's things are, if not in a folder of its own. */
export interface BedPlaces {
  readonly bundles?: string;
}

export class Bed {
  readonly folder: string;
  #engine: ChildProcess | null = null;
  readonly #port: number;
  /** Folder of outputs, seen by engine and nodes. */
  readonly bundles: string;
  /** The stream payload that writes a line for each event. */
  readonly echo = `${BUILD}/serial/jumbo-echo`;

  private constructor(folder: string, port: number, bundles: string) {
    this.folder = folder;
    this.#port = port;
    this.bundles = bundles;
  }

  static async open(name: string, places: BedPlaces = {}): Promise<Bed> {
    const folder = `${process.env["CLUSTER_SHARED"]}/${name}-${process.pid}`;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const port = 20_000 + (process.pid % 20_000);
    const bed = new Bed(folder, port, places.bundles ?? `${folder}/bundles`);
    await bed.startEngine();
    return bed;
  }

  get store(): string {
    return `${this.folder}/store`;
  }

  async startEngine(): Promise<void> {
    const port = this.#port;
    const addresses = ["--listen", `tcp://login:${port}`, "--http", `login:${port + 1}`];
    const log = `${this.folder}/serve.log`;
    const serve = ["serve", "--store", this.store, ...addresses];
    this.#engine = start(log, process.execPath, CLI, ...serve);
    await until("an engine that answers", 30, async () => {
      if (this.#engine !== null && ended(this.#engine)) throw new Error(readFileSync(log, "utf8"));
      return (await this.api("/tasks")) !== null;
    });
  }

  /** An answer of the engine's HTTP API; null while it does not answer. */
  async api<Answer>(path: string): Promise<Answer | null> {
    try {
      const { http, token }: AccessFile = readAccessFile(`${this.store}/access.json`);
      const headers = { authorization: `Bearer ${token}` };
      const signal = AbortSignal.timeout(5000);
      const response = await fetch(`${http}/api/v1${path}`, { headers, signal });
      return response.ok ? ((await response.json()) as Answer) : null;
    } catch {
      return null;
    }
  }

  /** SIGKILL of the engine's own processes, by the pid in its access file. */
  async killEngine(): Promise<void> {
    const { pid } = JSON.parse(readFileSync(`${this.store}/access.json`, "utf8")) as {
      pid: number;
    };
    await tryOn("login", "kill", "-KILL", String(pid));
    const engine = this.#engine;
    await until("the engine's end", 10, () => engine === null || ended(engine));
  }

  async jumbo(...args: string[]): Promise<string> {
    return on("login", process.execPath, CLI, ...args, "--store", this.store);
  }

  async submit(task: Record<string, unknown>): Promise<string> {
    const file = `${this.folder}/${String(task["name"])}.json`;
    writeFileSync(file, JSON.stringify(task));
    const args = ["submit", file, "--results", `${this.folder}/results`, "--output", "quiet"];
    return (await this.jumbo(...args)).trim();
  }

  async show(task: string): Promise<TaskDocument | null> {
    return this.api<TaskDocument>(`/tasks/${task}`);
  }

  result(name: string): string {
    return readFileSync(`${this.folder}/results/${name}`, "utf8");
  }

  get pilotFlags(): string[] {
    return ["--store", this.store, "--bundles", this.bundles];
  }

  launch(launcher: Launcher, flags: readonly string[], nodes = "4"): ChildProcess {
    return start(
      `${this.folder}/pilot.log`,
      ...launchLine(launcher, nodes),
      pilotOf(launcher),
      ...this.pilotFlags,
      ...flags,
    );
  }

  pilotLog(): string {
    return readFileSync(`${this.folder}/pilot.log`, "utf8");
  }

  /** Ends all jobs of the cluster and waits until they are gone. */
  async cancelJobs(flags: readonly string[] = []): Promise<void> {
    for (const job of (await tryOn("login", "squeue", "-h", "-o", "%i")).split("\n")) {
      if (job !== "") await tryOn("login", "scancel", ...flags, job);
    }
    await until("an empty queue", 90, async () => {
      return (await tryOn("login", "squeue", "-h", "-o", "%i")).trim() === "";
    });
  }

  async close(): Promise<void> {
    await this.cancelJobs();
    await this.killEngine();
    rmSync(this.folder, { recursive: true, force: true });
    rmSync(this.bundles, { recursive: true, force: true });
  }
}
