/** How a command that holds an engine ends before its time: signals, and books that can't be trusted. */
import { EXIT, exitNow } from "../base/index.ts";

/** Nothing that follows could be trusted: end at once, so that a restart recovers what is on disk. */
export function onFailStop(message: string): void {
  process.stderr.write(`jumbo: error: ${message}; stopping, start again to recover\n`);
  exitNow(EXIT.storeIo);
}

/** The first SIGINT or SIGTERM aborts; a second one ends the process at once. */
export function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return controller.signal;
}
