/** `pilot start` gives this machine's cores to an engine; `token` manages who may ask of it what. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import {
  caveatsOf,
  EXIT,
  JumboError,
  parseDurationSeconds,
  readAccessFile,
  STORE_IDENTITY,
} from "../base/index.ts";
import type { TokenView } from "../http/index.ts";
import { Relay, runPilot } from "../pilot/index.ts";
import { writeAllocationAccess } from "./allocation-access.ts";
import { type AccessFlags, ApiClient, accessPathOf, withAccess } from "./api-client.ts";
import { wholeNumber } from "./flags.ts";
import { print, table } from "./output.ts";
import { registerPilotScript } from "./pilot-script-command.ts";
import { outputOption, styleOf } from "./style.ts";

export function registerPilotCommands(jumbo: Command): void {
  const pilot = jumbo.command("pilot").summary("give cores to an engine");
  withAccess(pilot.command("start").summary("start a pilot on this machine"))
    .option("--slots <n>", "payload places on this node (default: the free cores)")
    .option(
      "--bundles <dir>",
      "folder for outputs, seen by the engine too (default: ./jumbo-bundles)",
    )
    .option("--work <dir>", "folder in which payloads run (default: the system's temporary folder)")
    .option(
      "--walltime <duration>",
      "time that this process has; it drains before the end (default: in a Slurm job, as Slurm says)",
    )
    .option("--slurm-job <id>", "with --walltime: ask Slurm now and then whether the end moved", "")
    .option("--queue <name>", "the place that gave the cores", "")
    .option("--allocation <id>", "the batch job that it runs in", "")
    .option("--id <text>", "stable identity (default: host, process and chance)")
    .option("--generation <n>", "raised by a process that takes over an identity", "1")
    .option("--give-up <duration>", "end after so long without an engine", "10m")
    .option("--drain <duration>", "time for what runs after SIGTERM (default: as long as it needs)")
    .option("--with-parent", "stop at once when the process that started it is gone")
    .addOption(outputOption())
    .action(async (_options: unknown, command: Command) => {
      process.exitCode = await start(command);
    });
  registerPilotScript(pilot);
  withAccess(
    pilot.command("relay").summary("carry frames between an engine and nodes without a network"),
  )
    .requiredOption("--folder <dir>", "spool folder, seen by this machine and the nodes")
    .addOption(outputOption())
    .action(async (_options: unknown, command: Command) => {
      process.exitCode = await relay(command);
    });
  const token = jumbo.command("token").summary("tokens of people and programs");
  withAccess(token.command("create").summary("make a token; it is shown this once"))
    .requiredOption("--owner <name>", "whose tasks it submits and sees")
    .option("--scope <scope>", "read, write or admin", "write")
    .option("--life <duration>", "how long it is valid (default: for ever; with --pilot: 24h)")
    .option("--pilot <file>", "instead write an access file for pilots that work for this owner")
    .option("--queue <name>", "with --pilot: only for pilots of this queue", "")
    .option("--cores <n>", "with --pilot: most slots of a pilot (default: any number)", "0")
    .addOption(outputOption())
    .action(async (_options: unknown, command: Command) => createToken(command));
  withAccess(token.command("list").summary("tokens without their secrets"))
    .addOption(outputOption())
    .action(async (_options: unknown, command: Command) => listTokens(command));
  withAccess(token.command("revoke").summary("refuse a token, or a pilots' key, from now on"))
    .argument("<id>", "id of a token, identity of a key (jumbo1/...), or an access file with one")
    .addOption(outputOption())
    .action(async (id: string, _options: unknown, command: Command) => {
      const identity = keyIdentityOf(id);
      if (identity === null) await revokeToken(id, command);
      else await revokePilotKey(identity, command);
    });
}

interface StartFlags extends AccessFlags {
  slots?: string;
  bundles?: string;
  work?: string;
  walltime?: string;
  slurmJob: string;
  queue: string;
  allocation: string;
  id?: string;
  generation: string;
  giveUp: string;
  drain?: string;
  withParent?: boolean;
}

async function start(command: Command): Promise<number> {
  const flags = command.opts<StartFlags>();
  const style = styleOf(command);
  const log = (line: string) => {
    if (style !== "quiet") process.stderr.write(`${new Date().toISOString()} ${line}\n`);
  };
  const end = await runPilot({
    access: accessPathOf(flags),
    ...(flags.slots === undefined ? {} : { slots: wholeNumber(flags.slots, "--slots", 1, 65_535) }),
    ...(flags.bundles === undefined ? {} : { bundlesDir: flags.bundles }),
    ...(flags.work === undefined ? {} : { workDir: flags.work }),
    ...(flags.id === undefined ? {} : { pilotId: flags.id }),
    generation: wholeNumber(flags.generation, "--generation", 1, 0xffff_ffff),
    queue: flags.queue,
    allocation: flags.allocation,
    walltimeSeconds: flags.walltime === undefined ? null : durationOf(flags.walltime, "--walltime"),
    ...(flags.slurmJob === "" ? {} : { slurmJob: flags.slurmJob }),
    drainSeconds: flags.drain === undefined ? null : durationOf(flags.drain, "--drain"),
    giveUpSeconds: durationOf(flags.giveUp, "--give-up"),
    dieWithParent: flags.withParent ?? false,
    log,
  });
  print(style, {
    json: () => ({ schema: "pilot-end/1", ...end }),
    text: () =>
      `${end.reason}: ${end.accepted} done, ${end.failed} failed, ${end.returned} returned, ${end.lost} lost`,
    quiet: () => "",
  });
  return end.exitCode;
}

async function relay(command: Command): Promise<number> {
  const flags = command.opts<AccessFlags & { folder: string }>();
  const log = (line: string) => process.stderr.write(`${new Date().toISOString()} ${line}\n`);
  const { folder } = flags;
  const served = await Relay.start({ accessPath: accessPathOf(flags), folder, log });
  print(styleOf(command), {
    json: () => ({ schema: "relay/1", folder: resolve(folder), access: served.accessPath }),
    text: () => `relay in ${resolve(folder)}; pilots there take --access ${served.accessPath}`,
    quiet: () => served.accessPath,
  });
  await new Promise<void>((ended, failed) => {
    process.once("SIGTERM", () => ended());
    process.once("SIGINT", () => ended());
    served.onReplaced = failed;
  });
  served.stop();
  return EXIT.ok;
}

function durationOf(text: string, flag: string): number {
  const seconds = parseDurationSeconds(text);
  if (seconds === null) {
    throw new JumboError(
      "usage",
      `${flag} "${text}" is no duration (it has an unknown form) write e.g. 90m, 1h30m or 00:05:00`,
      { subject: flag },
    );
  }
  return seconds;
}

interface TokenFlags extends AccessFlags {
  owner: string;
  scope: string;
  life?: string;
  pilot?: string;
  queue: string;
  cores: string;
}

async function createToken(command: Command): Promise<void> {
  const flags = command.opts<TokenFlags>();
  const lifeSeconds = flags.life === undefined ? null : durationOf(flags.life, "--life");
  if (flags.pilot !== undefined) {
    createPilotAccess(command, resolve(flags.pilot), lifeSeconds ?? 86_400);
    return;
  }
  const made = await ApiClient.fromFlags(flags).post<TokenView & { token: string }>("/tokens", {
    owner: flags.owner,
    scope: flags.scope,
    expiresWallMs: lifeSeconds === null ? 0 : Date.now() + lifeSeconds * 1000,
  });
  print(styleOf(command), {
    json: () => made,
    text: () =>
      `${made.token}\n(id ${made.id}, ${made.scope}, owner ${made.owner}; it is not shown again)`,
    quiet: () => made.token,
  });
}

/** A key for pilots is derived from the engine's own: whoever may read that may do it. */
function createPilotAccess(command: Command, path: string, lifeSeconds: number): void {
  const flags = command.opts<TokenFlags>();
  const { pilotIdentity = "" } = writeAllocationAccess(path, accessPathOf(flags), {
    queue: flags.queue,
    owner: flags.owner,
    cores: wholeNumber(flags.cores, "--cores", 0, 100_000_000),
    enrolSeconds: lifeSeconds,
    walltimeSeconds: 0,
    isRemote: false,
  });
  print(styleOf(command), {
    json: () => ({ schema: "pilot-access/1", path, identity: pilotIdentity }),
    text: () => `${path} (mode 0400, for pilots that begin in time: ${pilotIdentity})`,
    quiet: () => path,
  });
}

