/**
 * Positions of a grant: spans, and once per session what a pilot must know of their tasks and
 * files, and the byte offsets of ranges where a format has them.
 */
import {
  ARRAY_ITEMS_MAX,
  AssertionFailure,
  assert,
  RANGES_PER_TASK_MAX,
  SPANS_PER_MESSAGE_MAX,
  STRING_BYTES_MAX,
  TASKS_MAX,
  type TaskId,
} from "../base/index.ts";
import {
  COUNT_RULE,
  type CountRule,
  type FileInfo,
  type GrantBody,
  type OffsetColumn,
  type SlicePiece,
  type TaskInfo,
} from "./messages.ts";
import type { Reader } from "./reader.ts";
import { putBlock, readBlock } from "./spans.ts";
import { tooLarge, type Writer } from "./writer.ts";

const U32 = 0xffff_ffff;
const SAFE = Number.MAX_SAFE_INTEGER;
const FILE_INDEX_MAX = 999_999;
const U64_MAX = 0xffff_ffff_ffff_ffffn;
const MODES = ["once", "stream"] as const;
const CHANNELS = ["stdio", "fd3"] as const;

/** Four items; the caller has put the header of the array around them. */
export function putGrantBody(out: Writer, body: GrantBody): void {
  if (body.spans.length > SPANS_PER_MESSAGE_MAX) {
    throw tooLarge("spans", body.spans.length, SPANS_PER_MESSAGE_MAX);
  }
  out.array(body.spans.length);
  for (let i = 0; i < body.spans.length; i++) putBlock(out, body.spans[i]!);
  putList(out, body.tasks, "tasks", putTask);
  putList(out, body.files, "files", putFile);
  putList(out, body.offsets, "offsets", putOffsets);
}

export function readGrantBody(from: Reader): GrantBody {
  const length = from.array(SPANS_PER_MESSAGE_MAX, "spans");
  const spans = [];
  for (let i = 0; i < length; i++) spans.push(readBlock(from));
  const tasks = readList(from, "tasks", readTask);
  const files = readList(from, "files", readFile);
  const offsets = readList(from, "offsets", readOffsets);
  return { spans, tasks, files, offsets };
}

function putList<Item>(
  out: Writer,
  items: readonly Item[],
  what: string,
  put: (out: Writer, item: Item) => void,
): void {
  if (items.length > ARRAY_ITEMS_MAX) throw tooLarge(what, items.length, ARRAY_ITEMS_MAX);
  out.array(items.length);
  for (const item of items) put(out, item);
}

function readList<Item>(from: Reader, what: string, read: (from: Reader) => Item): Item[] {
  const length = from.array(ARRAY_ITEMS_MAX, what);
  const items: Item[] = [];
  for (let i = 0; i < length; i++) items.push(read(from));
  return items;
}

function putStrings(out: Writer, texts: readonly string[], what: string): void {
  if (texts.length > ARRAY_ITEMS_MAX) throw tooLarge(what, texts.length, ARRAY_ITEMS_MAX);
  out.array(texts.length);
  for (const text of texts) out.string(text, what);
}

function readStrings(from: Reader, what: string): string[] {
  const length = from.array(ARRAY_ITEMS_MAX, what);
  const texts: string[] = [];
  for (let i = 0; i < length; i++) texts.push(from.string(what));
  return texts;
}

const TASK_ITEMS = 17;

function putTask(out: Writer, task: TaskInfo): void {
  out.array(TASK_ITEMS);
  out.unsigned(task.task, TASKS_MAX, "task");
  out.string(task.name, "task name");
  out.string(task.taskDir, "taskDir");
  out.unsigned(task.eventsPerRange, SAFE, "eventsPerRange");
  putStrings(out, task.command, "command");
  out.unsigned(MODES.indexOf(task.mode), 1, "mode");
  out.unsigned(CHANNELS.indexOf(task.channel), 1, "channel");
  out.unsigned(task.cores, U32, "cores");
  out.unsigned(task.gpus, U32, "gpus");
  out.unsigned(task.nodes, U32, "nodes of a slot");
  assert(task.environment.length % 2 === 0, "environment is a list of pairs");
  putStrings(out, task.environment, "environment");
  putStrings(out, task.passEnvironment, "passEnvironment");
  out.real(task.timeoutSeconds, "timeoutSeconds");
  out.string(task.outputName, "outputName");
  out.flag(task.allowEmpty);
  putWholeOrMinusOne(out, task.recordsPerEvent, "recordsPerEvent");
  out.array(3);
  out.unsigned(task.countRule.kind, COUNT_RULE.linePrefix, "kind of a count rule");
  out.unsigned(task.countRule.skip, U32, "skip of a count rule");
  out.string(task.countRule.prefix, "prefix of a count rule");
}

