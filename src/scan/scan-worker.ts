/**
 * The scan job of one file, run in a worker of the pool: hash, decompress, recognise, walk, index.
 * A byte index of the same content and format that is already in the scratch folder is used as it
 * is; its own checks (sums, size, sha256) say whether it can be.
 */
import { join } from "node:path";
import { JumboError, messageOf } from "../base/index.ts";
import {
  checkUnchanged,
  detectFormat,
  FORMATS,
  type FormatName,
  type IndexedScan,
  loadIndexFile,
  type PreparedInput,
  prepareInput,
  readHead,
  writeIndexFile,
} from "../formats/index.ts";
import type { TaskFile } from "../task/index.ts";
import type { ScanAnswer, ScanJob } from "./job.ts";

/** Formats whose events have byte bounds, and so an index file. */
const INDEXED: ReadonlySet<FormatName> = new Set<FormatName>(["lhe", "hepmc", "csv", "jsonl"]);

export default async function runScanJob(job: ScanJob): Promise<ScanAnswer> {
  try {
    return { ok: true, file: await scanOneFile(job) };
  } catch (error) {
    if (!(error instanceof JumboError)) {
      const text = `input ${job.source} can't be scanned (${messageOf(error)}) check the file`;
      return { ok: false, code: "input_unreadable", message: text, subject: job.source };
    }
    return { ok: false, code: error.code, message: error.message, subject: error.subject };
  }
}

async function scanOneFile(job: ScanJob): Promise<TaskFile> {
  const prepared = await prepareInput(job.source, job.scratch);
  const format =
    job.format === "auto" ? detectFormat(job.source, readHead(prepared.path)) : job.format;
  const { sha256 } = prepared;
  const indexPath = INDEXED.has(format)
    ? join(job.scratch, "index", `${sha256}-${format}.idx`)
    : "";
  if (indexPath !== "") {
    const known = loadIndexFile(indexPath, { format, sha256, sizeBytes: prepared.sizeBytes });
    if (known) {
      checkUnchanged(prepared);
      return taskFile(prepared, { ...known, tree: "", clusters: [] }, indexPath);
    }
  }
  const { tree, scratch } = job;
  const scan = await FORMATS[format].scan(job.source, { tree, scratch, prepared });
  if (indexPath !== "") await writeIndexFile(indexPath, scan);
  return taskFile(prepared, scan, indexPath);
}

type Found = Omit<IndexedScan, "sizeBytes" | "sha256"> & Pick<TaskFile, "tree" | "clusters">;

function taskFile(prepared: PreparedInput, found: Found, indexPath: string): TaskFile {
  const { source, path, sizeBytes, mtimeMs, sha256 } = prepared;
  const { format, variant, tree, events, header, footer, clusters, notes } = found;
  const file = { source, path, sizeBytes, mtimeMs, sha256, indexPath };
  return { ...file, format, variant, tree, events, header, footer, clusters, notes };
}
