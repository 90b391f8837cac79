#!/usr/bin/env node
/**
 * The command `jumbo`. In a clone the source runs as it is by type stripping; in the built package
 * the programs lie beside this file. Both need Node >= 22.18: an older one hands over to the Node
 * that `npm ci` put into node_modules.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import * as nodeModule from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const [major, minor] = process.versions.node.split(".").map(Number);
const isNewEnough = major > 22 || (major === 22 && minor >= 18);
const source = join(here, "main.ts");

// Compiled code is kept between starts, since half of a start is compiling; in a folder of this
// user's own, never in a shared one, because what lies there is run. Worker threads see the variable.
process.env.NODE_COMPILE_CACHE ??= join(
  process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"),
  "jumbo",
  "node",
);
nodeModule.enableCompileCache?.(process.env.NODE_COMPILE_CACHE);

if (!isNewEnough) handOver(join(root, "node_modules", "node", "bin", "node"));
else if (existsSync(source)) await import("./main.ts");
else await import("./main.js");

function handOver(node) {
  if (!existsSync(node)) {
    const remedy = existsSync(source)
      ? "the Node that `npm ci` brings is not there: were install scripts off?) run `npm rebuild node`, or"
      : "this package brings none)";
    console.error(
      `jumbo: Node ${process.versions.node} is too old (22.18 or later is needed, and ${remedy} use a newer Node`,
    );
    process.exit(2);
  }
  // Payloads that say `node` get the same one.
  const path = `${join(root, "node_modules", ".bin")}:${process.env.PATH ?? ""}`;
  const env = { ...process.env, PATH: path };
  const child = spawnSync(node, process.argv.slice(1), { stdio: "inherit", env });
  process.exit(child.status ?? 130);
}
