/**
 * Finds the records of line-based text: one a line, blank lines (white space alone) are none. For
 * CSV a line feed inside quotes does not end a record (RFC 4180); a quote opens only at the start
 * of a field, so that a stray one (`5" pipe`) stays what it is. Fields are separated by whichever
 * of comma, semicolon, tab and bar stands first in the header line.
 *
 * A record's bounds hold its line end (CRLF too), so that neighbours touch; the last line may lack
 * one. Contents are never kept, so a record may be longer than a chunk.
 */
import { BoundsList, type ByteScanner, TextDefect } from "./byte-scan.ts";

const LINE_FEED = 0x0a;
const QUOTE = 0x22;

export class LineScanner implements ByteScanner {
  readonly bounds = new BoundsList();
  /** Bounds of the first record, where it is a header and no event; -1: none yet. */
  headerBegin = -1;
  headerEnd = -1;
  /** The byte that separates fields; 0 while the header has shown none. */
  delimiter = 0;
  endsWithNewline = true;
  readonly #quoted: boolean;
  #wantsHeader: boolean;
  #recordBegin = 0;
  #blank = true;
  #inQuotes = false;
  /** Offset and value of the last byte that decides what a quote means. */
  #quoteClosedAt = -2;
  #byteBefore = LINE_FEED;

  constructor(options: { header: boolean; quoted: boolean }) {
    this.#wantsHeader = options.header;
    this.#quoted = options.quoted;
  }

  feed(chunk: Buffer, base: number, last: boolean): number {
    let at = 0;
    let quote = this.#quoted ? chunk.indexOf(QUOTE) : -1;
    while (at < chunk.length) {
      const newline = chunk.indexOf(LINE_FEED, at);
      const end = newline < 0 ? chunk.length : newline;
      if (this.#blank) this.#blank = isBlank(chunk, at, end);
      if (this.#wantsHeader && this.delimiter === 0) this.delimiter = delimiterIn(chunk, at, end);
      while (quote >= 0 && quote < end) {
        this.#quote(base + quote, quote > 0 ? (chunk[quote - 1] as number) : this.#byteBefore);
        quote = chunk.indexOf(QUOTE, quote + 1);
      }
      if (newline < 0) break;
      at = newline + 1;
      if (!this.#inQuotes) this.#record(base + at);
    }
    if (chunk.length > 0) {
      this.#byteBefore = chunk[chunk.length - 1] as number;
      this.endsWithNewline = this.#byteBefore === LINE_FEED;
    }
    if (last) this.#finish(base + chunk.length);
    return chunk.length;
  }

  #quote(offset: number, before: number): void {
    if (this.#inQuotes) {
      this.#inQuotes = false;
      this.#quoteClosedAt = offset;
    } else if (offset === this.#quoteClosedAt + 1) {
      this.#inQuotes = true; // "" inside quotes: it never was closed
    } else if (offset === this.#recordBegin || before === this.delimiter) {
      this.#inQuotes = true;
    }
  }

  #record(end: number): void {
    if (!this.#blank) {
      if (this.#wantsHeader) {
        this.#wantsHeader = false;
        this.headerBegin = this.#recordBegin;
        this.headerEnd = end;
      } else this.bounds.push(this.#recordBegin, end);
    }
    this.#recordBegin = end;
    this.#blank = true;
  }

  #finish(end: number): void {
    if (this.#inQuotes) {
      throw new TextDefect(
        `has a quote that is never closed, in the record that begins at byte ${this.#recordBegin}`,
        "a line feed inside quotes belongs to its field, so the rest would be one record",
        'close it, or write a quote inside a quoted field as ""',
      );
    }
    if (end > this.#recordBegin) this.#record(end);
  }
}

function isBlank(chunk: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    if ((chunk[i] as number) > 0x20) return false;
  }
  return true;
}

/** The first of comma, semicolon, tab and bar in a stretch of the header; 0 if there is none. */
function delimiterIn(chunk: Buffer, from: number, to: number): number {
  for (let i = from; i < to; i++) {
    const byte = chunk[i] as number;
    if (byte === 0x2c || byte === 0x3b || byte === 0x09 || byte === 0x7c) return byte;
  }
  return 0;
}
