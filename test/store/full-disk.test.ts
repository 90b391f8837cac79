import { spawnSync } from "node:child_process";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openStore } from "../../src/store/index.ts";
import { commit, filled, removeFoldersAfterwards, temporaryFolder } from "./support.ts";

removeFoldersAfterwards();

test("a full disk is waited out: the same group works once there is space", async (context) => {
  const dir = temporaryFolder();
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", dir]);
  if (mounted.status !== 0) {
    console.warn("SKIPPED: a full disk needs the right to mount a small tmpfs");
    context.skip();
  }
  try {
    const { store } = await openStore(dir, { spareBytes: 0 });
    const ballast = join(dir, "ballast");
    const { bavail, bsize } = statfsSync(dir);
    writeFileSync(ballast, Buffer.alloc(bavail * bsize - 400_000));
    let full = 0;
    let isFreed = false;
    const last = 60;
    for (let n = 1; n <= last; ) {
      const pages = [{ task: 1, page: n, value: filled(12_000, n) }];
      const group = { sequence: n, journal: filled(300, n), rows: [], pages, cutBelow: 0 };
      const outcome = await commit(store, group);
      if (outcome.ok) {
        n++;
        continue;
      }
      expect(outcome.space).toBe(true);
      expect(outcome.error.message).toContain("is full");
      full++;
      // Three failures in a row, then space: the store must still be usable.
      if (full === 3) {
        rmSync(ballast);
        isFreed = true;
      }
      expect(full).toBeLessThanOrEqual(3);
    }
    expect(isFreed).toBe(true);
    await store.close();
    const again = await openStore(dir);
    expect(again.recovered.lastSequence).toBe(last);
    expect([...again.recovered.journal].length).toBe(last);
    expect([...again.recovered.pages].map((row) => row.value.length)).toEqual(
      Array.from({ length: last }, () => 12_000),
    );
    await again.store.close();
  } finally {
    spawnSync("umount", [dir]);
  }
});

test("a store that never gets its space back closes and opens again", async (context) => {
  const dir = temporaryFolder();
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", dir]);
  if (mounted.status !== 0) {
    console.warn("SKIPPED: a full disk needs the right to mount a small tmpfs");
    context.skip();
  }
  try {
    const { store } = await openStore(dir, { spareBytes: 0 });
    let n = 0;
    for (;;) {
      const pages = [{ task: 1, page: n, value: filled(30_000, n) }];
      const group = { sequence: n + 1, journal: filled(9, n), rows: [], pages, cutBelow: 0 };
      const outcome = await commit(store, group);
      if (!outcome.ok) {
        // Of a value over several pages LMDB wrote a part, which it reports as EIO.
        expect(outcome.space).toBe(true);
        break;
      }
      n++;
    }
    await store.close();
    spawnSync("mount", ["-o", "remount,size=4m", dir]);
    const again = await openStore(dir);
    expect(again.recovered.lastSequence).toBe(n);
    await again.store.close();
  } finally {
    spawnSync("umount", [dir]);
  }
});

test("a commit is not begun on a disk that is nearly full", async (context) => {
  const dir = temporaryFolder();
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", dir]);
  if (mounted.status !== 0) {
    console.warn("SKIPPED: a full disk needs the right to mount a small tmpfs");
    context.skip();
  }
  try {
    const { store } = await openStore(dir);
    const group = { sequence: 1, journal: filled(300, 1), rows: [], pages: [], cutBelow: 0 };
    const before = store.stats().lastTxnId;
    const refused = await commit(store, group);
    expect(refused).toMatchObject({ ok: false, space: true });
    expect(store.stats().lastTxnId).toBe(before);
    spawnSync("mount", ["-o", "remount,size=16m", dir]);
    expect(await commit(store, group)).toEqual({ ok: true });
    await store.close();
  } finally {
    spawnSync("umount", [dir]);
  }
});
