/** Helpers of the store's tests: folders, deterministic groups, and child processes. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect } from "vitest";
import { openStore } from "../../src/store/index.ts";
import { bundlesUpTo, groupOf } from "./support-groups.ts";

export * from "./support-groups.ts";

const folders: string[] = [];

/** Memory holds what a killed process wrote as well as a disk does, without a disk's moods. */
function fastFolder(): string {
  const memory = "/dev/shm";
  if (!existsSync(memory)) return tmpdir();
  const { bavail, bsize } = statfsSync(memory);
  return bavail * bsize > 512 * 1024 ** 2 ? memory : tmpdir();
}

/** `fast`: for tests that kill and damage rather than flush. */
export function temporaryFolder(kind: "disk" | "fast" = "disk"): string {
  const folder = mkdtempSync(join(kind === "fast" ? fastFolder() : tmpdir(), "jumbo-store-"));
  folders.push(folder);
  return folder;
}

/** To be called once at the top of each test file. */
export function removeFoldersAfterwards(): void {
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });
}

export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
}

const CHILD = fileURLToPath(new URL("./child.ts", import.meta.url));

export function startChild(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): { child: ChildProcess; end: Promise<ChildEnd>; output: () => string } {
  const child = spawn(process.execPath, [CHILD, ...args], {
    // Compiled once for all children of a run: most of a child's life is its start.
    env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), "jumbo-test-cache"), ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const end = new Promise<ChildEnd>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, output, errors }));
  });
  return { child, end, output: () => output };
}

export function runChild(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<ChildEnd> {
  return startChild(args, environment).end;
}

/** Runs jobs on `width` lanes: the machine has few cores, and each child costs a start of Node. */
export async function inLanes<Item>(
  items: readonly Item[],
  width: number,
  job: (item: Item) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) await job(items[next++] as Item);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

/** Recovers and proves: an unbroken chain that ends at or just behind the last acknowledgement. */
export async function expectAcknowledged(dir: string, acknowledged: number): Promise<number> {
  const { store, recovered } = await openStore(dir);
  try {
    expect(recovered.lastSequence).toBeGreaterThanOrEqual(acknowledged);
    expect(recovered.lastSequence).toBeLessThanOrEqual(acknowledged + 1);
    for (const { sequence, bytes } of recovered.journal) {
      expect(Buffer.from(bytes).equals(groupOf(sequence).journal)).toBe(true);
    }
    const bundles = new Set([...recovered.rows].map((row) => row.key[0]));
    for (const n of bundlesUpTo(recovered.lastSequence)) expect(bundles.has(n)).toBe(true);
    for (const page of recovered.pages) expect(page.value.length).toBeGreaterThan(0);
    return recovered.lastSequence;
  } finally {
    await store.close();
  }
}
