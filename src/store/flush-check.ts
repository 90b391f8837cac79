/**
 * Looks with its own eyes whether a commit was flushed. LMDB with overlapping syncs writes a second
 * record of the meta page (half a page behind the first) after each sync; recovery goes back to
 * exactly that record. When the write of it fails, lmdb-js 3.5.6 still reports success. Two signs
 * give it away, and both are asked for after every commit: the transaction number in that record
 * has not risen (one pread from the page cache, here), or, where LMDB could repair the record in
 * the page cache but not on disk, any read fails from then on (lmdb-store.ts).
 */
import { closeSync, openSync, readSync } from "node:fs";
import { PAGE_BYTES } from "./environment.ts";
import { META_TXN_OFFSET, PAGE_HEADER_BYTES } from "./meta-pages.ts";

const POSITION = PAGE_BYTES / 2 + PAGE_HEADER_BYTES + META_TXN_OFFSET;

export class FlushCheck {
  readonly #descriptor: number;
  readonly #bytes = Buffer.alloc(8);

  constructor(path: string) {
    this.#descriptor = openSync(path, "r");
  }

  /** Number of the last transaction that recovery would find. */
  flushedTransaction(): number {
    readSync(this.#descriptor, this.#bytes, 0, 8, POSITION);
    return this.#bytes.readUInt32LE(0) + this.#bytes.readUInt32LE(4) * 0x1_0000_0000;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
