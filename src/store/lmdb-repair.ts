/**
 * Takes one heap overflow out of lmdb-js 3.5.6, in the memory of this process.
 *
 * When a data page can't be written (EIO, ENOSPC, EROFS ...), LMDB words its error with sprintf
 * into 100 bytes (mdb.c, mdb_page_flush). Three of the six numbers are the sizes of the first three
 * buffers, of which a write of one or two pages has set only one or two; the others are whatever
 * the stack held. The text grows to as much as 126 bytes, over the heap behind it, and the next
 * `free` (of the free list, while LMDB takes the transaction back) ends the process with SIGABRT
 * before anybody hears of the error. No option avoids it: every commit writes its pages there.
 *
 * So the format ends where those numbers begin: ONE byte of the library's constants becomes NUL,
 * and the text is at most 76 bytes long. Linux lets a process write to its own private mappings
 * through /proc/self/mem; the file on disk stays as it is. A library without exactly that text
 * (another version) is left alone, and so is everything where /proc does not allow it: a failing
 * disk may end the process with SIGABRT there, and the next start recovers all the same.
 */
import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";

const FORMAT = Buffer.from(
  "Attempting to write page at position %u, size %u, blocks %u, buffer sizes %i %i %i\0",
  "latin1",
);
const KEPT_BYTES = FORMAT.indexOf(", buffer sizes");
/** Private, readable, not writable parts of a native module. */
const CONSTANTS = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p .*\.node$/;

/** To be called after lmdb was loaded; costs about a millisecond. */
export function repairLmdb(): "repaired" | "not needed" | "not possible" {
  try {
    const maps = readFileSync("/proc/self/maps", "latin1");
    const memory = openSync("/proc/self/mem", "r+");
    try {
      let repaired = false;
      for (const line of maps.split("\n")) {
        const [, start, end] = CONSTANTS.exec(line) ?? [];
        if (start === undefined || end === undefined) continue;
        if (cutFormat(memory, Number.parseInt(start, 16), Number.parseInt(end, 16))) {
          repaired = true;
        }
      }
      return repaired ? "repaired" : "not needed";
    } finally {
      closeSync(memory);
    }
  } catch {
    return "not possible";
  }
}

function cutFormat(memory: number, start: number, end: number): boolean {
  const bytes = Buffer.allocUnsafe(end - start);
  const found = bytes.subarray(0, readSync(memory, bytes, 0, bytes.length, start)).indexOf(FORMAT);
  if (found < 0) return false;
  writeSync(memory, Buffer.alloc(1), 0, 1, start + found + KEPT_BYTES);
  return true;
}
