/**
 * Many frames in one growing buffer: what a loop owes its connections in one turn, encoded without
 * a buffer a frame. `take` hands the bytes out and starts over; the returned buffer has no other
 * owner, so that it may be transferred to another thread.
 */
import { appendFrame } from "./codec.ts";
import type { Message } from "./messages.ts";
import { Writer } from "./writer.ts";

const KEEP_BYTES_MAX = 1024 * 1024;

export class FrameBatch {
  #writer = new Writer();

  get byteLength(): number {
    return this.#writer.position;
  }

  /** Appends the frame of `message`; returns its length, prefix included. */
  append(message: Message): number {
    const start = this.#writer.position;
    appendFrame(this.#writer, message);
    return this.#writer.position - start;
  }

  take(): Uint8Array<ArrayBuffer> {
    const writer = this.#writer;
    const bytes = new Uint8Array(writer.position);
    bytes.set(writer.bytes.subarray(0, writer.position));
    writer.position = 0;
    if (writer.bytes.length > KEEP_BYTES_MAX) this.#writer = new Writer();
    return bytes;
  }
}
