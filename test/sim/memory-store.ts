/**
 * A store in memory with the one property that counts: a group is durable wholly or not at all, and
 * only what was acknowledged must be. A crash decides by chance whether the group in flight made it.
 */
import type { SeededRandom } from "../../src/base/index.ts";
import type {
  ColdRow,
  CommitGroup,
  CommitOutcome,
  Recovered,
  Store,
  Table,
} from "../../src/store/index.ts";
import type { Snapshot } from "./checkers.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What survives crashes. */
export class Disk {
  readonly rows = new Map<string, { table: Table; key: ColdRow["key"]; value: Uint8Array }>();
  readonly pages = new Map<string, { task: number; page: number; value: Uint8Array }>();
  journal: { sequence: number; bytes: Uint8Array }[] = [];
  epoch = 0;
  lastSequence = 0;
  groups = 0;
  pagesWritten = 0;
  /** Journal records cut off. */
  cut = 0;
  /** `mark` of the newest durable group: what was decided before it is durable. */
  durableMark = 0;
  /** Where a history looks: the books as they were when that group was handed over. */
  snapshot: Snapshot | null = null;

  apply(group: CommitGroup): void {
    for (const row of group.rows) {
      const name = `${row.table}|${row.key.join("|")}`;
      if (row.value) this.rows.set(name, { table: row.table, key: row.key, value: row.value });
      else this.rows.delete(name);
    }
    for (const { task, page, value } of group.pages) {
      if (value) this.pages.set(`${task}|${page}`, { task, page, value });
      else this.pages.delete(`${task}|${page}`);
    }
    if (group.journal.length > 0) {
      this.journal.push({ sequence: group.sequence, bytes: group.journal });
      this.lastSequence = group.sequence;
    }
    if (group.cutBelow > 0) {
      const kept = this.journal.filter((record) => record.sequence >= group.cutBelow);
      this.cut += this.journal.length - kept.length;
      this.journal = kept;
    }
    this.groups++;
    this.pagesWritten += group.pages.length;
  }

  /** A new life: the epoch is raised durably before anything else happens. */
  open(): Recovered {
    this.epoch++;
    return this.contents();
  }

  contents(): Recovered {
    return {
      engineId: "simulated",
      epoch: this.epoch,
      rows: [...this.rows.values()],
      pages: [...this.pages.values()],
      journal: [...this.journal],
      lastSequence: this.lastSequence,
    };
  }
}

interface Flight {
  readonly group: CommitGroup;
  readonly mark: number;
  readonly snapshot: Snapshot | null;
}

export class MemoryStore implements Store {
  readonly #disk: Disk;
  readonly #time: VirtualTime;
  readonly #random: SeededRandom;
  #inFlight: Flight | null = null;
  #refused: CommitGroup | null = null;
  #refusedFlight: Flight | null = null;
  #dead = false;
  /** Called with each group that became durable, before it is acknowledged. */
  onDurable: (group: CommitGroup) => void = () => {};
  /** Numbers the moment when a group is handed over. */
  mark: () => number = () => 0;
  /** Looks at the books when a group is handed over. */
  look: () => Snapshot | null = () => null;
  commits = 0;
  /** True: the next commits find the disk full. */
  full = false;

  constructor(disk: Disk, time: VirtualTime, random: SeededRandom) {
    this.#disk = disk;
    this.#time = time;
    this.#random = random;
  }

  commit(group: CommitGroup, done: (outcome: CommitOutcome) => void): void {
    if (this.#inFlight) throw new Error("two commits at once");
    this.commits++;
    // A group that found the disk full comes again as it was.
    const flight =
      this.#refused === group && this.#refusedFlight
        ? this.#refusedFlight
        : { group: copyOf(group), mark: this.mark(), snapshot: this.look() };
    this.#refused = null;
    this.#inFlight = flight;
    const slow = this.#random.chance(0.02);
    const delayMs = slow ? 200 * this.#random.nextUnit() : 0.1 + 3 * this.#random.nextUnit();
    this.#time.after(delayMs, () => {
      if (this.#dead) return;
      this.#inFlight = null;
      if (this.full) {
        this.#refused = group;
        this.#refusedFlight = flight;
        done({ ok: false, error: new Error("no space left"), space: true });
        return;
      }
      this.#land(flight);
      done({ ok: true });
    });
  }

  #land(flight: Flight): void {
    this.#disk.apply(flight.group);
    this.#disk.durableMark = flight.mark;
    this.#disk.snapshot = flight.snapshot;
    this.onDurable(flight.group);
  }

  /** The process dies: the group in flight is on disk or not, and nobody is told. */
  crash(): void {
    this.#dead = true;
    if (this.#inFlight && !this.full && this.#random.chance(0.5)) {
      this.#land(this.#inFlight);
    }
  }

  space(): { freeBytes: number; freeShare: number } {
    return { freeBytes: 1e12, freeShare: 0.9 };
  }

  async close(): Promise<void> {}
}

function copyOf(group: CommitGroup): CommitGroup {
  return {
    ...group,
    journal: group.journal.slice(),
    rows: group.rows.map((row) => ({ ...row, value: row.value?.slice() ?? null })),
    pages: group.pages.map((page) => ({ ...page, value: page.value?.slice() ?? null })),
  };
}
