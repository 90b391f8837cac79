/** `pilot script`: flags -> the batch script on standard output. */
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { JumboError, parseDurationSeconds } from "../base/index.ts";
import { type Launcher, type Mpi, pilotProgram, pilotScript } from "../fleet/index.ts";
import { writeAllocationAccess } from "./allocation-access.ts";
import { type AccessFlags, accessPathOf, withAccess } from "./api-client.ts";
import { wholeNumber } from "./flags.ts";

const NODES_MAX = 100_000;

interface Flags extends AccessFlags {
  queue: string;
  nodes: string;
  time: string;
  mpi: Mpi;
  launcher: Launcher;
  pilot?: string;
  bundles: string;
  slots?: string;
  account: string;
  notice: string;
  stepsPer?: string;
  folder?: string;
  owner: string;
  enrol: string;
}

export function registerPilotScript(pilot: Command): void {
  withAccess(pilot.command("script").summary("print a batch script for an MPI pilot on Slurm"))
    .option("--queue <name>", "partition (default: the cluster's)", "")
    .requiredOption("--nodes <n>", "nodes of the job")
    .requiredOption("--time <duration>", "walltime of the job")
    .addOption(
      new Option("--mpi <name>", "MPI that jumbo-pilot was built with")
        .choices(["openmpi", "mpich"])
        .default("openmpi"),
    )
    .addOption(
      new Option("--launcher <name>", "what starts the ranks")
        .choices(["srun", "mpirun"])
        .default("srun"),
    )
    .option("--pilot <path>", "jumbo-pilot (default: native/build/MPI/jumbo-pilot)")
    .option("--bundles <dir>", "folder for outputs, seen by nodes and engine", "jumbo-bundles")
    .option("--slots <n>", "payload places on each node (default: its free cores)")
    .option("--account <name>", "account that is charged", "")
    .option("--notice <duration>", "how long before the end the pilot is told", "2m")
    .option("--folder <dir>", "write an access file there, with a key for this job alone")
    .option(
      "--owner <name>",
      "with --folder: whose tasks the job works on (default: everybody's)",
      "",
    )
    .option("--enrol <duration>", "with --folder: the job begins within this time", "168h")
    .option("--steps-per <n>", "nodes of one step: several steps, each a session of its own")
    .action((_options: unknown, command: Command) => {
      const flags = command.opts<Flags>();
      const options = optionsOf(flags);
      const script = pilotScript(options);
      if (flags.folder !== undefined) {
        writeAllocationAccess(options.access, accessPathOf(flags), {
          queue: flags.queue,
          owner: flags.owner,
          cores: (options.slots ?? 0) * options.nodes,
          enrolSeconds: seconds(flags.enrol, "--enrol"),
          walltimeSeconds: options.walltimeSeconds,
          isRemote: true,
        });
      }
      process.stdout.write(script);
    });
}

function optionsOf(flags: Flags) {
  const nodes = (text: string, flag: string) => wholeNumber(text, flag, 1, NODES_MAX);
  return {
    queue: flags.queue,
    nodes: nodes(flags.nodes, "--nodes"),
    walltimeSeconds: seconds(flags.time, "--time"),
    mpi: flags.mpi,
    launcher: flags.launcher,
    access: resolve(
      flags.folder === undefined ? accessPathOf(flags) : `${flags.folder}/access.json`,
    ),
    bundles: resolve(flags.bundles),
    pilot: flags.pilot === undefined ? pilotProgram(flags.mpi) : resolve(flags.pilot),
    slots: flags.slots === undefined ? null : wholeNumber(flags.slots, "--slots", 1, 65_535),
    account: flags.account,
    noticeSeconds: Math.max(1, Math.round(seconds(flags.notice, "--notice"))),
    nodesPerStep: flags.stepsPer === undefined ? 0 : nodes(flags.stepsPer, "--steps-per"),
  };
}

function seconds(text: string, flag: string): number {
  const value = parseDurationSeconds(text);
  if (value === null) {
    throw new JumboError(
      "usage",
      `${flag} "${text}" is no duration (it has an unknown form) write e.g. 90m, 1h30m or 00:05:00`,
      { subject: flag },
    );
  }
  return value;
}
