import { spawn } from "node:child_process";
import { readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { mountType, unfitFileSystem } from "../../src/store/file-system.ts";
import { LOCK_FILE, type LockHolder, StoreLock, startTicksOf } from "../../src/store/lock.ts";
import { removeFoldersAfterwards, temporaryFolder } from "./support.ts";

removeFoldersAfterwards();

/** How long a foreign holder is watched here. */
const WATCH_MS = 600;

/** A lock as its holder wrote it, changed. */
async function lockOf(dir: string, change: Partial<LockHolder>): Promise<void> {
  const lock = await StoreLock.acquire(dir);
  const holder = JSON.parse(readFileSync(join(dir, LOCK_FILE), "utf8")) as LockHolder;
  lock.release();
  writeFileSync(join(dir, LOCK_FILE), JSON.stringify({ ...holder, ...change }));
}

async function isTaken(dir: string): Promise<boolean> {
  try {
    (await StoreLock.acquire(dir, WATCH_MS)).release();
    return false;
  } catch (error) {
    expect(error).toMatchObject({ code: "conflict" });
    return true;
  }
}

describe("the lock of a store", () => {
  test("is one holder's until it is released, and leaves nothing behind", async () => {
    const dir = temporaryFolder();
    const lock = await StoreLock.acquire(dir);
    expect(await isTaken(dir)).toBe(true);
    expect(lock.held).toBe(true);
    lock.release();
    expect(await isTaken(dir)).toBe(false);
    expect(readdirSync(dir)).toEqual([]);
  });

  test("is taken over from dead, reused and rebooted process ids", async () => {
    const dir = temporaryFolder();
    const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"]);
    const pid = child.pid as number;
    const startTicks = startTicksOf(pid);
    await lockOf(dir, { pid, startTicks });
    expect(await isTaken(dir)).toBe(true);
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await ended;
    expect(await isTaken(dir)).toBe(false);
    await lockOf(dir, { startTicks: "1" });
    expect(await isTaken(dir)).toBe(false);
    await lockOf(dir, { bootId: "00000000-0000-0000-0000-000000000000" });
    expect(await isTaken(dir)).toBe(false);
    expect(readdirSync(dir)).toEqual([]);
  });

  test("goes to exactly one of many that find it stale at once", async () => {
    const dir = temporaryFolder();
    await lockOf(dir, { startTicks: "1" });
    const tries = await Promise.allSettled(
      Array.from({ length: 12 }, () => StoreLock.acquire(dir)),
    );
    const won = tries.filter((entry) => entry.status === "fulfilled");
    expect(won.length).toBe(1);
    won[0]?.value.release();
    expect(readdirSync(dir)).toEqual([]);
  });

  test("in another pid namespace lives while its time moves", async () => {
    const dir = temporaryFolder();
    await lockOf(dir, { pidNamespace: "pid:[1]" });
    const path = join(dir, LOCK_FILE);
    let beats = 0;
    const beat = setInterval(() => utimesSync(path, ++beats, beats), 100);
    expect(await isTaken(dir)).toBe(true);
    clearInterval(beat);
    expect(await isTaken(dir)).toBe(false);
  });

  test("that names nobody is left alone", async () => {
    const dir = temporaryFolder();
    writeFileSync(join(dir, LOCK_FILE), "");
    expect(await isTaken(dir)).toBe(true);
  });
});

describe("the file system of a store", () => {
  test("must not be a network or shared one", () => {
    expect(unfitFileSystem(0x6969, "")).toBe("NFS");
    expect(unfitFileSystem(0x0bd00bd0, "")).toBe("Lustre");
    expect(unfitFileSystem(0x47504653, "")).toContain("GPFS");
    expect(unfitFileSystem(0xff534d42, "")).toBe("CIFS");
    expect(unfitFileSystem(0xfe534d42, "")).toBe("SMB2");
    expect(unfitFileSystem(0x19830326, "")).toBe("BeeGFS");
    expect(unfitFileSystem(0x00c36400, "")).toBe("CephFS");
    expect(unfitFileSystem(0x5346414f, "")).toBe("AFS");
    expect(unfitFileSystem(0xef53, "ext4")).toBe("");
    expect(unfitFileSystem(0x58465342, "xfs")).toBe("");
    expect(unfitFileSystem(0x01021994, "tmpfs")).toBe("");
    expect(unfitFileSystem(0x9123683e, "btrfs")).toBe("");
  });

  test("on FUSE is judged by its type", () => {
    expect(unfitFileSystem(0x65735546, "fuse.sshfs")).toContain("fuse.sshfs");
    expect(unfitFileSystem(0x65735546, "")).toContain("unknown type");
    expect(unfitFileSystem(0x65735546, "fuseblk")).toBe("");
    expect(unfitFileSystem(0x65735546, "fuse.fuse-overlayfs")).toBe("");
    const table =
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n" +
      "40 22 0:49 / /home/a/far rw,nosuid - fuse.sshfs far: rw\n";
    expect(mountType(table, (8 << 8) | 1)).toBe("ext4");
    expect(mountType(table, 49)).toBe("fuse.sshfs");
    expect(mountType(table, 50)).toBe("");
  });
});
