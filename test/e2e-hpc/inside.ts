/**
 * node test/e2e-hpc/inside.ts COMMAND...: starts a cluster of its own, runs the command on its login
 * host and takes the cluster down again. Where that can't be, the command runs right here and says
 * itself what it skips. A small tmpfs that all nodes share ($JUMBO_HPC_SMALL) is there to be filled.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, rmdirSync } from "node:fs";
import { CLUSTER, missing } from "./cluster.ts";
import { introduceNeighbours } from "./neighbours.ts";

const SMALL_MIB = 16;
const command = process.argv.slice(2);
const nodes = process.env["JUMBO_HPC_NODES"] ?? "4";
const small = `/var/tmp/jumbo-small-${process.pid}`;
// Several may run at once: name and network are those of this process.
const environment: NodeJS.ProcessEnv = {
  CLUSTER_NAME: `j${process.pid}`,
  CLUSTER_NET: `10.${100 + (process.pid % 100)}.${Math.floor(process.pid / 100) % 250}`,
  JUMBO_HPC_SMALL: small,
  ...process.env,
};

function fixture(...args: string[]): void {
  execFileSync(CLUSTER, args, { env: environment, stdio: ["ignore", 2, 2] });
}

function up(): string[] {
  // Before the hosts come up: they see what is mounted by then.
  mkdirSync(small, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${SMALL_MIB}m`, "jumbo-small", small]);
  fixture("up", nodes, "64");
  introduceNeighbours(environment["CLUSTER_NAME"] as string, Number(nodes));
  return [CLUSTER, "exec", "login", "--", ...command];
}

function down(): void {
  fixture("down");
  execFileSync("umount", [small]);
  rmdirSync(small);
}

const here = missing() === "";
const [program, ...args] = here ? up() : command;
const child = spawn(program as string, args, { env: environment, stdio: "inherit" });
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => {
  if (here) down();
  process.exitCode = signal === null ? (code ?? 1) : 130;
});
