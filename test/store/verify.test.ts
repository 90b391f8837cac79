import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { BundleId, PilotNumber, TaskId } from "../../src/base/index.ts";
import { Ledger } from "../../src/ledger/index.ts";
import { openEnvironment } from "../../src/store/environment.ts";
import {
  type ColdRow,
  encodeBundleRow,
  encodeFileRow,
  encodePilotRow,
  encodeReasonRow,
  encodeTaskRow,
  ledgerStanding,
  ledgerTerms,
  openStore,
  reportLines,
  type Store,
  verifyStore,
} from "../../src/store/index.ts";
import { coldKey, journalKey, pageKey } from "../../src/store/keys.ts";
import { exampleFileRow, exampleTaskRow } from "./rows-example.ts";
import { commit, removeFoldersAfterwards, temporaryFolder } from "./support.ts";

removeFoldersAfterwards();

const TASK = 1 as TaskId;
const PILOT = 1 as PilotNumber;
const BUNDLE = 1 as BundleId;
const RANGES = 20_000;
const row = exampleTaskRow({ id: TASK, ranges: RANGES, files: 2 });
const nothing = { push: () => undefined };
let whole: string;
let bytes: Buffer;

/** One group as the broker makes it: checkpoint, journal, rows. */
async function save(
  store: Store,
  ledger: Ledger,
  sequence: number,
  rows: ColdRow[],
): Promise<void> {
  const { pages, cutBelow } = ledger.checkpoint(sequence, 2, 100);
  const journal = ledger.takeJournal();
  const group = { sequence: journal.length > 0 ? sequence : 0, journal, rows, pages, cutBelow };
  expect(await commit(store, group)).toEqual({ ok: true });
}

beforeAll(async () => {
  whole = temporaryFolder();
  const { store, recovered } = await openStore(whole);
  const ledger = new Ledger({ epoch: recovered.epoch, settleGroups: 4 });
  ledger.addTask(ledgerTerms(row), ledgerStanding(row));
  const files = [0, 1].map((file) => exampleFileRow(row, file));
  const rows: ColdRow[] = [
    { table: "task", key: [TASK], value: encodeTaskRow(row) },
    ...files.map((file) => ({
      table: "file" as const,
      key: [TASK, file.file],
      value: encodeFileRow(file),
    })),
    {
      table: "bundle",
      key: [BUNDLE],
      value: encodeBundleRow({ id: BUNDLE, uri: "file:/b", pilot: 1, state: "open", tasks: [1] }),
    },
    {
      table: "pilot",
      key: [1],
      value: encodePilotRow({ number: 1, pilotId: "p", generation: 1 }),
    },
    { table: "reason", key: [TASK, 1], value: encodeReasonRow({ task: 1, id: 1, text: "why" }) },
  ];
  // The group of the task row has no decision yet.
  const none = new Uint8Array(0);
  await commit(store, { sequence: 0, journal: none, rows, pages: [], cutBelow: 0 });
  for (let n = 1; n <= 40; n++) {
    const lease = ledger.grant(TASK, (n - 1) * 400, 300, PILOT);
    ledger.started(PILOT, lease.id, TASK, lease.first, 200, nothing);
    ledger.done(PILOT, lease.id, TASK, lease.first, 100, BUNDLE, nothing);
    await save(store, ledger, n, []);
  }
  await store.close();
  bytes = readFileSync(join(whole, "store.mdb"));
}, 30_000);

/** A copy of the store after LMDB wrote something into it that the engine never would. */
async function withChange(
  change: (environment: ReturnType<typeof openEnvironment>) => Promise<unknown>,
): Promise<string> {
  const dir = temporaryFolder();
  writeFileSync(join(dir, "store.mdb"), bytes);
  const environment = openEnvironment(join(dir, "store.mdb"));
  await change(environment);
  await environment.close(false);
  return dir;
}

describe("verifyStore", () => {
  test("finds a good store whole, counts its ranges, and changes nothing", async () => {
    const report = await verifyStore(whole);
    expect(report.problems).toEqual([]);
    expect(report.ok).toBe(true);
    expect(report.epoch).toBe(1);
    expect(report.rows).toMatchObject({ task: 1, file: 2, bundle: 1, pilot: 1, reason: 1 });
    expect(report.rows.page).toBeGreaterThan(0);
    expect(report.tasks[0]?.counts).toEqual({
      total: RANGES,
      ready: RANGES - 12_000,
      leased: 8_000,
      done: 4_000,
      merged: 0,
      failed: 0,
      cancelled: 0,
    });
    expect(reportLines(report).at(-1)).toBe("the store is whole");
    expect(readFileSync(join(whole, "store.mdb")).equals(bytes)).toBe(true);
    expect((await verifyStore(whole)).ok).toBe(true);
  });

  test("refuses while an engine runs on the store", async () => {
    const dir = await withChange(async () => undefined);
    const { store } = await openStore(dir);
    await expect(verifyStore(dir)).rejects.toMatchObject({ code: "conflict" });
    await store.close();
    expect((await verifyStore(dir)).ok).toBe(true);
  });

  test("says where there is no store", async () => {
    await expect(verifyStore(temporaryFolder())).rejects.toMatchObject({ code: "not_found" });
  });

  test("reports every problem, not only the first", async () => {
    const dir = await withChange(async ({ cold, journal, pages }) => {
      const flip = (value: Uint8Array): Buffer => {
        const copy = Buffer.from(value);
        copy.writeUInt8(copy.readUInt8(3) ^ 0x10, 3);
        return copy;
      };
      const bundle = coldKey("bundle", [BUNDLE]);
      const page = pageKey(TASK, 0);
      await cold.put(bundle, flip(cold.get(bundle) as Uint8Array));
      await pages.put(page, flip(pages.get(page) as Uint8Array));
      await cold.put(coldKey("reason", [9, 9]), cold.get(coldKey("reason", [1, 1])) as Uint8Array);
      await cold.remove(coldKey("file", [TASK, 0]));
      await journal.remove(journalKey(39));
    });
    const report = await verifyStore(dir);
    const text = reportLines(report).join("\n");
    expect(report.ok).toBe(false);
    expect(text).toContain("the CRC of bundle [1] does not fit");
    expect(text).toContain("the CRC of page [1, 0] does not fit");
    expect(text).toContain("the CRC of reason [9,9] does not fit");
    expect(text).toContain("task 1 has 1 of its 2 file rows");
    expect(text).toContain("the journal has a gap: journal 40 follows 38");
  });

  test("reports a broken file without opening it", async () => {
    const dir = temporaryFolder();
    const hurt = Buffer.from(bytes);
    hurt.fill(0, 3 * 4096, 9 * 4096);
    writeFileSync(join(dir, "store.mdb"), hurt);
    const report = await verifyStore(dir);
    expect(report.ok).toBe(false);
    expect(report.problems.join()).toContain("is damaged");
  });
});
