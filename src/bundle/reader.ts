/**
 * Reads a bundle: by its central directory where it has one, else front to back by its local
 * headers (its pilot died, or still writes). A torn end is ignored; every read checks the CRC-32.
 *
 * What can't be read is a `BundleDamage`: the proof that lets the engine do ranges again. A member
 * that `find` doesn't know is no damage by itself; its reader decides what was promised.
 */
import { type FileHandle, open } from "node:fs/promises";
import { crc32, messageOf } from "../base/index.ts";
import {
  CENTRAL_BYTES,
  decodeEnd,
  END_BYTES,
  LOCAL_BYTES,
  parseRecord,
  recordBytes,
  ZIP64_END_BYTES,
  ZIP64_LOCATOR_BYTES,
} from "./layout.ts";
import { pathOfUri } from "./names.ts";
import { BundleDamage, type BundleMember, type BundleReader, type MemberFence } from "./types.ts";

const WINDOW_BYTES = 256 * 1024;
const READ_BYTES_MAX = 512 * 1024 * 1024;

/** Opens the bundle at a `file:` URI. Throws BundleDamage if it is gone or can't be read. */
export async function openBundle(uri: string): Promise<BundleReader> {
  let file: FileHandle;
  try {
    file = await open(pathOfUri(uri), "r");
  } catch (error) {
    throw new BundleDamage(uri, `bundle ${uri} can't be opened (${messageOf(error)})`);
  }
  try {
    const { size } = await file.stat();
    const listed = await readDirectory(file, size);
    const members = listed ?? (await readHeaders(file, size));
    return new ZipReader(uri, file, members, listed === null);
  } catch (error) {
    await file.close();
    throw new BundleDamage(uri, `bundle ${uri} can't be read (${messageOf(error)})`);
  }
}

class ZipReader implements BundleReader {
  readonly uri: string;
  readonly salvaged: boolean;
  readonly #file: FileHandle;
  readonly #members: BundleMember[];
  #byFence: Map<string, BundleMember> | null = null;

  constructor(uri: string, file: FileHandle, members: BundleMember[], salvaged: boolean) {
    this.uri = uri;
    this.salvaged = salvaged;
    this.#file = file;
    this.#members = members;
  }

  find(fence: MemberFence): BundleMember | undefined {
    if (this.#byFence === null) {
      this.#byFence = new Map();
      for (const member of this.#members) this.#byFence.set(fenceKey(member), member);
    }
    return this.#byFence.get(fenceKey(fence));
  }

  members(): Iterable<BundleMember> {
    return this.#members;
  }

  async read(member: BundleMember): Promise<Uint8Array> {
    const bytes = await this.#readWhole(member);
    if (bytes === null) throw this.#damage(member, "it is shorter than its header says");
    if (crc32(bytes) !== member.crc32) throw this.#damage(member, "its CRC-32 does not match");
    return bytes;
  }

  async #readWhole(member: BundleMember): Promise<Uint8Array | null> {
    try {
      return await readAt(this.#file, member.offset, member.bytes);
    } catch (error) {
      throw this.#damage(member, messageOf(error));
    }
  }

  #damage(member: BundleMember, why: string): BundleDamage {
    return new BundleDamage(this.uri, `member ${member.name} of ${this.uri} is damaged (${why})`);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

function fenceKey(fence: MemberFence): string {
  return `${fence.task}/${fence.range}/${fence.lease}`;
}

/** `count` bytes from `position` on, or null if the file ends before. */
async function readAt(
  file: FileHandle,
  position: number,
  count: number,
): Promise<Uint8Array | null> {
  const bytes = Buffer.allocUnsafe(count);
  for (let done = 0; done < count; ) {
    const wanted = Math.min(count - done, READ_BYTES_MAX);
    const { bytesRead } = await file.read(bytes, done, wanted, position + done);
    if (bytesRead === 0) return null;
    done += bytesRead;
  }
  return bytes;
}

/** Members by the central directory; null if there is none or any part of it is not whole. */
async function readDirectory(file: FileHandle, size: number): Promise<BundleMember[] | null> {
  const tailBytes = Math.min(size, END_BYTES + ZIP64_LOCATOR_BYTES + ZIP64_END_BYTES);
  const tail = await readAt(file, size - tailBytes, tailBytes);
  const end = tail === null ? null : decodeEnd(tail, size);
  if (end === null) return null;
  const directory = await readAt(file, end.directoryAt, end.directoryBytes);
  if (directory === null) return null;
  const members: BundleMember[] = [];
  let at = 0;
  while (at + CENTRAL_BYTES <= directory.length) {
    const rest = directory.subarray(at);
    const length = recordBytes(rest, "central");
    if (length > rest.length) return null;
    const parsed = parseRecord(rest.subarray(0, length), "central", 0);
    if (parsed === null) return null;
    const { member } = parsed;
    if (member.offset + member.bytes > end.directoryAt) return null;
    members.push(member);
    at += length;
  }
  return at === directory.length && members.length === end.members ? members : null;
}

/** Members by their local headers, up to the first place that is not a whole member. */
async function readHeaders(file: FileHandle, size: number): Promise<BundleMember[]> {
  const members: BundleMember[] = [];
  let window: Uint8Array = new Uint8Array(0);
  let windowAt = 0;
  /** At least `count` bytes at `at`, from the window where it holds them. */
  const look = async (at: number, count: number): Promise<Uint8Array | null> => {
    if (at + count > size) return null;
    if (at < windowAt || at + count > windowAt + window.length) {
      const read = await readAt(file, at, Math.min(Math.max(count, WINDOW_BYTES), size - at));
      if (read === null) return null;
      window = read;
      windowAt = at;
    }
    return window.subarray(at - windowAt);
  };
  for (let at = 0; ; ) {
    const fixed = await look(at, LOCAL_BYTES);
    if (fixed === null) return members;
    const length = recordBytes(fixed, "local");
    const whole = await look(at, length);
    if (whole === null) return members;
    const parsed = parseRecord(whole.subarray(0, length), "local", at);
    if (parsed === null || parsed.member.offset + parsed.member.bytes > size) return members;
    members.push(parsed.member);
    at = parsed.member.offset + parsed.member.bytes;
  }
}
