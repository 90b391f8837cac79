/**
 * Where the outputs of a slab of consecutive ranges lie: one row a range in typed arrays (60
 * bytes), filled from the directories of the bundles that hold them. Each bundle's directory is
 * read once a slab and let go at once, so memory is the slab's, however many bundles and members
 * there are, and however the ranges of a task are strewn over its pilots.
 */
import { open } from "node:fs/promises";
import { assert, messageOf } from "../base/index.ts";
import {
  BundleDamage,
  type BundleMember,
  type BundleReader,
  openBundle,
  pathOfUri,
} from "../bundle/index.ts";
import type { BundleEntry } from "./jobs.ts";

/** Ranges of one slab. */
export const SLAB_RANGES = 262_144;

export class MemberIndex {
  first = 0;
  count = 0;
  /** Bundle that the books name for the range, 0 where none has to be read. */
  readonly bundle: Uint32Array;
  readonly lease: Float64Array;
  /** Offset of the output in its bundle; -1: the bundle has no such member. */
  readonly offset: Float64Array;
  readonly bytes: Float64Array;
  readonly crc32: Uint32Array;
  readonly attempt: Uint16Array;
  readonly cpuSeconds: Float64Array;
  readonly wallSeconds: Float64Array;
  readonly #node: Uint32Array;
  readonly #fileName: Uint32Array;
  readonly #texts: string[] = [];
  readonly #textIndex = new Map<string, number>();
  readonly #task: number;
  readonly #capacity: number;
  readonly #needed = new Set<number>();

  constructor(task: number, capacity: number = SLAB_RANGES) {
    this.#task = task;
    this.#capacity = capacity;
    this.bundle = new Uint32Array(capacity);
    this.lease = new Float64Array(capacity);
    this.offset = new Float64Array(capacity);
    this.bytes = new Float64Array(capacity);
    this.crc32 = new Uint32Array(capacity);
    this.attempt = new Uint16Array(capacity);
    this.cpuSeconds = new Float64Array(capacity);
    this.wallSeconds = new Float64Array(capacity);
    this.#node = new Uint32Array(capacity);
    this.#fileName = new Uint32Array(capacity);
  }

  /** Begins a slab at range `first`. */
  begin(first: number): void {
    this.first = first;
    this.count = 0;
    this.#needed.clear();
  }

  get full(): boolean {
    return this.count === this.#capacity;
  }

  /** Appends up to `count` alike ranges that lie in `bundle` (0: nothing to read); how many. */
  append(count: number, bundle: number, lease: number): number {
    const taken = Math.min(count, this.#capacity - this.count);
    const end = this.count + taken;
    this.bundle.fill(bundle, this.count, end);
    this.lease.fill(lease, this.count, end);
    this.offset.fill(-1, this.count, end);
    if (bundle !== 0) this.#needed.add(bundle);
    this.count = end;
    return taken;
  }

  nodeOf(row: number): string {
    return this.#texts[this.#node[row] as number] as string;
  }

  fileNameOf(row: number): string {
    return this.#texts[this.#fileName[row] as number] as string;
  }

  /**
   * Looks up the slab's ranges in their bundles. Bundles that are gone or unreadable are put into
   * `damaged` with the reason, and are not looked at again when they are in it already.
   */
  async locate(
    entries: ReadonlyMap<number, BundleEntry>,
    damaged: Map<number, string>,
  ): Promise<void> {
    for (const bundle of this.#needed) {
      if (damaged.has(bundle)) continue;
      const entry = entries.get(bundle);
      assert(entry, `bundle ${bundle} is not in the job`);
      const opened = await tryOpen(entry);
      if (typeof opened === "string") damaged.set(bundle, opened);
      else {
        for (const member of opened.members()) this.#place(bundle, member);
        await opened.close();
      }
    }
  }

  #place(bundle: number, member: BundleMember): void {
    const row = member.range - this.first;
    if (member.task !== this.#task || row < 0 || row >= this.count) return;
    if (this.bundle[row] !== bundle || this.lease[row] !== member.lease) return;
    this.offset[row] = member.offset;
    this.bytes[row] = member.bytes;
    this.crc32[row] = member.crc32;
    this.attempt[row] = member.attempt;
    this.cpuSeconds[row] = member.cpuSeconds;
    this.wallSeconds[row] = member.wallSeconds;
    this.#node[row] = this.#intern(member.node);
    this.#fileName[row] = this.#intern(member.name.slice(member.name.lastIndexOf("/") + 1));
  }

  #intern(text: string): number {
    let index = this.#textIndex.get(text);
    if (index === undefined) {
      index = this.#texts.push(text) - 1;
      this.#textIndex.set(text, index);
    }
    return index;
  }
}

/** A reader, or why there is none. Errors that prove nothing about the bundle are thrown. */
async function tryOpen(entry: BundleEntry): Promise<BundleReader | string> {
  if (!entry.usable) return `bundle ${entry.uri} is marked as lost or deleted`;
  try {
    return await openBundle(entry.uri);
  } catch (error) {
    if (!(error instanceof BundleDamage)) throw error;
    await probe(entry.uri);
    return messageOf(error);
  }
}

/**
 * A full descriptor table or a stalled file system proves nothing about a bundle: unless the file
 * is gone, or opens and still can't be read, the error is the disk's and is thrown.
 */
async function probe(uri: string): Promise<void> {
  let path: string;
  try {
    path = pathOfUri(uri);
  } catch {
    return;
  }
  try {
    await (await open(path, "r")).close();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

export function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return ["ENOENT", "ENOTDIR", "EISDIR", "ELOOP"].includes(code);
}
