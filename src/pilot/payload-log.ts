/**
 * Where a payload's standard output and error go: files beside its folder, opened for appending.
 * Not pipes, for three reasons: a payload can never block on a slow reader, 100 MB of messages cost
 * the pilot nothing, and `/dev/stderr` can be opened (Node's pipes are sockets: ENXIO).
 *
 * A file that grows beyond FILE_BYTES_MAX is cut to nothing after its tail was kept in memory; the
 * payload goes on at the new end, since it appends. Only the tail is ever of use: for reasons.
 */

import { closeSync, fstatSync, ftruncateSync, openSync, readSync, rmSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { PAYLOAD_LOG_BYTES_MAX } from "../base/index.ts";
import { clipReason } from "../wire/index.ts";

const FILE_BYTES_MAX = 4 * 1024 * 1024;
const WATCH_MS = 200;
const LINES_IN_REASON = 3;

const open = new Set<PayloadLog>();
let watch: NodeJS.Timeout | null = null;

export class PayloadLog {
  readonly #path: string;
  readonly #file: number;
  #kept = "";
  #closed = false;

  /** Throws the file system's error. */
  constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, "a+", 0o600);
    open.add(this);
    watch ??= setInterval(boundAll, WATCH_MS).unref();
  }

  /** Descriptor to hand to a payload. */
  get descriptor(): number {
    return this.#file;
  }

  /** At most the last PAYLOAD_LOG_BYTES_MAX bytes that were written. */
  tail(): string {
    return (this.#kept + this.#fileTail()).slice(-PAYLOAD_LOG_BYTES_MAX);
  }

  #fileTail(): string {
    if (this.#closed) return "";
    const { size } = fstatSync(this.#file);
    const bytes = Buffer.alloc(Math.min(size, PAYLOAD_LOG_BYTES_MAX));
    const read = readSync(this.#file, bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString("utf8", 0, read);
  }

  bound(): void {
    if (fstatSync(this.#file).size <= FILE_BYTES_MAX) return;
    this.#kept = this.tail();
    ftruncateSync(this.#file, 0);
  }

  /** Closes and removes the file; the tail stays readable. */
  close(): void {
    if (this.#closed) return;
    this.#kept = this.tail();
    this.#closed = true;
    open.delete(this);
    closeSync(this.#file);
    rmSync(this.#path, { force: true });
    if (open.size === 0 && watch !== null) {
      clearInterval(watch);
      watch = null;
    }
  }
}

function boundAll(): void {
  for (const log of open) log.bound();
}

/** The last lines that say something, as the end of a reason; "" if there are none. */
export function lastLines(...tails: string[]): string {
  for (const tail of tails) {
    const lines = tail
      .split("\n")
      .map((line) =>
        stripVTControlCharacters(line)
          .replaceAll(/\p{Cc}/gu, " ")
          .trim(),
      )
      .filter((line) => line !== "")
      .slice(-LINES_IN_REASON);
    if (lines.length > 0) return clipReason(lines.map((line) => line.slice(-200)).join(" | "));
  }
  return "";
}
