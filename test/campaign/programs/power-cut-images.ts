/**
 * Power cuts made up from a recorded write log: `node power-cut-images.ts LOG DIR SEED COUNT MODE`.
 *
 * A cut falls between two events of the log. What was synced is there; each 512-byte sector that
 * was written since holds any of its versions since its last sync, chosen by chance and without
 * regard to its neighbours, to writes' order or to their borders. MODE "nosync" leaves every sync
 * out of the log: the control, in which acknowledged groups must get lost.
 *
 * Each image is opened by the engine's own openStore, compared with what the groups were, and
 * written on. Prints one JSON line: {images, lost, corrupt, absent, problems}.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { JumboError, SeededRandom } from "../../../src/base/index.ts";
import { openStore } from "../../../src/store/index.ts";
import { bundlesUpTo, commit, groupOf } from "../../store/support-groups.ts";

const SECTOR = 512;
const KIND = { write: 1, begin: 2, end: 3, truncate: 4, rename: 5, folder: 6, ack: 7 } as const;

const HEAD_BYTES = 40;

interface Event {
  readonly kind: number;
  readonly dsync: boolean;
  readonly inode: number;
  readonly offset: number;
  readonly id: number;
  readonly data: Buffer;
}

/** A write since the last sync that covers it; `order` is its place in the log. */
interface Pending {
  readonly order: number;
  readonly offset: number;
  readonly data: Buffer;
  readonly durable: boolean;
}

function readLog(path: string): Event[] {
  const bytes = readFileSync(path);
  const events: Event[] = [];
  for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
    const u64 = (field: number) => Number(bytes.readBigUInt64LE(at + field));
    const length = u64(24);
    events.push({
      kind: bytes.readUInt32LE(at),
      dsync: bytes.readUInt32LE(at + 4) === 1,
      inode: u64(8),
      offset: u64(16),
      id: u64(32),
      data: bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length),
    });
    at += HEAD_BYTES + length;
  }
  return events;
}

/** A file as it is known to be, and what may or may not have reached the disk. */
class DiskFile {
  bytes = Buffer.alloc(0);
  pending: Pending[] = [];
  readonly #begun = new Map<number, number>();

  apply(event: Event, order: number, syncs: boolean): void {
    const { kind, offset, data } = event;
    if (kind === KIND.write) {
      this.pending.push({ order, offset, data, durable: syncs && event.dsync });
    } else if (kind === KIND.truncate) {
      if (offset > this.bytes.length) this.#grow(offset);
    } else if (kind === KIND.begin) this.#begun.set(event.id, order);
    else if (kind === KIND.end && syncs) {
      const before = this.#begun.get(event.id) ?? 0;
      for (const write of this.pending) if (write.order < before) this.#settle(write);
      this.pending = this.pending.filter((write) => write.order >= before);
    }
  }

  #grow(size: number): void {
    this.bytes = Buffer.concat([this.bytes, Buffer.alloc(size - this.bytes.length)]);
  }

  #settle({ offset, data }: Pending): void {
    if (offset + data.length > this.bytes.length) this.#grow(offset + data.length);
    data.copy(this.bytes, offset);
  }

  /**
   * What the disk may hold of it after a cut now. `reach` is how likely a write's sector got there;
   * `underWay` is a write that had begun and not returned, synchronous or not.
   */
  image(random: SeededRandom, reach: number, underWay: Event | null): Buffer {
    const pending = [...this.pending];
    if (underWay) pending.push({ ...underWay, order: Number.POSITIVE_INFINITY, durable: false });
    const end = pending.reduce((most, { offset, data }) => {
      return Math.max(most, offset + data.length);
    }, this.bytes.length);
    const image = Buffer.alloc(end);
    this.bytes.copy(image);
    let size = this.bytes.length;
    for (const { offset, data, durable } of pending) {
      for (let at = 0; at < data.length; ) {
        const next = Math.min(data.length, at + SECTOR - ((offset + at) % SECTOR));
        if (durable || random.chance(reach)) {
          data.copy(image, offset + at, at, next);
          size = Math.max(size, offset + next);
        }
        at = next;
      }
    }
    // A file's length reaches the disk by itself: up to the last write or only to what is there.
    return random.chance(0.5) ? image : image.subarray(0, size);
  }
}

/** Which file a name stands for: the one before a rename until the folder is synced, or the new one. */
class DiskName {
  #before: DiskFile | null = null;
  #now: DiskFile | null = null;

  rename(file: DiskFile): void {
    this.#before = this.#now;
    this.#now = file;
  }

  sync(): void {
    this.#before = this.#now;
  }

  after(random: SeededRandom): DiskFile | null {
    return this.#before === this.#now || random.chance(0.5) ? this.#now : this.#before;
  }
}

class Disk {
  acknowledged = 0;
  readonly #files = new Map<number, DiskFile>();
  /** The write that comes next, while it is under way. */
  #underWay: Event | null = null;
  readonly names = { "store.mdb": new DiskName(), "store.tail": new DiskName() };

