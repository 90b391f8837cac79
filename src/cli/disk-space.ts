/** Tells people why nothing happens when the store's disk is too full to lease anything. */
import { statfsSync } from "node:fs";
import { DISK_FREE_BYTES_MIN, formatBytes } from "../base/index.ts";

const LOOK_MS = 2_000;

/**
 * Says so at once, and again when it has changed, while the file system of `storeDir` has less free
 * space than leasing needs. Returns a way to stop looking.
 */
export function watchDiskSpace(storeDir: string, say: (line: string) => void): () => void {
  let low = false;
  const look = () => {
    const free = freeBytes(storeDir);
    if (free === null || low === free < DISK_FREE_BYTES_MIN) return;
    low = !low;
    const least = formatBytes(DISK_FREE_BYTES_MIN);
    say(
      low
        ? `waiting: ${formatBytes(free)} are free on the disk of ${storeDir} (nothing new is started ` +
            `under ${least}) free some, or choose a --store on another disk`
        : `going on: ${formatBytes(free)} are free on the disk of ${storeDir}`,
    );
  };
  look();
  const timer = setInterval(look, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function freeBytes(folder: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    // The engine looks at the same folder and says what is wrong with it.
    return null;
  }
}
