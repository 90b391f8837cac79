import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { JumboError } from "../../src/base/index.ts";
import { openStore } from "../../src/store/index.ts";
import { EPOCH_STEP } from "../../src/store/open.ts";
import {
  bundlesUpTo,
  commit,
  digestOf,
  filled,
  groupOf,
  isLone,
  removeFoldersAfterwards,
  temporaryFolder,
} from "./support.ts";

removeFoldersAfterwards();

async function failure(action: Promise<unknown>): Promise<JumboError> {
  const error = await action.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(JumboError);
  return error as JumboError;
}

describe("a store", () => {
  test("gives back rows, pages and journal in order, over several lives", async () => {
    const dir = temporaryFolder("fast");
    for (let life = 0; life < 3; life++) {
      const { store, recovered } = await openStore(dir);
      expect(recovered.epoch).toBe(1 + life * EPOCH_STEP);
      expect(recovered.lastSequence).toBe(life * 150);
      const records = [...recovered.journal];
      expect(records.map((record) => record.sequence)).toEqual(
        Array.from({ length: records.length }, (_, i) => life * 150 - records.length + 1 + i),
      );
      for (const { sequence, bytes } of records) {
        expect(Buffer.from(bytes).equals(groupOf(sequence).journal)).toBe(true);
      }
      const bundles = [...recovered.rows].filter((row) => row.table === "bundle");
      expect(bundles.map((row) => row.key[0])).toEqual(bundlesUpTo(life * 150));
      for (let n = life * 150 + 1; n <= (life + 1) * 150; n++) {
        expect(await commit(store, groupOf(n))).toEqual({ ok: true });
      }
      await store.close();
    }
    const { store, recovered } = await openStore(dir);
    const pages = new Map<number, number>();
    for (let n = 3; n <= 450; n += 3) if (!isLone(n)) pages.set(n % 70, n);
    const found = [...recovered.pages];
    expect(found.map((row) => row.page)).toEqual([...pages.keys()].sort((a, b) => a - b));
    for (const row of found) {
      const expected = groupOf(pages.get(row.page) as number).pages[0]?.value as Uint8Array;
      expect(Buffer.from(row.value).equals(expected)).toBe(true);
    }
    await store.close();
  });

  test("may be handed buffers that the caller uses again at once", async () => {
    const dir = temporaryFolder("fast");
    const shared = Buffer.alloc(300);
    const first = await openStore(dir);
    for (let n = 1; n <= 40; n++) {
      shared.fill(n);
      const page = { task: 1, page: n, value: shared };
      const group = { sequence: n, journal: shared, rows: [], pages: [page], cutBelow: 0 };
      const outcome = commit(first.store, group);
      shared.fill(0xee);
      expect(await outcome).toEqual({ ok: true });
    }
    await first.store.close();
    const second = await openStore(dir);
    const records = [...second.recovered.journal];
    expect(records.length).toBe(40);
    for (const { sequence, bytes } of records) {
      expect(bytes.every((byte) => byte === sequence)).toBe(true);
    }
    for (const row of second.recovered.pages) {
      expect(row.value.every((byte) => byte === row.page)).toBe(true);
    }
    await second.store.close();
  });

  test("orders u32 keys up to the last one and deletes rows and pages", async () => {
    const dir = temporaryFolder("fast");
    const { store } = await openStore(dir);
    const ids = [0xffff_ffff, 0x1_0000, 1, 0xff, 0x100, 0x8000_0000, 0x7fff_ffff];
    const rows = ids.map((id) => ({ table: "bundle" as const, key: [id], value: filled(3, id) }));
    const pages = [2 ** 40, 0, 2 ** 32, 255, 256].map((page) => ({
      task: 7,
      page,
      value: filled(5, page % 1000),
    }));
    await commit(store, { sequence: 1, journal: filled(9, 1), rows, pages, cutBelow: 0 });
    const gone = {
      sequence: 0,
      journal: new Uint8Array(0),
      rows: [{ table: "bundle" as const, key: [0xff], value: null }],
      pages: [{ task: 7, page: 255, value: null }],
      cutBelow: 0,
    };
    expect(await commit(store, gone)).toEqual({ ok: true });
    await store.close();
    const again = await openStore(dir);
    expect([...again.recovered.rows].map((row) => row.key[0])).toEqual([
      1, 0x100, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
    ]);
    expect([...again.recovered.pages].map((row) => row.page)).toEqual([0, 256, 2 ** 32, 2 ** 40]);
    expect(again.recovered.lastSequence).toBe(1);
    await again.store.close();
  });

  test("cuts the journal, keeps the sequence, and frees the records in lumps", async () => {
    const dir = temporaryFolder("fast");
    const first = await openStore(dir);
    const journal = filled(50, 1);
    let cutBelow = 0;
    for (let n = 1; n <= 900; n++) {
      if (n === 700) cutBelow = 650;
      await commit(first.store, { sequence: n, journal, rows: [], pages: [], cutBelow });
    }
    await first.store.close();
    const second = await openStore(dir);
    expect([...second.recovered.journal][0]?.sequence).toBe(650);
    const none = new Uint8Array(0);
    // A cut without a record behind it, over everything: the sequence must survive it.
    await commit(second.store, { sequence: 0, journal: none, rows: [], pages: [], cutBelow: 901 });
    const row = { table: "pilot" as const, key: [1], value: filled(4, 4) };
    await commit(second.store, {
      sequence: 0,
      journal: none,
      rows: [row],
      pages: [],
      cutBelow: 901,
    });
    await second.store.close();
    const third = await openStore(dir);
    expect([...third.recovered.journal]).toEqual([]);
    expect(third.recovered.lastSequence).toBe(900);
    expect(await commit(third.store, { ...groupOf(901), cutBelow: 0 })).toEqual({ ok: true });
    await third.store.close();
    const fourth = await openStore(dir);
    expect([...fourth.recovered.journal].map((record) => record.sequence)).toEqual([901]);
    await fourth.store.close();
  });

  test("answers an empty group and waits for the commit in flight when it closes", async () => {
    const dir = temporaryFolder("fast");
    const { store } = await openStore(dir);
    const none = { sequence: 0, journal: new Uint8Array(0), rows: [], pages: [], cutBelow: 0 };
    expect(await commit(store, none)).toEqual({ ok: true });
    let isDone = false;
    store.commit(groupOf(1), () => (isDone = true));
    await store.close();
    expect(isDone).toBe(true);
    const again = await openStore(dir);
    expect(again.recovered.lastSequence).toBe(1);
    await again.store.close();
  });

  test("takes the largest groups: many rows and values of megabytes", async () => {
    const dir = temporaryFolder("fast");
    const first = await openStore(dir);
    const rows = Array.from({ length: 5_000 }, (_, i) => ({
      table: "file" as const,
      key: [1, i],
      value: filled(120, i),
    }));
    const journal = filled(3_000_000, 5);
    const group = { sequence: 1, journal, rows, pages: [], cutBelow: 0 };
    expect(await commit(first.store, group)).toEqual({ ok: true });
    await first.store.close();
    const second = await openStore(dir);
    expect([...second.recovered.rows].length).toBe(5_000);
    expect([...second.recovered.journal][0]?.bytes.length).toBe(3_000_000);
    await second.store.close();
  });

  test("tells the space of its file system", async () => {
    const { store } = await openStore(temporaryFolder("fast"));
    const { freeBytes, freeShare } = store.space();
    expect(freeBytes).toBeGreaterThan(0);
    expect(freeShare).toBeGreaterThan(0);
    expect(freeShare).toBeLessThanOrEqual(1);
    await store.close();
  });
});

