/** Thread entry: the core host behind a worker's message port. */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../base/index.ts";
import { CoreHost, type FromHost, type HostOptions, type ToHost } from "./core-host.ts";

const port = parentPort;
assert(port, "core-worker.ts runs as a worker thread only");

function post(message: FromHost): void {
  const bytes = message.kind === "batch" ? message.batch.frames?.bytes : undefined;
  port?.postMessage(message, bytes ? [bytes.buffer as ArrayBuffer] : []);
}

const waiting: ToHost[] = [];
let host: CoreHost | null = null;
port.on("message", (message: ToHost) => {
  if (host) host.receive(message);
  else waiting.push(message);
  if (message.kind === "stop") port.unref();
});
host = await CoreHost.start(workerData as HostOptions, post);
for (const message of waiting) host?.receive(message);
