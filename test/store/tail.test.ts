import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { SeededRandom } from "../../src/base/index.ts";
import { openStore, verifyStore } from "../../src/store/index.ts";
import { LOCK_FILE } from "../../src/store/lock.ts";
import {
  ACKNOWLEDGED_AT,
  encodeAcknowledged,
  TAIL_BYTES,
  TAIL_FILE,
} from "../../src/store/tail.ts";
import { commit, filled, groupOf, removeFoldersAfterwards, temporaryFolder } from "./support.ts";

removeFoldersAfterwards();
afterEach(() => {
  vi.restoreAllMocks();
});

const BLOCK = 4096;

/** A group that is a journal record alone. */
function lone(sequence: number, bytes = 100) {
  return { sequence, journal: filled(bytes, sequence), rows: [], pages: [], cutBelow: 0 };
}

/** A store at work, with groups 1 to `last`, all but 1 in the tail. */
async function atWork(last: number, bytes = 100) {
  const dir = temporaryFolder("fast");
  const { store } = await openStore(dir);
  await commit(store, groupOf(1));
  const { lastTxnId } = store.stats();
  for (let n = 2; n <= last; n++) expect(await commit(store, lone(n, bytes))).toEqual({ ok: true });
  expect(store.stats().lastTxnId, "LMDB was not asked").toBe(lastTxnId);
  return { dir, store, lastTxnId };
}

/** What an engine leaves behind that is killed then. */
async function killedAfter(last: number, bytes = 100): Promise<string> {
  const { dir, store } = await atWork(last, bytes);
  const left = copyOf(dir);
  await store.close();
  return left;
}

function copyOf(dir: string): string {
  const copy = temporaryFolder("fast");
  for (const name of ["store.mdb", TAIL_FILE]) cpSync(join(dir, name), join(copy, name));
  return copy;
}

/** Last sequence, with every record looked at; or the error's code and message. */
async function opened(dir: string): Promise<number | string> {
  try {
    const { store, recovered } = await openStore(dir);
    try {
      let last = 0;
      for (const { sequence, bytes } of recovered.journal) {
        const due = sequence === 1 ? groupOf(1).journal : filled(bytes.length, sequence);
        if (!Buffer.from(bytes).equals(due)) return `record ${sequence} is another`;
        last = sequence;
      }
      if (last !== recovered.lastSequence) return `${last} is not ${recovered.lastSequence}`;
      const next = await commit(store, lone(last + 1));
      return next.ok ? last : next.error.message;
    } finally {
      await store.close();
    }
  } catch (error) {
    return `${(error as { code?: string }).code} ${(error as Error).message}`;
  }
}

function change(dir: string, how: (bytes: Buffer) => Buffer): void {
  const path = join(dir, TAIL_FILE);
  writeFileSync(path, how(readFileSync(path)));
}

