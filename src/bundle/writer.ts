/**
 * Appends whole output files to one bundle. Several slots share a writer:
 *
 *   append  reads and sums its source by itself, then waits in ONE queue; what waits together and
 *           is small is written by one call
 *   sync    one fdatasync for all who wait: who comes while one is under way shares the next
 *
 * Invariants: `bytes` is the end of the last whole member; a failed append cuts the file back to
 * it. After a failed sync or a failed cut the writer is broken for good, since the kernel may have
 * dropped what it could not write and would report the next sync as a success.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { assert, crc32, JumboError, messageOf } from "../base/index.ts";
import { encodeCentral, encodeEnd, encodeLocal } from "./layout.ts";
import { bundleUri, memberName } from "./names.ts";
import type { BundleMember, BundleWriter, MemberFence, MemberNote } from "./types.ts";

/**
 * Larger sources are summed first and copied second, instead of being held in memory. Smaller ones
 * were written a moment ago and are cached: reading them at once costs a tenth of four trips
 * through the thread pool.
 */
const WHOLE_BYTES_MAX = 512 * 1024;
/** An output is a plain file: a link would lead out of its folder, a FIFO would block. */
const SOURCE_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const CHUNK_BYTES = 1024 * 1024;
/** What one write call takes together. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;

/** A member on its way: everything but the place, which it gets in the queue. */
interface Waiting {
  readonly member: Omit<BundleMember, "offset">;
  /** Its whole content, or null for one that is copied from `source`. */
  readonly content: Uint8Array | null;
  readonly source: FileHandle | null;
  readonly resolve: (member: BundleMember) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Creates a bundle at `path`, which must not exist. `node` is written into the notes of members
 * that name none. Throws the file system's error.
 */
export async function createBundle(path: string, options: { node: string }): Promise<BundleWriter> {
  const file = await open(path, "wx+", 0o644);
  return new ZipWriter(path, file, options.node);
}

class ZipWriter implements BundleWriter {
  readonly path: string;
  readonly uri: string;
  readonly #file: FileHandle;
  readonly #node: string;
  readonly #index: { member: BundleMember; headerAt: number }[] = [];
  readonly #waiting: Waiting[] = [];
  #bytes = 0;
  #writing: Promise<void> | null = null;
  #syncing: Promise<void> | null = null;
  #syncNext: Promise<void> | null = null;
  #folderSynced = false;
  #broken: unknown = null;
  #closed = false;

  constructor(path: string, file: FileHandle, node: string) {
    this.path = path;
    this.uri = bundleUri(path);
    this.#file = file;
    this.#node = node;
  }

  get members(): number {
    return this.#index.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  async append(
    fence: MemberFence,
    note: MemberNote,
    fileName: string,
    sourcePath: string,
  ): Promise<BundleMember> {
    assert(!this.#closed, "append to a closed bundle");
    const name = memberName(fence, fileName);
    const small = readSmall(sourcePath);
    if (small !== null) {
      const sums = { bytes: small.length, crc32: crc32(small) };
      return this.#enqueue({ ...this.#describe(name, fence, note), ...sums }, small, null);
    }
    const source = await open(sourcePath, SOURCE_FLAGS);
    try {
      const sums = await sumSource(source);
      return await this.#enqueue({ ...this.#describe(name, fence, note), ...sums }, null, source);
    } finally {
      await source.close();
    }
  }

  #describe(name: string, fence: MemberFence, note: MemberNote) {
    return {
      name,
      task: fence.task,
      range: fence.range,
      lease: fence.lease,
      attempt: note.attempt,
      wallSeconds: note.wallSeconds,
      cpuSeconds: note.cpuSeconds,
      node: note.node === "" ? this.#node : note.node,
    };
  }

  #enqueue(
    member: Omit<BundleMember, "offset">,
    content: Uint8Array | null,
    source: FileHandle | null,
  ): Promise<BundleMember> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ member, content, source, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  async #writeAll(): Promise<void> {
    // The first turn of the loop waits, so that appends of one tick share a write.
    await null;
    while (this.#waiting.length > 0) {
      const batch = this.#takeBatch();
      try {
        if (this.#broken !== null) throw this.#broken;
        const written = await this.#writeBatch(batch);
        batch.forEach((each, i) => {
          each.resolve(written[i]!);
        });
      } catch (error) {
        await this.#cutBack(error);
        for (const each of batch) each.reject(error);
      }
    }
    this.#writing = null;
  }

