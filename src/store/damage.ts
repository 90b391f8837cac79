/** The one form in which a damaged store is reported: which file, what is wrong, what to do. */
import { JumboError } from "../base/index.ts";

export function damaged(path: string, problem: string, cause?: unknown): JumboError {
  return new JumboError(
    "store_damaged",
    `the store file ${path} is damaged (${problem}) keep a copy of its folder, look at the disk, ` +
      "and restore it from a backup; without one, move the folder away and submit the tasks again",
    { subject: path, cause },
  );
}
