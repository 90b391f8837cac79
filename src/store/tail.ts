/**
 * The journal's tail: DIR/store.tail, a file of fixed size beside the store, where a group that is
 * nothing but a journal record becomes durable with ONE write and one flush. LMDB needs two flushes
 * and some five scattered pages for it.
 *
 *   block 0    magic | engine's id | CRC | 2 x (acknowledged f64 | CRC)      the head
 *   block 1-   magic | length | sequence f64 | CRC | sealed journal record | zeros
 *
 * A record begins at a block of its own, so that no write touches one that was acknowledged. The
 * tail only holds what LMDB does not have yet: each LMDB transaction takes its records along, and
 * the next one begins at block 1 again; so do a close in order and a start. The row `own tail` in
 * LMDB says that there may be such records: without it the file means nothing.
 *
 * Which end is the right one after a crash: records follow LMDB's last one in sequence and chain
 * (envelope.ts); the first that does not fit is the one that was being written. The head says,
 * unsynced, how far acknowledgements went: a tail that ends before that, or that goes on behind a
 * gap, is damaged. (After a power cut the head may be older than the records, never younger.) The
 * number stands there twice, written as one: if only its front was written, one of them is whole.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  write,
  writeSync,
} from "node:fs";
import { assert, crc32, messageOf } from "../base/index.ts";
import { damaged } from "./damage.ts";
import { unsealJournal } from "./envelope.ts";
import { PAGE_BYTES } from "./environment.ts";
import { journalKey } from "./keys.ts";

export const TAIL_FILE = "store.tail";
const BLOCK_BYTES = PAGE_BYTES;
/** Fewer records than go from LMDB's journal in one lump: the journal can't grow by the tail. */
const RECORDS_MAX = 255;
export const TAIL_BYTES = BLOCK_BYTES * (1 + RECORDS_MAX);
/** Longer ones go to LMDB at once: they would fill the tail without saving anything. */
const RECORD_BYTES_MAX = 32 * BLOCK_BYTES;

const HEAD_MAGIC = Buffer.from("JUMBOTL1", "latin1");
const ENGINE_ID_BYTES = 36;
const OWNER_BYTES = HEAD_MAGIC.length + ENGINE_ID_BYTES + 4;
const NUMBER_BYTES = 8 + 4;
export const ACKNOWLEDGED_AT = 64;
const HEAD_BYTES = ACKNOWLEDGED_AT + 2 * NUMBER_BYTES;

const RECORD_MAGIC = 0x4c49_4154;
const RECORD_HEADER_BYTES = 4 + 4 + 8 + 4;

export interface TailRecord {
  readonly key: Buffer;
  /** As LMDB's journal holds it. */
  readonly value: Buffer;
}

/** Whose tail it is and where LMDB's journal ends. */
export interface TailBase {
  readonly engineId: string;
  readonly lastSequence: number;
  readonly chain: number;
}

function blocksBytes(valueBytes: number): number {
  return Math.ceil((RECORD_HEADER_BYTES + valueBytes) / BLOCK_BYTES) * BLOCK_BYTES;
}

function encodeOwner(engineId: string): Buffer {
  const owner = Buffer.alloc(OWNER_BYTES);
  owner.set(HEAD_MAGIC);
  assert(owner.write(engineId, HEAD_MAGIC.length, "latin1") === ENGINE_ID_BYTES, "engine's id");
  owner.writeUInt32LE(crc32(owner.subarray(0, OWNER_BYTES - 4)), OWNER_BYTES - 4);
  return owner;
}

/** What stands at ACKNOWLEDGED_AT. */
export function encodeAcknowledged(sequence: number): Buffer {
  const numbers = Buffer.alloc(2 * NUMBER_BYTES);
  numbers.writeDoubleLE(sequence, 0);
  numbers.writeUInt32LE(crc32(numbers.subarray(0, 8)), 8);
  return numbers.fill(numbers.subarray(0, NUMBER_BYTES), NUMBER_BYTES);
}

interface Head {
  readonly engineId: string;
  readonly acknowledged: number;
}

