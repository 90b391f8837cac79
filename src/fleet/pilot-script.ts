/**
 * Batch scripts that run jumbo-pilot on a Slurm allocation, for Open MPI and MPICH, by srun or
 * mpirun: one for people (`pilot script`, with sbatch's options in its head), one for a queue's
 * allocations, whose options stand in sbatch's argv. Neither holds a secret: the key stays in the
 * access file, which must belong to its reader alone.
 *
 * Signals differ by launcher. srun's steps get Slurm's signals directly. An mpirun is sent USR1 by
 * the script, since both forward that and Open MPI's kills its ranks a second after a TERM; a shell
 * that was waiting when the trap ran must wait again.
 */
import { resolve } from "node:path";
import { JumboError } from "../base/index.ts";

export const MPIS = ["openmpi", "mpich"] as const;
export const LAUNCHERS = ["srun", "mpirun"] as const;
export type Mpi = (typeof MPIS)[number];
export type Launcher = (typeof LAUNCHERS)[number];

export interface ScriptOptions {
  /** Partition; "" for the cluster's default. */
  readonly queue: string;
  readonly nodes: number;
  readonly walltimeSeconds: number;
  readonly mpi: Mpi;
  readonly launcher: Launcher;
  /** Absolute path of the access file, seen by the nodes. */
  readonly access: string;
  /** Absolute path of the folder for outputs, seen by nodes and engine. */
  readonly bundles: string;
  /** Path of jumbo-pilot, seen by the nodes. */
  readonly pilot: string;
  /** Payload places on each node; null: its free cores. */
  readonly slots: number | null;
  readonly account: string;
  /** Seconds before the end at which Slurm sends TERM. */
  readonly noticeSeconds: number;
  /** Nodes of one step; each step is a session of its own. 0: one step for all. */
  readonly nodesPerStep: number;
}

/** Slurm's D-HH:MM:SS; it counts in minutes, so seconds are rounded up to one. */
function slurmTime(seconds: number): string {
  const minutes = Math.max(1, Math.ceil(seconds / 60));
  const two = (value: number) => String(value).padStart(2, "0");
  return `${Math.floor(minutes / 1440)}-${two(Math.floor(minutes / 60) % 24)}:${two(minutes % 60)}:00`;
}

/** A word of a POSIX shell that is `text` byte for byte. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Where `npm run build:native` puts the pilot of an MPI. */
export function pilotProgram(mpi: Mpi): string {
  return resolve(import.meta.dirname, `../../native/build/${mpi}/jumbo-pilot`);
}

function check(options: ScriptOptions): void {
  const { launcher, nodes, nodesPerStep, queue, account } = options;
  if (nodesPerStep > 0 && launcher !== "srun") {
    throw new JumboError(
      "usage",
      "--steps-per can't be used with mpirun (only srun starts several steps in one job) leave it out, or use --launcher srun",
      { subject: "--steps-per" },
    );
  }
  if (nodesPerStep > 0 && nodes % nodesPerStep !== 0) {
    throw new JumboError(
      "usage",
      `--steps-per ${nodesPerStep} leaves nodes idle (it does not divide ${nodes}) write a number that does`,
      { subject: "--steps-per" },
    );
  }
  for (const [flag, text] of [
    ["--queue", queue],
    ["--account", account],
  ] as const) {
    if (!/^[A-Za-z0-9_.,-]*$/.test(text)) {
      throw new JumboError(
        "usage",
        `${flag} "${text}" is no name that Slurm takes (it has other characters) use letters, digits and ._-`,
        { subject: flag },
      );
    }
  }
}

/** What sbatch reads before the first command. */
function header(options: ScriptOptions): string[] {
  const { queue, account, nodes, walltimeSeconds, launcher, noticeSeconds } = options;
  const direct = launcher === "srun" ? "" : "B:";
  return [
    "#!/bin/bash",
    "#SBATCH --job-name=jumbo-pilot",
    ...(queue === "" ? [] : [`#SBATCH --partition=${queue}`]),
    ...(account === "" ? [] : [`#SBATCH --account=${account}`]),
    `#SBATCH --nodes=${nodes}`,
    "#SBATCH --ntasks-per-node=1",
    "#SBATCH --exclusive",
    `#SBATCH --time=${slurmTime(walltimeSeconds)}`,
    `#SBATCH --signal=${direct}TERM@${noticeSeconds}`,
    "#SBATCH --requeue",
    "#SBATCH --no-kill",
    "#SBATCH --open-mode=append",
  ];
}

