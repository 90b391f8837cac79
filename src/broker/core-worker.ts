/** Thread entry: the core host behind a worker's message port. */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../base/index.ts";
import { CoreHost, type FromHost, type HostOptions, type ToHost } from "./core-host.ts";
import { Turns } from "./turns.ts";

export interface WorkerData {
  readonly options: HostOptions;
  /** Int32: bytes of frames posted and not processed yet; this side takes off. */
  readonly backlog: SharedArrayBuffer;
}

const port = parentPort;
assert(port, "core-worker.ts runs as a worker thread only");
const { options, backlog } = workerData as WorkerData;
const backlogBytes = new Int32Array(backlog);

function post(message: FromHost): void {
  if (message instanceof ArrayBuffer) port?.postMessage(message, [message]);
  else port?.postMessage(message);
}

function receive(message: ToHost): void {
  host?.receive(message);
  const bytes = bytesOf(message);
  if (bytes > 0) Atomics.sub(backlogBytes, 0, bytes);
  if (message instanceof ArrayBuffer) giveBack(message);
}

/**
 * Frees a batch whose frames were looked at: nothing of it is kept. Left to the collector, batches
 * of large exchanges alone would make it collect the whole heap every few hundred milliseconds.
 * (Node before 22 can't.)
 */
function giveBack(buffer: ArrayBuffer): void {
  buffer.transfer?.(0);
}

function bytesOf(message: ToHost): number {
  if (message instanceof ArrayBuffer) return message.byteLength;
  return message.kind === "batch" ? (message.batch.frames?.bytes.length ?? 0) : 0;
}

const turns = new Turns(receive);
const early: ToHost[] = [];
let host: CoreHost | null = null;
port.on("message", (message: ToHost) => {
  if (host) turns.offer(message);
  else early.push(message);
  if (!(message instanceof ArrayBuffer) && message.kind === "stop") port.unref();
});
host = await CoreHost.start(options, post);
for (const message of early) turns.offer(message);
