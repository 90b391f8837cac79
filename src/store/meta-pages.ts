/**
 * Reads the meta records of a store file without LMDB, which takes them at their word and crashes
 * (SIGSEGV, SIGBUS) on nonsense. Layout of LMDB data format 2 as lmdb-js 3.5 writes it, on a 64-bit
 * little-endian machine; each page starts with a header of 24 bytes:
 *
 *   page header   0 page number u64 | 8 transaction u64 | 16 pad u16 | 18 flags u16
 *                 20 lower u16, 22 upper u16 (overflow pages: 20 page count u32) | 24 ...
 *   meta, at +24  0 magic u32 | 4 version u32 | 8 address u64 | 16 map size u64
 *                 24 free tree (48) | 72 main tree (48) | 120 last page u64 | 128 transaction u64
 *   tree          0 pad u32 (free tree: page size) | 4 flags u16 | 6 depth u16 | 8 branch pages u64
 *                 16 leaf pages u64 | 24 overflow pages u64 | 32 entries u64 | 40 root page u64
 *
 * There are three meta records: pages 0 and 1 (transaction n writes page n mod 2 when it becomes
 * visible) and half a page behind the first (what was last synced; it has no magic). With
 * `safeRestore` LMDB starts from the newest record that is marked as synced, or else from the older
 * of the visible ones; `pickMeta` is that rule.
 */
export const PAGE_HEADER_BYTES = 24;
export const META_TXN_OFFSET = 128;
export const META_BYTES = 144;
export const NO_ROOT = 2 ** 53;
/** LMDB writes a meta record from here on. */
const META_WRITTEN_FROM = 16;
const MAGIC = 0xbeefc0de;
const VERSION = 2;
const FLAG_META = 0x08;
/**
 * Environment and free tree share one word of flags: no subfolder, safe restore, metrics (the
 * options of environment.ts), and integer keys. LMDB believes what it reads here.
 */
const FLAGS_EXPECTED = 0x4000 | 0x0800 | 0x0400 | 0x0008;
/** Set as well in a meta record whose transaction was visible but not yet synced. */
const FLAG_NOT_SYNCED = 0x1000;
const MAP_BYTES_MAX = 2 ** 47;
/** It grows with the file. */
const FIRST_MAP_BYTES = 128 * 1024;

export interface TreeRecord {
  readonly flags: number;
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  /** NO_ROOT: the tree is empty. */
  readonly root: number;
}

export interface MetaRecord {
  readonly mapSize: number;
  readonly pageSize: number;
  readonly free: TreeRecord;
  readonly main: TreeRecord;
  readonly lastPage: number;
  readonly transaction: number;
  readonly synced: boolean;
}

/**
 * The file as LMDB would make it, of two meta pages and two empty trees. We write it ourselves:
 * when LMDB's own first write fails, lmdb-js destroys an environment twice and ends in SIGSEGV.
 */
export function firstPages(pageBytes: number): Buffer {
  const bytes = Buffer.alloc(2 * pageBytes);
  for (let page = 0; page < 2; page++) {
    const at = page * pageBytes;
    bytes.writeUInt32LE(page, at);
    bytes.writeUInt16LE(FLAG_META, at + 18);
    const meta = at + PAGE_HEADER_BYTES;
    bytes.writeUInt32LE(MAGIC, meta);
    bytes.writeUInt32LE(VERSION, meta + 4);
    bytes.writeUInt32LE(FIRST_MAP_BYTES, meta + 16);
    bytes.writeUInt32LE(pageBytes, meta + 24);
    bytes.writeUInt16LE(FLAGS_EXPECTED, meta + 28);
    for (const tree of [24, 72]) bytes.fill(0xff, meta + tree + 40, meta + tree + 48);
    bytes.writeUInt32LE(1, meta + 120);
  }
  return bytes;
}

/** A u64 as a number; anything from 2^53 up (LMDB's "no page" among it) becomes 2^53. */
export function readU64(bytes: Buffer, at: number): number {
  const value = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 0x1_0000_0000;
  return Math.min(value, NO_ROOT);
}

