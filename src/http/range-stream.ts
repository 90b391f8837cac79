/**
 * From the core's runs of alike ranges to rows of the Arrow stream: runs are cut where files end,
 * so that each row has one file and one stretch of events. Rows are gathered into one reused batch.
 */
import type { EngineClient, RangeColumns } from "../broker/index.ts";
import { arrowRanges, RangeRows } from "../formats/index.ts";
import { FileTable } from "../task/index.ts";

/** Names of RangeColumns.state. */
export const STATE_NAMES = ["ready", "held", "running", "done", "failed", "merged", "cancelled"];

const ROWS_PER_BATCH = 16_384;

/** The stream's bytes, as fast as they are asked for. */
export async function rangeStream(
  client: EngineClient,
  task: number,
): Promise<AsyncGenerator<Uint8Array>> {
  const [view, files] = await Promise.all([
    client.ask("show", { task }),
    client.ask("files", { task }),
  ]);
  const table = new FileTable(
    files.map((file) => file.events),
    view.spec.eventsPerRange,
  );
  const metadata = new Map([
    ["schema", "ranges/1"],
    ["task", String(task)],
    ["name", view.name],
    ["eventsPerRange", String(view.spec.eventsPerRange)],
  ]);
  const names = { files: files.map((file) => file.source), states: STATE_NAMES, metadata };
  return arrowRanges(rowBatches(client, task, table), names);
}

async function* rowBatches(
  client: EngineClient,
  task: number,
  table: FileTable,
): AsyncGenerator<RangeRows> {
  const rows = new RangeRows(ROWS_PER_BATCH);
  const reasons = new Reasons(client, task);
  for (let from = 0; from >= 0; ) {
    const runs = await client.ask("ranges", { task, from, runsMax: ROWS_PER_BATCH });
    await reasons.learn(runs.reason);
    for (let i = 0; i < runs.first.length; i++) {
      const end = Math.min((runs.first[i] as number) + (runs.count[i] as number), table.ranges);
      for (let first = runs.first[i] as number; first < end; ) {
        const file = table.fileOfRange(first);
        const count = Math.min(end, table.firstRange(file) + table.rangesOf(file)) - first;
        append(rows, { runs, run: i, table, file, first, count }, reasons);
        first += count;
        if (rows.length < ROWS_PER_BATCH) continue;
        yield rows;
        rows.clear();
      }
    }
    from = runs.next;
  }
  if (rows.length > 0) yield rows;
}

interface Piece {
  readonly runs: RangeColumns;
  readonly run: number;
  readonly table: FileTable;
  readonly file: number;
  readonly first: number;
  readonly count: number;
}

function append(rows: RangeRows, piece: Piece, reasons: Reasons): void {
  const { runs, run, table } = piece;
  const row = rows.length++;
  const last = table.locate(piece.first + piece.count - 1);
  rows.firstRange[row] = piece.first;
  rows.ranges[row] = piece.count;
  rows.file[row] = piece.file;
  rows.firstEvent0[row] = table.locate(piece.first).start;
  rows.lastEvent0[row] = last.start + last.count - 1;
  rows.state[row] = runs.state[run] as number;
  rows.attempts[row] = runs.attempts[run] as number;
  rows.failures[row] = runs.failures[run] as number;
  rows.losses[row] = runs.losses[run] as number;
  rows.lease[row] = runs.lease[run] as number;
  rows.bundle[row] = runs.bundle[run] as number;
  const reason = reasons.textOf(runs.reason[run] as number);
  if (reason !== undefined) rows.reasons.set(row, reason);
}

/** Texts of failure reasons; asked for again when a number turns up that is not known yet. */
class Reasons {
  readonly #client: EngineClient;
  readonly #task: number;
  #texts = new Map<number, string>();

  constructor(client: EngineClient, task: number) {
    this.#client = client;
    this.#task = task;
  }

  async learn(ids: Uint32Array): Promise<void> {
    for (const id of ids) {
      if (id === 0 || this.#texts.has(id)) continue;
      const rows = await this.#client.ask("reasons", { task: this.#task });
      this.#texts = new Map(rows.map((row) => [row.id, row.text]));
      return;
    }
  }

  textOf(id: number): string | undefined {
    return id === 0 ? undefined : this.#texts.get(id);
  }
}
