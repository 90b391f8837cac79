/**
 * Decisions as bytes. One journal record holds the decisions of one group commit:
 *
 *   version u8 | kind of record u8 (1 = ledger) | last lease issued before it (varint) | decisions
 *   decision = tag [task] first [count] [lease] [extra]
 *   tag      = kind 5 bits | same task 32 | one range 64 | same lease 128
 *
 * `first` is a signed difference to the end of the decision before it, `lease` one to its lease, so
 * that a grant and a done of single ranges take some 5 to 8 bytes each. `extra` is the pilot,
 * bundle or reason, where the kind has one. What is recorded are decisions, never requests:
 * recovery applies them and decides nothing.
 */
import { ByteReader, ByteWriter, damaged } from "./bytes.ts";

export const JOURNAL_VERSION = 1;
const RECORD_KIND_LEDGER = 1;
const SAME_TASK = 32;
const ONE_RANGE = 64;
const SAME_LEASE = 128;
const KIND_MASK = 31;

/** Numbers are never reused. */
export const DECISION = {
  /** A lease over ready ranges; extra: pilot. */
  granted: 1,
  /** A second lease over running ranges; extra: pilot. */
  copied: 2,
  started: 3,
  /** extra: bundle. */
  done: 4,
  /** extra: reason, as in all that follow up to `expired`. */
  failed: 5,
  fatal: 6,
  lost: 7,
  expired: 8,
  returned: 9,
  /** Done ranges are ready again; extra: reason. */
  reopened: 10,
  /** The same, counted as a bad end. */
  reopenedCharged: 11,
  /** All done ranges of a task from `first` on whose output is in bundle `extra`. */
  bundleReopened: 12,
  /** Ready ranges fail; extra: reason. */
  failedReady: 13,
  /** All failed ranges of a task from `first` on are ready again. */
  retried: 14,
  /** An open lease, written again before its old place is cut off; extra: pilot. */
  carried: 15,
  /** The same for a lease that was given as a copy. */
  carriedCopy: 16,
  /** The copy's lease takes over a range that its first lease has lost. */
  promoted: 17,
  /** lease: the last identity before the first of the new epoch. */
  epochRaised: 18,
  /** extra: bundle. */
  bundleLost: 19,
  /** `carried`, of a lease under which every range was open; the newest word of its group. */
  carriedWhole: 20,
} as const;
export type DecisionKind = (typeof DECISION)[keyof typeof DECISION];
const KIND_LAST = DECISION.carriedWhole;

const WITHOUT_EXTRA = new Set<number>([
  DECISION.started,
  DECISION.returned,
  DECISION.retried,
  DECISION.promoted,
  DECISION.epochRaised,
]);
const HAS_EXTRA: readonly boolean[] = Array.from(
  { length: KIND_MASK + 1 },
  (_, kind) => !WITHOUT_EXTRA.has(kind),
);

export class JournalWriter {
  readonly #writer = new ByteWriter(16 * 1024);
  #task = 0;
  #end = 0;
  #lease = 0;
  #decisions = 0;

  get pending(): boolean {
    return this.#decisions > 0;
  }
  get decisions(): number {
    return this.#decisions;
  }
  get bytes(): number {
    return this.#writer.position;
  }

  /** `issued`: the last lease identity issued before this decision. */
  add(
    issued: number,
    kind: DecisionKind,
    task: number,
    first: number,
    count: number,
    lease: number,
    extra: number,
  ): void {
    const writer = this.#writer;
    if (this.#decisions++ === 0) {
      writer.byte(JOURNAL_VERSION);
      writer.byte(RECORD_KIND_LEDGER);
      writer.unsigned(issued);
      this.#task = 0;
      this.#end = 0;
      this.#lease = issued;
    }
    const sameTask = task === this.#task;
    const sameLease = lease === this.#lease;
    writer.byte(
      kind |
        (sameTask ? SAME_TASK : 0) |
        (count === 1 ? ONE_RANGE : 0) |
        (sameLease ? SAME_LEASE : 0),
    );
    if (!sameTask) writer.unsigned(task);
    writer.signed(first - this.#end);
    if (count !== 1) writer.unsigned(count);
    if (!sameLease) writer.signed(lease - this.#lease);
    if (HAS_EXTRA[kind]) writer.unsigned(extra);
    this.#task = task;
    this.#end = first + count;
    this.#lease = lease;
  }

  /** The record, empty if nothing was decided; starts the next one. */
  take(): Uint8Array {
    this.#decisions = 0;
    return this.#writer.take();
  }
}

/** Reads a record's decisions one after the other into its fields. */
export class JournalReader {
  readonly #reader: ByteReader;
  /** Last lease issued before the record. */
  readonly issued: number = 0;
  kind: DecisionKind = DECISION.granted;
  task = 0;
  first = 0;
  count = 0;
  lease = 0;
  extra = 0;

  constructor(bytes: Uint8Array) {
    this.#reader = new ByteReader(bytes);
    if (bytes.length === 0) return;
    const version = this.#reader.byte();
    if (version !== JOURNAL_VERSION) throw damaged(`journal version ${version} is unknown`);
    const record = this.#reader.byte();
    if (record !== RECORD_KIND_LEDGER) throw damaged(`journal record of kind ${record} is unknown`);
    this.issued = this.#reader.unsigned();
    this.lease = this.issued;
  }

  /** False at the end of the record. */
  next(): boolean {
    const reader = this.#reader;
    if (reader.atEnd) return false;
    const tag = reader.byte();
    const kind = tag & KIND_MASK;
    if (kind < 1 || kind > KIND_LAST) throw damaged(`a decision of kind ${kind} is unknown`);
    const end = this.first + this.count;
    if (!(tag & SAME_TASK)) this.task = reader.unsigned();
    this.first = end + reader.signed();
    this.count = tag & ONE_RANGE ? 1 : reader.unsigned();
    if (!(tag & SAME_LEASE)) this.lease += reader.signed();
    this.extra = HAS_EXTRA[kind] ? reader.unsigned() : 0;
    this.kind = kind as DecisionKind;
    if (this.first < 0 || this.lease < 0) throw damaged("a decision counts below 0");
    return true;
  }
}
