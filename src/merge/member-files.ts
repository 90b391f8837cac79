/**
 * Reads members' bytes at known places of bundles. A pilot appends its ranges about in the order in
 * which the merge wants them, so a read that goes on behind the last one takes a window of bytes
 * along: small members cost a slice instead of a system call. Members are checked by the caller.
 * Descriptors are few: the longest unused one is closed when another is needed.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { pathOfUri } from "../bundle/index.ts";

const OPEN_MAX = 128;
const WINDOW_BYTES = 256 * 1024;

interface OpenFile {
  readonly fd: number;
  /** Bytes read last, and where they begin; never written to again: parts are slices of it. */
  window: Uint8Array;
  windowAt: number;
}

export class MemberFiles {
  /** In order of last use: a map keeps the order of insertion. */
  readonly #open = new Map<string, OpenFile>();

  /** `bytes` bytes at `offset`, fewer if the file ends before. Throws what open and read throw. */
  read(uri: string, offset: number, bytes: number): Uint8Array {
    const file = this.#file(uri);
    const end = file.windowAt + file.window.length;
    if (offset >= file.windowAt && offset + bytes <= end) return slice(file, offset, bytes);
    const goesOn = offset >= file.windowAt && offset - end < WINDOW_BYTES;
    const wanted = goesOn && bytes < WINDOW_BYTES ? WINDOW_BYTES : bytes;
    file.window = readUpTo(file.fd, offset, wanted);
    file.windowAt = offset;
    return slice(file, offset, bytes);
  }

  #file(uri: string): OpenFile {
    const known = this.#open.get(uri);
    if (known) {
      this.#open.delete(uri);
      this.#open.set(uri, known);
      return known;
    }
    if (this.#open.size >= OPEN_MAX) {
      const [oldest, file] = this.#open.entries().next().value as [string, OpenFile];
      this.#open.delete(oldest);
      closeSync(file.fd);
    }
    const fd = openSync(pathOfUri(uri), "r");
    const file: OpenFile = { fd, window: new Uint8Array(0), windowAt: 0 };
    this.#open.set(uri, file);
    return file;
  }

  close(): void {
    for (const { fd } of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }
}

function slice(file: OpenFile, offset: number, bytes: number): Uint8Array {
  const at = offset - file.windowAt;
  return file.window.subarray(at, at + bytes);
}

function readUpTo(fd: number, offset: number, bytes: number): Uint8Array {
  const buffer = Buffer.allocUnsafeSlow(bytes);
  let done = 0;
  while (done < bytes) {
    const read = readSync(fd, buffer, done, bytes - done, offset + done);
    if (read === 0) break;
    done += read;
  }
  return buffer.subarray(0, done);
}
