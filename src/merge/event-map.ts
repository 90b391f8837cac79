/**
 * A manifest drawn together to at most `cellsMax` cells of equally many ranges, in order: who did
 * them, how often they had to be started, how many failed. What the event map of the CLI shows.
 */
import { MANIFEST_STATE, type ManifestColumns, openManifest } from "../formats/index.ts";
import { headOf } from "./manifest-head.ts";

export interface EventMapCell {
  readonly firstRange: number;
  readonly ranges: number;
  /** Index into `pilots` of the one that did most of its ranges, -1 if nobody did any. */
  readonly pilot: number;
  /** Largest attempt number of its ranges. */
  readonly attempts: number;
  readonly failed: number;
}

export interface EventMapCells {
  readonly pilots: readonly string[];
  readonly rangesPerCell: number;
  readonly cells: readonly EventMapCell[];
}

/** Throws what `openManifest` throws. */
export async function eventMapOf(manifestPath: string, cellsMax: number): Promise<EventMapCells> {
  const reader = await openManifest(manifestPath);
  try {
    const { ranges } = headOf(reader.metadata, manifestPath).task;
    const pilots = reader.dictionaries.pilot;
    const rangesPerCell = Math.max(1, Math.ceil(ranges / cellsMax));
    const gather = new CellGatherer(rangesPerCell, pilots.length);
    for await (const batch of reader.batches()) {
      for (let row = 0; row < batch.length; row++) gather.take(batch, row);
    }
    return { pilots, rangesPerCell, cells: gather.end() };
  } finally {
    await reader.close();
  }
}

class CellGatherer {
  readonly #rangesPerCell: number;
  readonly #done: EventMapCell[] = [];
  readonly #byPilot: Float64Array;
  #first = 0;
  #ranges = 0;
  #attempts = 0;
  #failed = 0;

  constructor(rangesPerCell: number, pilots: number) {
    this.#rangesPerCell = rangesPerCell;
    this.#byPilot = new Float64Array(pilots);
  }

  take(batch: ManifestColumns, row: number): void {
    if (this.#ranges === this.#rangesPerCell) this.#close();
    if (this.#ranges++ === 0) this.#first = batch.range[row] as number;
    this.#attempts = Math.max(this.#attempts, batch.attempt[row] as number);
    if (batch.state[row] === MANIFEST_STATE.failed) this.#failed++;
    const pilot = batch.pilotIndex[row] as number;
    if (pilot >= 0) this.#byPilot[pilot]! += 1;
  }

  #close(): void {
    let pilot = -1;
    let most = 0;
    for (let i = 0; i < this.#byPilot.length; i++) {
      if ((this.#byPilot[i] as number) <= most) continue;
      pilot = i;
      most = this.#byPilot[i] as number;
    }
    this.#done.push({
      firstRange: this.#first,
      ranges: this.#ranges,
      pilot,
      attempts: this.#attempts,
      failed: this.#failed,
    });
    this.#byPilot.fill(0);
    this.#ranges = 0;
    this.#attempts = 0;
    this.#failed = 0;
  }

  end(): EventMapCell[] {
    if (this.#ranges > 0) this.#close();
    return this.#done;
  }
}
