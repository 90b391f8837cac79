/**
 * An input that changed under a task gives wrong events silently; so size and time of change are
 * compared before exec and after. An index was made for one content of the file only.
 */
import { stat } from "node:fs/promises";
import { messageOf } from "../base/index.ts";
import type { FileInfo } from "../wire/index.ts";

/** Times travel in milliseconds; what a file system keeps below that is not compared. */
const MTIME_TOLERANCE_MS = 1;

/** Null if the file is as it was scanned, else a reason that begins with "input changed: ". */
export async function inputProblem(file: FileInfo): Promise<string | null> {
  if (file.path === "" || (file.sizeBytes < 0 && file.mtimeMs < 0)) return null;
  try {
    const { size, mtimeMs } = await stat(file.path);
    if (file.sizeBytes >= 0 && size !== file.sizeBytes) {
      return `input changed: ${file.path} has ${size} bytes (it had ${file.sizeBytes} when scanned)`;
    }
    if (file.mtimeMs >= 0 && Math.abs(mtimeMs - file.mtimeMs) >= MTIME_TOLERANCE_MS) {
      const now = new Date(mtimeMs).toISOString();
      return `input changed: ${file.path} was written at ${now}, after it was scanned`;
    }
    return null;
  } catch (error) {
    return `input changed: ${file.path} can't be found any more (${messageOf(error)})`;
  }
}
