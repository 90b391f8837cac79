import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { watchDiskSpace } from "../../src/cli/disk-space.ts";

test("a store's disk that is too full is told at once, and when there is room again", async (context) => {
  const dir = mkdtempSync(join(tmpdir(), "jumbo-space-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", dir]);
  try {
    if (mounted.status !== 0) {
      console.warn("SKIPPED: a small disk needs the right to mount a tmpfs");
      context.skip();
    }
    const said: string[] = [];
    const stop = watchDiskSpace(dir, (line) => said.push(line));
    expect(said).toEqual([expect.stringMatching(/^waiting: 8.0 MiB are free .*under 1.0 GiB/)]);
    spawnSync("mount", ["-o", "remount,size=2g", dir]);
    await vi.waitFor(() => expect(said).toHaveLength(2), { timeout: 20_000 });
    expect(said[1]).toMatch(/^going on: /);
    stop();
  } finally {
    if (mounted.status === 0) spawnSync("umount", [dir]);
    rmSync(dir, { recursive: true });
  }
});
