/** `verify` proves a finished task or a whole store; `doctor` looks at this machine. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { EXIT, JumboError } from "../base/index.ts";
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

/** A manifest's path is taken as it is; a task's is asked from its engine. */
async function manifestOf(task: string, command: Command): Promise<string> {
  if (task.endsWith(".arrow") && existsSync(task)) return resolve(task);
  const client = ApiClient.fromFlags(command.opts<AccessFlags>());
  const view = await client.get<TaskView>(`/tasks/${encodeURIComponent(task)}`);
  if (view.manifest !== "") return view.manifest;
  throw new JumboError(
    "conflict",
    `task ${view.id} has no manifest (it is ${view.state}, and the manifest is written with the merged result) wait for it with \`jumbo wait ${view.id}\``,
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
