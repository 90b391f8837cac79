/**
 * The bundles that a merge reads, opened when first needed and closed again when many others have
 * been used since: directories of members are the memory of a merge, so only a bounded number of
 * them is held. A bundle that can't be opened is remembered as damaged and asked for once only.
 */
import { open } from "node:fs/promises";
import { assert, messageOf } from "../base/index.ts";
import { BundleDamage, type BundleReader, openBundle, pathOfUri } from "../bundle/index.ts";
import type { BundleEntry } from "./jobs.ts";

const OPEN_BUNDLES_MAX = 96;

export class BundleShelf {
  readonly #entries: Map<number, BundleEntry>;
  /** In order of last use: a map keeps the order of insertion. */
  readonly #open = new Map<number, BundleReader>();
  readonly #damaged = new Map<number, string>();
  readonly #openMax: number;

  constructor(entries: readonly BundleEntry[], openMax = OPEN_BUNDLES_MAX) {
    this.#entries = new Map(entries.map((entry) => [entry.id, entry]));
    this.#openMax = openMax;
  }

  /** Why the bundle can't be used, or undefined. Known only after `reader` was asked for it. */
  damage(bundle: number): string | undefined {
    return this.#damaged.get(bundle);
  }

  /** Its reader if it is open now. */
  opened(bundle: number): BundleReader | undefined {
    const reader = this.#open.get(bundle);
    if (reader) {
      this.#open.delete(bundle);
      this.#open.set(bundle, reader);
    }
    return reader;
  }

  /** Opens the bundle; undefined if it is gone or unreadable (see `damage`). */
  async reader(bundle: number): Promise<BundleReader | undefined> {
    const found = this.opened(bundle);
    if (found) return found;
    if (this.#damaged.has(bundle)) return undefined;
    const entry = this.#entries.get(bundle);
    assert(entry, `bundle ${bundle} is not in the job`);
    if (!entry.usable) {
      this.#damaged.set(bundle, `bundle ${entry.uri} is marked as lost or deleted`);
      return undefined;
    }
    try {
      const reader = await openBundle(entry.uri);
      this.#open.set(bundle, reader);
      return reader;
    } catch (error) {
      if (!(error instanceof BundleDamage)) throw error;
      await probe(entry.uri);
      this.#damaged.set(bundle, messageOf(error));
      return undefined;
    }
  }

  get crowded(): boolean {
    return this.#open.size > this.#openMax;
  }

  /** Closes the longest unused ones; only when no read is under way. */
  async trim(openMax = this.#openMax): Promise<void> {
    for (const [bundle, reader] of this.#open) {
      if (this.#open.size <= openMax) break;
      this.#open.delete(bundle);
      await reader.close();
    }
  }
}

/**
 * A full descriptor table or a stalled file system proves nothing about a bundle: unless the file is
 * gone, or opens and still can't be read, the error is the disk's and is thrown.
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
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (!["ENOENT", "ENOTDIR", "EISDIR", "ELOOP"].includes(code)) throw error;
  }
}
