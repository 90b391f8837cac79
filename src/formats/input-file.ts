/**
 * Opening an input: it must be a regular file; its sha256 is that of the bytes as named; a gzip is
 * decompressed once into the scratch folder, so that every offset of the engine is an offset in a
 * plain file. The copy is named by content (`<sha256>-<base name>`), written as `.partial`, synced
 * and renamed: a copy that is there is whole, and two scans of one file agree on it.
 *
 * An input that changes while it is read is refused: size and time are compared before and after.
 */
import { createHash, randomUUID } from "node:crypto";
import {
  closeSync,
  createReadStream,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { createGunzip } from "node:zlib";
import { JumboError, messageOf } from "../base/index.ts";
import type { PreparedInput } from "./types.ts";

/** Bytes read at once from an input. */
export const CHUNK_BYTES = 4 * 1024 * 1024;
/** Bytes of an input's head that formats are recognised by. */
export const HEAD_BYTES = 64 * 1024;

/** The error of an input that can't be used; grammar: problem (why) what would be right. */
export function inputError(path: string, problem: string, why: string, right: string): JumboError {
  return new JumboError("input_unreadable", `input ${path} ${problem} (${why}) ${right}`, {
    subject: path,
  });
}

function statInput(path: string): Stats {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    throw inputError(path, "can't be opened", messageOf(error), "name a file that can be read");
  }
  if (stats.isDirectory()) {
    throw inputError(path, "is a directory", "inputs are files", "name its files, or use a glob");
  }
  if (!stats.isFile()) {
    throw inputError(
      path,
      "is no regular file",
      "a pipe or device can't be read twice or by offset",
      "write it to a file first",
    );
  }
  return stats;
}

/** Throws if the input is not what it was when `prepareInput` first looked at it. */
export function checkUnchanged(input: PreparedInput): void {
  const stats = statInput(input.source);
  if (stats.size !== input.sourceSizeBytes || stats.mtimeMs !== input.sourceMtimeMs) {
    throw inputError(
      input.source,
      "changed while it was scanned",
      `${input.sourceSizeBytes} bytes before, ${stats.size} after, or another time of change`,
      "submit again when nothing writes to it any more",
    );
  }
}

/** Looks at, hashes and if need be decompresses an input. Throws `input_unreadable`. */
export async function prepareInput(source: string, scratch: string): Promise<PreparedInput> {
  const before = statInput(source);
  const sha256 = hashFile(source);
  const isGzip = hasGzipMagic(readAt(source, 0, 2));
  const path = isGzip ? await decompressedCopy(source, sha256, scratch) : source;
  const stats = isGzip ? statSync(path) : before;
  const prepared: PreparedInput = {
    source,
    path,
    sizeBytes: stats.size,
    mtimeMs: stats.mtimeMs,
    sha256,
    sourceSizeBytes: before.size,
    sourceMtimeMs: before.mtimeMs,
  };
  checkUnchanged(prepared);
  return prepared;
}

/** sha256 of a file's bytes, hex. */
export function hashFile(path: string): string {
  const hash = createHash("sha256");
  forEachChunk(path, (chunk) => hash.update(chunk));
  return hash.digest("hex");
}

/** Calls `visit` with consecutive pieces of a file; a piece is valid only during the call. */
function forEachChunk(path: string, visit: (chunk: Buffer) => void): void {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  const fd = openInput(path);
  try {
    for (let length = 1; length > 0; ) {
      length = readSync(fd, buffer, 0, buffer.length, -1);
      if (length > 0) visit(buffer.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}

export function openInput(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw inputError(path, "can't be opened", messageOf(error), "make it readable");
  }
}

/** Up to `length` bytes at `offset`: fewer only where the file ends. */
export function readAt(path: string, offset: number, length: number): Buffer {
  const fd = openInput(path);
  try {
    return readFully(fd, offset, length);
  } finally {
    closeSync(fd);
  }
}

/** Like `readAt` on an open file. */
export function readFully(fd: number, offset: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  while (filled < length) {
    const step = readSync(fd, buffer, filled, length - filled, offset + filled);
    if (step === 0) break;
    filled += step;
  }
  return buffer.subarray(0, filled);
}

/** The first 64 KiB of a prepared input. */
export function readHead(path: string): Buffer {
  return readAt(path, 0, HEAD_BYTES);
}

export function hasGzipMagic(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * The path of the decompressed copy. A copy that is there and of the right size is kept as it is,
 * since running tasks know its time of change. The gzip's last four bytes are the size of its last
 * member: where that is not the copy's, the gzip has several members or the copy was changed, and
 * it is decompressed again to find out.
 */
async function decompressedCopy(source: string, sha256: string, scratch: string): Promise<string> {
  const target = join(scratch, `${sha256}-${basename(source).replace(/\.gz$/i, "")}`);
  const known = statSync(target, { throwIfNoEntry: false })?.size;
  const trailer = readAt(source, Math.max(0, statSync(source).size - 4), 4);
  if (known !== undefined && trailer.length === 4 && known === trailer.readUInt32LE(0)) {
    return target;
  }
  mkdirSync(scratch, { recursive: true });
  await writeAtomically(target, async (fd) => {
    // Members of one gzip follow each other (bgzip, pigz, cat); zlib goes on to the next by itself.
    const stream = createReadStream(source, { highWaterMark: CHUNK_BYTES });
    const gunzip = createGunzip({ chunkSize: 1024 * 1024 });
    stream.on("error", (error) => gunzip.destroy(error));
    try {
      for await (const chunk of stream.pipe(gunzip)) writeFully(fd, chunk as Buffer);
    } catch (error) {
      // Z_...: the gzip's fault; anything else (no space left ...) is not the input's.
      if (!(error as NodeJS.ErrnoException).code?.startsWith("Z_")) throw error;
      throw inputError(
        source,
        "can't be decompressed",
        messageOf(error),
        "the gzip is truncated or damaged: `gzip -t` must pass",
      );
    } finally {
      stream.destroy();
    }
    return sizeOf(fd) !== known;
  });
  return target;
}

/**
 * Writes a file that is there whole or not at all, also after a power cut. Where `fill` returns
 * false, what it wrote is dropped and the file that is there stays.
 */
export async function writeAtomically(
  target: string,
  fill: (fd: number) => Promise<boolean> | boolean,
): Promise<void> {
  const partial = `${target}.${randomUUID()}.partial`;
  const fd = openSync(partial, "wx");
  let isWanted = false;
  try {
    isWanted = await fill(fd);
    if (isWanted) fsyncSync(fd);
  } catch (error) {
    closeSync(fd);
    rmSync(partial, { force: true });
    throw error;
  }
  closeSync(fd);
  if (!isWanted) return rmSync(partial);
  renameSync(partial, target);
  const folder = openSync(dirname(target), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

export function writeFully(fd: number, bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) {
    written += writeSync(fd, bytes, written, bytes.length - written);
  }
}

/** Size of an open file, bytes. */
export function sizeOf(fd: number): number {
  return fstatSync(fd).size;
}
