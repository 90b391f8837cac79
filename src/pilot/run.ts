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
    const parent = process.ppid;
    const watch = setInterval(() => {
      if (process.ppid !== parent) void pilot.stop("its parent is gone", EXIT.interrupted);
    }, PARENT_WATCH_MS);
    undo.push(() => clearInterval(watch));
  }
  try {
    return await pilot.run();
  } finally {
    for (const each of undo) each();
  }
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
