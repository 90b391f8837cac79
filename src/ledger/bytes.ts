/**
 * The two byte forms of the ledger's own encodings: unsigned varints (7 bits a byte, low first) up
 * to 2^53-1, and signed ones whose first byte holds 6 bits and the sign. Sign and magnitude instead
 * of zigzag, because doubling a difference of lease identities would leave the safe integers.
 */
import { assert, JumboError } from "../base/index.ts";

const VARINT_BYTES_MAX = 9;

export class ByteWriter {
  #bytes: Uint8Array;
  position = 0;

  constructor(capacity = 4096) {
    this.#bytes = new Uint8Array(capacity);
  }

  #grow(): void {
    const larger = new Uint8Array(this.#bytes.length * 2);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  byte(value: number): void {
    if (this.position === this.#bytes.length) this.#grow();
    this.#bytes[this.position++] = value;
  }

  /** 0 .. 2^53-1. */
  unsigned(value: number): void {
    if (this.position + VARINT_BYTES_MAX > this.#bytes.length) this.#grow();
    const bytes = this.#bytes;
    let rest = value;
    while (rest > 0x7fff_ffff) {
      bytes[this.position++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      bytes[this.position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[this.position++] = rest;
  }

  /** -(2^53-1) .. 2^53-1. */
  signed(value: number): void {
    const magnitude = value < 0 ? -value : value;
    const sign = value < 0 ? 0x40 : 0;
    if (magnitude < 64) {
      this.byte(sign | magnitude);
      return;
    }
    this.byte(0x80 | sign | (magnitude % 64));
    this.unsigned(Math.floor(magnitude / 64));
  }

  /** Six bytes, low first; fixed in place so that it can be stamped over. */
  fixed48(value: number): void {
    for (let i = 0; i < 6; i++) this.byte(Math.floor(value / 256 ** i) % 256);
  }

  /** A copy of everything written since the last reset. */
  take(): Uint8Array {
    const copy = this.#bytes.slice(0, this.position);
    this.position = 0;
    return copy;
  }
}

export class ByteReader {
  readonly bytes: Uint8Array;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get atEnd(): boolean {
    return this.position >= this.bytes.length;
  }

  byte(): number {
    const value = this.bytes[this.position++];
    if (value === undefined) throw damaged("it ends in the middle of a value");
    return value;
  }

  unsigned(): number {
    let value = this.byte();
    if (value < 0x80) return value;
    value &= 0x7f;
    let scale = 128;
    for (let i = 1; i < VARINT_BYTES_MAX; i++) {
      const next = this.byte();
      value += (next & 0x7f) * scale;
      if (next < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 128;
    }
    throw damaged("a number in it is larger than 2^53");
  }

  signed(): number {
    const head = this.byte();
    let magnitude = head & 0x3f;
    if (head & 0x80) magnitude += this.unsigned() * 64;
    return head & 0x40 ? -magnitude : magnitude;
  }

  fixed48(): number {
    let value = 0;
    for (let i = 0; i < 6; i++) value += this.byte() * 256 ** i;
    return value;
  }
}

/** Writes `value` over the six bytes at `at`. */
export function stamp48(bytes: Uint8Array, at: number, value: number): void {
  assert(value >= 0 && value < 2 ** 48, "sequence % needs at most 48 bits", value);
  for (let i = 0; i < 6; i++) bytes[at + i] = Math.floor(value / 256 ** i) % 256;
}

export function damaged(why: string): JumboError {
  return new JumboError(
    "store_damaged",
    `a page or journal record can't be read (${why}) restore the store from a backup, ` +
      "or run `jumbo verify --store` for a diagnosis",
  );
}
