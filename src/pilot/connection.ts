/**
 * The session with the engine, over as many connections as it takes:
 *
 *   dial addresses in order -> hello -> welcome -> ready -- lost --> back off -> dial ...
 *
 * The access file is read anew at each round, since an engine replaces it when it starts. Waits
 * are drawn from 0.5 .. 1 of 50 ms doubled up to 5 s, so a thousand pilots don't come at once. A
 * peer that is silent for two heartbeats is gone, whatever its socket says. Nothing is spooled:
 * `send` refuses while there is no session, and the owner sends what is due after `welcome`.
 */
import type { Socket } from "node:net";
import {
  type AccessFile,
  credentialOf,
  FRAME_BYTES_MAX,
  HELLO_TIMEOUT_MS,
  JumboError,
  messageOf,
  parsePilotAddress,
  readAccessFile,
} from "../base/index.ts";
import {
  decodePayload,
  type EngineMessage,
  encodeFrame,
  FrameSplitter,
  type Hello,
  type PilotMessage,
  type Welcome,
} from "../wire/index.ts";
import { dial } from "./dial.ts";

const BACKOFF_MS = 50;
const BACKOFF_MS_MAX = 5_000;
/** A new engine writes its access file a moment after it listens, so one refusal is not final. */
const REFUSALS_MAX = 3;
const SILENT_HEARTBEATS_MAX = 2;
const END_TIMEOUT_MS = 1_000;

export interface ConnectionOptions {
  /** The file's path (read at each dial) or its content. */
  readonly access: AccessFile | string;
  readonly giveUpMs: number;
  /** Asked for each connection; the credential is put in here. */
  readonly hello: () => Omit<Hello, "credential">;
  readonly heartbeat: () => PilotMessage;
  readonly onWelcome: (welcome: Welcome) => void;
  readonly onMessage: (message: Exclude<EngineMessage, Welcome>) => void;
  readonly onLost: (why: string) => void;
  /** No engine for `giveUpMs`, or one that refuses this pilot for good. */
  readonly onGiveUp: (error: JumboError) => void;
  readonly log: (line: string) => void;
}