  /** The longest run of small members from the front, or one big one. */
  #takeBatch(): Waiting[] {
    let end = 0;
    for (let bytes = 0; end < this.#waiting.length && bytes < BATCH_BYTES_MAX; end++) {
      const content = this.#waiting[end]!.content;
      if (content === null) break;
      bytes += content.length;
    }
    return this.#waiting.splice(0, Math.max(end, 1));
  }

  async #writeBatch(batch: Waiting[]): Promise<BundleMember[]> {
    const pieces: Uint8Array[] = [];
    const placed: { member: BundleMember; headerAt: number }[] = [];
    let at = this.#bytes;
    for (const { member, content } of batch) {
      const headerAt = at;
      const header = encodeLocal({ ...member, offset: 0 });
      pieces.push(header);
      if (content !== null) pieces.push(content);
      placed.push({ member: { ...member, offset: headerAt + header.length }, headerAt });
      at = headerAt + header.length + member.bytes;
    }
    const headBytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    await writeAt(this.#file, Buffer.concat(pieces, headBytes), this.#bytes);
    const source = batch[0]!.source;
    if (source !== null) await this.#copy(source, placed[0]!.member);
    this.#index.push(...placed);
    this.#bytes = at;
    return placed.map((each) => each.member);
  }

  /** Copies a big source behind its header and checks that it is still what was summed. */
  async #copy(source: FileHandle, member: BundleMember): Promise<void> {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let sum = 0;
    let done = 0;
    while (done < member.bytes) {
      const wanted = Math.min(CHUNK_BYTES, member.bytes - done);
      const { bytesRead } = await source.read(chunk, 0, wanted, done);
      if (bytesRead === 0) break;
      const part = chunk.subarray(0, bytesRead);
      sum = crc32(part, sum);
      await writeAt(this.#file, part, member.offset + done);
      done += bytesRead;
    }
    if (done !== member.bytes || sum !== member.crc32) throw changedWhileRead(member.name);
  }

  async #cutBack(cause: unknown): Promise<void> {
    if (this.#broken !== null) return;
    try {
      await this.#file.truncate(this.#bytes);
    } catch (error) {
      const why = `${messageOf(cause)}, then ${messageOf(error)}`;
      this.#broken = new Error(`bundle ${this.path} could not be cut back to its end (${why})`);
    }
  }

  sync(): Promise<void> {
    if (this.#syncNext !== null) return this.#syncNext;
    if (this.#syncing === null) {
      this.#syncing = this.#syncOnce();
      return this.#syncing;
    }
    const next = this.#syncing
      .catch(() => {})
      .then(() => {
        this.#syncNext = null;
        this.#syncing = this.#syncOnce();
        return this.#syncing;
      });
    this.#syncNext = next;
    return next;
  }

  async #syncOnce(): Promise<void> {
    try {
      if (this.#broken !== null) throw this.#broken;
      await this.#file.datasync();
      // The name must survive too; the folder needs it once.
      if (!this.#folderSynced) {
        const folder = await open(dirname(this.path), "r");
        try {
          await folder.sync();
        } finally {
          await folder.close();
        }
        this.#folderSynced = true;
      }
    } catch (error) {
      this.#broken ??= error;
      throw error;
    } finally {
      if (this.#syncNext === null) this.#syncing = null;
    }
  }

  async close(): Promise<void> {
    assert(!this.#closed, "a bundle is closed once");
    this.#closed = true;
    await this.#writing;
    try {
      if (this.#broken !== null) throw this.#broken;
      try {
        await this.#writeDirectory();
      } catch (error) {
        // Without its directory the bundle still reads front to back, if nothing torn follows.
        await this.#cutBack(error);
        throw error;
      }
      await this.sync();
    } finally {
      await this.#file.close();
    }
  }

  async #writeDirectory(): Promise<void> {
    let at = this.#bytes;
    let pieces: Uint8Array[] = [];
    let waitingBytes = 0;
    const flush = async () => {
      await writeAt(this.#file, Buffer.concat(pieces), at);
      at += waitingBytes;
      pieces = [];
      waitingBytes = 0;
    };
    for (const { member, headerAt } of this.#index) {
      const record = encodeCentral(member, headerAt);
      pieces.push(record);
      waitingBytes += record.length;
      if (waitingBytes >= CHUNK_BYTES) await flush();
    }
    pieces.push(encodeEnd(this.members, this.#bytes, at + waitingBytes - this.#bytes));
    waitingBytes += pieces.at(-1)!.length;
    await flush();
  }
}

/** A source's whole content, or null for a large one. */
function readSmall(path: string): Uint8Array | null {
  let file: number;
  try {
    file = openSync(path, SOURCE_FLAGS);
  } catch (error) {
    throw new JumboError(
      "work_failed",
      `${path} can't go into a bundle (${messageOf(error)}) an output is one plain file`,
      { subject: path, cause: error },
    );
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) {
      throw new JumboError(
        "work_failed",
        `${path} can't go into a bundle (it is no regular file) an output is one plain file`,
        { subject: path },
      );
    }
    if (stat.size > WHOLE_BYTES_MAX) return null;
    // Room for one byte more shows that it still grows.
    const room = Buffer.allocUnsafe(stat.size + 1);
    const bytesRead = readSync(file, room, 0, room.length, 0);
    if (bytesRead !== stat.size) throw changedWhileRead(path);
    return room.subarray(0, bytesRead);
  } finally {
    closeSync(file);
  }
}

/** Length and CRC-32 of a source. */
async function sumSource(source: FileHandle): Promise<{ bytes: number; crc32: number }> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let sum = 0;
  let bytes = 0;
  for (;;) {
    const { bytesRead } = await source.read(chunk, 0, CHUNK_BYTES, bytes);
    if (bytesRead === 0) return { bytes, crc32: sum };
    sum = crc32(chunk.subarray(0, bytesRead), sum);
    bytes += bytesRead;
  }
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    if (bytesWritten === 0) throw new Error(`nothing was written at ${position + done}`);
    done += bytesWritten;
  }
}

function changedWhileRead(what: string): JumboError {
  const why = "its length or content changed while it was read";
  return new JumboError(
    "work_failed",
    `${what} was not put into the bundle (${why}) an output is final once its range is done`,
  );
}
