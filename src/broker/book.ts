/**
 * The cold half of the books: task rows, file tables, bundles, pilots and failure reasons, held in
 * memory as they stand in the store, with the rows that the next group commit must write.
 *
 * Nothing here is per range. A change is visible at once and written with the next group; whoever
 * must not see it before it is durable waits for that group (committer.ts).
 */
import {
  assert,
  type BundleId,
  JumboError,
  NO_REASON,
  type PilotNumber,
  REASON_CHARACTERS_MAX,
  REASONS_PER_TASK_MAX,
  type ReasonId,
} from "../base/index.ts";
import {
  type BundleRow,
  type ColdRow,
  encodeBundleRow,
  encodeFileRow,
  encodePilotRow,
  encodeReasonRow,
  encodeTaskRow,
  type FileRow,
  type PilotRow,
  type TaskRow,
} from "../store/index.ts";
import { contentHash, FileTable, type TaskFile, type TaskSpec } from "../task/index.ts";

/** A task's rows and what is derived from them. */
export interface TaskEntry {
  row: TaskRow;
  files: FileRow[];
  table: FileTable;
  readonly reasons: Map<string, ReasonId>;
  readonly reasonTexts: string[];
}

const OTHER_REASON = "other reasons (the task has more distinct ones than are kept)";

export class Book {
  readonly tasks = new Map<number, TaskEntry>();
  readonly bundles = new Map<number, BundleRow>();
  readonly pilots = new Map<number, PilotRow>();
  readonly #taskByName = new Map<string, number>();
  readonly #pilotById = new Map<string, number>();
  readonly #bundleByUri = new Map<string, number>();
  readonly #meta = new Map<string, Uint8Array>();
  #dirty: ColdRow[] = [];
  #nextTask = 1;
  #nextBundle = 1;
  #nextPilot = 1;

  /** Rows changed since the last take, in order; the last one of a key wins. */
  takeRows(): ColdRow[] {
    const rows = this.#dirty;
    this.#dirty = [];
    return rows;
  }

  get pending(): boolean {
    return this.#dirty.length > 0;
  }

  // -- tasks -------------------------------------------------------------------------------------

  task(id: number): TaskEntry {
    const entry = this.tasks.get(id);
    if (!entry)
      throw new JumboError(
        "not_found",
        `no task ${id} (the store has none of that number) \`jumbo list\` shows them`,
      );
    return entry;
  }

  find(nameOrId: string): TaskEntry | undefined {
    const byName = this.#taskByName.get(nameOrId);
    if (byName !== undefined) return this.tasks.get(byName);
    return /^\d+$/.test(nameOrId) ? this.tasks.get(Number(nameOrId)) : undefined;
  }

  addTask(spec: TaskSpec, files: readonly TaskFile[], wallMs: number): TaskEntry {
    const id = this.#nextTask++;
    const table = tableOf(files, spec.eventsPerRange);
    const fileRows = rowsOf(id, files, table, 0);
    const row: TaskRow = {
      id,
      spec,
      contentHash: contentHash(spec, files),
      ranges: table.ranges,
      events: table.events,
      files: files.length,
      phase: "open",
      mergedBelow: 0,
      outputs: [],
      manifest: "",
      createdWallMs: wallMs,
      finishedWallMs: 0,
      problem: "",
    };
    const entry: TaskEntry = { row, files: fileRows, table, reasons: new Map(), reasonTexts: [""] };
    this.tasks.set(id, entry);
    this.#taskByName.set(spec.name, id);
    for (const file of fileRows) this.#putFile(file);
    this.#putTask(row);
    return entry;
  }

  /** Whether the last files of a task are these, of the same content. */
  endsWith(entry: TaskEntry, files: readonly TaskFile[]): boolean {
    const last = entry.files.slice(-files.length);
    const isSame = ({ source, tree, sha256 }: TaskFile, i: number) =>
      last[i]?.source === source && last[i].tree === tree && last[i].sha256 === sha256;
    return last.length === files.length && files.every(isSame);
  }

  /** Appends files; ranges of the files before keep their numbers. */
  extendTask(entry: TaskEntry, files: readonly TaskFile[]): void {
    const all: TaskFile[] = [...entry.files, ...files];
    entry.table = tableOf(all, entry.row.spec.eventsPerRange);
    const added = rowsOf(entry.row.id, files, entry.table, entry.files.length);
    entry.files = [...entry.files, ...added];
    for (const file of added) this.#putFile(file);
    this.changeTask(entry, {
      ranges: entry.table.ranges,
      events: entry.table.events,
      files: entry.files.length,
      contentHash: contentHash(entry.row.spec, all),
    });
  }

  changeTask(entry: TaskEntry, change: Partial<TaskRow>): void {
    entry.row = { ...entry.row, ...change };
    this.#putTask(entry.row);
  }

