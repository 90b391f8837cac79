/**
 * What travels between the coordinator and a merge worker: plain data, cloned. Ranges never travel
 * one by one; a job names the scratch file that holds their runs.
 */
import type { MergeKind } from "../formats/index.ts";
import type { ManifestHead } from "./manifest-head.ts";

/** A bundle as the books know it. `usable` false: proven lost, or deleted. */
export interface BundleEntry {
  readonly id: number;
  readonly uri: string;
  readonly pilotId: string;
  readonly usable: boolean;
}

/** Merge one output file; for `merge: command` put its parts into `extractTo` as files instead. */
export interface FileJob {
  readonly type: "file";
  readonly task: number;
  readonly merge: MergeKind;
  /** Scratch file of the runs of its ranges. */
  readonly runs: string;
  /** Scratch file to write with one row a merged member. */
  readonly rows: string;
  readonly path: string;
  readonly bundles: readonly BundleEntry[];
  readonly eventsPerFile: Float64Array;
  readonly eventsPerRange: number;
  readonly recordsPerEvent: number | null;
  /** Folder, existing and empty, or "". */
  readonly extractTo: string;
  /** Ending of extracted files' names, with its dot. */
  readonly extension: string;
}

/** Make a file that a merge command wrote durable under its final name. */
export interface SealJob {
  readonly type: "seal";
  readonly from: string;
  readonly path: string;
}

/** One output file, and the scratch files that say what is in it. */
export interface ManifestPart {
  readonly name: string;
  readonly runs: string;
  readonly rows: string;
}

/** Check the output files as they are on disk, write the manifest, prove it. */
export interface ManifestJob {
  readonly type: "manifest";
  readonly path: string;
  readonly head: ManifestHead;
  readonly parts: readonly ManifestPart[];
  readonly bundles: readonly BundleEntry[];
  readonly reasons: readonly { readonly id: number; readonly text: string }[];
}

export type MergeJob = FileJob | SealJob | ManifestJob;

/** Proof against a bundle or a range: what has to be done again before the merge can be. */
export type Finding =
  | { readonly type: "bundle"; readonly bundle: number; readonly why: string }
  | {
      readonly type: "range";
      readonly range: number;
      readonly why: string;
      /** True: the payload's output is unfit; false: a good output was damaged since. */
      readonly charge: boolean;
    };

export type FileResult =
  | { readonly ok: true; readonly bytes: number; readonly sha256: string; readonly parts: number }
  | { readonly ok: false; readonly findings: readonly Finding[] };

export interface SealResult {
  readonly bytes: number;
  readonly sha256: string;
}

/** `changed`: indices of output files that are not on disk as recorded. */
export type ManifestResult =
  | { readonly ok: true; readonly events: number; readonly failedEvents: number }
  | { readonly ok: false; readonly changed: readonly number[]; readonly problems: string[] };

export type MergeResult = FileResult | SealResult | ManifestResult;

/** What a worker answers: a result, or the system error (ENOSPC, EACCES ...) that stopped it. */
export type JobOutcome =
  | MergeResult
  | { readonly threw: { readonly code: string; readonly message: string } };
