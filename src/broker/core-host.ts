/**
 * The core with its real world around it: store, clocks, index files, timers. It runs in a worker
 * thread (core-worker.ts) or in the caller's own (`--inline`); either way it speaks `HostMessage`s.
 */
import { statSync } from "node:fs";
import { type ErrorCode, JumboError, messageOf, SeededRandom, systemClock } from "../base/index.ts";
import { readBounds } from "../formats/index.ts";
import { type FileRow, openStore, type Store } from "../store/index.ts";
import type { CommandMap, CommandName, EngineEvent } from "./commands.ts";
import { Core } from "./core.ts";
import type { InputSource } from "./describe.ts";
import { Outgoing } from "./outgoing.ts";
import type { CoreOptions } from "./parts.ts";
import { type FrameBatch, type FromCore, type ToCore, unpacked } from "./port.ts";
import type { RecoverySummary } from "./recovery.ts";

export interface HostOptions {
  readonly storeDir: string;
  readonly core: Partial<CoreOptions>;
}

/** Errors cross the thread border as plain values. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly subject: string | undefined;
}

/**
 * A bare ArrayBuffer is a packed batch (port.ts) with nothing but frames: most messages are, and
 * cloning an object around it would cost more than the rest of the crossing.
 */
export type ToHost =
  | ArrayBuffer
  | { readonly kind: "batch"; readonly batch: ToCore }
  | { readonly kind: "ask"; readonly id: number; readonly name: CommandName; readonly ask: unknown }
  | { readonly kind: "stop" };

export type FromHost =
  | ArrayBuffer
  | {
      readonly kind: "ready";
      readonly engineId: string;
      readonly epoch: number;
      readonly recovery: RecoverySummary;
    }
  | { readonly kind: "unopened"; readonly error: PlainError }
  | { readonly kind: "batch"; readonly batch: FromCore }
  | { readonly kind: "answer"; readonly id: number; readonly answer: unknown }
  | { readonly kind: "refusal"; readonly id: number; readonly error: PlainError }
  | { readonly kind: "event"; readonly event: EngineEvent }
  | { readonly kind: "stopped" };

const TICK_MS = 100;
const LOOK_AGAIN_MS = 1_000;

export class CoreHost {
  readonly #core: Core;
  readonly #store: Store;
  readonly #post: (message: FromHost) => void;
  readonly #outgoing: Outgoing;
  readonly #timer: NodeJS.Timeout;

  /** Opens the store, recovers, and says `ready`, or `unopened` with the reason. */
  static async start(
    options: HostOptions,
    post: (message: FromHost) => void,
  ): Promise<CoreHost | null> {
    try {
      const { store, recovered } = await openStore(options.storeDir, {});
      const host = new CoreHost(store, recovered, options, post);
      post({
        kind: "ready",
        engineId: recovered.engineId,
        epoch: recovered.epoch,
        recovery: host.#core.recovery,
      });
      return host;
    } catch (error) {
      post({ kind: "unopened", error: plainError(error) });
      return null;
    }
  }

  private constructor(
    store: Store,
    recovered: Awaited<ReturnType<typeof openStore>>["recovered"],
    options: HostOptions,
    post: (message: FromHost) => void,
  ) {
    this.#store = store;
    this.#post = post;
    this.#outgoing = new Outgoing((sent) =>
      post(sent instanceof ArrayBuffer ? sent : { kind: "batch", batch: sent }),
    );
    this.#core = new Core(
      {
        clock: systemClock,
        random: new SeededRandom(recovered.epoch),
        store,
        inputs: new DiskInputs(),
        send: (connection, frame, mayWait = false) =>
          this.#outgoing.send(connection, frame, mayWait),
        close: (connection) => this.#outgoing.close(connection),
        emit: (event) => post({ kind: "event", event }),
        failStop: (message) => post({ kind: "event", event: { type: "failstop", message } }),
      },
      recovered,
      options.core,
    );
    this.#timer = setInterval(() => this.#core.tick(), TICK_MS);
    this.#core.endOfBatch();
  }

  receive(message: ToHost): void {
    if (message instanceof ArrayBuffer) this.#frames(unpacked(message));
    else if (message.kind === "batch") this.#batch(message.batch);
    else if (message.kind === "ask") this.#ask(message.id, message.name, message.ask);
    else void this.#stop();
  }

  #batch(batch: ToCore): void {
    for (const { connection, peer } of batch.opened) this.#core.opened(connection, peer);
    if (batch.frames) this.#receiveAll(batch.frames);
    for (const connection of batch.closed) this.#core.closed(connection);
    this.#core.endOfBatch();
  }

  #frames(frames: FrameBatch): void {
    this.#receiveAll(frames);
    this.#core.endOfBatch();
  }

  #receiveAll({ connections, ends, bytes }: FrameBatch): void {
    this.#outgoing.framesCame(ends.length);
    let begin = 0;
    for (let i = 0; i < ends.length; i++) {
      const end = ends[i] as number;
      this.#core.receive(connections[i] as number, bytes, begin, end);
      begin = end;
    }
  }

  #ask(id: number, name: CommandName, ask: unknown): void {
    this.#core.ask(name, ask as CommandMap[typeof name]["ask"], {
      ok: (answer) => this.#post({ kind: "answer", id, answer }),
      fail: (error) => this.#post({ kind: "refusal", id, error: plainError(error) }),
    });
    this.#core.endOfBatch();
  }

  async #stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#core.save();
    this.#core.endOfBatch();
    for (let i = 0; i < 200 && !this.#core.idle; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.#core.stop();
    await this.#store.close();
    this.#post({ kind: "stopped" });
  }
}

/** Inputs on disk: looks at size and time of a file at most once a second. */
class DiskInputs implements InputSource {
  readonly #looked = new Map<string, { atMs: number; changed: string }>();

  bounds(file: FileRow, firstEvent: number, events: number): Float64Array {
    return readBounds(file.indexPath, firstEvent, events);
  }

  changed(file: FileRow): string {
    if (file.path === "") return "";
    const nowMs = performance.now();
    const known = this.#looked.get(file.path);
    if (known && nowMs - known.atMs < LOOK_AGAIN_MS) return known.changed;
    const changed = look(file);
    this.#looked.set(file.path, { atMs: nowMs, changed });
    return changed;
  }
}

function look(file: FileRow): string {
  try {
    const stat = statSync(file.path);
    if (stat.size !== file.sizeBytes) {
      return `${file.source} has ${stat.size} bytes and had ${file.sizeBytes} when it was scanned`;
    }
    if (Math.abs(stat.mtimeMs - file.mtimeMs) >= 1)
      return `${file.source} was written again after it was scanned`;
    if (file.indexPath !== "") statSync(file.indexPath);
    return "";
  } catch (error) {
    return `${file.source} can't be looked at (${messageOf(error)})`;
  }
}

export function plainError(error: unknown): PlainError {
  if (error instanceof JumboError) {
    return { code: error.code, message: error.message, subject: error.subject };
  }
  return { code: "store_io", message: messageOf(error), subject: undefined };
}