function readTask(from: Reader): TaskInfo {
  from.tuple(TASK_ITEMS, "task");
  const task = from.unsigned(1, TASKS_MAX, "task") as TaskId;
  const name = from.string("task name");
  const taskDir = from.string("taskDir");
  const eventsPerRange = from.unsigned(1, SAFE, "eventsPerRange");
  const command = readStrings(from, "command");
  const mode = MODES[from.unsigned(0, 1, "mode")]!;
  const channel = CHANNELS[from.unsigned(0, 1, "channel")]!;
  const cores = from.unsigned(0, U32, "cores");
  const gpus = from.unsigned(0, U32, "gpus");
  const nodes = from.unsigned(0, U32, "nodes of a slot");
  const environment = readStrings(from, "environment");
  if (environment.length % 2 !== 0) from.fail("environment", "has an odd length", "pairs");
  const passEnvironment = readStrings(from, "passEnvironment");
  const timeoutSeconds = from.real("timeoutSeconds");
  const outputName = from.string("outputName");
  const allowEmpty = from.flag("allowEmpty");
  const recordsPerEvent = readWholeOrMinusOne(from, "recordsPerEvent");
  from.tuple(3, "count rule");
  const kind = from.unsigned(0, COUNT_RULE.linePrefix, "kind of a count rule") as CountRule["kind"];
  const skip = from.unsigned(0, U32, "skip of a count rule");
  const prefix = from.string("prefix of a count rule");
  return {
    task,
    name,
    taskDir,
    eventsPerRange,
    command,
    mode,
    channel,
    cores,
    gpus,
    nodes,
    environment,
    passEnvironment,
    timeoutSeconds,
    outputName,
    allowEmpty,
    recordsPerEvent,
    countRule: { kind, skip, prefix },
  };
}

function putWholeOrMinusOne(out: Writer, value: number, what: string): void {
  if (!Number.isSafeInteger(value)) throw new AssertionFailure(`${what} is ${value}, not whole`);
  out.real(value, what);
}

function readWholeOrMinusOne(from: Reader, what: string): number {
  const value = from.real(what);
  if (!Number.isSafeInteger(value)) from.fail(what, `is ${value}`, "a whole number or -1");
  return value;
}

const FILE_ITEMS = 13;

function putFile(out: Writer, file: FileInfo): void {
  assert(isSeed(file.seed), `seed "${file.seed}" is no decimal u64`);
  out.array(FILE_ITEMS);
  out.unsigned(file.task, TASKS_MAX, "task");
  out.unsigned(file.file, FILE_INDEX_MAX, "file index");
  out.unsigned(file.firstRange, RANGES_PER_TASK_MAX, "firstRange");
  out.unsigned(file.ranges, RANGES_PER_TASK_MAX, "ranges");
  out.unsigned(file.events, SAFE, "events");
  out.string(file.path, "path");
  out.string(file.tree, "tree");
  out.string(file.format, "format");
  putWholeOrMinusOne(out, file.sizeBytes, "sizeBytes");
  out.real(file.mtimeMs, "mtimeMs");
  out.string(file.seed, "seed");
  putPieces(out, file.header, "header");
  putPieces(out, file.footer, "footer");
}

