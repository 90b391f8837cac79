/**
 * What a grant's pilot doesn't know yet: the task, once a connection; the files that its ranges
 * touch, once each; and byte bounds of the ranges where a payload can use them.
 */
import { assert, type TaskId } from "../base/index.ts";
import { countRuleFor } from "../formats/index.ts";
import type { FileRow } from "../store/index.ts";
import { payloadSeed } from "../task/index.ts";
import type { FileInfo, GrantBody, OffsetColumn, SpanBlock, TaskInfo } from "../wire/index.ts";
import type { TaskEntry } from "./book.ts";
import type { OpenTask } from "./open-tasks.ts";
import type { Session } from "./session.ts";

/** Reads byte bounds of events; the engine reads them from index files, the simulator has none. */
export interface InputSource {
  /** [begin, end) pairs for `events` events from `firstEvent` on. */
  bounds(file: FileRow, firstEvent: number, events: number): Float64Array;
  /** "" if the file is as it was scanned, else what changed. May answer from a recent look. */
  changed(file: FileRow): string;
}

/** Of the frame's 4 MiB; the rest is for spans and offsets. */
const FILE_BYTES_PER_GRANT_MAX = 2 * 1024 ** 2;
/** Ranges of more events than this are bounded by two small reads instead of one long one. */
const EVENTS_READ_WHOLE_MAX = 64;

/** A grant while it is put together. */
export interface DescribedGrant extends GrantBody {
  spans: SpanBlock[];
  readonly tasks: TaskInfo[];
  readonly files: FileInfo[];
  readonly offsets: OffsetColumn[];
  /** Estimate of what `files` takes in the frame. */
  fileBytes: number;
}

export function emptyGrant(): DescribedGrant {
  return { spans: [], tasks: [], files: [], offsets: [], fileBytes: 0 };
}

export class Describer {
  readonly #inputs: InputSource;

  constructor(inputs: InputSource) {
    this.#inputs = inputs;
  }

  task(session: Session, open: OpenTask, body: DescribedGrant): void {
    if (session.knownTasks.has(open.task)) return;
    session.knownTasks.add(open.task);
    body.tasks.push(taskInfoOf(open.entry));
  }

  /**
   * How many of `count` ranges from `first` on fit the frame with the descriptions of their files:
   * a task of a million one-range files must not become one frame. 0 only if the frame holds some.
   */
  describable(
    session: Session,
    open: OpenTask,
    first: number,
    count: number,
    body: DescribedGrant,
  ): number {
    const { table, files } = open.entry;
    const known = session.knownFiles.get(open.task);
    const end = first + count;
    for (let file = table.fileOfRange(first), at = first; at < end; file++) {
      const row = files[file] as FileRow;
      if (!known?.has(file)) {
        const bytes = descriptionBytes(row);
        const isFull = body.fileBytes > 0 && body.fileBytes + bytes > FILE_BYTES_PER_GRANT_MAX;
        if (isFull) return at - first;
        body.fileBytes += bytes;
      }
      at = row.firstRange + row.ranges;
    }
    return count;
  }

  files(
    session: Session,
    open: OpenTask,
    first: number,
    count: number,
    body: DescribedGrant,
  ): void {
    const { table, files } = open.entry;
    let known = session.knownFiles.get(open.task);
    if (!known) {
      known = new Set();
      session.knownFiles.set(open.task, known);
    }
    const last = first + count - 1;
    const lastFile = table.fileOfRange(last);
    for (let file = table.fileOfRange(first); file <= lastFile; file++) {
      const row = files[file] as FileRow;
      if (row.ranges === 0) continue;
      if (!known.has(file)) {
        known.add(file);
        body.files.push(fileInfoOf(open.entry, row));
      }
      if (open.needsOffsets && row.indexPath !== "") {
        const from = Math.max(first, row.firstRange);
        const to = Math.min(last, row.firstRange + row.ranges - 1);
        body.offsets.push(this.#offsetsOf(open, row, from, to - from + 1));
      }
    }
  }

  #offsetsOf(open: OpenTask, row: FileRow, first: number, count: number): OffsetColumn {
    const per = open.entry.row.spec.eventsPerRange;
    const firstEvent = (first - row.firstRange) * per;
    const events = Math.min(count * per, row.events - firstEvent);
    const offsets = new Float64Array(count * 2);
    if (per > EVENTS_READ_WHOLE_MAX) {
      for (let i = 0; i < count; i++) {
        const lastEvent = Math.min((i + 1) * per, events) - 1;
        offsets[2 * i] = this.#inputs.bounds(row, firstEvent + i * per, 1)[0] as number;
        offsets[2 * i + 1] = this.#inputs.bounds(row, firstEvent + lastEvent, 1)[1] as number;
      }
      return { task: open.task as TaskId, first, offsets };
    }
    const bounds = this.#inputs.bounds(row, firstEvent, events);
    assert(bounds.length === events * 2, `index of ${row.path} is short`);
    for (let i = 0; i < count; i++) {
      const lastEvent = Math.min((i + 1) * per, events) - 1;
      offsets[2 * i] = bounds[2 * i * per] as number;
      offsets[2 * i + 1] = bounds[2 * lastEvent + 1] as number;
    }
    return { task: open.task as TaskId, first, offsets };
  }
}

/** At most what one FileInfo takes: text in UTF-8, literal pieces, numbers. */
function descriptionBytes(row: FileRow): number {
  let bytes = 256 + 3 * (row.path.length + row.tree.length);
  for (const piece of [...row.header, ...row.footer]) {
    bytes += piece instanceof Uint8Array ? piece.length + 8 : 24;
  }
  return bytes;
}

function taskInfoOf(entry: TaskEntry): TaskInfo {
  const { spec, id } = entry.row;
  const { payload, output } = spec;
  return {
    task: id as TaskId,
    name: spec.name,
    taskDir: spec.taskDir,
    eventsPerRange: spec.eventsPerRange,
    command: payload.command,
    mode: payload.mode,
    channel: payload.channel,
    cores: payload.cores,
    gpus: 0,
    nodes: 1,
    environment: Object.entries(payload.environment).flat(),
    passEnvironment: payload.passEnvironment,
    timeoutSeconds: payload.timeoutSeconds,
    outputName: output.name,
    allowEmpty: output.allowEmpty,
    recordsPerEvent: output.recordsPerEvent ?? -1,
    countRule: countRuleFor(output.merge),
  };
}

function fileInfoOf(entry: TaskEntry, row: FileRow): FileInfo {
  const isCount = entry.row.spec.input.count !== null;
  return {
    task: entry.row.id as TaskId,
    file: row.file,
    firstRange: row.firstRange,
    ranges: row.ranges,
    events: row.events,
    path: row.path,
    tree: row.tree,
    format: isCount ? "count" : row.format,
    sizeBytes: isCount ? -1 : row.sizeBytes,
    mtimeMs: isCount ? -1 : row.mtimeMs,
    seed: payloadSeed(entry.row.spec.seed, row.file).toString(),
    header: row.header,
    footer: row.footer,
  };
}
