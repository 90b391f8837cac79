/**
 * The arithmetic between range indices and events of files, over a task's own file table:
 *
 *   file            0          1 (empty)   2
 *   events          7          0           5
 *   ranges of 3     0 1 2      -           3 4
 *   events a range  3 3 1      -           3 2
 *
 * Ranges never span files; the last one of a file may be short; an empty file has none. Nothing is
 * stored per range: two prefix sums over the files and a binary search answer everything, so that a
 * task of 10^8 ranges costs as much as one of ten. It is derived from the immutable inputs alone,
 * never from outputs. Sums stay below 2^53 and are therefore exact.
 */
import { assert, JumboError } from "../base/index.ts";

/** Where a range lies: `count` events of `file` from its 0-based event `start` on. */
export interface RangePlace {
  readonly file: number;
  readonly start: number;
  readonly count: number;
}

export class FileTable {
  readonly eventsPerRange: number;
  /** Ranges of the whole task. */
  readonly ranges: number;
  /** Events of the whole task. */
  readonly events: number;
  /** Files of the task, empty ones included. */
  readonly files: number;
  /** Ranges in the files before file i; one entry more than files. */
  readonly #rangesBefore: Float64Array;
  /** Events in the files before file i; one entry more than files. */
  readonly #eventsBefore: Float64Array;

  /** Throws JumboError("task_invalid") if the events of all files are more than 2^53 - 1. */
  constructor(eventsPerFile: ArrayLike<number>, eventsPerRange: number) {
    assert(
      Number.isSafeInteger(eventsPerRange) && eventsPerRange >= 1,
      `eventsPerRange is ${eventsPerRange}`,
    );
    const files = eventsPerFile.length;
    const rangesBefore = new Float64Array(files + 1);
    const eventsBefore = new Float64Array(files + 1);
    let events = 0;
    let ranges = 0;
    for (let file = 0; file < files; file++) {
      const inFile = eventsPerFile[file] as number;
      assert(Number.isSafeInteger(inFile) && inFile >= 0, `file ${file} has ${inFile} events`);
      events += inFile;
      if (events > Number.MAX_SAFE_INTEGER) throw tooManyEvents(file);
      ranges += ceilDivide(inFile, eventsPerRange);
      rangesBefore[file + 1] = ranges;
      eventsBefore[file + 1] = events;
    }
    this.eventsPerRange = eventsPerRange;
    this.files = files;
    this.events = events;
    this.ranges = ranges;
    this.#rangesBefore = rangesBefore;
    this.#eventsBefore = eventsBefore;
  }

  /** Index of the first range of `file`; for an empty file that of the next range there is. */
  firstRange(file: number): number {
    this.#checkFile(file);
    return this.#rangesBefore[file] as number;
  }

  rangesOf(file: number): number {
    this.#checkFile(file);
    return (this.#rangesBefore[file + 1] as number) - (this.#rangesBefore[file] as number);
  }

  eventsOf(file: number): number {
    this.#checkFile(file);
    return (this.#eventsBefore[file + 1] as number) - (this.#eventsBefore[file] as number);
  }

  fileOfRange(range: number): number {
    assert(
      Number.isSafeInteger(range) && range >= 0 && range < this.ranges,
      "range % of %",
      range,
      this.ranges,
    );
    const before = this.#rangesBefore;
    let low = 0;
    let high = this.files;
    // Invariant: before[low] <= range < before[high]; so empty files are never chosen.
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((before[middle] as number) <= range) low = middle;
      else high = middle;
    }
    return low;
  }

  locate(range: number): RangePlace {
    const file = this.fileOfRange(range);
    const start = (range - (this.#rangesBefore[file] as number)) * this.eventsPerRange;
    const inFile = this.eventsOf(file);
    return { file, start, count: Math.min(this.eventsPerRange, inFile - start) };
  }

  /** The range that holds the 0-based event `event` of `file`. */
  rangeOfEvent(file: number, event: number): number {
    assert(event >= 0 && event < this.eventsOf(file), "event % of file %", event, file);
    return (this.#rangesBefore[file] as number) + Math.floor(event / this.eventsPerRange);
  }

  /** Events in the ranges 0 .. range-1, over all files; `range` may be one past the last. */
  eventsBelow(range: number): number {
    if (range === this.ranges) return this.events;
    const place = this.locate(range);
    return (this.#eventsBefore[place.file] as number) + place.start;
  }

  /** Events in `count` consecutive ranges from `first` on. */
  eventsIn(first: number, count: number): number {
    return this.eventsBelow(first + count) - this.eventsBelow(first);
  }

  #checkFile(file: number): void {
    assert(
      Number.isInteger(file) && file >= 0 && file < this.files,
      "file % of %",
      file,
      this.files,
    );
  }
}

/** Exact for all safe integers: the quotient is corrected by the exact remainder. */
function ceilDivide(dividend: number, divisor: number): number {
  const remainder = dividend % divisor;
  return (dividend - remainder) / divisor + (remainder === 0 ? 0 : 1);
}

function tooManyEvents(file: number): JumboError {
  return new JumboError(
    "task_invalid",
    `input has more than ${Number.MAX_SAFE_INTEGER} events at file ${file} (event numbers ` +
      "beyond 2^53 - 1 would be rounded) split it into several tasks",
    { subject: "input" },
  );
}
