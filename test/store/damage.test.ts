import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/base/index.ts";
import { openEnvironment } from "../../src/store/environment.ts";
import { openStore } from "../../src/store/index.ts";
import { journalKey, pageKey } from "../../src/store/keys.ts";
import {
  commit,
  digestOf,
  groupOf,
  inLanes,
  removeFoldersAfterwards,
  runChild,
  temporaryFolder,
} from "./support.ts";

removeFoldersAfterwards();

const PAGE = 4096;
let good: Buffer;
let digest: string;

/** A whole store with trees of several levels, overflow pages and a free list. */
beforeAll(async () => {
  const dir = temporaryFolder("fast");
  const first = await openStore(dir);
  for (let n = 1; n <= 250; n++) await commit(first.store, groupOf(n));
  await first.store.close();
  good = readFileSync(join(dir, "store.mdb"));
  const second = await openStore(dir);
  digest = digestOf(second.recovered);
  await second.store.close();
});

function storeWith(bytes: Buffer): string {
  const dir = temporaryFolder("fast");
  writeFileSync(join(dir, "store.mdb"), bytes);
  return dir;
}

function changed(change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(good);
  change(bytes);
  return bytes;
}

const cases: readonly [string, () => Buffer, RegExp][] = [
  ["an empty file", () => Buffer.alloc(0), /it is empty/],
  ["a file of a few bytes", () => Buffer.from("hello"), /only 5 bytes, less than two pages/],
  ["a foreign file", () => Buffer.alloc(3 * PAGE, "#!/bin/sh\n"), /has the magic 0x/],
  ["a file of zeros", () => Buffer.alloc(16 * PAGE), /has the magic 0x0/],
  [
    "a wrong magic in meta page 1",
    () => changed((b) => b.fill(0x55, PAGE + 24, PAGE + 28)),
    /meta page 1 has the magic 0x55555555/,
  ],
  ["another data format", () => changed((b) => b.writeUInt32LE(999, 28)), /data format 999/],
  ["another page size", () => changed((b) => b.writeUInt32LE(8192, 48)), /page size 8192/],
  [
    "a zeroed first meta page",
    () => changed((b) => b.fill(0, 0, PAGE)),
    /meta page 0 has the magic 0x0/,
  ],
  ["a map size of nonsense", () => changed((b) => b.writeBigUInt64LE(1n << 60n, 40)), /map size/],
  [
    "a last page of nonsense",
    () => changed((b) => b.writeBigUInt64LE(1n << 50n, 24 + 120)),
    /last page/,
  ],
  [
    "a file cut in half",
    () => good.subarray(0, (good.length >> 13) * PAGE),
    /but the file ends after/,
  ],
  ["a file cut after three pages", () => good.subarray(0, 3 * PAGE), /but the file ends after/],
  [
    "8 KiB of zeros in the middle",
    () => changed((b) => b.fill(0, 20 * PAGE, 22 * PAGE)),
    /page 2[01]|CRC/,
  ],
  [
    "zeros in all data pages",
    () => changed((b) => b.fill(0, 2 * PAGE)),
    /is no (branch|leaf) page/,
  ],
];

