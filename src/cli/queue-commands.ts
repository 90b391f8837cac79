/** `queue ...`: the places from which a serving engine gets allocations, over its HTTP API. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { counted, formatSeconds, JumboError, parseDurationSeconds } from "../base/index.ts";
import type { Hole, Plan, QueueView } from "../fleet/index.ts";
import { type AccessFlags, ApiClient, withAccess } from "./api-client.ts";
import { print, table } from "./output.ts";
import { outputOption, styleOf } from "./style.ts";

export function registerQueueCommands(jumbo: Command): void {
  const queue = jumbo.command("queue").summary("places that give allocations: Slurm, this machine");
  withAccess(
    queue
      .command("add")
      .summary("let a serving engine ask for allocations there")
      .argument("<name>", "what it is called here"),
  )
    .requiredOption("--kind <kind>", "local or slurm")
    .requiredOption("--folder <dir>", "jobs' folders and bundles; its nodes must see it")
    .option("--partition <name>", "slurm: the partition")
    .option("--owner <name>", "whose tasks it works on (default: everybody's)")
    .option("--pilot <kind>", "ts or mpi: what runs on its nodes (default: ts)")
    .option("--mpi <name>", "openmpi or mpich: what jumbo-pilot was built with (default: openmpi)")
    .option("--launcher <name>", "srun or mpirun: what starts its ranks (default: srun)")
    .option(
      "--program <path>",
      "jumbo-pilot as nodes see it (default: native/build/MPI/jumbo-pilot)",
    )
    .option("--slots <n>", "payloads per node (default: its cores)")
    .option("--nodes-min <n>", "smallest job")
    .option("--nodes-max <n>", "largest job")
    .option("--walltime-min <duration>", "shortest job")
    .option("--walltime-max <duration>", "longest job")
    .option("--jobs-max <n>", "jobs of ours at once (default: 4)")
    .option("--per-minute <n>", "submissions a minute (default: 6)")
    .option("--cap <nodes:duration...>", "jobs of fewer nodes get at most so long: 125:2h")
    .option("--lead <duration>", "left free before what ends a hole (default: 30s)")
    .option("--pending-max <duration>", "take a job back that has not begun (default: 2m)")
    .option("--idle-max <duration>", "hand an allocation back that finds no work (default: 1m)")
    .option("--every <duration>", "look at the site so often (default: 15s)")
    .option("--startup <duration>", "first guess of a job's start-up time (default: 10s)")
    .option("--price <share>", "useful share that a node-second must bring (default: 0)")
    .option("--argument <option...>", "further options of sbatch: --argument=--account=x")
    .option("--paused", "submit nothing before `queue resume`")
    .addOption(outputOption())
    .action(async (name: string, _options: unknown, command: Command) => add(name, command));
  withAccess(queue.command("list").summary("queues and their allocations"))
    .addOption(outputOption())
    .action(async (_options: unknown, command: Command) => list(command));
  const texts = {
    pause: "submit nothing more; what runs goes on",
    resume: "submit again",
  };
  for (const action of ["pause", "resume"] as const) {
    withAccess(queue.command(action).summary(texts[action]).argument("<name>"))
      .addOption(outputOption())
      .action(async (name: string, _options: unknown, command: Command) => {
        const path = `/queues/${encodeURIComponent(name)}/${action}`;
        printQueue(command, await clientOf(command).post<QueueView>(path));
      });
  }
  withAccess(
    queue.command("dry-run").summary("what would be submitted now, and why").argument("<name>"),
  )
    .addOption(outputOption())
    .action(async (name: string, _options: unknown, command: Command) => dryRun(name, command));
  withAccess(queue.command("remove").summary("take its jobs back and forget it").argument("<name>"))
    .addOption(outputOption())
    .action(async (name: string, _options: unknown, command: Command) => {
      await clientOf(command).delete(`/queues/${encodeURIComponent(name)}`);
      print(styleOf(command), {
        json: () => ({ schema: "removed/1", queue: name }),
        text: () => `queue ${name} is removed`,
        quiet: () => name,
      });
    });
}

function clientOf(command: Command): ApiClient {
  return ApiClient.fromFlags(command.opts<AccessFlags>());
}

/** Flag of `queue add` -> setting, and how its text is read. */
const SETTINGS: Readonly<Record<string, readonly [string, "number" | "duration" | "text"]>> = {
  kind: ["kind", "text"],
  partition: ["partition", "text"],
  owner: ["owner", "text"],
  pilot: ["pilot", "text"],
  mpi: ["mpi", "text"],
  launcher: ["launcher", "text"],
  program: ["program", "text"],
  slots: ["slots", "number"],
  nodesMin: ["nodesMin", "number"],
  nodesMax: ["nodesMax", "number"],
  walltimeMin: ["walltimeSecondsMin", "duration"],
  walltimeMax: ["walltimeSecondsMax", "duration"],
  jobsMax: ["jobsMax", "number"],
  perMinute: ["submissionsPerMinute", "number"],
  lead: ["leadSeconds", "duration"],
  pendingMax: ["pendingSecondsMax", "duration"],
  idleMax: ["idleSecondsMax", "duration"],
  every: ["everySeconds", "duration"],
  startup: ["startSeconds", "duration"],
  price: ["price", "number"],
};

interface AddFlags extends AccessFlags {
  folder: string;
  cap?: string[];
  argument?: string[];
  paused?: boolean;
}

