/**
 * A growable buffer that writes the subset of msgpack the protocol uses, each value in its one
 * canonical byte form (docs/reference/protocol.md, "Values"):
 *
 *   unsigned   smallest of fixint, uint8, uint16, uint32; 2^32 .. 2^53-1 as float64
 *   real       a number >= 0, or -1: unsigned where it is a u32, 0xff for -1, else float64
 *   string     UTF-8, smallest header; lone surrogates become U+FFFD
 *   bin, array smallest header; nil, maps and ext types are never written
 *
 * One writer is reused for all frames of a thread, so encoding allocates only the finished frame.
 * A value outside its documented domain is a programmer's error (assertion); one that is merely
 * too large comes from data (a long path, a huge message) and is a JumboError "protocol".
 */
import { AssertionFailure, assert, JumboError, STRING_BYTES_MAX } from "../base/index.ts";

const FIRST_BYTES = 64 * 1024;
const TWO_32 = 0x1_0000_0000;

const scratchFloat = new Float64Array(1);
const scratchBytes = new Uint8Array(scratchFloat.buffer);
scratchFloat[0] = 1;
assert(scratchBytes[7] === 0x3f, "the column codecs need a little-endian machine");

export function tooLarge(what: string, size: number, limit: number): JumboError {
  return new JumboError(
    "protocol",
    `${what} can't be sent (its size is ${size}, the limit ${limit}) make it smaller or split it`,
  );
}

export class Writer {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  view = new DataView(this.bytes.buffer);
  position = 0;

  /** Makes room for `count` more bytes. Every put calls it, so none can overrun. */
  reserve(count: number): void {
    if (this.position + count <= this.bytes.length) return;
    let length = this.bytes.length * 2;
    while (length < this.position + count) length *= 2;
    const grown = Buffer.allocUnsafeSlow(length);
    grown.set(this.bytes.subarray(0, this.position));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }

  array(length: number): void {
    this.reserve(5);
    if (length < 16) this.bytes[this.position++] = 0x90 | length;
    else this.#header(length, 0xdc);
  }

  /** An integer in 0 .. `max`, at most 2^53-1. */
  unsigned(value: number, max: number, what: string): void {
    if (!(value >= 0 && value <= max)) throw outside(what, value, max);
    this.reserve(9);
    const bytes = this.bytes;
    if (value < 0x80) {
      if (value !== (value | 0)) throw notWhole(what, value);
      bytes[this.position++] = value;
      return;
    }
    if (value >= TWO_32) {
      if (!Number.isSafeInteger(value)) throw notWhole(what, value);
      this.#float(value);
      return;
    }
    const whole = value >>> 0;
    if (whole !== value) throw notWhole(what, value);
    this.#smallest(whole);
  }

  /** A finite number >= 0, or -1. */
  real(value: number, what: string): void {
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY) && value !== -1)
      throw notReal(what, value);
    this.reserve(9);
    if (value === -1) this.bytes[this.position++] = 0xff;
    else if (value >>> 0 === value) this.#smallest(value);
    else this.#float(value);
  }

  flag(value: boolean): void {
    this.reserve(1);
    this.bytes[this.position++] = value ? 0xc3 : 0xc2;
  }

  string(value: string, what: string, bytesMax: number = STRING_BYTES_MAX): void {
    const length = value.length;
    if (length > bytesMax) throw tooLarge(what, length, bytesMax);
    this.reserve(3 * length + 5);
    if (length < 32 && this.#shortAscii(value)) return;
    const size = Buffer.byteLength(value, "utf8");
    if (size > bytesMax) throw tooLarge(what, size, bytesMax);
    if (size < 32) this.bytes[this.position++] = 0xa0 | size;
    else this.#sizeHeader(size, 0xd9);
    this.bytes.write(value, this.position, "utf8");
    this.position += size;
  }

  bin(value: Uint8Array, what: string, bytesMax: number): void {
    if (value.length > bytesMax) throw tooLarge(what, value.length, bytesMax);
    const start = this.binHeader(value.length);
    this.bytes.set(value, start);
  }

  /** Writes the header of a bin of `size` bytes and returns where its bytes go. */
  binHeader(size: number): number {
    this.reserve(size + 5);
    this.#sizeHeader(size, 0xc4);
    const start = this.position;
    this.position += size;
    return start;
  }

  #shortAscii(value: string): boolean {
    const bytes = this.bytes;
    const length = value.length;
    let at = this.position + 1;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) return false;
      bytes[at++] = code;
    }
    bytes[this.position] = 0xa0 | length;
    this.position = at;
    return true;
  }

  /** Writes 8-, 16- or 32-bit sizes under the type bytes first, first+1, first+2. */
  #sizeHeader(size: number, first: number): void {
    if (size < 0x100) {
      this.bytes[this.position++] = first;
      this.bytes[this.position++] = size;
    } else {
      this.#header(size, first + 1);
    }
  }

  /** Writes 16- or 32-bit sizes under the type bytes first, first+1. */
  #header(size: number, first: number): void {
    const bytes = this.bytes;
    let at = this.position;
    if (size < 0x1_0000) {
      bytes[at++] = first;
    } else {
      bytes[at++] = first + 1;
      bytes[at++] = size >>> 24;
      bytes[at++] = size >>> 16;
    }
    bytes[at++] = size >>> 8;
    bytes[at++] = size;
    this.position = at;
  }

  #smallest(value: number): void {
    const bytes = this.bytes;
    let at = this.position;
    if (value < 0x80) {
      bytes[at++] = value;
    } else if (value < 0x100) {
      bytes[at++] = 0xcc;
      bytes[at++] = value;
    } else if (value < 0x1_0000) {
      bytes[at++] = 0xcd;
      bytes[at++] = value >>> 8;
      bytes[at++] = value;
    } else {
      bytes[at++] = 0xce;
      bytes[at++] = value >>> 24;
      bytes[at++] = value >>> 16;
      bytes[at++] = value >>> 8;
      bytes[at++] = value;
    }
    this.position = at;
  }

  #float(value: number): void {
    scratchFloat[0] = value;
    const bytes = this.bytes;
    let at = this.position;
    bytes[at++] = 0xcb;
    for (let i = 7; i >= 0; i--) bytes[at++] = scratchBytes[i]!;
    this.position = at;
  }
}

function outside(what: string, value: number, max: number): Error {
  if (value > max) return tooLarge(what, value, max);
  return new AssertionFailure(`${what} is ${value} where an unsigned integer is due`);
}

function notWhole(what: string, value: number): Error {
  return new AssertionFailure(`${what} is ${value} where a whole number below 2^53 is due`);
}

function notReal(what: string, value: number): Error {
  return new AssertionFailure(`${what} is ${value} where a finite number >= 0, or -1, is due`);
}
