/**
 * Merges any outputs into one store-only zip (PKWARE APPNOTE 6.3.10; zip64 records only where a
 * size, offset or count needs them): one member a part, `<label>-<file name>`. Bytes depend on the
 * parts alone: times are 1980-01-01, no other attributes.
 *
 *   (local header 30 | name | extra | bytes) per member | central directory | [zip64 end] | end
 */
import { basename } from "node:path";
import { crc32 } from "../base/index.ts";
import type { MergePart, MergeRule, Merger, MergeTarget } from "./types.ts";

const U16_MAX = 0xffff;
const U32_MAX = 0xffff_ffff;
/** Names are UTF-8 (general purpose bit 11). */
const FLAGS = 0x0800;
/** 1980-01-01, the first day that the format has. */
const DOS_DATE = 0x0021;

export const zipRule: MergeRule = {
  kind: "zip",
  open: (target) => new ZipMerger(target),
  countRecords: () => null,
};

class ZipMerger implements Merger {
  readonly #target: MergeTarget;
  readonly #directory: Buffer[] = [];
  #offset = 0;

  constructor(target: MergeTarget) {
    this.#target = target;
  }

  async add(part: MergePart): Promise<void> {
    const name = Buffer.from(part.name ? `${part.label}-${basename(part.name)}` : part.label);
    const crc = crc32(part.bytes);
    const size = part.bytes.length;
    this.#directory.push(centralHeader(name, crc, size, this.#offset));
    await this.#write(localHeader(name, crc, size));
    await this.#write(part.bytes);
  }

  async finish(): Promise<void> {
    const begin = this.#offset;
    for (const header of this.#directory) await this.#write(header);
    await this.#write(endRecords(this.#directory.length, this.#offset - begin, begin));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.#target.write(bytes);
    this.#offset += bytes.length;
  }
}

/** The zip64 extra field with the values that do not fit 32 bits; empty where all do. */
function zip64Extra(values: readonly number[]): Buffer {
  const large = values.filter((value) => value >= U32_MAX);
  if (large.length === 0) return Buffer.alloc(0);
  const extra = Buffer.alloc(4 + 8 * large.length);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(8 * large.length, 2);
  large.forEach((value, i) => {
    extra.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
  });
  return extra;
}

function localHeader(name: Buffer, crc: number, size: number): Buffer {
  const extra = zip64Extra([size, size]);
  const head = Buffer.alloc(30);
  head.writeUInt32LE(0x0403_4b50, 0);
  head.writeUInt16LE(extra.length > 0 ? 45 : 20, 4);
  writeCommon(head, 6, crc, size, name.length, extra.length);
  return Buffer.concat([head, name, extra]);
}

function centralHeader(name: Buffer, crc: number, size: number, offset: number): Buffer {
  const extra = zip64Extra([size, size, offset]);
  const head = Buffer.alloc(46);
  const version = extra.length > 0 ? 45 : 20;
  head.writeUInt32LE(0x0201_4b50, 0);
  head.writeUInt16LE(version, 4);
  head.writeUInt16LE(version, 6);
  writeCommon(head, 8, crc, size, name.length, extra.length);
  head.writeUInt32LE(Math.min(offset, U32_MAX), 42);
  return Buffer.concat([head, name, extra]);
}

/** The fields that both headers have in the same order, from the flags on. */
function writeCommon(
  head: Buffer,
  at: number,
  crc: number,
  size: number,
  nameBytes: number,
  extraBytes: number,
): void {
  head.writeUInt16LE(FLAGS, at);
  head.writeUInt16LE(DOS_DATE, at + 6);
  head.writeUInt32LE(crc, at + 8);
  head.writeUInt32LE(Math.min(size, U32_MAX), at + 12);
  head.writeUInt32LE(Math.min(size, U32_MAX), at + 16);
  head.writeUInt16LE(nameBytes, at + 20);
  head.writeUInt16LE(extraBytes, at + 22);
}

function endRecords(members: number, bytes: number, begin: number): Buffer {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x0605_4b50, 0);
  end.writeUInt16LE(Math.min(members, U16_MAX), 8);
  end.writeUInt16LE(Math.min(members, U16_MAX), 10);
  end.writeUInt32LE(Math.min(bytes, U32_MAX), 12);
  end.writeUInt32LE(Math.min(begin, U32_MAX), 16);
  if (members < U16_MAX && bytes < U32_MAX && begin < U32_MAX) return end;
  const zip64 = Buffer.alloc(56 + 20);
  zip64.writeUInt32LE(0x0606_4b50, 0);
  zip64.writeBigUInt64LE(44n, 4);
  zip64.writeUInt16LE(45, 12);
  zip64.writeUInt16LE(45, 14);
  zip64.writeBigUInt64LE(BigInt(members), 24);
  zip64.writeBigUInt64LE(BigInt(members), 32);
  zip64.writeBigUInt64LE(BigInt(bytes), 40);
  zip64.writeBigUInt64LE(BigInt(begin), 48);
  zip64.writeUInt32LE(0x0706_4b50, 56);
  zip64.writeBigUInt64LE(BigInt(begin + bytes), 64);
  zip64.writeUInt32LE(1, 72);
  return Buffer.concat([zip64, end]);
}