export class Connection {
  readonly #options: ConnectionOptions;
  #socket: Socket | null = null;
  #ready = false;
  #ended = false;
  #backoffMs = BACKOFF_MS;
  #refusals = 0;
  #heardAtMs = performance.now();
  #goneSinceMs = performance.now();
  #heartbeat: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #corked = false;
  /** The last problem that was logged: each is told once, not at every try. */
  #told = "";

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#round();
  }

  /** True between a welcome and the loss of its connection. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Monotonic time at which the engine was last heard, ms. */
  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  /** Bytes that wait in this process to be written. */
  get queuedBytes(): number {
    return this.#socket?.writableLength ?? 0;
  }

  /** Sends one frame; false if there is no session. Frames of one tick share a write. */
  send(message: PilotMessage): boolean {
    const socket = this.#socket;
    if (!this.#ready || socket === null) return false;
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        socket.uncork();
      });
    }
    socket.write(encodeFrame(message));
    return true;
  }

  /** Gives the connection up and dials again. */
  restart(why: string): void {
    this.#socket?.destroy(new Error(why));
  }

  async #round(): Promise<void> {
    let problem = "";
    try {
      const { access } = this.#options;
      const file = typeof access === "string" ? readAccessFile(access) : access;
      if (file.pilots.length === 0) problem = "its access file has no address for pilots";
      for (const text of file.pilots) {
        try {
          const address = parsePilotAddress(text);
          const socket = await dial(address, file);
          if (this.#ended) socket.destroy();
          else this.#open(socket, credentialOf(file));
          return;
        } catch (error) {
          problem = `${text}: ${messageOf(error)}`;
        }
      }
    } catch (error) {
      problem = messageOf(error);
    }
    this.#again(problem);
  }

  /** Waits and dials again, or gives up. */
  #again(problem: string): void {
    if (this.#ended) return;
    if (performance.now() - this.#goneSinceMs > this.#options.giveUpMs) {
      const limit = `${this.#options.giveUpMs / 1000} s`;
      const hint = "start the engine, or raise the reconnect limit";
      this.#giveUp(
        new JumboError("unreachable", `no engine for ${limit} (last try: ${problem}) ${hint}`),
      );
      return;
    }
    if (problem !== this.#told) this.#options.log(`no engine yet: ${problem}`);
    this.#told = problem;
    const waitMs = this.#backoffMs * (0.5 + Math.random() / 2);
    this.#backoffMs = Math.min(2 * this.#backoffMs, BACKOFF_MS_MAX);
    this.#retry = setTimeout(() => void this.#round(), waitMs);
  }

  #giveUp(error: JumboError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#close();
    this.#options.onGiveUp(error);
  }

  #open(socket: Socket, credential: string): void {
    this.#socket = socket;
    const splitter = new FrameSplitter(FRAME_BYTES_MAX);
    let why = "the engine closed the connection";
    const silence = setTimeout(
      () => socket.destroy(new Error("no welcome came in time")),
      HELLO_TIMEOUT_MS,
    );
    socket.on("data", (chunk: Buffer) => {
      this.#heardAtMs = performance.now();
      try {
        for (const payload of splitter.push(chunk)) {
          // A handler may have closed it: what follows belongs to no session.
          if (this.#socket !== socket || socket.destroyed) return;
          this.#onPayload(payload, silence);
        }
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on("error", (error) => {
      why = messageOf(error);
    });
    socket.on("close", () => {
      clearTimeout(silence);
      if (this.#socket === socket) this.#onClosed(why);
    });
    socket.write(encodeFrame({ ...this.#options.hello(), credential }));
  }

  #onPayload(payload: Uint8Array, silence: NodeJS.Timeout): void {
    const message = decodePayload(payload, "engine") as EngineMessage;
    if (message.type === "fault") {
      this.#onFault(message.code, message.message);
    } else if (message.type === "welcome") {
      if (this.#ready)
        throw new JumboError("protocol", "a second welcome came (one opens a session)");
      clearTimeout(silence);
      this.#ready = true;
      this.#refusals = 0;
      this.#backoffMs = BACKOFF_MS;
      this.#startHeartbeat(message.heartbeatMs);
      this.#options.onWelcome(message);
    } else if (this.#ready) {
      if (message.type !== "pulse") this.#options.onMessage(message);
    } else throw new JumboError("protocol", `${message.type} came before welcome`);
  }

  #onFault(code: string, text: string): void {
    const refusal = code === "unauthorized" || code === "version";
    if (refusal) this.#refusals++;
    if (refusal && this.#refusals >= REFUSALS_MAX) {
      const known = code === "version" ? "version" : "unauthorized";
      this.#giveUp(new JumboError(known, text));
      return;
    }
    throw new JumboError("refused", `the engine refused: ${text}`);
  }

  #startHeartbeat(heartbeatMs: number): void {
    clearInterval(this.#heartbeat);
    let lastTickMs = performance.now();
    let sentAtMs = lastTickMs;
    this.#heartbeat = setInterval(() => {
      const now = performance.now();
      // After a stop of this process (SIGSTOP, suspend) what came meanwhile is still to be read.
      const slept = now - lastTickMs > heartbeatMs;
      lastTickMs = now;
      if (slept) this.#heardAtMs = now;
      if (now - this.#heardAtMs > SILENT_HEARTBEATS_MAX * heartbeatMs) {
        this.restart(`the engine was silent for ${SILENT_HEARTBEATS_MAX} heartbeats`);
      } else if (now - sentAtMs >= heartbeatMs) {
        sentAtMs = now;
        this.send(this.#options.heartbeat());
      }
    }, heartbeatMs / 4);
  }

  #onClosed(why: string): void {
    const wasReady = this.#ready;
    this.#close();
    if (wasReady) {
      this.#goneSinceMs = performance.now();
      this.#options.log(`connection lost: ${why}`);
      this.#options.onLost(why);
    }
    this.#again(why);
  }

  #close(): void {
    this.#ready = false;
    clearInterval(this.#heartbeat);
    clearTimeout(this.#retry);
    const socket = this.#socket;
    this.#socket = null;
    socket?.destroy();
  }

  /** Writes out what is queued, closes, and dials no more. */
  async end(): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#retry);
    clearInterval(this.#heartbeat);
    const socket = this.#socket;
    this.#ready = false;
    if (socket === null) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, END_TIMEOUT_MS);
      socket.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
      socket.end();
    });
    this.#close();
  }
}
