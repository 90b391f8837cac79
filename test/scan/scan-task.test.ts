/** The file table of a task: instances, indexes and their reuse, changes, the pool. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Piscina } from "piscina";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FORMATS, prepareInput, readBounds } from "../../src/formats/index.ts";
import { type ScanPool, scanTask } from "../../src/scan/index.ts";
import { specOf, Workbench } from "../helpers/scanning.ts";
import { sha256Hex } from "../helpers/shared-data.ts";

let bench: Workbench;
beforeEach(() => {
  bench = new Workbench();
});
afterEach(() => bench.remove());

const CSV = "a,b\n1,2\n3,4\n5,6\n";

describe("scanTask", () => {
  it("gives one pseudo file for a count, also for a very large one", async () => {
    const count = 2 ** 53 - 1;
    const input = { files: [], format: "auto", tree: "", count } as const;
    const files = await scanTask(specOf(input), { scratch: bench.scratch });
    expect(files).toMatchObject([{ events: count, format: "count", path: "", indexPath: "" }]);
    expect(existsSync(bench.scratch)).toBe(false);
  });

  it("makes two instances of a file listed twice, scanned once, in the order listed", async () => {
    const [a, b] = [bench.file("a.csv", CSV), bench.file("b.csv", "x\n1\n")];
    const jobs: string[] = [];
    const worker = await import("../../src/scan/scan-worker.ts");
    const pool: ScanPool = {
      run(job) {
        jobs.push((job as { source: string }).source);
        return worker.default(job as Parameters<typeof worker.default>[0]);
      },
    };
    const spec = specOf({ files: [a, b, a], format: "auto", tree: "", count: null });
    const files = await scanTask(spec, { scratch: bench.scratch, pool });
    expect(files.map((file) => [file.source, file.events])).toEqual([
      [a, 3],
      [b, 1],
      [a, 3],
    ]);
    expect(jobs.sort()).toEqual([a, b]);
  });

  it("runs in workers of a piscina pool and brings errors back as they are", async () => {
    const pool = new Piscina({ maxThreads: 1, minThreads: 1, atomics: "disabled" });
    try {
      const path = bench.file("a.csv", CSV);
      const spec = specOf({ files: [path], format: "auto", tree: "", count: null });
      const [file] = await scanTask(spec, { scratch: bench.scratch, pool });
      expect(file).toEqual(await bench.scan(path));
      const absent = join(bench.folder, "absent.csv");
      const broken = specOf({ files: [path, absent], format: "auto", tree: "", count: null });
      await expect(scanTask(broken, { scratch: bench.scratch, pool })).rejects.toMatchObject({
        name: "JumboError",
        code: "input_unreadable",
        subject: absent,
        message: expect.stringMatching(/absent.csv can't be opened \(.*\) name a file/),
      });
    } finally {
      await pool.destroy();
    }
  });

  it("states what pilots check: path, size, time; and what identifies the content", async () => {
    const path = bench.file("a.csv", CSV);
    const file = await bench.scan(path);
    const { size, mtimeMs } = statSync(path);
    expect(file).toMatchObject({ path, sizeBytes: size, mtimeMs, sha256: sha256Hex(CSV) });
  });
});

describe("byte index", () => {
  it("is written once per content and format, without leftovers, and read by offset", async () => {
    const file = await bench.scan(bench.file("a.csv", CSV));
    const folder = join(bench.scratch, "index");
    expect(readdirSync(folder)).toEqual([`${file.sha256}-csv.idx`]);
    expect(file.indexPath).toBe(join(folder, `${file.sha256}-csv.idx`));
    expect([...readBounds(file.indexPath, 0, 3)]).toEqual([4, 8, 8, 12, 12, 16]);
    expect([...readBounds(file.indexPath, 2, 1)]).toEqual([12, 16]);
    expect([...readBounds(file.indexPath, 3, 0)]).toEqual([]);
    expect(() => readBounds(file.indexPath, 2, 2)).toThrow(/2 \+ 2 asked/);
    expect(() => readBounds(`${file.indexPath}.not`, 0, 1)).toThrow(/can't be opened/);
  });

  it("is used again for the same content, wherever and whenever it is listed", async () => {
    const first = await bench.scan(bench.file("a.csv", CSV));
    const written = statSync(first.indexPath).mtimeMs;
    const copy = bench.file("copy.csv", CSV);
    utimesSync(copy, 1, 1);
    const second = await bench.scan(copy);
    expect(statSync(second.indexPath).mtimeMs).toBe(written);
    expect(second).toEqual({ ...first, source: copy, path: copy, mtimeMs: 1000 });
  });

  it("keeps literal pieces and notes over a reuse", async () => {
    const text = "HepMC::Asciiv3-START_EVENT_LISTING\nE 0 0 0\n";
    const whole = `${text}HepMC::Asciiv3-END_EVENT_LISTING\n\n`;
    const path = bench.file("a.hepmc3", whole);
    const [fresh, reused] = [await bench.scan(path), await bench.scan(path)];
    expect(reused).toEqual(fresh);
    expect(reused.footer[0]).toBeInstanceOf(Uint8Array);
  });

  it.each<[string, (bytes: Buffer) => unknown, number?]>([
    ["cut", () => {}, 80],
    ["empty", () => {}, 0],
    ["of other pairs", (bytes) => bytes.writeDoubleLE(5, 64)],
    ["of other meta", (bytes) => bytes.writeUInt8(0x20, bytes.length - 1)],
    ["of an absurd size", (bytes) => bytes.writeUInt32LE(0xffff_ffff, 16)],
  ])("is written again where it is %s", async (_what, damage, keptBytes) => {
    const path = bench.file("a.csv", CSV);
    const { indexPath } = await bench.scan(path);
    const whole = readFileSync(indexPath);
    const damaged = Buffer.from(whole);
    damage(damaged);
    writeFileSync(indexPath, damaged.subarray(0, keptBytes));
    await bench.scan(path);
    expect(readFileSync(indexPath)).toEqual(whole);
  });

  it("is of its own for each format of one content", async () => {
    const path = bench.file("a.csv", CSV);
    const [asCsv, asLines] = [await bench.scan(path, "csv"), await bench.scan(path, "jsonl")];
    expect([asCsv.events, asLines.events]).toEqual([3, 4]);
    expect(asCsv.indexPath).not.toBe(asLines.indexPath);
  });
});

describe("an input that changes", () => {
  it("while it is scanned is refused", async () => {
    const path = bench.file("a.csv", CSV);
    const prepared = await prepareInput(path, bench.scratch);
    appendFileSync(path, "7,8\n");
    const scan = FORMATS.csv.scan(path, { tree: "", scratch: bench.scratch, prepared });
    await expect(scan).rejects.toThrow(/changed while it was scanned/);
  });

  it("between two scans gets an index of its own", async () => {
    const path = bench.file("a.csv", CSV);
    const before = await bench.scan(path);
    appendFileSync(path, "7,8\n");
    const after = await bench.scan(path);
    expect([before.events, after.events]).toEqual([3, 4]);
    expect(after.indexPath).not.toBe(before.indexPath);
  });

  it("leaves no file behind when the scratch folder can't take the index", async () => {
    const path = bench.file("a.csv", CSV);
    mkdirSync(bench.scratch);
    writeFileSync(join(bench.scratch, "index"), "in the way");
    await expect(bench.scan(path)).rejects.toThrow(/can't be scanned/);
    expect(readdirSync(bench.scratch)).toEqual(["index"]);
  });
});
