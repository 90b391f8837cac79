/**
 * Counts records of an output by the task's rule, so that a pilot needs no knowledge of formats:
 * non-blank lines less a header, or lines that begin with a prefix. Reads in chunks, keeps nothing.
 */
import { open } from "node:fs/promises";
import { COUNT_RULE, type CountRule } from "../wire/index.ts";

const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 10;
const BLANK_MAX = 32;

/** Records in the file at `path`, or null if the rule says that they can't be counted. */
export async function countRecords(path: string, rule: CountRule): Promise<number | null> {
  if (rule.kind === COUNT_RULE.none) return null;
  const prefix = rule.kind === COUNT_RULE.linePrefix ? Buffer.from(rule.prefix) : null;
  const counter = prefix === null ? new LineCounter() : new PrefixCounter(prefix);
  const file = await open(path, "r");
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, null);
      if (bytesRead === 0) break;
      counter.push(chunk.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
  return Math.max(0, counter.finish() - rule.skip);
}

/** Lines with at least one byte above space. */
class LineCounter {
  #count = 0;
  #filled = false;

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const newline = chunk.indexOf(NEWLINE, at);
      const end = newline < 0 ? chunk.length : newline;
      for (let i = at; i < end && !this.#filled; i++) this.#filled = chunk[i]! > BLANK_MAX;
      if (newline >= 0) this.#endLine();
      at = end + 1;
    }
  }

  #endLine(): void {
    if (this.#filled) this.#count++;
    this.#filled = false;
  }

  finish(): number {
    this.#endLine();
    return this.#count;
  }
}

class PrefixCounter {
  readonly #prefix: Buffer;
  #count = 0;
  /** Bytes of this line that agree with the prefix so far; -1: they don't, or it was counted. */
  #agreed = 0;

  constructor(prefix: Buffer) {
    this.#prefix = prefix;
  }

  push(chunk: Buffer): void {
    const prefix = this.#prefix;
    for (let at = 0; at < chunk.length; ) {
      const newline = chunk.indexOf(NEWLINE, at);
      const end = newline < 0 ? chunk.length : newline;
      for (let i = at; i < end && this.#agreed >= 0; i++) {
        this.#agreed = chunk[i] === prefix[this.#agreed] ? this.#agreed + 1 : -1;
        if (this.#agreed === prefix.length) {
          this.#count++;
          this.#agreed = -1;
        }
      }
      if (newline >= 0) this.#agreed = 0;
      at = end + 1;
    }
  }

  finish(): number {
    return this.#count;
  }
}
