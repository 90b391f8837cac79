/** The `--output` flag, known to every command. */
import { type Command, Option } from "commander";
import { STYLES, type Style } from "./output.ts";

export function outputOption(): Option {
  return new Option("--output <style>", "how results are printed").choices(STYLES).default("text");
}

export function styleOf(command: Command): Style {
  return command.opts<{ output: Style }>().output;
}