function readFile(from: Reader): FileInfo {
  from.tuple(FILE_ITEMS, "file");
  const task = from.unsigned(1, TASKS_MAX, "task") as TaskId;
  const file = from.unsigned(0, FILE_INDEX_MAX, "file index");
  const firstRange = from.unsigned(0, RANGES_PER_TASK_MAX, "firstRange");
  const ranges = from.unsigned(0, RANGES_PER_TASK_MAX, "ranges");
  const events = from.unsigned(0, SAFE, "events");
  const path = from.string("path");
  const tree = from.string("tree");
  const format = from.string("format");
  const sizeBytes = readWholeOrMinusOne(from, "sizeBytes");
  const mtimeMs = from.real("mtimeMs");
  const seed = from.string("seed");
  if (!isSeed(seed)) from.fail("seed", "is no decimal u64", "digits without leading zeros");
  const header = readPieces(from, "header");
  const footer = readPieces(from, "footer");
  return {
    task,
    file,
    firstRange,
    ranges,
    events,
    path,
    tree,
    format,
    sizeBytes,
    mtimeMs,
    seed,
    header,
    footer,
  };
}

function isSeed(text: string): boolean {
  return /^(0|[1-9][0-9]{0,19})$/.test(text) && (text.length < 20 || BigInt(text) <= U64_MAX);
}

function putPieces(out: Writer, pieces: readonly SlicePiece[], what: string): void {
  if (pieces.length > ARRAY_ITEMS_MAX) throw tooLarge(what, pieces.length, ARRAY_ITEMS_MAX);
  out.array(pieces.length);
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) {
      out.bin(piece, what, STRING_BYTES_MAX);
    } else {
      out.array(2);
      out.unsigned(piece[0], SAFE, "offset of a piece");
      out.unsigned(piece[1], SAFE, "length of a piece");
    }
  }
}

function readPieces(from: Reader, what: string): SlicePiece[] {
  const length = from.array(ARRAY_ITEMS_MAX, what);
  const pieces: SlicePiece[] = [];
  for (let i = 0; i < length; i++) {
    if (from.position < from.end && from.bytes[from.position] === 0x92) {
      from.position++;
      const offset = from.unsigned(0, SAFE, "offset of a piece");
      pieces.push([offset, from.unsigned(0, SAFE, "length of a piece")]);
    } else {
      pieces.push(from.bin(STRING_BYTES_MAX, what));
    }
  }
  return pieces;
}

function putOffsets(out: Writer, column: OffsetColumn): void {
  const offsets = column.offsets;
  assert(offsets.length % 2 === 0, "offsets are pairs");
  if (offsets.length > 2 * ARRAY_ITEMS_MAX) {
    throw tooLarge("offsets", offsets.length, 2 * ARRAY_ITEMS_MAX);
  }
  for (let i = 0; i < offsets.length; i += 2) {
    assert(isByteRange(offsets[i]!, offsets[i + 1]!), "offsets are no byte ranges");
  }
  out.array(3);
  out.unsigned(column.task, TASKS_MAX, "task");
  out.unsigned(column.first, RANGES_PER_TASK_MAX - 1, "first range");
  const start = out.binHeader(offsets.byteLength);
  out.bytes.set(new Uint8Array(offsets.buffer, offsets.byteOffset, offsets.byteLength), start);
}

function readOffsets(from: Reader): OffsetColumn {
  from.tuple(3, "offset column");
  const task = from.unsigned(1, TASKS_MAX, "task") as TaskId;
  const first = from.unsigned(0, RANGES_PER_TASK_MAX - 1, "first range");
  const size = from.binHeader(16 * ARRAY_ITEMS_MAX, "offsets");
  if (size % 16 !== 0) from.fail("offsets", `has ${size} bytes`, "16 bytes a range");
  const offsets = new Float64Array(size / 8);
  const bytes = new Uint8Array(offsets.buffer);
  bytes.set(from.bytes.subarray(from.position, from.position + size));
  for (let i = 0; i < offsets.length; i += 2) {
    if (!isByteRange(offsets[i]!, offsets[i + 1]!)) {
      from.fail("offsets", `has no byte range at ${i}`, "0 <= begin <= end < 2^53, whole numbers");
    }
  }
  from.position += size;
  return { task, first, offsets };
}

/** Whole, ordered, safe, and no negative zero (it would be a second byte form of 0). */
function isByteRange(begin: number, end: number): boolean {
  return (
    Number.isSafeInteger(begin) &&
    Number.isSafeInteger(end) &&
    begin >= 0 &&
    begin <= end &&
    !Object.is(begin, -0) &&
    !Object.is(end, -0)
  );
}
