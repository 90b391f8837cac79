/**
 * How frames cross between listeners and the core: in batches, one buffer a tick each way, so that
 * the thread border costs once a tick and not once a frame. The same port works inside one thread
 * (`--inline`), over a worker's MessagePort, and in the simulator.
 *
 *   frames.bytes:  |payload of frame 0|payload of frame 1| ...     ends[i] = where frame i ends
 *
 * Towards the core a frame is the payload without its length prefix; towards the listeners it is
 * the whole frame as it goes to the socket.
 */

import { assert } from "../base/index.ts";

export interface FrameBatch {
  /** Connection of each frame. */
  readonly connections: Uint32Array;
  /** Exclusive end of each frame in `bytes`. */
  readonly ends: Uint32Array;
  readonly bytes: Uint8Array;
}

export interface OpenedConnection {
  readonly connection: number;
  /** For people: "unix" or the peer's address. */
  readonly peer: string;
}

export interface ToCore {
  readonly opened: readonly OpenedConnection[];
  readonly frames: FrameBatch | null;
  readonly closed: readonly number[];
}

export interface FromCore {
  readonly frames: FrameBatch | null;
  /** Closed after their last frame is written. */
  readonly close: readonly number[];
}

export interface CorePort {
  /** Bytes of frames that were posted and that the core has not looked at yet. */
  readonly backlogBytes: number;
  post(batch: ToCore): void;
  onBatch(listener: (batch: FromCore) => void): void;
}

/**
 * Gathers frames of one tick into a batch; `take` hands over a fresh buffer each time. A frame is
 * copied as it comes, so that nobody has to keep it. The batch's three parts lie in ONE buffer,
 *
 *   | bytes | padding to 4 | connections | ends | number of frames u32 | bytes u32 |
 *
 * which crosses to another thread as it is: `packed` and `unpacked` below cost nothing a frame.
 */
export class FrameGatherer {
  #connections = new Uint32Array(64);
  #ends = new Uint32Array(64);
  #bytes = new Uint8Array(4096);
  #size = 0;
  #filled = 0;

  get size(): number {
    return this.#size;
  }

  /** The frame is `from`, or its bytes [begin, end). */
  add(connection: number, from: Uint8Array, begin = 0, end = from.length): void {
    if (this.#size === this.#ends.length) this.#growFrames();
    const filled = this.#filled + end - begin;
    if (filled > this.#bytes.length) this.#growBytes(filled);
    const to = this.#bytes;
    // Most frames are short: byte by byte is faster than a view of them to copy from. Written out
    // here as in wire/codec.ts: one function for both meets more kinds of arrays, and was slower.
    if (end - begin > SHORT_BYTES) to.set(from.subarray(begin, end), this.#filled);
    else for (let i = begin, at = this.#filled; i < end; ) to[at++] = from[i++] as number;
    this.#filled = filled;
    this.#connections[this.#size] = connection;
    this.#ends[this.#size] = filled;
    this.#size++;
  }

  take(): FrameBatch | null {
    const size = this.#size;
    if (size === 0) return null;
    const filled = this.#filled;
    const tableAt = tableStart(filled);
    const buffer = new ArrayBuffer(tableAt + 8 * size + TRAILER_BYTES);
    const bytes = new Uint8Array(buffer, 0, filled);
    bytes.set(this.#bytes.subarray(0, filled));
    const connections = new Uint32Array(buffer, tableAt, size);
    connections.set(this.#connections.subarray(0, size));
    const ends = new Uint32Array(buffer, tableAt + 4 * size, size);
    ends.set(this.#ends.subarray(0, size));
    new Uint32Array(buffer, tableAt + 8 * size, 2).set([size, filled]);
    this.#size = 0;
    this.#filled = 0;
    if (this.#bytes.length > KEEP_BYTES_MAX) this.#bytes = new Uint8Array(4096);
    return { connections, ends, bytes };
  }

  #growFrames(): void {
    const connections = new Uint32Array(2 * this.#ends.length);
    connections.set(this.#connections);
    this.#connections = connections;
    const ends = new Uint32Array(2 * this.#ends.length);
    ends.set(this.#ends);
    this.#ends = ends;
  }

  #growBytes(least: number): void {
    const grown = new Uint8Array(Math.max(least, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#filled));
    this.#bytes = grown;
  }
}

const SHORT_BYTES = 96;
const TRAILER_BYTES = 8;
/** Bytes that an idle gatherer keeps. */
const KEEP_BYTES_MAX = 4 * 1024 * 1024;

function tableStart(bytes: number): number {
  return (bytes + 3) & ~3;
}

/** The one buffer of a batch that `FrameGatherer.take` made. */
export function packed(batch: FrameBatch): ArrayBuffer {
  const { buffer } = batch.bytes;
  const due = tableStart(batch.bytes.length) + 8 * batch.ends.length + TRAILER_BYTES;
  const whole = batch.connections.buffer === buffer && buffer.byteLength === due;
  assert(whole && buffer instanceof ArrayBuffer, "a batch was not made by a gatherer");
  return buffer;
}

export function unpacked(buffer: ArrayBuffer): FrameBatch {
  const trailer = new Uint32Array(buffer, buffer.byteLength - TRAILER_BYTES, 2);
  const size = trailer[0] as number;
  const filled = trailer[1] as number;
  const tableAt = tableStart(filled);
  return {
    connections: new Uint32Array(buffer, tableAt, size),
    ends: new Uint32Array(buffer, tableAt + 4 * size, size),
    bytes: new Uint8Array(buffer, 0, filled),
  };
}
