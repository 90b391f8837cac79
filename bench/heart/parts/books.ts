/**
 * The engine's own books without sockets around them: store, recovery and ledger, as the core puts
 * them together. For what is measured of the books alone, and to bring a store of 10^8 ranges into
 * a state that pilots would need hours for.
 */
import type { BundleId, PilotNumber, TaskId } from "../../../src/base/index.ts";
import { Book } from "../../../src/broker/book.ts";
import { recover } from "../../../src/broker/recovery.ts";
import { Ledger } from "../../../src/ledger/index.ts";
import {
  type LmdbStore,
  ledgerStanding,
  ledgerTerms,
  openStore,
} from "../../../src/store/index.ts";
import { countTask } from "../../../test/sim/sim-tasks.ts";

export const NOBODY = { push(): void {} };

export class Books {
  readonly store: LmdbStore;
  readonly ledger: Ledger;
  readonly book = new Book();
  readonly pilot: PilotNumber;
  readonly bundle: BundleId;
  sequence: number;
  groups = 0;

  static async open(dir: string, settleGroups: number): Promise<Books> {
    const { store, recovered } = await openStore(dir);
    const ledger = new Ledger({ epoch: recovered.epoch, settleGroups });
    return new Books(store, ledger, recovered);
  }

  private constructor(
    store: LmdbStore,
    ledger: Ledger,
    recovered: Awaited<ReturnType<typeof openStore>>["recovered"],
  ) {
    this.store = store;
    this.ledger = ledger;
    this.sequence = recovered.lastSequence;
    recover(recovered, this.book, ledger, () => {});
    this.pilot = this.book.pilot("books", 1);
    this.bundle = this.book.bundle("file:///nowhere/books.zip", this.pilot).id as BundleId;
    ledger.renew(this.pilot, Number.MAX_SAFE_INTEGER);
  }

  /** Submits a task of so many ranges. */
  async submit(ranges: number): Promise<TaskId> {
    const terms = { attempts: 3, losses: 5, priority: 0, owner: "" };
    const { spec, files } = countTask("task", ranges, terms);
    const { row } = this.book.addTask(spec, files, Date.now());
    this.ledger.addTask(ledgerTerms(row), ledgerStanding(row));
    await this.commit(0, 0);
    return row.id as TaskId;
  }

  /** One durable group with at most so many pages and carried leases in it. */
  commit(pagesMax: number, leasesMax: number): Promise<void> {
    const { ledger, book, store } = this;
    const sequence = this.sequence + 1;
    const { pages, cutBelow } =
      pagesMax > 0 ? ledger.checkpoint(sequence, pagesMax, leasesMax) : { pages: [], cutBelow: 0 };
    const journal = ledger.takeJournal();
    const isRecord = journal.length > 0;
    if (isRecord) this.sequence = sequence;
    this.groups++;
    const rows = book.takeRows();
    const group = { sequence: isRecord ? sequence : 0, journal, rows, pages, cutBelow };
    return new Promise((resolve, reject) =>
      store.commit(group, (outcome) => (outcome.ok ? resolve() : reject(outcome.error))),
    );
  }

  /** Every page is in the store, every open lease in the newest records. */
  async checkpointAll(): Promise<void> {
    while (this.ledger.memory().dirtyPages > 0) await this.commit(256, 1e7);
  }
}

/** A task's ranges as issue 3 wants them at rest: 45 % done out of order in 16s, 1 % in flight. */
export async function bringToRest(books: Books, task: TaskId, ranges: number): Promise<void> {
  const { ledger, pilot, bundle } = books;
  const next = dice(7);
  for (let first = 0; first + 16 <= ranges; first += 16) {
    const side = next();
    if (side < 0.46) {
      const lease = ledger.grant(task, first, 16, pilot);
      if (side < 0.45) ledger.done(pilot, lease.id, task, first, 16, bundle, NOBODY);
    }
    if (first % 262_144 === 0) await books.commit(256, 0);
  }
  await books.checkpointAll();
}

/** Uniform numbers in [0, 1), the same ones for the same seed. */
export function dice(seed: number): () => number {
  let random = seed;
  return () => {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
    return random / 2 ** 32;
  };
}

export function tell(values: Record<string, number>): void {
  process.stdout.write(`${JSON.stringify(values)}\n`);
}
