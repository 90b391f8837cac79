/**
 * Seeds of payloads. S of a file = the first 8 bytes, big-endian, of sha256("taskSeed:fileIndex");
 * event i of the file uses output i of splitmix64 started at S (base/prng.ts). No range, attempt or
 * pilot goes into it: results do not depend on where ranges were cut or who ran them.
 */
import { createHash } from "node:crypto";
import { assert } from "../base/index.ts";

/** S as u64; `{seed}` and FileInfo.seed carry it as a decimal string. */
export function payloadSeed(taskSeed: number, file: number): bigint {
  assert(Number.isSafeInteger(taskSeed) && taskSeed >= 0, `task seed is ${taskSeed}`);
  assert(Number.isSafeInteger(file) && file >= 0, `file index is ${file}`);
  return createHash("sha256").update(`${taskSeed}:${file}`).digest().readBigUInt64BE(0);
}
