/**
 * npm run bench:heart: what the core does, against peers and floors of the same run.
 *
 *   npm run bench:heart [-- --quick] [--json FILE] [--modelled-flush US] [--rounds N] [--dir DIR]
 *                       [--only WORD] [--no-peers | --installed-peers] [--inline] [--tcp]
 *
 * Pilots and peers come over unix sockets; with --tcp over loopback TCP, all alike.
 * Exit code 1 if a goal is missed, 3 if a peer could not be started (without it everything else is
 * measured; --installed-peers takes those that are there). Every comparison is a ratio of
 * contenders that ran within the same seconds; figures of different runs say nothing of each other.
 */
import { writeFileSync } from "node:fs";
import { readArguments } from "../arguments.ts";
import { runHeart } from "./heart.ts";

const config = {
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "string" },
    "modelled-flush": { type: "string" },
    rounds: { type: "string" },
    dir: { type: "string" },
    only: { type: "string" },
    "no-peers": { type: "boolean", default: false },
    "installed-peers": { type: "boolean", default: false },
    inline: { type: "boolean", default: false },
    tcp: { type: "boolean", default: false },
  },
} as const;
const { values } = readArguments(import.meta.url, config, ["rounds", "modelled-flush"]);
const { report, exitCode } = await runHeart({
  quick: values.quick,
  rounds: values.rounds === undefined ? null : Number(values.rounds),
  modelledFlushUs: values["modelled-flush"] === undefined ? null : Number(values["modelled-flush"]),
  dir: values.dir ?? null,
  only: values.only ?? null,
  peers: values["no-peers"] ? "none" : values["installed-peers"] ? "installed" : "all",
  inline: values.inline,
  transport: values.tcp ? "tcp" : "unix",
  print: (line) => process.stdout.write(`${line}\n`),
  log: (line) => process.stderr.write(`  ${line}\n`),
});
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
process.exitCode = exitCode;