async function listTokens(command: Command): Promise<void> {
  const document = await ApiClient.fromFlags(command.opts<AccessFlags>()).get<{
    tokens: TokenView[];
  }>("/tokens");
  print(styleOf(command), {
    json: () => document,
    text: () =>
      table(
        ["id", "owner", "scope", "expires"],
        document.tokens.map((token) => [
          token.id,
          token.owner,
          token.scope,
          token.expiresWallMs === 0 ? "never" : new Date(token.expiresWallMs).toISOString(),
        ]),
      ),
    quiet: () => document.tokens.map((token) => token.id).join("\n"),
  });
}

async function revokeToken(id: string, command: Command): Promise<void> {
  await ApiClient.fromFlags(command.opts<AccessFlags>()).delete(
    `/tokens/${encodeURIComponent(id)}`,
  );
  print(styleOf(command), {
    json: () => ({ schema: "revoked/1", id }),
    text: () => `token ${id} is revoked`,
    quiet: () => id,
  });
}

/** The identity that `text` is, or that the access file of that path has; null: a token's id. */
function keyIdentityOf(text: string): string | null {
  if (caveatsOf(text) !== null) return text;
  if (!text.includes("/") && !existsSync(text)) return null;
  return readAccessFile(resolve(text)).pilotIdentity ?? STORE_IDENTITY;
}

async function revokePilotKey(identity: string, command: Command): Promise<void> {
  const client = ApiClient.fromFlags(command.opts<AccessFlags>());
  const answer = await client.post<{ sessions: number }>("/pilot-keys/revoke", { identity });
  print(styleOf(command), {
    json: () => answer,
    text: () => `the key ${identity} is revoked; ${answer.sessions} pilots were disconnected`,
    quiet: () => identity,
  });
}
