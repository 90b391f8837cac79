/**
 * The strict decoder's ground floor: one forward pass over a payload that checks and decodes at
 * once, so that guard and decoder can't disagree. What it promises:
 *
 *   - the reader asks for what the protocol has at this position; anything else is refused: nil,
 *     maps, ext types (msgpack libraries may run code on those), signed forms, other arities
 *   - one byte form per value: longer forms than needed are refused, so an accepted payload
 *     encodes again to the same bytes
 *   - a length is checked against its limit AND the bytes that are left before anything is
 *     allocated from it
 *   - nesting is bounded, since the schema is: no function here recurses
 *
 * Every refusal is a JumboError "protocol" that names the field and the byte.
 */
import { JumboError, STRING_BYTES_MAX } from "../base/index.ts";

const TWO_32 = 0x1_0000_0000;
const NOTHING = new Uint8Array(0);
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const scratchFloat = new Float64Array(1);
const scratchBytes = new Uint8Array(scratchFloat.buffer);

export class Reader {
  bytes: Uint8Array = NOTHING;
  position = 0;
  end = 0;
  /** Spans and reported ranges of this message so far; spans.ts and the codecs check them. */
  spans = 0;
  ranges = 0;
  #begin = 0;
  #view: DataView | null = null;

  /** The payload is [begin, end) of `bytes`. */
  reset(bytes: Uint8Array, begin: number, end: number): void {
    this.bytes = bytes;
    this.position = begin;
    this.end = end;
    this.#begin = begin;
    this.spans = 0;
    this.ranges = 0;
  }

  release(): void {
    this.bytes = NOTHING;
    this.#view = null;
  }

  /** A view of `bytes`, for columns; made when a message has some. */
  view(): DataView {
    const bytes = this.bytes;
    this.#view ??= new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return this.#view;
  }

  fail(what: string, why: string, right: string): never {
    throw new JumboError(
      "protocol",
      `bad frame: ${what} at byte ${this.position - this.#begin} of ${this.end - this.#begin} ` +
        `${why} (the protocol fixes ` +
        `every position) send ${right}, see docs/reference/protocol.md`,
    );
  }

  /** The length of an array, at most `max` and at most the bytes that are left. */
  array(max: number, what: string): number {
    const bytes = this.bytes;
    const at = this.position;
    const head = at < this.end ? bytes[at]! : -1;
    let length = 0;
    if (head >= 0x90 && head <= 0x9f) {
      length = head & 15;
      this.position = at + 1;
    } else if (head === 0xdc && at + 3 <= this.end) {
      length = (bytes[at + 1]! << 8) | bytes[at + 2]!;
      if (length < 16) this.fail(what, "has a longer header than needed", "the smallest form");
      this.position = at + 3;
    } else if (head === 0xdd && at + 5 <= this.end) {
      length = this.#u32(at + 1);
      if (length < 0x1_0000)
        this.fail(what, "has a longer header than needed", "the smallest form");
      this.position = at + 5;
    } else {
      this.fail(what, "is no array", "an array");
    }
    if (length > max) this.fail(what, `has ${length} items`, `at most ${max}`);
    if (length > this.end - this.position) this.fail(what, "is cut short", "the whole frame");
    return length;
  }

  /** An array of exactly `length` items. */
  tuple(length: number, what: string): void {
    if (this.array(length, what) !== length)
      this.fail(what, "has too few items", `${length} items`);
  }

  /** An integer in `min` .. `max`. */
  unsigned(min: number, max: number, what: string): number {
    const at = this.position;
    let value = at < this.end ? this.bytes[at]! : 0x100;
    if (value < 0x80) this.position = at + 1;
    else value = this.#longUnsigned(value, what);
    if (value < min || value > max) this.fail(what, `is ${value}`, `${min} .. ${max}`);
    return value;
  }

