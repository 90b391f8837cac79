/**
 * One connection of a pilot: bytes in become frames, frames out become bytes, within limits.
 *
 *   open --> closing (last frames are on their way, nothing is read) --> gone
 *
 * Memory of a peer is bounded: an unfinished frame (at most the frame limit, checked before it is
 * kept) and an outbox (at most outboxBytesMax). From half a full outbox on the peer is not read,
 * so that it can't ask for more than it takes; a full one, or one that stands still, drops it.
 */
import type { Socket } from "node:net";
import {
  type ErrorCode,
  FRAME_BYTES_MAX,
  HELLO_FRAME_BYTES_MAX,
  JumboError,
  messageOf,
} from "../base/index.ts";
import { encodeFrame, FrameSplitter } from "../wire/index.ts";
import type { GatewayCounters } from "./counters.ts";
import type { Incoming } from "./incoming.ts";
import type { GatewayLimits } from "./limits.ts";

export interface PeerEvents {
  /** A whole frame's payload, [begin, end) of `bytes`; another's once the call has returned. */
  frame(peer: Peer, bytes: Uint8Array, begin: number, end: number): void;
  /** The transport is gone. Called once. */
  gone(peer: Peer): void;
}

export class Peer {
  readonly connection: number;
  readonly name: string;
  readonly #socket: Socket;
  readonly #splitter = new FrameSplitter(HELLO_FRAME_BYTES_MAX);
  readonly #limits: GatewayLimits;
  readonly #counters: GatewayCounters;
  readonly #events: PeerEvents;
  readonly #openedMs: number;
  /** The core was told of it, and has not closed it. */
  told = false;
  #spoken = false;
  #closing = false;
  #gone = false;
  /** Why it is not read at the moment. */
  #outboxHigh = false;
  #coreBehind = false;
  /** When the unfinished frame began, or -1. */
  #frameBeganMs = -1;
  /** When the outbox last moved, while something is in it. */
  #outboxMovedMs = 0;
  #outboxBytesSeen = 0;
  #closingMs = 0;

  constructor(
    incoming: Incoming,
    connection: number,
    name: string,
    nowMs: number,
    parts: { limits: GatewayLimits; counters: GatewayCounters; events: PeerEvents },
  ) {
    this.connection = connection;
    this.name = name;
    const { socket } = incoming;
    this.#socket = socket;
    this.#limits = parts.limits;
    this.#counters = parts.counters;
    this.#events = parts.events;
    this.#openedMs = nowMs;
    incoming.take = (bytes, length) => this.#read(bytes, length);
    socket.on("drain", () => this.#drained());
    // What went wrong with a transport is of no use to the engine: its close is what counts.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#closed());
  }

  get closing(): boolean {
    return this.#closing || this.#gone;
  }

  /** Sends whole frames, prefixes included, that lie one behind the other in `bytes`. */
  write(bytes: Buffer, frames: number): void {
    if (this.closing) return;
    const waiting = this.#socket.writableLength;
    if (waiting > 0 && waiting + bytes.length > this.#limits.outboxBytesMax) {
      this.#counters.tooSlowOut++;
      this.#socket.destroy();
      return;
    }
    this.#counters.framesOut += frames;
    this.#counters.bytesOut += bytes.length;
    // What waits behind older frames is copied: it would keep its whole batch in memory.
    const isSent = this.#socket.write(waiting > 0 ? Buffer.from(bytes) : bytes);
    if (!isSent && this.#socket.writableLength > this.#limits.outboxBytesMax / 2) {
      this.#outboxHigh = true;
      this.#socket.pause();
    }
  }

  /** Ends the connection once what is queued has been sent. */
  close(): void {
    if (this.closing) return;
    this.#closing = true;
    this.#closingMs = performance.now();
    this.#socket.end();
    // Unread bytes at close would make the kernel reset the connection and lose the last frames.
    this.#socket.resume();
  }

  /** Says why, and ends the connection. */
  fault(code: ErrorCode, message: string): void {
    if (this.closing) return;
    this.write(Buffer.from(encodeFrame({ type: "fault", code, message })), 1);
    this.close();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  setCoreBehind(behind: boolean): void {
    if (this.#coreBehind === behind) return;
    this.#coreBehind = behind;
    if (behind && !this.closing) this.#socket.pause();
    else this.#resume();
  }

  /** Looks for waits that have lasted too long; called about once a second. */
  check(nowMs: number): void {
    const limits = this.#limits;
    if (this.#gone) return;
    if (this.#closing) {
      if (nowMs - this.#closingMs > limits.lingerMs) this.#socket.destroy();
      return;
    }
    const waiting = this.#socket.writableLength;
    if (waiting === 0 || this.#socket.bytesWritten - waiting !== this.#outboxBytesSeen) {
      this.#outboxBytesSeen = this.#socket.bytesWritten - waiting;
      this.#outboxMovedMs = nowMs;
    } else if (nowMs - this.#outboxMovedMs > limits.outboxTimeoutMs) {
      this.#counters.tooSlowOut++;
      this.#socket.destroy();
      return;
    }
    if (!this.#spoken && nowMs - this.#openedMs > limits.helloTimeoutMs) {
      this.#counters.tooSlowIn++;
      this.fault("timed_out", "no hello came (a pilot speaks first) say hello once connected");
    } else if (this.#frameBeganMs >= 0 && this.#paused) {
      this.#frameBeganMs = nowMs;
    } else if (this.#frameBeganMs >= 0 && nowMs - this.#frameBeganMs > limits.frameTimeoutMs) {
      this.#counters.tooSlowIn++;
      const seconds = limits.frameTimeoutMs / 1000;
      this.fault(
        "timed_out",
        `a frame did not end (it has ${seconds} s from its first byte) write frames whole`,
      );
    }
  }

  get #paused(): boolean {
    return this.#outboxHigh || this.#coreBehind;
  }

  #read(bytes: Uint8Array, length: number): void {
    if (this.closing) return;
    this.#counters.bytesIn += length;
    const before = this.#counters.framesIn;
    try {
      this.#splitter.split(bytes, length, this.#frame);
    } catch (error) {
      this.#counters.malformed++;
      this.fault(error instanceof JumboError ? error.code : "protocol", messageOf(error));
      return;
    }
    if (this.#splitter.pendingBytes === 0) this.#frameBeganMs = -1;
    else if (this.#counters.framesIn > before || this.#frameBeganMs < 0) {
      this.#frameBeganMs = performance.now();
    }
  }

  readonly #frame = (bytes: Uint8Array, begin: number, end: number): void => {
    if (!this.#spoken) {
      this.#spoken = true;
      this.#splitter.setLimit(FRAME_BYTES_MAX);
    }
    this.#counters.framesIn++;
    this.#events.frame(this, bytes, begin, end);
  };

  #drained(): void {
    this.#outboxMovedMs = performance.now();
    this.#outboxHigh = false;
    this.#resume();
  }

  #resume(): void {
    if (!this.#paused) this.#socket.resume();
  }

  #closed(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#events.gone(this);
  }
}