export function readTree(bytes: Buffer, at: number): TreeRecord {
  return {
    flags: bytes.readUInt16LE(at + 4),
    depth: bytes.readUInt16LE(at + 6),
    branchPages: readU64(bytes, at + 8),
    leafPages: readU64(bytes, at + 16),
    overflowPages: readU64(bytes, at + 24),
    entries: readU64(bytes, at + 32),
    root: readU64(bytes, at + 40),
  };
}

function readMeta(bytes: Buffer, at: number): MetaRecord {
  return {
    mapSize: readU64(bytes, at + 16),
    pageSize: bytes.readUInt32LE(at + 24),
    free: readTree(bytes, at + 24),
    main: readTree(bytes, at + 72),
    lastPage: readU64(bytes, at + 120),
    transaction: readU64(bytes, at + META_TXN_OFFSET),
    synced: (bytes.readUInt16LE(at + 28) & FLAG_NOT_SYNCED) === 0,
  };
}

/** Why the fixed part of meta page 0 or 1 is not LMDB's, or "". */
function metaPageProblem(bytes: Buffer, page: number, pageBytes: number): string {
  const at = page * pageBytes;
  const magic = bytes.readUInt32LE(at + PAGE_HEADER_BYTES);
  if (magic !== MAGIC) {
    return `meta page ${page} has the magic 0x${magic.toString(16)}, not 0x${MAGIC.toString(16)}`;
  }
  const version = bytes.readUInt32LE(at + PAGE_HEADER_BYTES + 4);
  if (version !== VERSION) {
    return `meta page ${page} is of data format ${version}, not ${VERSION}`;
  }
  if (readU64(bytes, at) !== page || (bytes.readUInt16LE(at + 18) & FLAG_META) === 0) {
    return `page ${page} is not marked as meta page ${page}`;
  }
  return "";
}

function recordProblem(meta: MetaRecord, name: string, pageBytes: number): string {
  if (meta.pageSize !== pageBytes) return `${name} has the page size ${meta.pageSize}`;
  if (meta.transaction >= NO_ROOT) return `${name} has an impossible transaction number`;
  if (meta.lastPage < 1 || meta.lastPage >= 2 ** 40) return `${name} has an impossible last page`;
  if (meta.mapSize < (meta.lastPage + 1) * pageBytes || meta.mapSize > MAP_BYTES_MAX) {
    return `${name} has the map size ${meta.mapSize}, with ${meta.lastPage + 1} pages in use`;
  }
  if ((meta.free.flags & ~FLAG_NOT_SYNCED) !== FLAGS_EXPECTED || meta.main.flags !== 0) {
    return `${name} has the flags 0x${meta.free.flags.toString(16)} and ${meta.main.flags}`;
  }
  return "";
}

/**
 * Asked of the record that LMDB starts from and of later ones, not of older ones: when a meta page
 * can't be written, LMDB gives it back its transaction and last page, and leaves the new roots in.
 */
function rootProblem(meta: MetaRecord, name: string): string {
  for (const tree of [meta.free, meta.main]) {
    if (tree.root !== NO_ROOT && (tree.root < 2 || tree.root > meta.lastPage)) {
      return `${name} has a root page ${tree.root} outside its ${meta.lastPage + 1} pages`;
    }
  }
  return "";
}

/** The later one if it was synced, else the older one; `b` may be all zero (never written). */
function pickMeta(a: MetaRecord, b: MetaRecord): MetaRecord {
  if (b.transaction === 0) return a;
  const latest = a.transaction >= b.transaction ? a : b;
  if (latest.synced) return latest;
  return a.transaction > b.transaction ? b : a;
}

/**
 * The meta record from which LMDB will recover, or what is wrong with the meta pages. `bytes` are
 * the first two pages of the file.
 */