  /** A finite number >= 0, or -1. */
  real(what: string): number {
    const at = this.position;
    const head = at < this.end ? this.bytes[at]! : 0x100;
    if (head === 0xff) {
      this.position = at + 1;
      return -1;
    }
    if (head !== 0xcb) return this.unsigned(0, TWO_32 - 1, what);
    const value = this.#float(what);
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) {
      this.fail(what, `is ${value}`, "a finite number >= 0, or -1 as an integer");
    }
    if (value >>> 0 === value) {
      this.fail(what, "is a float64 that holds a small integer", "the integer form");
    }
    return value;
  }

  flag(what: string): boolean {
    const head = this.position < this.end ? this.bytes[this.position]! : -1;
    if (head !== 0xc2 && head !== 0xc3) this.fail(what, "is no boolean", "true or false");
    this.position++;
    return head === 0xc3;
  }

  string(what: string, bytesMax: number = STRING_BYTES_MAX): string {
    const at = this.position;
    const head = at < this.end ? this.bytes[at]! : -1;
    let size: number;
    if (head >= 0xa0 && head <= 0xbf) {
      size = head & 31;
      this.position = at + 1;
    } else if (head >= 0xd9 && head <= 0xdb) {
      size = this.#size(head - 0xd9, what);
      if (size < 32) this.fail(what, "has a longer header than needed", "the smallest form");
    } else {
      this.fail(what, "is no string", "a string");
    }
    this.#checkSize(size, bytesMax, what);
    return this.#text(size, what);
  }

  /** The size of a bin whose bytes begin at `position`; the caller steps over them by `skip`. */
  binHeader(bytesMax: number, what: string): number {
    const head = this.position < this.end ? this.bytes[this.position]! : -1;
    if (head < 0xc4 || head > 0xc6) this.fail(what, "is no bin", "a bin");
    const size = this.#size(head - 0xc4, what);
    this.#checkSize(size, bytesMax, what);
    return size;
  }

  /** A bin of exactly `size` bytes; returns where they begin and steps over them. */
  column(size: number, what: string): number {
    const found = this.binHeader(size, what);
    if (found !== size) this.fail(what, `has ${found} bytes`, `${size} bytes`);
    const start = this.position;
    this.position = start + size;
    return start;
  }

  /** A bin, copied: it may outlive the frame. */
  bin(bytesMax: number, what: string): Uint8Array {
    const size = this.binHeader(bytesMax, what);
    const start = this.position;
    this.position = start + size;
    return Uint8Array.prototype.slice.call(this.bytes, start, start + size);
  }

  finish(): void {
    if (this.position !== this.end) {
      this.fail("the message", "is followed by more bytes", "one message in a frame");
    }
  }

  #checkSize(size: number, bytesMax: number, what: string): void {
    if (size > bytesMax) this.fail(what, `has ${size} bytes`, `at most ${bytesMax}`);
    if (size > this.end - this.position) this.fail(what, "is cut short", "the whole frame");
  }

  #longUnsigned(head: number, what: string): number {
    const bytes = this.bytes;
    const at = this.position + 1;
    const left = this.end - at;
    let value: number;
    let least: number;
    if (head === 0xcc && left >= 1) {
      value = bytes[at]!;
      least = 0x80;
      this.position = at + 1;
    } else if (head === 0xcd && left >= 2) {
      value = (bytes[at]! << 8) | bytes[at + 1]!;
      least = 0x100;
      this.position = at + 2;
    } else if (head === 0xce && left >= 4) {
      value = this.#u32(at);
      least = 0x1_0000;
      this.position = at + 4;
    } else if (head === 0xcb) {
      value = this.#float(what);
      least = TWO_32;
      if (!Number.isSafeInteger(value)) this.fail(what, `is ${value}`, "an integer below 2^53");
    } else {
      this.fail(what, "is no unsigned integer", "one in its smallest form");
    }
    if (value < least) this.fail(what, `is ${value} in a form longer than needed`, "the smallest");
    return value;
  }

  #float(what: string): number {
    const at = this.position + 1;
    if (at + 8 > this.end) this.fail(what, "is cut short", "the whole frame");
    for (let i = 0; i < 8; i++) scratchBytes[7 - i] = this.bytes[at + i]!;
    this.position = at + 8;
    return scratchFloat[0]!;
  }

  /** Reads an 8-, 16- or 32-bit size (`width` 0, 1, 2) and steps over the header. */
  #size(width: number, what: string): number {
    const bytes = this.bytes;
    const at = this.position + 1;
    if (at + (1 << width) > this.end) this.fail(what, "is cut short", "the whole frame");
    this.position = at + (1 << width);
    if (width === 0) return bytes[at]!;
    const size = width === 1 ? (bytes[at]! << 8) | bytes[at + 1]! : this.#u32(at);
    if (size < (width === 1 ? 0x100 : 0x1_0000)) {
      this.fail(what, "has a longer header than needed", "the smallest form");
    }
    return size;
  }

  #text(size: number, what: string): string {
    const start = this.position;
    const end = start + size;
    const bytes = this.bytes;
    this.position = end;
    if (size < 32) {
      let text = "";
      let at = start;
      for (; at < end; at++) {
        const code = bytes[at]!;
        if (code >= 0x80) break;
        text += String.fromCharCode(code);
      }
      if (at === end) return text;
    }
    try {
      return utf8.decode(bytes.subarray(start, end));
    } catch {
      this.position = start;
      return this.fail(what, "is not valid UTF-8", "UTF-8 text");
    }
  }

  #u32(at: number): number {
    const bytes = this.bytes;
    return (
      ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
    );
  }
}