describe("a damaged store", () => {
  test("is refused with exit code 74 and a diagnosis that names the file", async () => {
    await inLanes(cases, 2, async ([name, make, text]) => {
      const dir = storeWith(make());
      const end = await runChild(["open", dir]);
      expect(`${name}: ${end.code} ${end.signal} ${end.errors}`).toBe(`${name}: 74 null `);
      expect(end.output).toContain(
        `store_damaged the store file ${join(dir, "store.mdb")} is damaged`,
      );
      expect(end.output).toMatch(text);
      expect(end.output).toContain("restore it from a backup");
    });
  });

  test("never crashes the process and never gives a wrong answer: 400 seeded hurts", async () => {
    const random = new SeededRandom(4711);
    const seen = { whole: 0, damaged: 0 };
    const batches = Array.from({ length: 4 }, (_, i) => i);
    await inLanes(batches, 2, async (batch) => {
      const root = temporaryFolder("fast");
      const hurts: string[] = [];
      const dirs = Array.from({ length: 100 }, (_, i) => {
        const dir = join(root, String(i));
        mkdirSync(dir);
        hurts.push(writeHurt(join(dir, "store.mdb"), random, batch));
        return dir;
      });
      const end = await runChild(["open", ...dirs]);
      const lines = end.output.trim().split("\n");
      const told = `${lines.length} ${end.code} ${end.signal} ${hurts[lines.length] ?? ""}`;
      expect(`${told} ${end.errors}`).toBe("100 0 null  ");
      for (const [i, line] of lines.entries()) {
        const [, verdict, rest] = line.split(" ");
        if (verdict === "whole") {
          expect(`${hurts[i]} ${rest}`).toBe(`${hurts[i]} ${digest}`);
          seen.whole++;
        } else {
          expect(`${hurts[i]} ${verdict}`).toBe(`${hurts[i]} store_damaged`);
          seen.damaged++;
        }
      }
    });
    expect(seen.damaged).toBeGreaterThan(100);
    expect(seen.whole + seen.damaged).toBe(400);
  });

  test("names table and key of a value whose CRC does not fit", async () => {
    const dir = storeWith(good);
    const environment = openEnvironment(join(dir, "store.mdb"));
    const key = pageKey(1, 5);
    const value = Buffer.from(environment.pages.get(key) as Uint8Array);
    value.writeUInt8(value.readUInt8(10) ^ 1, 10);
    await environment.pages.put(key, value);
    await environment.close(false);
    const end = await runChild(["open", dir]);
    expect(end.code).toBe(74);
    expect(end.output).toContain("the CRC of page [1, 5] does not fit");
  });

  test("names the journal record that is missing or exchanged", async () => {
    const damages: [(at: ReturnType<typeof openEnvironment>) => Promise<unknown>, RegExp][] = [
      [(e) => e.journal.remove(journalKey(240)), /journal 240 is missing/],
      [
        (e) => e.journal.put(journalKey(240), e.journal.get(journalKey(239)) as Uint8Array),
        /the CRC of journal 240 does not fit/,
      ],
    ];
    await inLanes(damages, 2, async ([damage, text]) => {
      const dir = storeWith(good);
      const environment = openEnvironment(join(dir, "store.mdb"));
      await damage(environment);
      await environment.close(false);
      const end = await runChild(["open", dir]);
      expect(end.code).toBe(74);
      expect(end.output).toMatch(text);
    });
  });

  test("is not mistaken: an LMDB file that Jumbo did not make", async () => {
    const dir = temporaryFolder("fast");
    const other = openEnvironment(join(dir, "store.mdb"));
    await other.close(false);
    const end = await runChild(["open", dir]);
    expect(end.code).toBe(74);
    expect(end.output).toContain("not one that Jumbo made: no identity row");
  });
});

/** One seeded hurt; returns the words that say which. */
function writeHurt(path: string, random: SeededRandom, batch: number): string {
  const bytes = Buffer.from(good);
  const pages = good.length / PAGE;
  if (batch === 0) {
    // Bits of the meta pages.
    const at = (random.chance(0.6) ? random.below(2) * PAGE : PAGE / 2) + random.below(24 + 144);
    bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
    writeFileSync(path, bytes);
    return `meta bit at ${at}`;
  }
  if (batch === 1) {
    const page = 2 + random.below(pages - 2);
    const length = random.chance(0.5) ? PAGE : 512;
    bytes.fill(random.chance(0.7) ? 0 : 0xff, page * PAGE, page * PAGE + length);
    writeFileSync(path, bytes);
    return `page ${page} filled, ${length} bytes`;
  }
  if (batch === 2) {
    const at = 2 * PAGE + random.below((pages - 2) * PAGE);
    bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
    writeFileSync(path, bytes);
    return `data bit at ${at}`;
  }
  // Bits in page headers, node offsets and node headers, where LMDB follows them.
  const page = 2 + random.below(pages - 2);
  const at = page * PAGE + (random.chance(0.5) ? random.below(64) : PAGE - 1 - random.below(600));
  bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
  writeFileSync(path, bytes);
  if (random.chance(0.1)) truncateSync(path, (1 + random.below(pages - 1)) * PAGE);
  return `structure bit at ${at}`;
}
