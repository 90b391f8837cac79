/** `run` and `serve`: the two commands that open an engine. */
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { EXIT, JumboError, parseDurationSeconds } from "../base/index.ts";
import { openPool, type TaskView } from "../broker/index.ts";
import { parseHostPort, parseListen, wholeNumber } from "./flags.ts";
import { type House, openHouse } from "./house.ts";
import { print } from "./output.ts";
import { Progress } from "./progress.ts";
import { abortOnSignals, onFailStop } from "./signals.ts";
import { outputOption, styleOf } from "./style.ts";
import { exitCodeOf, taskDocument, taskText } from "./task-document.ts";

export function registerEngineCommands(jumbo: Command): void {
  jumbo
    .command("run")
    .summary("process one task here and now: engine, pilots, merge, verify")
    .argument("<task>", "task file (YAML or JSON)")
    .option("--store <dir>", "keep the books there; the same task continues on it")
    .option("--results <dir>", "where merged files land", ".")
    .option("--slots <n>", "payloads at a time, over all pilots (default: the free cores)")
    .option("--pilots <n>", "pilot processes on this machine", "1")
    .option("--inline", "engine, listeners and books in one thread")
    .option("--keep-bundles", "keep the pilots' output containers after the merge")
    .addOption(outputOption())
    .action(async (taskFile: string, _options: unknown, command: Command) => {
      process.exitCode = await run(taskFile, command);
    });
  jumbo
    .command("serve")
    .summary("run the engine as a service")
    .requiredOption("--store <dir>", "folder of the books, on a node-local disk")
    .option(
      "--listen <address...>",
      "where pilots connect: HOST:PORT (TLS beyond loopback), tls://, tcp://, unix:/PATH",
      [],
    )
    .option("--http <host:port>", "where people and programs connect", "127.0.0.1:0")
    .option("--scratch <dir>", "decompressed inputs and indexes; pilots' nodes must see it")
    .option("--lease-term <duration>", "how long a silent pilot keeps its ranges", "30s")
    .option("--inline", "engine, listeners and books in one thread")
    .option("--keep-bundles", "keep the pilots' output containers after the merge")
    .addOption(outputOption())
    .action(async (_options: unknown, command: Command) => {
      process.exitCode = await serve(command);
    });
}

interface RunFlags {
  store?: string;
  results: string;
  slots?: string;
  pilots: string;
  inline?: boolean;
  keepBundles?: boolean;
}

async function run(taskFile: string, command: Command): Promise<number> {
  const flags = command.opts<RunFlags>();
  const style = styleOf(command);
  const progress = new Progress(style === "quiet");
  const pilots = wholeNumber(flags.pilots, "--pilots", 1, 1_000);
  const slots = flags.slots === undefined ? 0 : wholeNumber(flags.slots, "--slots", 1, 10_000);
  const { runTask } = await import("./run.ts");
  const { formatCertificate } = await import("../merge/index.ts");
  const { view, certificate } = await runTask(
    taskFile,
    {
      store: flags.store ?? null,
      results: flags.results,
      pilots,
      slots: slots === 0 ? 0 : Math.max(1, Math.floor(slots / pilots)),
      inline: flags.inline ?? false,
      keepBundles: flags.keepBundles ?? false,
    },
    {
      log: (line) => progress.say(line),
      onView: (seen: TaskView) => progress.show(seen),
      signal: abortOnSignals(),
      onFailStop,
    },
  );
  progress.clear();
  print(style, {
    json: () => taskDocument(view),
    text: () =>
      [taskText(view), certificate ? formatCertificate(certificate) : ""].join("\n").trimEnd(),
    quiet: () => view.files.map((file) => file.path).join("\n"),
  });
  if (certificate && !certificate.ok) return EXIT.workFailed;
  return exitCodeOf(view);
}

interface ServeFlags {
  store: string;
  listen: string[];
  http: string;
  scratch?: string;
  leaseTerm: string;
  inline?: boolean;
  keepBundles?: boolean;
}

async function serve(command: Command): Promise<number> {
  const flags = command.opts<ServeFlags>();
  const style = styleOf(command);
  const leaseTermSeconds = parseDurationSeconds(flags.leaseTerm);
  if (leaseTermSeconds === null || leaseTermSeconds < 1) {
    throw new JumboError(
      "usage",
      `--lease-term "${flags.leaseTerm}" is no duration of a second or more (pilots renew it by heartbeat) write e.g. 30s or 5m`,
    );
  }
  const log = (line: string) => process.stderr.write(`${new Date().toISOString()} ${line}\n`);
  const pool = openPool();
  mkdirSync(resolve(flags.store), { recursive: true });
  const house = await openHouse({
    storeDir: flags.store,
    scratchDir: flags.scratch ?? null,
    pool,
    inline: flags.inline ?? false,
    listen: flags.listen.map(parseListen),
    http: parseHostPort(flags.http, "--http"),
    keepBundles: flags.keepBundles ?? false,
    leaseTermMs: leaseTermSeconds * 1000,
    log,
    onFailStop,
  });
  // Whoever reads the announcement may end the engine the moment it is there.
  const signalled = untilSignal();
  announce(house, style);
  await signalled;
  await house.close();
  await pool.close();
  return EXIT.ok;
}

function announce(house: House, style: "text" | "json" | "quiet"): void {
  const { access, accessPath, engine } = house;
  print(style, {
    json: () => ({
      schema: "serve/1",
      engineId: engine.engineId,
      epoch: engine.epoch,
      pid: access.pid,
      http: access.http,
      pilots: access.pilots,
      access: accessPath,
      recovery: engine.recovery,
    }),
    text: () =>
      [
        `engine ${engine.engineId.slice(0, 8)}, epoch ${engine.epoch}: ${engine.recovery.tasks} tasks, ${engine.recovery.openLeases} open leases`,
        `  people   ${access.http}/api/v1`,
        ...access.pilots.map((address) => `  pilots   ${address}`),
        `  access   ${accessPath}`,
      ].join("\n"),
    quiet: () => accessPath,
  });
}

function untilSignal(): Promise<void> {
  return new Promise((resolveEnd) => {
    process.once("SIGTERM", () => resolveEnd());
    process.once("SIGINT", () => resolveEnd());
  });
}