describe("the journal's tail", () => {
  test("is taken in by the next start, and only once", async () => {
    const dir = await killedAfter(40);
    const report = await verifyStore(dir);
    expect(report.rows.journal).toBe(40);
    expect(report.journal).toEqual({ first: 1, last: 40, cutBelow: 0 });
    expect(await opened(dir)).toBe(40);
    expect(await opened(dir)).toBe(41);
  });

  test("is in LMDB's file after a close in order", async () => {
    const { dir, store } = await atWork(9);
    await store.close();
    rmSync(join(dir, TAIL_FILE));
    expect(await opened(dir)).toBe(9);
  });

  test("goes along with the next group that LMDB writes, and begins anew", async () => {
    const { dir, store } = await atWork(10);
    await commit(store, { ...groupOf(11), journal: filled(3, 11) });
    const before = copyOf(dir);
    await commit(store, lone(12));
    const behind = copyOf(dir);
    await store.close();
    expect(await opened(before)).toBe(11);
    expect(await opened(behind)).toBe(12);
  });

  test("that is full, or too small for a record, leaves it to LMDB", async () => {
    const { dir, store, lastTxnId: from } = await atWork(1);
    for (let n = 2; n <= 600; n++) await commit(store, lone(n));
    expect(store.stats().lastTxnId - from).toBe(2);
    await commit(store, lone(601, 200_000));
    expect(store.stats().lastTxnId - from).toBe(3);
    await commit(store, lone(602, 100_000));
    expect(store.stats().lastTxnId - from).toBe(3);
    const left = copyOf(dir);
    await store.close();
    expect(await opened(left)).toBe(602);
  });

  test("may end in half a record that nobody was told of", async () => {
    for (const sectors of [1, 3, 9]) {
      const dir = await killedAfter(6, 6_000);
      const whole = copyOf(dir);
      change(dir, (bytes) => {
        // Record 6 is the last: its first sectors reached the disk, and its acknowledgement did not.
        const at = BLOCK * (1 + 2 * 4);
        bytes.fill(0, at + 512 * sectors, at + 2 * BLOCK);
        headOf(5, bytes);
        return bytes;
      });
      expect(await opened(dir)).toBe(5);
      expect(await opened(whole)).toBe(6);
    }
  });

  test("keeps its head in whatever part of it was written last", async () => {
    const good = await killedAfter(200);
    for (let bytes = 0; bytes < 24; bytes++) {
      const dir = copyOf(good);
      change(dir, (tail) => {
        // 200 was on disk, and its acknowledgement was written up to here.
        const numbers = encodeAcknowledged(199);
        encodeAcknowledged(200).copy(numbers, 0, 0, bytes);
        numbers.copy(tail, ACKNOWLEDGED_AT);
        return tail;
      });
      expect(await opened(dir)).toBe(200);
    }
  });

  test("that lost what was acknowledged is damaged, wherever it was hit", async () => {
    const random = new SeededRandom(4_712);
    const good = await killedAfter(30, 6_000);
    const used = BLOCK * (1 + 2 * 29);
    const counts = { whole: 0, damaged: 0 };
    for (let i = 0; i < 300; i++) {
      const dir = copyOf(good);
      change(dir, (bytes) => hurt(bytes, used, random));
      const answer = await opened(dir);
      if (answer === 30) counts.whole++;
      else {
        expect(answer).toMatch(/^store_damaged the store file .*store\.tail is damaged \(/);
        counts.damaged++;
        const { problems } = await verifyStore(dir);
        expect(problems.join()).toContain(`${TAIL_FILE} is damaged`);
      }
    }
    expect(counts.whole).toBeGreaterThan(10);
    expect(counts.damaged).toBeGreaterThan(200);
  }, 60_000);

  test("goes on behind a gap: damaged, also where the head is older", async () => {
    const dir = await killedAfter(9);
    change(dir, (bytes) => {
      bytes.fill(0, BLOCK * 4, BLOCK * 5);
      headOf(3, bytes);
      return bytes;
    });
    expect(await opened(dir)).toMatch(/journal 5 is not whole, and 6 lies behind it/);
  });

  test("that is missing, or another store's, is refused in words", async () => {
    const dir = await killedAfter(5);
    const other = await killedAfter(5);
    cpSync(join(other, TAIL_FILE), join(dir, TAIL_FILE));
    expect(await opened(dir)).toMatch(/^store_damaged .*it belongs to the store/);
    rmSync(join(dir, TAIL_FILE));
    expect(await opened(dir)).toMatch(/^store_damaged .*was not stopped in order/);
    expect((await verifyStore(dir)).problems.join()).toContain("was not stopped in order");
  });

  test("that is not needed is made anew where it is not fit", async () => {
    const dir = await killedAfter(5);
    expect(await opened(dir)).toBe(5);
    change(dir, (bytes) => bytes.fill(0xff));
    expect(await opened(dir)).toBe(6);
    change(dir, (bytes) => bytes.subarray(0, 77));
    expect(await opened(dir)).toBe(7);
    expect(readFileSync(join(dir, TAIL_FILE)).length).toBe(TAIL_BYTES);
  });

  test("of an engine that came back from a freeze is not the new engine's", async () => {
    const { dir, store: frozen } = await atWork(2);
    // Somebody took the lock meanwhile and went on from what was on disk.
    rmSync(join(dir, LOCK_FILE));
    const next = await openStore(dir);
    expect(next.recovered.lastSequence).toBe(2);
    await commit(next.store, groupOf(3));
    for (const n of [4, 5, 6]) await commit(next.store, lone(n));
    const began = performance.now();
    vi.spyOn(performance, "now").mockImplementation(() => began + 7_000);
    const told = await commit(frozen, lone(3));
    expect(told).toMatchObject({ ok: false, space: false });
    expect((told as { error: Error }).error.message).toContain("taken by another engine");
    vi.restoreAllMocks();
    const left = copyOf(dir);
    await next.store.close();
    const { store, recovered } = await openStore(left);
    expect(recovered.lastSequence).toBe(6);
    await store.close();
  });

  test("of the engine that has the store now is left alone by one that ends late", async () => {
    const { dir, store: late } = await atWork(2);
    rmSync(join(dir, LOCK_FILE));
    const { store: next } = await openStore(dir);
    await commit(next, groupOf(3));
    for (const n of [4, 5]) await commit(next, lone(n));
    await late.close();
    const left = copyOf(dir);
    await next.close();
    const { store, recovered } = await openStore(left);
    expect(recovered.lastSequence).toBe(5);
    await store.close();
  });
});

/** The head as it was when `sequence` was the last. */
function headOf(sequence: number, bytes: Buffer): void {
  encodeAcknowledged(sequence).copy(bytes, ACKNOWLEDGED_AT);
}

function hurt(bytes: Buffer, used: number, random: SeededRandom): Buffer {
  const kind = random.below(5);
  const at = random.below(used);
  if (kind === 0) return bytes.subarray(0, at);
  if (kind === 1) bytes.fill(0, at, at + 8_192);
  else if (kind === 2) {
    const place = random.below(used);
    bytes[place] = (bytes[place] as number) ^ (1 << random.below(8));
  } else if (kind === 3) {
    const end = Math.min(used, at + 1 + random.below(4_096));
    for (let i = at; i < end; i++) bytes[i] = random.below(256);
  } else {
    const blocks = used / BLOCK;
    const [a, b] = [BLOCK * random.below(blocks), BLOCK * random.below(blocks)];
    const kept = Buffer.from(bytes.subarray(a, a + BLOCK));
    bytes.copy(bytes, a, b, b + BLOCK);
    kept.copy(bytes, b);
  }
  return bytes;
}