export function chooseMeta(
  bytes: Buffer,
  pageBytes: number,
): { meta: MetaRecord } | { problem: string } {
  const names = ["meta page 0", "meta page 1", "the synced meta record"];
  const offsets = [0, pageBytes, pageBytes / 2];
  const records: MetaRecord[] = [];
  for (let i = 0; i < 3; i++) {
    const problem = i < 2 ? metaPageProblem(bytes, i, pageBytes) : "";
    if (problem !== "") return { problem };
    const meta = readMeta(bytes, (offsets[i] as number) + PAGE_HEADER_BYTES);
    records.push(meta);
    if (i === 2 && meta.transaction === 0) continue;
    const wrong = recordProblem(meta, names[i] as string, pageBytes);
    if (wrong !== "") return { problem: wrong };
  }
  const [first, second, synced] = records as [MetaRecord, MetaRecord, MetaRecord];
  const disagreement = synced.transaction === 0 ? "" : disagreementOf([first, second], synced);
  if (disagreement !== "") return { problem: disagreement };
  const picked = pickMeta(pickMeta(first, second), synced);
  for (let i = 0; i < 3; i++) {
    const record = records[i] as MetaRecord;
    if (record.transaction < picked.transaction || (i === 2 && record.transaction === 0)) continue;
    const wrong = rootProblem(record, names[i] as string);
    if (wrong !== "") return { problem: wrong };
  }
  return { meta: picked };
}

/**
 * A failing disk may take a part of a write: then the synced record begins as the transaction that
 * was being synced and ends as the one before, whose number stands near its end. That one was on
 * disk when its number was written there, and its meta page still holds it whole: returns the
 * record as it was and its place in the file, or null if the record is not cut so, byte for byte.
 */
export function cutSyncedRecord(
  bytes: Buffer,
  pageBytes: number,
): { readonly at: number; readonly record: Buffer } | null {
  const start = pageBytes / 2 + PAGE_HEADER_BYTES;
  const { transaction } = readMeta(bytes, start);
  if (transaction === 0 || transaction >= NO_ROOT) return null;
  const written = (page: number): Buffer => {
    const from = page * pageBytes + PAGE_HEADER_BYTES;
    const record = Buffer.from(bytes.subarray(from, from + META_BYTES));
    record.writeUInt16LE(record.readUInt16LE(28) & ~FLAG_NOT_SYNCED, 28);
    return record.subarray(META_WRITTEN_FROM);
  };
  const page = transaction % 2;
  const before = readMeta(bytes, page * pageBytes + PAGE_HEADER_BYTES);
  const next = readMeta(bytes, (1 - page) * pageBytes + PAGE_HEADER_BYTES);
  if (before.transaction !== transaction || next.transaction !== transaction + 1) return null;
  const at = start + META_WRITTEN_FROM;
  const [old, young] = [written(page), written(1 - page)];
  const found = bytes.subarray(at, at + old.length);
  if (found.equals(old)) return null;
  let cut = 0;
  while (cut < found.length && found[cut] === young[cut]) cut++;
  return found.subarray(cut).equals(old.subarray(cut)) ? { at, record: old } : null;
}

/**
 * Meta records have no checksum, but they bear witness against each other: transaction n was
 * visible in page n mod 2 and on disk there before the synced record named it.
 */
function disagreementOf(visible: readonly [MetaRecord, MetaRecord], synced: MetaRecord): string {
  if (!synced.synced) return "the synced meta record is marked as not synced";
  const page = synced.transaction % 2;
  const witness = visible[page] as MetaRecord;
  if (witness.transaction < synced.transaction) {
    return (
      `meta page ${page} stands at transaction ${witness.transaction}, ` +
      `the synced record already at ${synced.transaction}`
    );
  }
  if (witness.transaction > synced.transaction) return "";
  const same =
    witness.lastPage === synced.lastPage &&
    sameTree(witness.free, synced.free) &&
    sameTree(witness.main, synced.main);
  return same ? "" : `meta page ${page} and the synced record differ at one transaction`;
}

function sameTree(a: TreeRecord, b: TreeRecord): boolean {
  return (
    a.root === b.root &&
    a.depth === b.depth &&
    a.entries === b.entries &&
    a.branchPages === b.branchPages &&
    a.leafPages === b.leafPages &&
    a.overflowPages === b.overflowPages
  );
}
