/**
 * Runs the command that is asked for (program.ts); turns every error into one line on standard
 * error and one exit code of the table.
 */
import { CommanderError } from "commander";
import { EXIT, exitNow, JumboError, messageOf } from "../base/index.ts";
import { printError } from "./output.ts";
import { program } from "./program.ts";

const DISK_CODES = new Set(["ENOSPC", "EDQUOT", "EIO", "EROFS"]);

async function main(): Promise<number> {
  const jumbo = await program(process.argv[2]);
  try {
    await jumbo.parseAsync(process.argv);
    return typeof process.exitCode === "number" ? process.exitCode : EXIT.ok;
  } catch (thrown) {
    const error = diskError(thrown) ?? thrown;
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const style = process.argv.includes("json") ? "json" : "text";
    if (error instanceof JumboError) {
      printError(style, error);
      return error.exitCode;
    }
    process.stderr.write(
      `jumbo: unexpected error, please report it: ${error instanceof Error ? error.stack : messageOf(error)}\n`,
    );
    return EXIT.workFailed;
  }
}

/** A disk that fails under any file of ours is no mistake of ours; null for all other errors. */
function diskError(error: unknown): JumboError | null {
  if (error instanceof JumboError || !(error instanceof Error)) return null;
  const { code, path } = error as NodeJS.ErrnoException;
  if (!DISK_CODES.has(code ?? "")) return null;
  const options = path === undefined ? { cause: error } : { subject: path, cause: error };
  return new JumboError(
    "store_io",
    `${path ?? "a file"} can't be written or read (${error.message}) ` +
      "look at the disk, then start again: it goes on from what is durable",
    options,
  );
}

// Standard output may be a pipe whose reader has left: that is the reader's choice, not an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(EXIT.ok);
});
const code = await main();
// LMDB's write thread may hang after a failed write, and would hold an ordinary exit for ever.
if (code === EXIT.storeIo) exitNow(code);
process.exit(code);