/** null: no head of ours. */
function decodeHead(bytes: Buffer): Head | null {
  if (bytes.length < HEAD_BYTES || !bytes.subarray(0, HEAD_MAGIC.length).equals(HEAD_MAGIC)) {
    return null;
  }
  const end = OWNER_BYTES - 4;
  if (crc32(bytes.subarray(0, end)) !== bytes.readUInt32LE(end)) return null;
  const engineId = bytes.toString("latin1", HEAD_MAGIC.length, end);
  const first = decodeNumber(bytes, ACKNOWLEDGED_AT);
  const second = decodeNumber(bytes, ACKNOWLEDGED_AT + NUMBER_BYTES);
  const acknowledged = Math.max(first, second);
  return acknowledged < 0 ? null : { engineId, acknowledged };
}

/** -1: it is not whole. */
function decodeNumber(bytes: Buffer, at: number): number {
  const isWhole = crc32(bytes.subarray(at, at + 8)) === bytes.readUInt32LE(at + 8);
  return isWhole ? bytes.readDoubleLE(at) : -1;
}

interface RecordHeader {
  readonly length: number;
  readonly sequence: number;
}

function decodeRecordHeader(bytes: Buffer, at: number): RecordHeader | null {
  if (bytes.readUInt32LE(at) !== RECORD_MAGIC) return null;
  const end = at + RECORD_HEADER_BYTES - 4;
  if (crc32(bytes.subarray(at, end)) !== bytes.readUInt32LE(end)) return null;
  return {
    length: bytes.readUInt32LE(at + 4),
    sequence: bytes.readDoubleLE(at + 8),
  };
}

/**
 * The records behind LMDB's last one. Throws `store_damaged` if some that were acknowledged are not
 * there, and the error of the file system if the file can't be read.
 */
export function readTail(path: string, base: TailBase): TailRecord[] {
  const bytes = readWhole(path);
  const head = decodeHead(bytes);
  if (head === null) throw damaged(path, "its head is not whole");
  if (head.engineId !== base.engineId) {
    throw damaged(path, `it belongs to the store ${head.engineId}, not to ${base.engineId}`);
  }
  const records: TailRecord[] = [];
  let { lastSequence, chain } = base;
  let at = BLOCK_BYTES;
  while (at < TAIL_BYTES) {
    const header = decodeRecordHeader(bytes, at);
    if (header?.sequence !== lastSequence + 1) break;
    const begin = at + RECORD_HEADER_BYTES;
    if (begin + header.length > TAIL_BYTES) break;
    const key = journalKey(header.sequence);
    const value = bytes.subarray(begin, begin + header.length);
    const record = unsealJournal(key, value);
    if (record?.sequence !== header.sequence || record.chain !== chain) break;
    records.push({ key, value });
    lastSequence = record.sequence;
    chain = record.crc;
    at += blocksBytes(header.length);
  }
  if (lastSequence < head.acknowledged) {
    throw damaged(path, `it ends at ${lastSequence}, and ${head.acknowledged} was acknowledged`);
  }
  requireEnd(path, bytes, at, lastSequence);
  return records;
}

function readWhole(path: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw damaged(
      path,
      "it is not there, and the engine that wrote this store was not stopped in order: the last " +
        "records of the journal were in it",
    );
  }
  if (bytes.length === TAIL_BYTES) return bytes;
  throw damaged(path, `it has ${bytes.length} bytes instead of ${TAIL_BYTES}`);
}

/** One record may be half written, the last; whole ones behind it mean that it is damaged. */
function requireEnd(path: string, bytes: Buffer, at: number, last: number): void {
  for (let block = at + BLOCK_BYTES; block < TAIL_BYTES; block += BLOCK_BYTES) {
    const header = decodeRecordHeader(bytes, block);
    if (header && header.sequence > last + 1) {
      throw damaged(
        path,
        `journal ${last + 1} is not whole, and ${header.sequence} lies behind it`,
      );
    }
  }
}

