/**
 * Checks a store file before LMDB may open it: size, meta pages, and that the file is long enough.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { damaged } from "./damage.ts";
import { PAGE_BYTES } from "./environment.ts";
import { chooseMeta, type MetaRecord } from "./meta-pages.ts";

/** Throws `store_damaged` unless LMDB can open the file safely. */
export function checkStoreFile(path: string): MetaRecord {
  const descriptor = openSync(path, "r");
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw damaged(path, "it is no regular file");
    if (status.size === 0) throw damaged(path, "it is empty");
    if (status.size < 2 * PAGE_BYTES) {
      throw damaged(path, `it has ${status.size} bytes, less than two pages`);
    }
    const head = Buffer.alloc(2 * PAGE_BYTES);
    readSync(descriptor, head, 0, head.length, 0);
    const chosen = chooseMeta(head, PAGE_BYTES);
    if ("problem" in chosen) throw damaged(path, chosen.problem);
    return chosen.meta;
  } finally {
    closeSync(descriptor);
  }
}
