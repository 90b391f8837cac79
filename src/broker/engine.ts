/**
 * Starts a core, in a worker thread or inline, and gives the handles by which the rest of the house
 * reaches it: `client` for commands and events, `port` for listeners' frames.
 */
import { Worker } from "node:worker_threads";
import { JumboError } from "../base/index.ts";
import type { CommandMap, CommandName, EngineClient, EngineEvent } from "./commands.ts";
import type { CoreHost, FromHost, HostOptions, ToHost } from "./core-host.ts";
import type { WorkerData } from "./core-worker.ts";
import type { CoreOptions } from "./parts.ts";
import { type CorePort, type FromCore, packed, unpacked } from "./port.ts";
import type { RecoverySummary } from "./recovery.ts";

export interface EngineOptions {
  readonly storeDir: string;
  /** Everything in the caller's thread: laptops, tests. */
  readonly inline: boolean;
  readonly core?: Partial<CoreOptions>;
}

export interface Engine {
  readonly engineId: string;
  readonly epoch: number;
  readonly recovery: RecoverySummary;
  readonly client: EngineClient;
  readonly port: CorePort;
  /** Ends the core: what was applied is committed, the store is closed. */
  stop(): Promise<void>;
}

const NONE: readonly number[] = [];
/**
 * V8's own limit is four times as much: ten thousand pilots that join at once make it take all of
 * that, and it gives nothing back. With less a collection takes no longer.
 */
const YOUNG_GENERATION_MIB = 48;

interface Pending {
  resolve(answer: unknown): void;
  reject(error: JumboError): void;
}

/** Both ways to run a core look like this from here. */
interface Link {
  send(message: ToHost): void;
  /** Bytes of frames sent and not processed yet. */
  backlogBytes(): number;
  end(): Promise<void>;
}

/** Throws what openStore throws: conflict, store_damaged, store_io, refused. */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const handle = new Handle();
  const hostOptions: HostOptions = { storeDir: options.storeDir, core: options.core ?? {} };
  const ready = handle.ready();
  const link = options.inline
    ? inlineLink(hostOptions, (message) => handle.receive(message))
    : workerLink(hostOptions, (message) => handle.receive(message));
  handle.link = link;
  const { engineId, epoch, recovery } = await ready;
  return {
    engineId,
    epoch,
    recovery,
    client: handle,
    port: {
      get backlogBytes() {
        return handle.link?.backlogBytes() ?? 0;
      },
      post: (batch) => handle.postBatch(batch),
      onBatch: (listener) => handle.onBatch(listener),
    },
    stop: () => handle.stop(),
  };
}

class Handle implements EngineClient {
  link: Link | null = null;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  #batchListener: (batch: FromCore) => void = () => {};
  #nextId = 1;
  #stopped: (() => void) | null = null;
  #onReady: ((message: Extract<FromHost, { kind: "ready" }>) => void) | null = null;
  #onUnopened: ((error: JumboError) => void) | null = null;

  ready(): Promise<Extract<FromHost, { kind: "ready" }>> {
    return new Promise((resolve, reject) => {
      this.#onReady = resolve;
      this.#onUnopened = reject;
    });
  }

  ask<Name extends CommandName>(
    name: Name,
    ask: CommandMap[Name]["ask"],
  ): Promise<CommandMap[Name]["answer"]> {
    return new Promise((resolve, reject) => {
      if (!this.link) {
        reject(
          new JumboError("unreachable", "the engine has stopped (no command is taken any more)"),
        );
        return;
      }
      const id = this.#nextId++;
      this.#pending.set(id, { resolve: resolve as (answer: unknown) => void, reject });
      this.link.send({ kind: "ask", id, name, ask });
    });
  }

  onEvent(listener: (event: EngineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  postBatch(batch: Parameters<CorePort["post"]>[0]): void {
    const { frames, opened, closed } = batch;
    const isBare = frames !== null && opened.length === 0 && closed.length === 0;
    this.link?.send(isBare ? packed(frames) : { kind: "batch", batch });
  }

  onBatch(listener: (batch: FromCore) => void): void {
    this.#batchListener = listener;
  }

  async stop(): Promise<void> {
    const { link } = this;
    if (!link) return;
    const stopped = new Promise<void>((resolve) => {
      this.#stopped = resolve;
    });
    link.send({ kind: "stop" });
    await stopped;
    this.link = null;
    await link.end();
    this.#refuseAll();
  }

  receive(message: FromHost): void {
    if (message instanceof ArrayBuffer) {
      this.#batchListener({ frames: unpacked(message), close: NONE });
      return;
    }
    switch (message.kind) {
      case "ready":
        this.#onReady?.(message);
        return;
      case "unopened":
        this.#onUnopened?.(revive(message.error));
        return;
      case "batch":
        this.#batchListener(message.batch);
        return;
      case "answer":
        this.#take(message.id)?.resolve(message.answer);
        return;
      case "refusal":
        this.#take(message.id)?.reject(revive(message.error));
        return;
      case "event":
        for (const listener of this.#listeners) listener(message.event);
        return;
      case "stopped":
        this.#stopped?.();
        return;
    }
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #refuseAll(): void {
    for (const pending of this.#pending.values()) {
      pending.reject(
        new JumboError("unreachable", "the engine has stopped (before it could answer)"),
      );
    }
    this.#pending.clear();
  }
}

function revive(error: {
  code: ConstructorParameters<typeof JumboError>[0];
  message: string;
  subject: string | undefined;
}): JumboError {
  return new JumboError(
    error.code,
    error.message,
    error.subject === undefined ? {} : { subject: error.subject },
  );
}

function inlineLink(options: HostOptions, receive: (message: FromHost) => void): Link {
  const waiting: ToHost[] = [];
  let host: CoreHost | null = null;
  const start = async () => {
    host = await (await import("./core-host.ts")).CoreHost.start(options, receive);
    for (const message of waiting) host?.receive(message);
  };
  void start();
  return {
    send: (message) => {
      if (host) host.receive(message);
      else waiting.push(message);
    },
    // What is sent is processed before `send` returns.
    backlogBytes: () => 0,
    end: async () => {},
  };
}

function workerLink(options: HostOptions, receive: (message: FromHost) => void): Link {
  const here = import.meta.url;
  const file = new URL(here.endsWith(".ts") ? "./core-worker.ts" : "./core-worker.js", here);
  const backlog = new Int32Array(new SharedArrayBuffer(4));
  const workerData: WorkerData = { options, backlog: backlog.buffer };
  const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB };
  const worker = new Worker(file, { workerData, name: "core", resourceLimits });
  worker.on("message", receive);
  worker.on("error", (error: Error) => {
    receive({
      kind: "event",
      event: {
        type: "failstop",
        message: `the core ended with an error: ${error.stack ?? error.message}`,
      },
    });
    receive({
      kind: "unopened",
      error: { code: "store_io", message: error.message, subject: undefined },
    });
  });
  return {
    send: (message) => {
      if (message instanceof ArrayBuffer) {
        Atomics.add(backlog, 0, message.byteLength);
        worker.postMessage(message, [message]);
        return;
      }
      if (message.kind === "batch")
        Atomics.add(backlog, 0, message.batch.frames?.bytes.length ?? 0);
      worker.postMessage(message);
    },
    backlogBytes: () => Atomics.load(backlog, 0),
    // The store is closed by now: ending the thread can't tear a write in flight.
    end: async () => {
      await worker.terminate();
    },
  };
}
