/**
 * Framing: each message travels as u32 big-endian payload length, then the payload.
 *
 * The splitter checks a length against the limit before it keeps a byte of that frame. Frames
 * that lie whole in a chunk are handed out as views of it, without a copy; a frame cut by chunk
 * borders is gathered in a buffer that grows with what has really arrived (doubling, at most the
 * checked length), so that a peer can't make us reserve more than twice of what it has sent.
 */
import { assert, FRAME_BYTES_MAX, JumboError } from "../base/index.ts";

export const FRAME_PREFIX_BYTES = 4;
const GATHER_BYTES_MIN = 4096;

/** A payload is [begin, end) of `bytes`. */
export type TakePayload = (bytes: Uint8Array, begin: number, end: number) => void;

const NOTHING = new Uint8Array(0);

export class FrameSplitter {
  #limitBytes: number;
  #gathered: Uint8Array = NOTHING;
  #filled = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = 0;
    this.setLimit(limitBytes);
  }

  /** Largest payload accepted from the next frame on. */
  setLimit(bytes: number): void {
    assert(
      bytes >= 1 && bytes <= FRAME_BYTES_MAX,
      "a frame limit lies outside 1 .. FRAME_BYTES_MAX",
    );
    this.#limitBytes = bytes;
  }

  /** Bytes of an unfinished frame that are kept. */
  get pendingBytes(): number {
    return this.#filled;
  }

  /**
   * Whole payloads that `chunk` completes, in order; valid as long as the chunk is not reused.
   * Throws as `split` does.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const payloads: Uint8Array[] = [];
    this.split(chunk, chunk.length, (bytes, begin, end) => {
      payloads.push(bytes.subarray(begin, end));
    });
    return payloads;
  }

  /**
   * Calls `take` for each payload that the first `length` bytes of `chunk` complete, in order: a
   * payload is [begin, end) of the bytes it is given, as long as the chunk is not reused. Throws
   * JumboError "protocol" if a frame is empty or too long; the splitter is then of no further use,
   * since the stream has lost its frame borders.
   */
  split(chunk: Uint8Array, length: number, take: TakePayload): void {
    let at = this.#filled === 0 ? 0 : this.#continue(chunk, length, take);
    while (length - at >= FRAME_PREFIX_BYTES) {
      const size = this.#sizeAt(chunk, at);
      const end = at + FRAME_PREFIX_BYTES + size;
      if (end > length) break;
      take(chunk, at + FRAME_PREFIX_BYTES, end);
      at = end;
    }
    if (at < length) this.#keep(chunk, at, length);
  }

  /** Feeds the unfinished frame from the start of `chunk`; returns how much of it was used. */
  #continue(chunk: Uint8Array, length: number, take: TakePayload): number {
    let at = 0;
    if (this.#filled < FRAME_PREFIX_BYTES) {
      at = Math.min(FRAME_PREFIX_BYTES - this.#filled, length);
      this.#keep(chunk, 0, at);
      if (this.#filled < FRAME_PREFIX_BYTES) return at;
    }
    const total = FRAME_PREFIX_BYTES + this.#sizeAt(this.#gathered, 0);
    const end = Math.min(at + total - this.#filled, length);
    this.#keep(chunk, at, end);
    if (this.#filled === total) {
      const whole = this.#gathered;
      this.#gathered = NOTHING;
      this.#filled = 0;
      take(whole, FRAME_PREFIX_BYTES, total);
    }
    return end;
  }

  #keep(chunk: Uint8Array, begin: number, end: number): void {
    const filled = this.#filled + end - begin;
    if (filled > this.#gathered.length) {
      const length = Math.max(filled, 2 * this.#gathered.length, GATHER_BYTES_MIN);
      const most = Math.max(filled, FRAME_PREFIX_BYTES + this.#limitBytes);
      const grown = new Uint8Array(Math.min(length, most));
      grown.set(this.#gathered.subarray(0, this.#filled));
      this.#gathered = grown;
    }
    this.#gathered.set(chunk.subarray(begin, end), this.#filled);
    this.#filled = filled;
  }

  #sizeAt(bytes: Uint8Array, at: number): number {
    const size =
      ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
    if (size > this.#limitBytes || size === 0) {
      throw new JumboError(
        "protocol",
        `bad frame: its length is ${size} (1 .. ${this.#limitBytes} bytes are allowed here) ` +
          "split large messages; a peer that speaks something else is not welcome here",
      );
    }
    return size;
  }
}
