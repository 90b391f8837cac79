/**
 * The real event files and their reference figures (reference.json: counts, digests, histograms,
 * made by independent readers). Looked for in $JUMBO_SHARED, then ../shared beside the repository;
 * where neither is there, tests that need them skip and say so.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export interface IdDigest {
  n: number;
  uniq: number;
  sum64: string;
  xor64: string;
  sorted_sha256: string;
}

export interface HistogramReference {
  lo: number;
  hi: number;
  bins: number;
  counts: number[];
  under: number;
  over: number;
  entries: number;
  sumw?: number[];
}

export interface FileReference {
  events: number;
  sha256: string;
  tree?: string;
  index_ids: IdDigest;
  content_ids?: IdDigest;
  run_event_ids?: IdDigest;
  run_lumi_event_ids?: IdDigest;
  [key: string]: unknown;
}

/** Folder of the event files, or null (said once on the console). */
export const sharedData: string | null = find();

function find(): string | null {
  const repository = resolve(import.meta.dirname, "../..");
  const places = [process.env["JUMBO_SHARED"], join(repository, "../shared")];
  for (const place of places) {
    if (place && existsSync(join(place, "data/reference.json"))) return join(place, "data");
  }
  console.warn(
    "SKIPPED: tests on real event files (no data/reference.json in $JUMBO_SHARED or ../shared)",
  );
  return null;
}

/** Name of a file -> its reference; empty where the data is not there. */
export function references(): Record<string, FileReference> {
  if (sharedData === null) return {};
  return JSON.parse(readFileSync(join(sharedData, "reference.json"), "utf8"));
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Order-independent digest of id strings, as reference.json states it. */
export function digestIds(ids: readonly string[]): IdDigest {
  const mask = 0xffff_ffff_ffff_ffffn;
  let sum = 0n;
  let xor = 0n;
  for (const id of ids) {
    const head = createHash("sha256").update(id).digest().readBigUInt64BE(0);
    sum = (sum + head) & mask;
    xor ^= head;
  }
  const hex = (value: bigint) => value.toString(16).padStart(16, "0");
  const sorted = ids.map((id) => Buffer.from(id)).sort(Buffer.compare);
  const joined = sorted.map((id) => id.toString()).join("\n");
  return {
    n: ids.length,
    uniq: new Set(ids).size,
    sum64: hex(sum),
    xor64: hex(xor),
    sorted_sha256: sha256Hex(joined),
  };
}
