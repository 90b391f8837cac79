/**
 * The program: every command, by the file that has it. What is asked for loads only its own file: a
 * short command spends half its time on loading, and an engine has books to read back. What a
 * command does is in the file that its action calls.
 */
import { Command } from "commander";
import { VERSION } from "./version.ts";

export const GROUPS: readonly {
  readonly names: readonly string[];
  load(): Promise<(jumbo: Command) => void>;
}[] = [
  {
    names: ["run", "serve"],
    load: async () => (await import("./engine-commands.ts")).registerEngineCommands,
  },
  {
    names: [
      ...["submit", "list", "show", "watch", "explain"],
      ...["cancel", "retry", "extend", "wait", "export"],
    ],
    load: async () => (await import("./task-commands.ts")).registerTaskCommands,
  },
  {
    names: ["verify", "doctor"],
    load: async () => (await import("./store-commands.ts")).registerStoreCommands,
  },
  {
    names: ["pilot", "token"],
    load: async () => (await import("./pilot-commands.ts")).registerPilotCommands,
  },
  {
    names: ["queue"],
    load: async () => (await import("./queue-commands.ts")).registerQueueCommands,
  },
  {
    names: ["bench"],
    load: async () => (await import("./bench-command.ts")).registerBenchCommand,
  },
];

/** `wanted`: the first word of the command line; where no group has it, all are there. */
export async function program(wanted: string | undefined): Promise<Command> {
  const jumbo = new Command("jumbo")
    .description(
      "Event-level processing engine: every event exactly once, on whatever cores are alive",
    )
    .version(VERSION, "-V, --version")
    .showHelpAfterError("(`jumbo help` lists the commands)")
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, "jumbo: error: ")),
    });
  const own = GROUPS.filter(({ names }) => wanted !== undefined && names.includes(wanted));
  const needed = own.length > 0 ? own : GROUPS;
  const asksVersion = wanted === "-V" || wanted === "--version";
  for (const { load } of asksVersion ? [] : needed) (await load())(jumbo);
  for (const command of everyCommand(jumbo)) command.exitOverride();
  return jumbo;
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap((child) => everyCommand(child))];
}
