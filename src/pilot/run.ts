/** Runs one pilot as this process's business: signals, and the parent that it dies with. */
import { EXIT } from "../base/index.ts";
import type { PilotEnd, PilotOptions } from "./options.ts";
import { Pilot } from "./pilot.ts";

const PARENT_WATCH_MS = 250;

/**
 * A pilot for this machine, until it was drained (SIGTERM, SIGINT, SIGUSR1, the engine's word, the
 * walltime), stopped (a second SIGTERM or SIGINT, or its parent died and `dieWithParent`), or had
 * no engine for `giveUpSeconds`. Resolves with how it ended; throws if its folders can't be made.
 */
export async function runPilot(options: PilotOptions): Promise<PilotEnd> {
  const pilot = new Pilot(options);
  const undo: (() => void)[] = [];
  if (options.handleSignals ?? true) undo.push(listen(pilot, options.drainSeconds ?? null));
  if (options.dieWithParent ?? false) {
    undo.push(watchParent(() => void pilot.stop("its parent is gone", EXIT.interrupted)));
  }
  try {
    return await pilot.run();
  } finally {
    for (const each of undo) each();
  }
}

/**
 * A parent that gave an IPC channel is gone when that closes, which can't be missed; else when this
 * process gets another parent, which is missed if it happened while this process was starting.
 */
function watchParent(onGone: () => void): () => void {
  if (process.send !== undefined) {
    if (!process.connected) setImmediate(onGone);
    else process.once("disconnect", onGone);
    return () => process.removeListener("disconnect", onGone);
  }
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid !== parent) onGone();
  }, PARENT_WATCH_MS);
  return () => clearInterval(watch);
}

function listen(pilot: Pilot, drainSeconds: number | null): () => void {
  let asked = false;
  const onEnd = (signal: NodeJS.Signals) => {
    if (asked) void pilot.stop(`a second ${signal}`);
    else pilot.drain(signal, drainSeconds);
    asked = true;
  };
  // SIGUSR1 is a hint that a SIGTERM will come; however often it comes, it stops nothing.
  const onHint = () => pilot.drain("SIGUSR1", drainSeconds);
  process.on("SIGTERM", onEnd);
  process.on("SIGINT", onEnd);
  process.on("SIGUSR1", onHint);
  return () => {
    process.removeListener("SIGTERM", onEnd);
    process.removeListener("SIGINT", onEnd);
    process.removeListener("SIGUSR1", onHint);
  };
}
