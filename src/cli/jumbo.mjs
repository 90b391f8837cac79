#!/usr/bin/env node
/**
 * The command `jumbo`. Source runs as it is by type stripping, which needs Node >= 22.18; an older
 * Node hands over to the one that `npm ci` put into node_modules. A published package runs dist/.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import * as nodeModule from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const built = join(root, "dist", "cli", "main.js");
const [major, minor] = process.versions.node.split(".").map(Number);
const stripsTypes = major > 22 || (major === 22 && minor >= 18);
const source = join(here, "main.ts");

// Compiled code is kept between starts, since half of a start is compiling; in a folder of this
// user's own, never in a shared one, because what lies there is run. Worker threads see the variable.
process.env.NODE_COMPILE_CACHE ??= join(
  process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"),
  "jumbo",
  "node",
);
nodeModule.enableCompileCache?.(process.env.NODE_COMPILE_CACHE);

if (existsSync(source) && stripsTypes) await import("./main.ts");
else if (existsSync(source)) handOver(join(root, "node_modules", "node", "bin", "node"));
else await import(built);

function handOver(node) {
  if (!existsSync(node)) {
    console.error(
      `jumbo: Node ${process.versions.node} is too old (sources need 22.18 or later, and the Node that ` +
        "`npm ci` brings is not there: were install scripts off?) run `npm rebuild node`, or use a newer Node",
    );
    process.exit(2);
  }
  // Payloads that say `node` get the same one.
  const path = `${join(root, "node_modules", ".bin")}:${process.env.PATH ?? ""}`;
  const env = { ...process.env, PATH: path };
  const child = spawnSync(node, process.argv.slice(1), { stdio: "inherit", env });
  process.exit(child.status ?? 130);
}
