/**
 * What the scanners of text formats share: a growing list of event bounds, and the drivers that
 * feed a scanner with a file in large chunks or with bytes in memory.
 *
 * A scanner gets consecutive chunks and says how many bytes it has dealt with; the rest (a tag or
 * key line cut by the chunk's end, at most `CARRY_BYTES_MAX`) comes again in front of the next one.
 * It never sees bytes before that, so it notes offsets, not contents.
 */
import { closeSync, readSync } from "node:fs";
import { assert, EVENTS_PER_FILE_MAX } from "../base/index.ts";
import { CHUNK_BYTES, openInput } from "./input-file.ts";

export const CARRY_BYTES_MAX = 256;

/** What is wrong with the bytes, without the name of the file or part: the caller adds that. */
export class TextDefect extends Error {
  override readonly name = "TextDefect";
  readonly why: string;
  readonly right: string;
  constructor(problem: string, why: string, right: string) {
    super(problem);
    this.why = why;
    this.right = right;
  }
}

export interface ByteScanner {
  /**
   * Deals with `chunk`, whose first byte is byte `base` of the text; `last`: nothing follows.
   * Returns how many bytes are done with; all of them where `last`. Throws TextDefect.
   */
  feed(chunk: Buffer, base: number, last: boolean): number;
}

/** [begin, end) pairs, growing. */
export class BoundsList {
  #data = new Float64Array(1024);
  #events = 0;

  get events(): number {
    return this.#events;
  }

  push(begin: number, end: number): void {
    if (this.#events === EVENTS_PER_FILE_MAX) {
      throw new TextDefect(
        `holds more than ${EVENTS_PER_FILE_MAX} events`,
        "events of one file are numbered in 32 bits",
        "split it into several files",
      );
    }
    const at = this.#events * 2;
    if (at === this.#data.length) {
      const larger = new Float64Array(this.#data.length * 2);
      larger.set(this.#data);
      this.#data = larger;
    }
    this.#data[at] = begin;
    this.#data[at + 1] = end;
    this.#events++;
  }

  /** Moves the end of the last event: text formats know it when the next one begins. */
  closeLast(end: number): void {
    assert(this.#events > 0, "closeLast without an event");
    this.#data[this.#events * 2 - 1] = end;
  }

  take(): Float64Array {
    return this.#data.slice(0, this.#events * 2);
  }
}

/** Feeds a scanner with a whole file. `chunkBytes` is for tests of what falls on a border. */
export function scanFileBytes(path: string, scanner: ByteScanner, chunkBytes = CHUNK_BYTES): void {
  const buffer = Buffer.allocUnsafeSlow(chunkBytes + CARRY_BYTES_MAX);
  const fd = openInput(path);
  try {
    let base = 0;
    let carried = 0;
    for (;;) {
      const length = readSync(fd, buffer, carried, chunkBytes, -1);
      const last = length === 0;
      const chunk = buffer.subarray(0, carried + length);
      const consumed = scanner.feed(chunk, base, last);
      carried = chunk.length - consumed;
      assert(carried <= CARRY_BYTES_MAX, `a scanner left ${carried} bytes over`);
      if (last) {
        assert(carried === 0, "a scanner left bytes at the end");
        return;
      }
      buffer.copyWithin(0, consumed, chunk.length);
      base += consumed;
    }
  } finally {
    closeSync(fd);
  }
}

/** Feeds a scanner with bytes in memory. */
export function scanBytes(bytes: Uint8Array, scanner: ByteScanner): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  scanner.feed(buffer, 0, true);
}