async function add(name: string, command: Command): Promise<void> {
  const flags = command.opts<AddFlags>();
  const settings: Record<string, unknown> = { folder: resolve(flags.folder) };
  for (const [flag, [key, form]] of Object.entries(SETTINGS)) {
    const text = command.opts<Record<string, string | undefined>>()[flag];
    if (text === undefined) continue;
    settings[key] = form === "text" ? text : numberOf(text, flag, form);
  }
  if (flags.cap) settings["caps"] = flags.cap.map(capOf);
  if (flags.argument) settings["arguments"] = flags.argument;
  const body = { name, settings, paused: flags.paused ?? false };
  printQueue(command, await clientOf(command).post<QueueView>("/queues", body));
}

function numberOf(text: string, flag: string, form: "number" | "duration"): number {
  const value = form === "duration" ? parseDurationSeconds(text) : Number(text);
  if (value !== null && Number.isFinite(value) && text.trim() !== "") return value;
  const option = `--${flag.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new JumboError(
    "usage",
    `${option} "${text}" is no ${form} (it has an unknown form) write ${form === "number" ? "e.g. 4" : "e.g. 90m or 00:05:00"}`,
    { subject: option },
  );
}

function capOf(text: string): { nodesBelow: number; seconds: number } {
  const [nodes = "", duration = ""] = text.split(":", 2);
  const seconds = parseDurationSeconds(duration);
  if (!/^\d+$/.test(nodes) || seconds === null) {
    throw new JumboError(
      "usage",
      `--cap "${text}" is not understood (NODES:DURATION is wanted) write e.g. 125:2h`,
      { subject: "--cap" },
    );
  }
  return { nodesBelow: Number(nodes), seconds };
}

function printQueue(command: Command, view: QueueView): void {
  print(styleOf(command), {
    json: () => view,
    text: () => queueLines(view).join("\n"),
    quiet: () => view.name,
  });
}

async function list(command: Command): Promise<void> {
  const document = await clientOf(command).get<{ queues: QueueView[] }>("/queues");
  print(styleOf(command), {
    json: () => document,
    text: () =>
      document.queues.length === 0
        ? "no queues (add one with `jumbo queue add`)"
        : document.queues.flatMap(queueLines).join("\n"),
    quiet: () => document.queues.map((queue) => queue.name).join("\n"),
  });
}

function queueLines(view: QueueView): string[] {
  const { settings } = view;
  const place = settings.partition === "" ? view.kind : `${view.kind} ${settings.partition}`;
  const live = view.allocations.filter((one) => one.phase !== "ended").length;
  const startup = view.startupSeconds < 0 ? "" : `, start-up ${formatSeconds(view.startupSeconds)}`;
  const lines = [
    `${view.name}: ${place}, ${view.paused ? "paused" : "open"}, ${live} of ${settings.jobsMax} jobs${startup}`,
  ];
  if (view.problem !== "") lines.push(`  problem: ${view.problem}`);
  if (view.heldUntilSeconds * 1000 > Date.now()) {
    lines.push(`  nothing is submitted before ${clock(view.heldUntilSeconds)}`);
  }
  if (view.allocations.length > 0) {
    const rows = view.allocations.map((one) => [
      one.id,
      one.jobId,
      String(one.nodes.length),
      formatSeconds(one.seconds),
      one.state || one.phase,
      one.startSeconds > 0 ? clock(one.startSeconds) : "",
      one.cancelled || (one.reason === "None" ? "" : one.reason),
    ]);
    const headings = ["allocation", "job", "nodes", "walltime", "state", "began", "why"];
    for (const line of table(headings, rows).split("\n")) lines.push(`  ${line}`);
  }
  return lines;
}

async function dryRun(name: string, command: Command): Promise<void> {
  const path = `/queues/${encodeURIComponent(name)}/dry-run`;
  const document = await clientOf(command).get<Plan & { queue: string }>(path);
  print(styleOf(command), {
    json: () => document,
    text: () => planLines(document).join("\n"),
    quiet: () =>
      document.shapes.map((shape) => `${shape.nodes.length}x${shape.seconds}`).join("\n"),
  });
}

export function planLines(plan: Plan): string[] {
  const lines = ["holes:"];
  if (plan.holes.length === 0) lines.push("  none");
  for (const hole of plan.holes) lines.push(`  ${holeLine(hole)}`);
  for (const note of plan.notes) lines.push(`  (${note})`);
  lines.push("staircase:");
  if (plan.steps.length === 0) lines.push("  none");
  for (const step of plan.steps) {
    lines.push(`  ${counted(step.nodes, "node")} for at least ${formatSeconds(step.seconds)}`);
  }
  lines.push("shapes:");
  if (plan.none !== "") lines.push(`  none: ${plan.none}`);
  for (const shape of plan.shapes) {
    lines.push(`  ${namesText(shape.nodes)}: ${shape.reason}`);
    if (shape.ranges > 0) lines.push(`    about ${Math.round(shape.ranges)} ranges`);
  }
  return lines;
}

function holeLine(hole: Hole): string {
  return (
    `${hole.nodes.length} x ${hole.cores} cores for ${formatSeconds(hole.seconds)}, until ` +
    `${clock(hole.endsSeconds)}: ${hole.why} (${namesText(hole.nodes)})`
  );
}

function namesText(names: readonly string[]): string {
  const shown = names.slice(0, 6).join(",");
  return names.length > 6 ? `${shown} and ${names.length - 6} more` : shown;
}

function clock(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}
