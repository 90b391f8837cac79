/** `verify` proves a finished task or a whole store; `doctor` looks at this machine. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { EXIT, JumboError, readAccessFile } from "../base/index.ts";
import type { TaskView } from "../broker/index.ts";
import { formatCertificate, verifyManifest } from "../merge/index.ts";
import { reportLines, verifyStore } from "../store/index.ts";
import { type AccessFlags, ApiClient, withAccess } from "./api-client.ts";
import { examine } from "./doctor.ts";
import { paint, print } from "./output.ts";
import { outputOption, styleOf } from "./style.ts";

export function registerStoreCommands(jumbo: Command): void {
  withAccess(
    jumbo
      .command("verify")
      .summary(
        "prove that every event is in a result exactly once; or, without a task, check a store",
      )
      .argument("[task]", "name or number of a task, or the path of a manifest"),
  )
    .addOption(outputOption())
    .action(async (task: string | undefined, _options: unknown, command: Command) => {
      process.exitCode =
        task === undefined ? await checkStore(command) : await verifyTask(task, command);
    });
  jumbo
    .command("doctor")
    .summary("look at this machine: Node, cores, disk, limits, MPI, Slurm")
    .option("--store <dir>", "folder that a store lies or shall lie in", ".")
    .addOption(outputOption())
    .action(async (_options: unknown, command: Command) => {
      const findings = await examine(resolve(command.opts<{ store: string }>().store));
      print(styleOf(command), {
        json: () => ({ schema: "doctor/1", findings }),
        text: () =>
          findings
            .map(({ level, what, remedy }) => {
              const colour = level === "ok" ? "green" : level === "note" ? "grey" : "red";
              const mark = paint(colour, level.padEnd(7), process.stdout);
              return `${mark} ${what}${remedy === "" ? "" : `\n        ${remedy}`}`;
            })
            .join("\n"),
        quiet: () => (findings.some(({ level }) => level === "problem") ? "problem" : "ok"),
      });
      if (findings.some(({ level }) => level === "problem")) process.exitCode = EXIT.workFailed;
    });
}

async function verifyTask(task: string, command: Command): Promise<number> {
  const manifest = await manifestOf(task, command);
  const certificate = await verifyManifest(manifest);
  print(styleOf(command), {
    json: () => ({ schema: "certificate/1", ...certificate }),
    text: () => formatCertificate(certificate),
    quiet: () => (certificate.ok ? "ok" : "not ok"),
  });
  return certificate.ok ? EXIT.ok : EXIT.workFailed;
}

/** A manifest's path is taken as it is; a task's is asked from its engine, or from its store. */
async function manifestOf(task: string, command: Command): Promise<string> {
  if (task.endsWith(".arrow") && existsSync(task)) return resolve(task);
  const flags = command.opts<AccessFlags>();
  if (flags.store !== undefined && !isServed(flags.store)) {
    return await manifestInStore(task, flags.store);
  }
  const client = ApiClient.fromFlags(flags);
  const view = await client.get<TaskView>(`/tasks/${encodeURIComponent(task)}`);
  if (view.manifest !== "") return view.manifest;
  throw new JumboError(
    "conflict",
    `task ${view.id} has no manifest (it is ${view.state}, and the manifest is written with the merged result) wait for it with \`jumbo wait ${view.id}\``,
  );
}

/** Whether a process that serves HTTP holds the store. */
function isServed(store: string): boolean {
  try {
    const { http, pid } = readAccessFile(join(store, "access.json"));
    process.kill(pid, 0);
    return http !== "";
  } catch {
    return false;
  }
}

/** Nobody serves the store: its own rows say where the manifest is. */
async function manifestInStore(task: string, store: string): Promise<string> {
  const { tasks } = await verifyStore(resolve(store));
  const found = tasks.find(({ id, name }) => name === task || String(id) === task);
  if (!found) {
    throw new JumboError(
      "not_found",
      `no task "${task}" in ${resolve(store)} (it holds ${tasks.map(({ name }) => name).join(", ") || "none"})`,
    );
  }
  if (found.manifest !== "") return found.manifest;
  throw new JumboError(
    "conflict",
    `task ${found.id} has no manifest (it is ${found.phase}, and the manifest is written with the merged result) run it to its end first`,
  );
}

async function checkStore(command: Command): Promise<number> {
  const { store } = command.opts<AccessFlags>();
  if (store === undefined) {
    throw new JumboError(
      "usage",
      "nothing to verify is named (neither a task nor a store) write `jumbo verify TASK` or `jumbo verify --store DIR`",
    );
  }
  const report = await verifyStore(resolve(store));
  print(styleOf(command), {
    json: () => report,
    text: () => reportLines(report).join("\n"),
    quiet: () => (report.problems.length === 0 ? "ok" : "not ok"),
  });
  return report.problems.length === 0 ? EXIT.ok : EXIT.storeIo;
}
