/**
 * Arguments of the programs that people start by `npm run`. `--help` prints the head of the program's
 * own file, which is its usage; a wrong argument ends it with 2 and one line, not with a stack.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type ParseArgsConfig, parseArgs } from "node:util";

/**
 * `program` is the URL of the file that is run; what is given for the options named in `numbers`
 * must be numbers from 0 up.
 */
export function readArguments<Config extends ParseArgsConfig>(
  program: string,
  config: Config,
  numbers: readonly string[] = [],
): ReturnType<typeof parseArgs<Config>> {
  if (process.argv.includes("--help") || process.argv.includes("-h")) {
    process.stdout.write(`${usageOf(program)}\n`);
    process.exit(0);
  }
  try {
    const read = parseArgs(config);
    for (const name of numbers) checkNumber(name, (read.values as Record<string, unknown>)[name]);
    return read;
  } catch (error) {
    const [problem] = (error as Error).message.split(". ");
    console.error(`${problem} (--help says what there is)`);
    process.exit(2);
  }
}

function checkNumber(name: string, value: unknown): void {
  if (value === undefined || (value !== "" && Number(value) >= 0)) return;
  throw new Error(`--${name} ${value} is no number from 0 up`);
}

function usageOf(program: string): string {
  const text = readFileSync(fileURLToPath(program), "utf8");
  const head = text.slice(text.indexOf("/**") + 3, text.indexOf("*/"));
  return head.replaceAll(/^ \* ?/gm, "").trim();
}