  /** Number of a failure's text inside its task; texts beyond the limit share one number. */
  reasonId(entry: TaskEntry, text: string): ReasonId {
    if (text === "") return NO_REASON;
    let key = text.slice(0, REASON_CHARACTERS_MAX);
    const known = entry.reasons.get(key);
    if (known !== undefined) return known;
    if (entry.reasonTexts.length >= REASONS_PER_TASK_MAX) {
      key = OTHER_REASON;
      const other = entry.reasons.get(key);
      if (other !== undefined) return other;
    }
    const id = entry.reasonTexts.length as ReasonId;
    this.#learnReason(entry, id, key);
    const value = encodeReasonRow({ task: entry.row.id, id, text: key });
    this.#dirty.push({ table: "reason", key: [entry.row.id, id], value });
    return id;
  }

  // -- pilots and bundles ------------------------------------------------------------------------

  pilotNumberOf(pilotId: string): PilotNumber | undefined {
    return this.#pilotById.get(pilotId) as PilotNumber | undefined;
  }

  /**
   * The pilot's durable number; a new or higher generation is written down. A new pilot belongs to
   * `owner` from then on.
   */
  pilot(pilotId: string, generation: number, owner = ""): PilotNumber {
    const known = this.#pilotById.get(pilotId);
    const row = known === undefined ? undefined : this.pilots.get(known);
    if (row && row.generation >= generation) return row.number as PilotNumber;
    const number = row ? row.number : this.#nextPilot++;
    const bound = row ? row.owner : owner;
    const next: PilotRow = { number, pilotId, generation, ...(bound ? { owner: bound } : {}) };
    this.pilots.set(number, next);
    this.#pilotById.set(pilotId, number);
    this.#dirty.push({ table: "pilot", key: [number], value: encodePilotRow(next) });
    return number as PilotNumber;
  }

  /** The bundle of that URI, made known if it is new. */
  bundle(uri: string, pilot: number): BundleRow {
    const known = this.#bundleByUri.get(uri);
    if (known !== undefined) return this.bundles.get(known) as BundleRow;
    const row: BundleRow = { id: this.#nextBundle++, uri, pilot, state: "open", tasks: [] };
    this.#putBundle(row);
    return row;
  }

  changeBundle(id: number, change: Partial<BundleRow>): void {
    const row = this.bundles.get(id);
    assert(row, "bundle % is not in the books", id);
    this.#putBundle({ ...row, ...change });
  }

  /** Notes that a task has accepted outputs in a bundle. */
  useBundle(id: BundleId, task: number): void {
    const row = this.bundles.get(id);
    assert(row, "bundle % is not in the books", id);
    if (!row.tasks.includes(task)) this.#putBundle({ ...row, tasks: [...row.tasks, task] });
  }

  // -- meta --------------------------------------------------------------------------------------

  meta(key: string): Uint8Array | undefined {
    return this.#meta.get(key);
  }

  putMeta(key: string, value: Uint8Array | null): void {
    if (value) this.#meta.set(key, value);
    else this.#meta.delete(key);
    this.#dirty.push({ table: "meta", key: [key], value });
  }

  // -- recovery: rows as they were read, nothing becomes dirty -----------------------------------

  loadTask(row: TaskRow, files: FileRow[]): TaskEntry {
    const table = tableOf(files, row.spec.eventsPerRange);
    const entry: TaskEntry = { row, files, table, reasons: new Map(), reasonTexts: [""] };
    this.tasks.set(row.id, entry);
    this.#taskByName.set(row.spec.name, row.id);
    this.#nextTask = Math.max(this.#nextTask, row.id + 1);
    return entry;
  }

  loadReason(entry: TaskEntry, id: number, text: string): void {
    this.#learnReason(entry, id as ReasonId, text);
  }

  loadBundle(row: BundleRow): void {
    this.bundles.set(row.id, row);
    this.#bundleByUri.set(row.uri, row.id);
    this.#nextBundle = Math.max(this.#nextBundle, row.id + 1);
  }

  loadPilot(row: PilotRow): void {
    this.pilots.set(row.number, row);
    this.#pilotById.set(row.pilotId, row.number);
    this.#nextPilot = Math.max(this.#nextPilot, row.number + 1);
  }

  loadMeta(key: string, value: Uint8Array): void {
    this.#meta.set(key, value);
  }

  #learnReason(entry: TaskEntry, id: ReasonId, text: string): void {
    entry.reasons.set(text, id);
    entry.reasonTexts[id] = text;
  }

  #putTask(row: TaskRow): void {
    this.#dirty.push({ table: "task", key: [row.id], value: encodeTaskRow(row) });
  }

  #putFile(row: FileRow): void {
    this.#dirty.push({ table: "file", key: [row.task, row.file], value: encodeFileRow(row) });
  }

  #putBundle(row: BundleRow): void {
    this.bundles.set(row.id, row);
    this.#bundleByUri.set(row.uri, row.id);
    this.#dirty.push({ table: "bundle", key: [row.id], value: encodeBundleRow(row) });
  }
}

function tableOf(files: readonly { events: number }[], eventsPerRange: number): FileTable {
  return new FileTable(
    files.map((file) => file.events),
    eventsPerRange,
  );
}

function rowsOf(
  task: number,
  files: readonly TaskFile[],
  table: FileTable,
  from: number,
): FileRow[] {
  return files.map((file, i) => ({
    ...file,
    task,
    file: from + i,
    firstRange: table.firstRange(from + i),
    ranges: table.rangesOf(from + i),
  }));
}