/** How the ranks are started, and on how many nodes a step. */
export type Launch = Pick<ScriptOptions, "mpi" | "launcher" | "nodes" | "nodesPerStep">;

function launch({ mpi, launcher, nodesPerStep }: Launch): string {
  if (launcher === "srun") {
    const kind = mpi === "openmpi" ? "pmix" : "pmi2";
    // The job's number of tasks is in the environment; a step has its own.
    const own = `--nodes=${nodesPerStep} --ntasks=${nodesPerStep} `;
    const nodes = nodesPerStep > 0 ? own : "";
    return `srun ${nodes}--ntasks-per-node=1 --mpi=${kind} --cpu-bind=none --no-kill --kill-on-bad-exit=0`;
  }
  return mpi === "openmpi"
    ? "mpirun.openmpi --npernode 1 --bind-to none --enable-recovery"
    : "mpirun.mpich -ppn 1 -bind-to none -disable-auto-cleanup";
}

/** Starts the ranks of `pilot`, an array of words, and ends as they do. */
function body(options: Launch): string[] {
  const { mpi, launcher, nodes, nodesPerStep } = options;
  const command = `${launch(options)} "\${pilot[@]}" </dev/null`;
  if (nodesPerStep > 0) {
    const steps = nodes / nodesPerStep;
    return [
      `for step in $(seq ${steps}); do`,
      `  ${command} &`,
      "done",
      "status=0",
      'for job in $(jobs -p); do wait "$job" || status=$?; done',
      "exit $status",
    ];
  }
  if (launcher === "srun") return [`exec ${command}`];
  // MPICH's mpirun sends USR1 also when a rank has died: there a file says that it means drain.
  const file = mpi === "mpich";
  return [
    ...(file ? [`drain="\${access%/*}/drain-$SLURM_JOB_ID-\${SLURM_RESTART_COUNT:-0}"`] : []),
    ...(file ? ['pilot+=(--drain-file "$drain")'] : []),
    `${command} &`,
    "launcher=$!",
    file ? `trap 'touch "$drain"; kill -USR1 $launcher' TERM` : "trap 'kill -USR1 $launcher' TERM",
    "wait $launcher",
    "status=$?",
    "# A wait that the trap cut short says nothing of the launcher.",
    "if [ $status -gt 128 ]; then wait $launcher; status=$?; fi",
    ...(file ? ['rm -f "$drain"'] : []),
    "exit $status",
  ];
}

function guard(access: string): string[] {
  return [
    "# The engine's key is in this file only; nobody else may read it.",
    `access=${shellWord(access)}`,
    'if [ -n "$(find "$access" -perm /077)" ]; then',
    '  echo "$access can be read by others (it holds a key) chmod 400 it" >&2',
    "  exit 2",
    "fi",
  ];
}

/**
 * The script of a queue's allocation; `words` are the pilot's program and flags, each a shell word
 * already. The pilot asks Slurm for the job's end by itself.
 */
export function allocationScript(
  title: string,
  access: string,
  words: readonly string[],
  how: Launch,
): string {
  const head = ["#!/bin/bash", `# ${title}`, "set -u", "umask 077", ""];
  return [...head, ...guard(access), `pilot=(${words.join(" ")})`, "", ...body(how), ""].join("\n");
}

/** The whole script. Throws JumboError("usage") for options that don't fit together. */
export function pilotScript(options: ScriptOptions): string {
  check(options);
  const { access, bundles, pilot, slots, queue } = options;
  const flags = [
    `--access ${shellWord(access)}`,
    `--bundles ${shellWord(bundles)}`,
    ...(slots === null ? [] : [`--slots ${slots}`]),
    ...(queue === "" ? [] : [`--queue ${shellWord(queue)}`]),
  ];
  return [
    ...header(options),
    "",
    ...guard(access),
    `pilot=(${shellWord(pilot)} ${flags.join(" ")})`,
    "",
    ...body(options),
    "",
  ].join("\n");
}
