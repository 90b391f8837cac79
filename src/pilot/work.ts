/**
 * One range about to run: where its events are, and the folder that only this attempt may write.
 * The folder's name carries the fence e<epoch>-l<lease>-r<range>-a<attempt>, so an orphan of an
 * earlier life can never write into a newer attempt.
 */
import { join } from "node:path";
import { type LeaseId, leaseEpoch, leaseNumber, type TaskId } from "../base/index.ts";
import type { FileInfo, TaskInfo } from "../wire/index.ts";

/** A run of ranges as it was granted, or a piece of one. */
export interface HeldSpan {
  readonly task: TaskId;
  readonly first: number;
  readonly count: number;
  readonly attempt: number;
  readonly grant: number;
  readonly lease: LeaseId;
}

export interface RangeWork {
  readonly span: HeldSpan;
  readonly task: TaskInfo;
  readonly file: FileInfo;
  readonly range: number;
  readonly attempt: number;
  /** First event inside its file, 0-based, and how many. */
  readonly start: number;
  readonly count: number;
  /** Byte place of the range's events in the file; offset -1 where the format has none. */
  readonly offset: number;
  readonly bytes: number;
  readonly folder: string;
  readonly output: string;
}

export function fenceName(span: HeldSpan): string {
  const epoch = leaseEpoch(span.lease);
  return `e${epoch}-l${leaseNumber(span.lease)}-r${span.first}-a${span.attempt}`;
}

/** `span` is one range of `file`; `bytes` its [begin, end) place, null where there is none. */
export function rangeWork(
  span: HeldSpan,
  task: TaskInfo,
  file: FileInfo,
  bytes: readonly [begin: number, end: number] | null,
  workDir: string,
): RangeWork {
  const start = (span.first - file.firstRange) * task.eventsPerRange;
  const folder = join(workDir, fenceName(span));
  return {
    span,
    task,
    file,
    range: span.first,
    attempt: span.attempt,
    start,
    count: Math.min(task.eventsPerRange, file.events - start),
    offset: bytes === null ? -1 : bytes[0],
    bytes: bytes === null ? -1 : bytes[1] - bytes[0],
    folder,
    output: join(folder, task.outputName),
  };
}

/** How an attempt ended, before its output was looked at. */
export type AttemptEnd =
  | {
      readonly kind: "output";
      readonly path: string;
      /** What the payload said of its length; null if it said nothing. */
      readonly bytes: number | null;
      readonly wallSeconds: number;
      readonly cpuSeconds: number;
    }
  | {
      readonly kind: "failed";
      readonly fatal: boolean;
      readonly reason: string;
      readonly wallSeconds: number;
      readonly cpuSeconds: number;
    }
  /** The pilot's doing, not the payload's: the wall, a stop. */
  | { readonly kind: "lost"; readonly reason: string; readonly wallSeconds: number }
  /** Never started: the engine wants it back, or this pilot has no room for it. */
  | { readonly kind: "returned" }
  | { readonly kind: "broken"; readonly reason: string };

export function failedEnd(reason: string, wallSeconds = 0, cpuSeconds = 0): AttemptEnd {
  return { kind: "failed", fatal: false, reason, wallSeconds, cpuSeconds };
}

export function fatalEnd(reason: string, wallSeconds = 0): AttemptEnd {
  return { kind: "failed", fatal: true, reason, wallSeconds, cpuSeconds: 0 };
}

/** Codes that tell of this machine's disk, not of the task. */
const DISK_CODES = new Set(["ENOSPC", "EDQUOT", "EIO", "EROFS", "EMFILE", "ENFILE"]);

/** What an error before exec means: this pilot's trouble, or this range's. */
export function preparationEnd(what: string, error: unknown): AttemptEnd {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = `${what} (${message})`;
  return DISK_CODES.has(code ?? "") ? { kind: "broken", reason } : failedEnd(reason);
}
