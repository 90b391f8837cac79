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
  post(batch: ToCore): void;
  onBatch(listener: (batch: FromCore) => void): void;
}

/** Gathers frames of one tick into a batch; `take` hands over a fresh buffer each time. */
export class FrameGatherer {
  #connections: number[] = [];
  #frames: Uint8Array[] = [];
  #bytes = 0;

  get size(): number {
    return this.#frames.length;
  }

  add(connection: number, frame: Uint8Array): void {
    this.#connections.push(connection);
    this.#frames.push(frame);
    this.#bytes += frame.length;
  }

  take(): FrameBatch | null {
    if (this.#frames.length === 0) return null;
    const bytes = new Uint8Array(this.#bytes);
    const ends = new Uint32Array(this.#frames.length);
    let at = 0;
    for (let i = 0; i < this.#frames.length; i++) {
      const frame = this.#frames[i] as Uint8Array;
      bytes.set(frame, at);
      at += frame.length;
      ends[i] = at;
    }
    const connections = Uint32Array.from(this.#connections);
    this.#connections = [];
    this.#frames = [];
    this.#bytes = 0;
    return { connections, ends, bytes };
  }
}

/** Calls `visit` for each frame of a batch, in order. */
export function forEachFrame(
  batch: FrameBatch,
  visit: (connection: number, frame: Uint8Array) => void,
): void {
  let begin = 0;
  for (let i = 0; i < batch.ends.length; i++) {
    const end = batch.ends[i] as number;
    visit(batch.connections[i] as number, batch.bytes.subarray(begin, end));
    begin = end;
  }
}
