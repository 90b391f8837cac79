/**
 * npm run bench:mpi: what the MPI pilot does on the cluster fixture, by both MPIs.
 *
 *   npm run bench:mpi [-- --quick] [--json FILE] [--only WORD] [--launchers NAME,...]
 *                     [--ranks N,...] [--seed N]
 *
 * Starts a cluster of 64 (quick: 16) pretended nodes of its own. Exit code 1 if a goal is missed, 2 if
 * it can't run here. All ranks share this machine's real cores: figures of throughput say how much
 * the pilot costs, not what a cluster would do.
 */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { LAUNCHERS } from "../../test/e2e-hpc/bed.ts";
import { missing } from "../../test/e2e-hpc/cluster.ts";
import { readArguments } from "../arguments.ts";
import { Figures, figureLine } from "../heart/figures.ts";
import { describeMachine, ROOT } from "../heart/machine.ts";
import { PARTS, type PartOptions } from "./parts.ts";

const config = {
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "string" },
    only: { type: "string", default: "" },
    launchers: { type: "string", default: LAUNCHERS.join(",") },
    ranks: { type: "string", default: "4,16,64" },
    seed: { type: "string", default: "1" },
  },
} as const;
const { values } = readArguments(import.meta.url, config, ["seed"]);

/** This program again, on the login host of a cluster. */
function runInside(): void {
  const nodes = values.quick ? "16" : "64";
  const inside = `${ROOT}test/e2e-hpc/inside.ts`;
  const again = [process.execPath, process.argv[1] as string, ...process.argv.slice(2)];
  const env = { ...process.env, JUMBO_HPC_NODES: nodes };
  const child = spawn(process.execPath, [inside, ...again], { env, stdio: "inherit" });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => child.kill(signal));
  child.on("exit", (code) => {
    process.exitCode = code ?? 1;
  });
}

const options: PartOptions = {
  quick: values.quick,
  launchers: LAUNCHERS.filter((name) => values.launchers.split(",").includes(name)),
  ranks: values.ranks
    .split(",")
    .map(Number)
    .filter((ranks) => !values.quick || ranks <= 16),
};

async function measure(): Promise<void> {
  const figures = new Figures((figure) => process.stdout.write(`${figureLine(figure)}\n`));
  let broken = 0;
  for (const [name, part] of Object.entries(PARTS)) {
    if (!name.includes(values.only)) continue;
    const began = performance.now();
    await part(figures, options).catch((error) => {
      broken++;
      process.stderr.write(
        `  ${name} went wrong: ${error instanceof Error ? error.message : error}\n`,
      );
    });
    const seconds = (performance.now() - began) / 1000;
    process.stderr.write(`  ${name}: ${seconds.toFixed(0)} s\n`);
  }
  if (values.json !== undefined) {
    const report = {
      schema: "bench-mpi/1",
      machine: describeMachine(),
      seed: Number(values.seed),
      figures: figures.list,
    };
    writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  process.exitCode = figures.missed.length > 0 || broken > 0 ? 1 : 0;
}

const why = missing() || (options.launchers.length === 0 ? `no launcher ${values.launchers}` : "");
if (why !== "") {
  process.stderr.write(`bench:mpi can't run: ${why}\n`);
  process.exitCode = 2;
} else if (process.env["CLUSTER_HOST"] === "login") {
  await measure();
} else {
  runInside();
}