  apply(event: Event, order: number, syncs: boolean): void {
    const { kind, data } = event;
    if (kind === KIND.ack) this.acknowledged = Number(data.toString().trim());
    else if (kind === KIND.folder) for (const name of Object.values(this.names)) name.sync();
    else if (kind === KIND.rename) {
      const name = basename(data.toString()) as keyof Disk["names"];
      this.names[name].rename(this.#file(event.inode));
    } else this.#file(event.inode).apply(event, order, syncs);
  }

  /** After all events before it: what it writes may be on the disk in part. */
  begin(event: Event | undefined): void {
    this.#underWay = event?.kind === KIND.write ? event : null;
  }

  /** null: there is no such file. */
  image(name: keyof Disk["names"], random: SeededRandom, reach: number): Buffer | null {
    const file = this.names[name].after(random);
    const underWay = this.#underWay;
    const isIt = underWay !== null && this.#file(underWay.inode) === file;
    return file?.image(random, reach, isIt ? underWay : null) ?? null;
  }

  #file(inode: number): DiskFile {
    const file = this.#files.get(inode) ?? new DiskFile();
    this.#files.set(inode, file);
    return file;
  }
}

const [logPath = "", root = "", seedText = "1", countText = "100", mode = ""] =
  process.argv.slice(2);
const random = new SeededRandom(Number(seedText));
const events = readLog(logPath);
const handed = groupsHanded(events);
const cuts = Array.from({ length: Number(countText) }, () => random.below(events.length)).sort(
  (a, b) => a - b,
);
const told = { images: 0, lost: 0, corrupt: 0, absent: 0, refused: 0, problems: [] as string[] };
const disk = new Disk();
let at = 0;

for (const [i, cut] of cuts.entries()) {
  for (; at <= cut; at++) disk.apply(events[at] as Event, at, mode !== "nosync");
  told.images++;
  disk.begin(events[at]);
  const reach = [0, 0.1, 0.5, 0.9, 1][random.below(5)] as number;
  const store = disk.image("store.mdb", random, reach);
  if (store === null) {
    told.absent++;
    if (disk.acknowledged > 0) told.lost++;
    continue;
  }
  const dir = join(root, String(i));
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "store.mdb"), store);
  const tail = disk.image("store.tail", random, reach);
  if (tail !== null) writeFileSync(join(dir, "store.tail"), tail);
  const problem = await judge(dir, disk.acknowledged);
  if (problem !== "") {
    if (told.problems.length < 5) told.problems.push(`cut ${cut} of ${events.length}: ${problem}`);
    if (problem.startsWith("lost")) told.lost++;
    else if (problem.startsWith("refused")) told.refused++;
    else told.corrupt++;
  }
  rmSync(dir, { recursive: true });
}
console.log(JSON.stringify(told));

function groupsHanded(all: readonly Event[]): number {
  return all.reduce((most, { kind, data }) => {
    return kind === KIND.ack ? Math.max(most, Number(data.toString().trim())) : most;
  }, 0);
}

/** "" if the image holds all that was acknowledged and nothing that never was. */
async function judge(dir: string, acknowledged: number): Promise<string> {
  let opened: Awaited<ReturnType<typeof openStore>>;
  try {
    opened = await openStore(dir);
  } catch (error) {
    if (!(error instanceof JumboError)) return `corrupt: ${(error as Error).message}`;
    return `refused: ${error.message}`;
  }
  const { store, recovered } = opened;
  try {
    const last = recovered.lastSequence;
    if (last < acknowledged) return `lost: ${acknowledged} was acknowledged, ${last} is there`;
    if (last > handed + 1) return `corrupt: record ${last} was never written`;
    for (const { sequence, bytes } of recovered.journal) {
      if (!Buffer.from(bytes).equals(groupOf(sequence).journal))
        return `corrupt: record ${sequence}`;
    }
    const bundles = new Set([...recovered.rows].map((row) => row.key[0]));
    for (const n of bundlesUpTo(last)) if (!bundles.has(n)) return `corrupt: row ${n} is missing`;
    const pages = new Map<number, Uint8Array>();
    for (let n = 1; n <= last; n++) {
      for (const { page, value } of groupOf(n).pages) pages.set(page, value as Uint8Array);
    }
    for (const { page, value } of recovered.pages) {
      if (!Buffer.from(value).equals(pages.get(page) as Uint8Array)) return `corrupt: page ${page}`;
      pages.delete(page);
    }
    if (pages.size > 0) return `corrupt: ${pages.size} pages are missing`;
    for (let n = 1; n <= 3; n++) {
      const outcome = await commit(store, groupOf(last + n));
      if (!outcome.ok) return `corrupt: it can't be written on: ${outcome.error.message}`;
    }
    return "";
  } finally {
    await store.close();
  }
}
