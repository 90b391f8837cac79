/**
 * Cold rows as msgpack arrays: [version, ...fields in the order of the type], the key's components
 * first (`verify` compares them with the key). An unknown version or a wrong shape is reported as
 * damage by whoever reads the row, with table and key.
 */
import { JumboError } from "../base/index.ts";
import type { TaskSpec } from "../task/index.ts";
import { packValue, unpackValue } from "../wire/index.ts";
import type {
  BundleRow,
  FileRow,
  OutputFile,
  PilotRow,
  ReasonRow,
  TaskPhaseName,
  TaskRow,
} from "./rows.ts";
import type { Table } from "./types.ts";

export const ROW_VERSION = 1;

/** `extra`: how many more fields may follow, each left out where it says nothing. */
function fieldsOf(what: string, bytes: Uint8Array, count: number, extra = 0): unknown[] {
  const value = unpackValue(bytes);
  if (!Array.isArray(value)) throw wrong(what, "it is no array");
  if (value[0] !== ROW_VERSION) throw wrong(what, `its version is ${String(value[0])}`);
  const fields = value.length - 1;
  if (fields < count || fields > count + extra) throw wrong(what, `it has ${fields} fields`);
  return value.slice(1);
}

function wrong(what: string, problem: string): JumboError {
  return new JumboError(
    "store_damaged",
    `a ${what} row can't be read (${problem}) it should be version ${ROW_VERSION} of that row`,
  );
}

function integer(what: string, value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value))
    throw wrong(what, "a number is missing");
  return value;
}

function text(what: string, value: unknown): string {
  if (typeof value !== "string") throw wrong(what, "a text is missing");
  return value;
}

function list<Item>(what: string, value: unknown): Item[] {
  if (!Array.isArray(value)) throw wrong(what, "a list is missing");
  return value as Item[];
}

const PHASES: readonly string[] = ["open", "merging", "done", "failed", "cancelled"];

export function encodeTaskRow(row: TaskRow): Uint8Array {
  return packValue([
    ROW_VERSION,
    row.id,
    row.spec,
    row.contentHash,
    row.ranges,
    row.events,
    row.files,
    row.phase,
    row.mergedBelow,
    row.outputs.map((out) => [out.path, out.bytes, out.sha256, out.firstRange, out.ranges]),
    row.manifest,
    row.createdWallMs,
    row.finishedWallMs,
    row.problem,
  ]);
}

export function decodeTaskRow(bytes: Uint8Array): TaskRow {
  const f = fieldsOf("task", bytes, 13);
  const phase = text("task", f[6]);
  if (!PHASES.includes(phase)) throw wrong("task", `its phase is ${JSON.stringify(phase)}`);
  if (typeof f[1] !== "object" || f[1] === null) throw wrong("task", "its spec is missing");
  return {
    id: integer("task", f[0]),
    spec: f[1] as TaskSpec,
    contentHash: text("task", f[2]),
    ranges: integer("task", f[3]),
    events: integer("task", f[4]),
    files: integer("task", f[5]),
    phase: phase as TaskPhaseName,
    mergedBelow: integer("task", f[7]),
    outputs: list<unknown>("task", f[8]).map(decodeOutput),
    manifest: text("task", f[9]),
    createdWallMs: integer("task", f[10]),
    finishedWallMs: integer("task", f[11]),
    problem: text("task", f[12]),
  };
}

function decodeOutput(value: unknown): OutputFile {
  const f = list<unknown>("task", value);
  return {
    path: text("task", f[0]),
    bytes: integer("task", f[1]),
    sha256: text("task", f[2]),
    firstRange: integer("task", f[3]),
    ranges: integer("task", f[4]),
  };
}

export function encodeFileRow(row: FileRow): Uint8Array {
  return packValue([
    ROW_VERSION,
    row.task,
    row.file,
    row.firstRange,
    row.ranges,
    row.source,
    row.path,
    row.format,
    row.variant,
    row.tree,
    row.events,
    row.sizeBytes,
    row.mtimeMs,
    row.sha256,
    row.indexPath,
    row.header,
    row.footer,
    row.clusters,
    row.notes,
  ]);
}

export function decodeFileRow(bytes: Uint8Array): FileRow {
  const f = fieldsOf("file", bytes, 18);
  return {
    task: integer("file", f[0]),
    file: integer("file", f[1]),
    firstRange: integer("file", f[2]),
    ranges: integer("file", f[3]),
    source: text("file", f[4]),
    path: text("file", f[5]),
    format: text("file", f[6]),
    variant: text("file", f[7]),
    tree: text("file", f[8]),
    events: integer("file", f[9]),
    sizeBytes: integer("file", f[10]),
    mtimeMs: integer("file", f[11]),
    sha256: text("file", f[12]),
    indexPath: text("file", f[13]),
    header: list("file", f[14]),
    footer: list("file", f[15]),
    clusters: list("file", f[16]),
    notes: list("file", f[17]),
  };
}

export function encodeBundleRow(row: BundleRow): Uint8Array {
  return packValue([ROW_VERSION, row.id, row.uri, row.pilot, row.state, row.tasks]);
}

export function decodeBundleRow(bytes: Uint8Array): BundleRow {
  const f = fieldsOf("bundle", bytes, 5);
  const state = text("bundle", f[3]);
  if (state !== "open" && state !== "lost" && state !== "deleted") {
    throw wrong("bundle", `its state is ${JSON.stringify(state)}`);
  }
  return {
    id: integer("bundle", f[0]),
    uri: text("bundle", f[1]),
    pilot: integer("bundle", f[2]),
    state,
    tasks: list("bundle", f[4]),
  };
}

export function encodePilotRow(row: PilotRow): Uint8Array {
  const { number, pilotId, generation, owner } = row;
  return packValue([ROW_VERSION, number, pilotId, generation, ...(owner ? [owner] : [])]);
}

export function decodePilotRow(bytes: Uint8Array): PilotRow {
  const f = fieldsOf("pilot", bytes, 3, 1);
  return {
    number: integer("pilot", f[0]),
    pilotId: text("pilot", f[1]),
    generation: integer("pilot", f[2]),
    ...(f[3] === undefined ? {} : { owner: text("pilot", f[3]) }),
  };
}

export function encodeReasonRow(row: ReasonRow): Uint8Array {
  return packValue([ROW_VERSION, row.task, row.id, row.text]);
}

export function decodeReasonRow(bytes: Uint8Array): ReasonRow {
  const f = fieldsOf("reason", bytes, 3);
  return { task: integer("reason", f[0]), id: integer("reason", f[1]), text: text("reason", f[2]) };
}

type RowTable = Exclude<Table, "meta">;

/** Decodes a row of any table, with the key that it says it belongs under. */
export function decodeRow(
  table: RowTable,
  bytes: Uint8Array,
): { row: TaskRow | FileRow | BundleRow | PilotRow | ReasonRow; key: number[] } {
  switch (table) {
    case "task": {
      const row = decodeTaskRow(bytes);
      return { row, key: [row.id] };
    }
    case "file": {
      const row = decodeFileRow(bytes);
      return { row, key: [row.task, row.file] };
    }
    case "bundle": {
      const row = decodeBundleRow(bytes);
      return { row, key: [row.id] };
    }
    case "pilot": {
      const row = decodePilotRow(bytes);
      return { row, key: [row.number] };
    }
    case "reason": {
      const row = decodeReasonRow(bytes);
      return { row, key: [row.task, row.id] };
    }
  }
}