/** The side that writes. One record at a time. */
export class Tail {
  readonly #descriptor: number;
  readonly #headDescriptor: number;
  #staging = Buffer.alloc(4 * BLOCK_BYTES);
  #at = BLOCK_BYTES;
  #held: TailRecord[] = [];
  /** Written to the disk so far, for benchmarks. */
  blocksWritten = 0;

  /** The file at `path` must be a fit one: `isFitTail`. */
  constructor(path: string) {
    this.#headDescriptor = openSync(path, constants.O_RDWR);
    try {
      this.#descriptor = openSync(path, constants.O_RDWR | constants.O_DSYNC);
    } catch (error) {
      closeSync(this.#headDescriptor);
      throw error;
    }
  }

  /** Those that LMDB does not have yet, in order. */
  get held(): readonly TailRecord[] {
    return this.#held;
  }

  get heldBytes(): number {
    return this.#at - BLOCK_BYTES;
  }

  takes(value: Buffer): boolean {
    const bytes = blocksBytes(value.length);
    return bytes <= RECORD_BYTES_MAX && this.#at + bytes <= TAIL_BYTES;
  }

  /** Writes and flushes; `done` is called with null once the record is on disk. */
  append(record: TailRecord, sequence: number, done: (error: Error | null) => void): void {
    const { value } = record;
    assert(this.takes(value), "the tail is full");
    const bytes = blocksBytes(value.length);
    if (bytes > this.#staging.length) this.#staging = Buffer.alloc(bytes);
    const block = this.#staging;
    block.writeUInt32LE(RECORD_MAGIC, 0);
    block.writeUInt32LE(value.length, 4);
    block.writeDoubleLE(sequence, 8);
    const end = RECORD_HEADER_BYTES - 4;
    block.writeUInt32LE(crc32(block.subarray(0, end)), end);
    block.set(value, RECORD_HEADER_BYTES);
    block.fill(0, RECORD_HEADER_BYTES + value.length, bytes);
    this.#write(0, bytes, (error) => {
      if (error === null) {
        this.#held.push(record);
        this.#at += bytes;
        this.blocksWritten += bytes / BLOCK_BYTES;
      }
      done(error);
    });
  }

  #write(from: number, bytes: number, done: (error: Error | null) => void): void {
    const at = this.#at + from;
    write(this.#descriptor, this.#staging, from, bytes - from, at, (error, written) => {
      if (error) done(error);
      else if (from + written === bytes) done(null);
      else if (written === 0) done(new Error("a write to the tail wrote nothing"));
      else this.#write(from + written, bytes, done);
    });
  }

  /** Before anyone is told: a later start must find the tail as long as this. */
  acknowledge(sequence: number): void {
    const numbers = encodeAcknowledged(sequence);
    const written = writeSync(this.#headDescriptor, numbers, 0, numbers.length, ACKNOWLEDGED_AT);
    if (written !== numbers.length) throw new Error("the tail's head was written in part");
  }

  /** LMDB has all of them. */
  restart(): void {
    this.#held = [];
    this.#at = BLOCK_BYTES;
  }

  close(): void {
    closeSync(this.#descriptor);
    closeSync(this.#headDescriptor);
  }
}

/** True if the file is a tail of this store that can be written on behind `lastSequence`. */
export function isFitTail(path: string, engineId: string, lastSequence: number): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw new Error(`the journal's tail can't be read: ${messageOf(error)}`, { cause: error });
  }
  try {
    if (fstatSync(descriptor).size !== TAIL_BYTES) return false;
    const bytes = Buffer.alloc(HEAD_BYTES);
    readSync(descriptor, bytes, 0, HEAD_BYTES, 0);
    const head = decodeHead(bytes);
    return head !== null && head.engineId === engineId && head.acknowledged <= lastSequence;
  } finally {
    closeSync(descriptor);
  }
}

/** A tail without records. All of it is written, so that no later write has to find a place. */
export function emptyTail(engineId: string): Buffer {
  const bytes = Buffer.alloc(TAIL_BYTES);
  bytes.set(encodeOwner(engineId));
  bytes.set(encodeAcknowledged(0), ACKNOWLEDGED_AT);
  return bytes;
}
