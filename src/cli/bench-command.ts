/**
 * `jumbo bench`: the bench of the core, for people on a laptop. It is a program of the source tree
 * (bench/heart, its load generator in C); peers are compared where they are installed.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { EXIT, JumboError } from "../base/index.ts";

export function registerBenchCommand(jumbo: Command): void {
  jumbo
    .command("bench")
    .summary("measure the core on this machine, against peers where they are installed")
    .option("--quick", "under a minute: one round, short runs")
    .option("--json <file>", "write the figures there")
    .option("--modelled-flush <us>", "on tmpfs, each flush taking so many microseconds")
    .option("--rounds <n>", "interleaved rounds (default 5)")
    .option("--dir <dir>", "folder on the disk to measure (default: the temporary folder)")
    .option("--only <word>", "only the sections with this in their name")
    .action(async (flags: Record<string, string | boolean>) => {
      process.exitCode = await bench(flags);
    });
}

async function bench(flags: Record<string, string | boolean>): Promise<number> {
  const script = fileURLToPath(new URL("../../bench/heart/main.ts", import.meta.url));
  if (!existsSync(script)) {
    throw new JumboError(
      "not_found",
      "the bench is not here (it comes with the source, not with the published package) clone the repository and build with cmake at hand",
    );
  }
  const words = Object.entries(flags).flatMap(([name, value]) => {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    return value === true ? [flag] : [flag, String(value)];
  });
  const all = [script, "--installed-peers", ...words];
  const child = spawn(process.execPath, all, { stdio: "inherit" });
  return new Promise((resolve) => {
    child.on("close", (code) => resolve(code ?? EXIT.interrupted));
  });
}
