/**
 * MPI pilots of a few ranks on this machine, started by the MPI's own launcher: neither Slurm nor
 * root nor a network is needed. Ranks are found by a mark in their environment, so that a test can
 * kill one of them, and can see that none is left.
 */
import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import type { NativeBed, Started } from "./bed.ts";

const BUILD = resolve(import.meta.dirname, "../../native/build");
/** The stream payload that writes a line for each event. */
export const ECHO = `${BUILD}/serial/jumbo-echo`;
const MARK = "JUMBO_TEST_BED";

export interface Mpi {
  readonly name: "openmpi" | "mpich";
  readonly launcher: string;
  /** For some ranks on this machine; one's death must not end the others. */
  readonly flags: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** The variable that tells a rank its number. */
  readonly rankVariable: string;
  /** The line that installs it. */
  readonly install: string;
}

export const MPIS: readonly Mpi[] = [
  {
    name: "openmpi",
    launcher: "mpirun.openmpi",
    flags: ["--oversubscribe", "--bind-to", "none", "--enable-recovery"],
    environment: {
      OMPI_ALLOW_RUN_AS_ROOT: "1",
      OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1",
      // Neither ssh nor a batch system that may be around: this machine alone.
      OMPI_MCA_plm: "isolated",
      OMPI_MCA_ras: "^slurm",
      OMPI_MCA_btl: "self,vader",
    },
    rankVariable: "OMPI_COMM_WORLD_RANK",
    install: "apt-get install cmake g++ openmpi-bin libopenmpi-dev",
  },
  {
    name: "mpich",
    launcher: "mpiexec.hydra",
    // A proxy for each rank, as on as many machines: one that serves several ends with the first of
    // them. No name is looked up where the launcher is a fork.
    flags: [
      ...["-launcher", "fork", "-hosts", "r0,r1,r2", "-ppn", "1"],
      ...["-bind-to", "none", "-disable-auto-cleanup"],
    ],
    environment: {},
    rankVariable: "PMI_RANK",
    install: "apt-get install cmake g++ mpich libmpich-dev",
  },
];

/** Ranks of a launch: as many as hydra's hosts above. */
export const RANKS = 3;

export const pilotOf = ({ name }: Mpi) => `${BUILD}/${name}/jumbo-pilot`;

function isProgram(name: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** "" if pilots of this MPI can be started here, else what is missing and the line that brings it. */
export function missingOf(mpi: Mpi): string {
  const build = `npm run build:native -- ${mpi.name}`;
  if (!isProgram(mpi.launcher)) return `no ${mpi.launcher}: ${mpi.install} && ${build}`;
  if (!existsSync(pilotOf(mpi)) || !existsSync(ECHO))
    return `no pilot for it: ${mpi.install} && ${build}`;
  return "";
}

export const hasTls = (mpi: Mpi) =>
  !String(execFileSync(pilotOf(mpi), ["--version"])).includes("TLS: none");

export interface RankProcess {
  readonly pid: number;
  readonly rank: number;
}

export class Ranks {
  readonly mpi: Mpi;
  readonly launcher: Started;
  readonly #mark: string;

  constructor(bed: NativeBed, mpi: Mpi, access: string, flags: readonly string[]) {
    this.mpi = mpi;
    this.#mark = `${MARK}=${bed.folder}`;
    const folders = ["--bundles", join(bed.folder, "bundles"), "--work", bed.folder];
    const pilot = [pilotOf(mpi), "--access", access, "--slots", "2", ...folders, ...flags];
    const launch = [...mpi.flags, "-n", String(RANKS), ...pilot];
    this.launcher = bed.start(mpi.launcher, launch, {
      ...mpi.environment,
      [MARK]: bed.folder,
    });
  }

  /** Living processes of the launch, launchers and their helpers too (rank -1). */
  processes(): RankProcess[] {
    const found: RankProcess[] = [];
    for (const name of readdirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const all = readFileSync(`/proc/${name}/environ`, "utf8").split("\0");
        if (!all.includes(this.#mark)) continue;
        const isPilot = readFileSync(`/proc/${name}/comm`, "utf8").trim() === "jumbo-pilot";
        const start = `${this.mpi.rankVariable}=`;
        const rank = all.find((each) => each.startsWith(start))?.slice(start.length);
        found.push({ pid: Number(name), rank: isPilot ? Number(rank ?? -1) : -1 });
      } catch {
        // It has ended, or is another user's.
      }
    }
    return found;
  }

  ranks(): number[] {
    const numbers = this.processes().map(({ rank }) => rank);
    return numbers.filter((rank) => rank >= 0).sort((a, b) => a - b);
  }

  signal(rank: number, signal: NodeJS.Signals): void {
    const found = this.processes().find((each) => each.rank === rank);
    if (!found) throw new Error(`rank ${rank} is not there: ${this.launcher.text}`);
    process.kill(found.pid, signal);
  }

  /** Kills what is left. */
  kill(): void {
    for (const { pid } of this.processes()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
  }
}