describe("opening", () => {
  test("refuses a second engine while the first one lives, and not afterwards", async () => {
    const dir = temporaryFolder("fast");
    const first = await openStore(dir);
    const error = await failure(openStore(dir));
    expect(error.code).toBe("conflict");
    expect(error.message).toContain(`in use by process ${process.pid}`);
    await first.store.close();
    const second = await openStore(dir);
    expect(second.recovered.epoch).toBe(1 + EPOCH_STEP);
    expect(second.recovered.engineId).toBe(first.recovered.engineId);
    await second.store.close();
    expect(readdirSync(dir).sort()).toEqual(["store.mdb", "store.mdb-lock", "store.tail"]);
  });

  test("creates only when it may", async () => {
    const dir = join(temporaryFolder("fast"), "deep", "er");
    const error = await failure(openStore(dir, { create: false }));
    expect(error.code).toBe("not_found");
    expect(existsSync(dir)).toBe(false);
    const { store } = await openStore(dir);
    await store.close();
  });

  test("throws the remains of an interrupted creation away", async () => {
    const dir = temporaryFolder("fast");
    writeFileSync(join(dir, "creating-17.mdb"), "half a store");
    writeFileSync(join(dir, "creating-17.mdb-lock"), "");
    const { store } = await openStore(dir);
    await store.close();
    expect(readdirSync(dir).sort()).toEqual(["store.mdb", "store.mdb-lock", "store.tail"]);
  });

  test("reads the same twice: recovery changes nothing but the epoch", async () => {
    const dir = temporaryFolder("fast");
    const first = await openStore(dir);
    for (let n = 1; n <= 30; n++) await commit(first.store, groupOf(n));
    await first.store.close();
    const second = await openStore(dir);
    const digest = digestOf(second.recovered);
    await second.store.close();
    const third = await openStore(dir);
    expect(digestOf(third.recovered)).toBe(digest);
    expect(third.recovered.epoch).toBe(second.recovered.epoch + EPOCH_STEP);
    await third.store.close();
    expect(readFileSync(join(dir, "store.mdb")).length % 4096).toBe(0);
  });
});
