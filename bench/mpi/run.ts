/**
 * One pilot of the bench: started by a launcher with its figures on, its ranks found among the
 * machine's processes (the login host sees them all), ended by a word to rank 0.
 */
import type { ChildProcess } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import type { Bed, Launcher } from "../../test/e2e-hpc/bed.ts";
import { ended, until } from "../../test/e2e-hpc/cluster.ts";
import { cpuSecondsOf } from "../heart/machine.ts";

/** What native/pilot/Figures.cpp writes; seconds since 1970, -1: did not happen. */
export interface RankFigures {
  readonly rank: number;
  readonly beganAt: number;
  readonly firstGrantAt: number;
  readonly wokenAt: number;
  readonly drainAt: number;
  readonly endAt: number;
  readonly wallEndAt: number;
  readonly cpuSeconds: number;
  readonly busySlotSeconds: number;
  readonly slotSeconds: number;
  readonly grants: number;
  readonly grantMsP50: number;
  readonly grantMsP99: number;
}

export interface RankProcess {
  readonly rank: number;
  readonly pid: number;
}

/** By the variables of srun with PMI2, hydra, Open MPI. */
const RANK_VARIABLE = /(?:^|\0)(?:OMPI_COMM_WORLD_RANK|PMIX_RANK|PMI_RANK|SLURM_PROCID)=(\d+)/;
const START_SECONDS = 120;
const END_SECONDS = 60;
let runs = 0;

export class Run {
  readonly launcher: Launcher;
  readonly ranks: number;
  readonly #bed: Bed;
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly startedAt = Date.now() / 1000;

  constructor(bed: Bed, launcher: Launcher, ranks: number, flags: readonly string[], late = "") {
    this.launcher = launcher;
    this.ranks = ranks;
    this.#bed = bed;
    this.#folder = `${bed.folder}/run-${++runs}`;
    mkdirSync(this.#folder, { recursive: true });
    process.env["JUMBO_PILOT_FIGURES"] = `${this.#folder}/figures`;
    process.env["JUMBO_PILOT_LATE"] = late;
    this.#child = bed.launch(launcher, flags, String(ranks));
  }

  /** Processes of the ranks that live, in their order. */
  processes(): RankProcess[] {
    const found: RankProcess[] = [];
    const mark = `JUMBO_PILOT_FIGURES=${this.#folder}/figures`;
    for (const name of readdirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        if (readFileSync(`/proc/${name}/comm`, "utf8").trim() !== "jumbo-pilot") continue;
        const environment = readFileSync(`/proc/${name}/environ`, "utf8");
        const rank = RANK_VARIABLE.exec(environment)?.[1];
        if (!environment.split("\0").includes(mark) || rank === undefined) continue;
        found.push({ rank: Number(rank), pid: Number(name) });
      } catch {
        // It has ended meanwhile.
      }
    }
    return found.sort((a, b) => a.rank - b.rank);
  }

  cpuSeconds(): Map<number, number> {
    return new Map(this.processes().map(({ rank, pid }) => [rank, cpuSecondsOf(pid)]));
  }

  /** [began, first range] of each rank that has had one. */
  firsts(): Map<number, readonly [number, number]> {
    const times = new Map<number, readonly [number, number]>();
    for (const name of readdirSync(this.#folder)) {
      const rank = /^figures\.(\d+)\.first$/.exec(name)?.[1];
      if (rank === undefined) continue;
      const text = readFileSync(`${this.#folder}/${name}`, "utf8");
      const [began, first] = text.split(" ").map(Number);
      if (text.endsWith("\n")) times.set(Number(rank), [began as number, first as number]);
    }
    return times;
  }

  async started(ranks = this.ranks): Promise<void> {
    await until(`first ranges of ${ranks} ranks by ${this.launcher}`, START_SECONDS, () => {
      if (ended(this.#child)) {
        const lines = this.#bed.pilotLog().trim().split("\n").slice(-3).join("; ");
        throw new Error(`${this.launcher} has ended: ${lines}`);
      }
      return this.firsts().size >= ranks;
    });
  }

  /** Seconds from a rank's MPI_Init, or rank 0's if that is later, to its first range; the longest. */
  slowestFirst(): number {
    const firsts = this.firsts();
    const began0 = firsts.get(0)?.[0] ?? Number.NaN;
    return Math.max(...[...firsts.values()].map(([began, at]) => at - Math.max(began, began0)));
  }

  /** Seconds from the launch to the last rank's first range. */
  launchToFirst(): number {
    return Math.max(...[...this.firsts().values()].map(([, at]) => at - this.startedAt));
  }

  kill(rank: number): void {
    const found = this.processes().find((each) => each.rank === rank);
    if (found === undefined) throw new Error(`no rank ${rank} of ${this.launcher}`);
    process.kill(found.pid, "SIGKILL");
  }

  async over(seconds = END_SECONDS): Promise<RankFigures[]> {
    await until(`the end of ${this.launcher}`, seconds, () => ended(this.#child));
    return readdirSync(this.#folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => JSON.parse(readFileSync(`${this.#folder}/${name}`, "utf8")) as RankFigures)
      .sort((a, b) => a.rank - b.rank);
  }

  /** A drain by rank 0, and what every rank has measured. */
  async end(): Promise<RankFigures[]> {
    const first = this.processes()[0];
    if (first !== undefined) process.kill(first.pid, "SIGTERM");
    return this.over();
  }
}
