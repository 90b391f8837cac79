/**
 * A file that is either wholly there or not there: written as `NAME.partial` through one fixed
 * buffer, synced, renamed, and the folder synced. Its sha256 is computed on the way. Used inside
 * worker threads, so it writes synchronously.
 */
import { createHash, type Hash } from "node:crypto";
import {
  closeSync,
  createReadStream,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { assert, killPoint } from "../base/index.ts";
import type { MergeTarget } from "../formats/index.ts";

const BUFFER_BYTES = 1024 * 1024;

export interface SealedFile {
  readonly bytes: number;
  readonly sha256: string;
}

export class DurableFile implements MergeTarget {
  readonly path: string;
  readonly partialPath: string;
  readonly fd: number;
  bytes = 0;
  /** The first error of the disk, so that it is not mistaken for an error of what is written. */
  failure: unknown = undefined;
  #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #used = 0;
  #hash: Hash = createHash("sha256");
  #open = true;

  constructor(path: string, partialPath = `${path}.partial`) {
    this.path = path;
    this.partialPath = partialPath;
    this.fd = openSync(partialPath, "w");
  }

  write(bytes: Uint8Array): void {
    assert(this.#open, "write to a sealed file");
    this.#hash.update(bytes);
    this.bytes += bytes.length;
    if (this.#used + bytes.length > BUFFER_BYTES) this.#flush();
    if (bytes.length > BUFFER_BYTES) this.#writeOut(bytes);
    else {
      this.#buffer.set(bytes, this.#used);
      this.#used += bytes.length;
    }
  }

  /** Makes it durable under its final name. */
  seal(): SealedFile {
    this.#flush();
    fsyncSync(this.fd);
    this.#close();
    killPoint("merge-before-rename");
    renameSync(this.partialPath, this.path);
    syncFolder(dirname(this.path));
    killPoint("merge-after-rename");
    return { bytes: this.bytes, sha256: this.#hash.digest("hex") };
  }

  /** Removes what was written; does nothing after `seal`. */
  discard(): void {
    if (!this.#open) return;
    this.#close();
    rmSync(this.partialPath, { force: true });
  }

  #close(): void {
    this.#open = false;
    closeSync(this.fd);
  }

  #flush(): void {
    const used = this.#used;
    this.#used = 0;
    if (used > 0) this.#writeOut(this.#buffer.subarray(0, used));
  }

  #writeOut(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.fd, bytes, done);
    } catch (error) {
      this.failure ??= error;
      throw error;
    }
  }
}

/** Makes renames and removals in a folder durable. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Size and sha256 of a file as it is on disk now; throws what opening or reading throws. */
export async function hashFile(path: string): Promise<SealedFile> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: BUFFER_BYTES })) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { bytes, sha256: hash.digest("hex") };
}
