/** Names of bundles and their members; the fence stands in each member's name. */
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { assert, JumboError, leaseEpoch, leaseNumber, messageOf } from "../base/index.ts";
import type { MemberFence } from "./types.ts";

/** `t<task>/r<range>.e<epoch>.l<leaseNumber>/`: what every member of that fence begins with. */
export function memberFolder(fence: MemberFence): string {
  const epoch = leaseEpoch(fence.lease);
  return `t${fence.task}/r${fence.range}.e${epoch}.l${leaseNumber(fence.lease)}/`;
}

/** Full member name of one output file; `fileName` is a plain name, never a path. */
export function memberName(fence: MemberFence, fileName: string): string {
  assert(isPlainName(fileName), `member file name "${fileName}" is not a plain file name`);
  return memberFolder(fence) + fileName;
}

export function isPlainName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\\\0]/.test(name);
}

/** `file:` URI of a bundle's path (made absolute). */
export function bundleUri(path: string): string {
  return pathToFileURL(resolve(path)).href;
}

/** Path of a `file:` URI. Throws JumboError("usage") for any other scheme or form. */
export function pathOfUri(uri: string): string {
  try {
    return fileURLToPath(uri);
  } catch (error) {
    throw new JumboError(
      "usage",
      `bundle URI "${uri}" can't be opened (${messageOf(error)}) use file:///absolute/path`,
      { subject: uri, cause: error },
    );
  }
}
