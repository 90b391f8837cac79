/** Mergers of Arrow, Parquet and zip: round trips through other readers, and what is refused. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  Field,
  Int32,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Table,
  tableFromArrays,
  tableFromIPC,
  tableToIPC,
} from "apache-arrow";
import { parquetMetadata, parquetReadObjects, type SchemaElement } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { ByteWriter, parquetWrite } from "hyparquet-writer";
import { afterAll, describe, expect, it } from "vitest";
import { mergeRule } from "../../src/formats/index.ts";
import { mergeParts } from "../helpers/merging.ts";
import { Workbench } from "../helpers/scanning.ts";
import { sharedData } from "../helpers/shared-data.ts";

const bench = new Workbench();
afterAll(() => bench.remove());

const plain = (value: unknown) =>
  JSON.parse(
    JSON.stringify(value, (_key, v) => {
      if (v === undefined) return null;
      if (typeof v === "bigint") return `${v}n`;
      return v instanceof Uint8Array ? Buffer.from(v).toString("hex") : v;
    }),
  );

describe("arrow", () => {
  const table = (from: number, count: number) =>
    tableFromArrays({
      x: Float64Array.from({ length: count }, (_, i) => from + i),
      name: Array.from({ length: count }, (_, i) => `event ${from + i}`),
      maybe: Array.from({ length: count }, (_, i) => (i % 2 ? null : i)),
    });
  const file = (from: number, count: number) => tableToIPC(table(from, count), "file");
  const stream = (from: number, count: number) => tableToIPC(table(from, count), "stream");

  it("joins files and streams, with strings from unlike dictionaries", async () => {
    const merged = await mergeParts("arrow", [
      file(0, 3),
      stream(3, 1),
      new Uint8Array(),
      file(4, 6),
    ]);
    const whole = tableFromIPC(merged);
    expect(whole.numRows).toBe(10);
    expect(plain(whole.toArray())).toEqual(
      plain([...table(0, 3).toArray(), ...table(3, 1).toArray(), ...table(4, 6).toArray()]),
    );
    const scanned = await bench.scanText("merged.arrow", merged);
    expect([scanned.events, scanned.variant, scanned.clusters]).toEqual([10, "file", [0, 3, 4]]);
  });

  it("gives the same bytes for the same parts", async () => {
    const once = await mergeParts("arrow", [file(0, 3), stream(3, 2)]);
    expect(await mergeParts("arrow", [file(0, 3), stream(3, 2)])).toEqual(once);
  });

  it("keeps the schema of parts without rows, and writes nothing for no parts", async () => {
    const schema = new Schema([new Field("n", new Int32(), false)]);
    const data = makeData({
      type: new Struct(schema.fields),
      children: [makeData({ type: new Int32(), data: new Int32Array(0) })],
    });
    const empty = tableToIPC(new Table(schema, [new RecordBatch(schema, data)]), "file");
    const merged = tableFromIPC(await mergeParts("arrow", [empty, empty]));
    expect([merged.numRows, merged.schema.fields[0]?.name]).toEqual([0, "n"]);
    expect((await mergeParts("arrow", [new Uint8Array(), new Uint8Array()])).length).toBe(0);
  });

  it.each([
    ["other columns", tableToIPC(tableFromArrays({ y: [1.5] }), "file"), /has the columns y/],
    ["a cut file", file(0, 9).subarray(0, -20), /no footer/],
    ["a cut stream", stream(0, 9).subarray(0, 700), /ends inside/],
    ["concatenated streams", Buffer.concat([stream(0, 1), stream(1, 1)]), /several streams/],
    ["other bytes", Buffer.from("hello, hello, hello"), /no whole Arrow file/],
  ])("refuses %s", async (_what, part, problem) => {
    await expect(mergeParts("arrow", [file(0, 3), part])).rejects.toThrow(problem);
    await expect(mergeParts("arrow", [file(0, 3), part])).rejects.toMatchObject({ label: "r1" });
  });

  it("reads bytes at any alignment", async () => {
    const bytes = new Uint8Array(file(0, 3).length + 3);
    bytes.set(file(0, 3), 3);
    const merged = tableFromIPC(await mergeParts("arrow", [bytes.subarray(3)]));
    expect(merged.getChild("x")?.toArray()).toEqual(Float64Array.of(0, 1, 2));
  });

  it("scans streams without end mark, and refuses cut and concatenated input", async () => {
    const writer = new RecordBatchStreamWriter();
    writer.writeAll(table(0, 5)).finish();
    const whole = writer.toUint8Array(true);
    const scanned = await bench.scanText("s.arrows", whole.subarray(0, whole.length - 8));
    expect([scanned.events, scanned.notes]).toEqual([5, ["stream without its end mark"]]);
    const twice = Buffer.concat([whole, whole]);
    await expect(bench.scanText("t.arrows", twice)).rejects.toThrow(/several streams/);
    const cut = file(0, 5).subarray(0, -1);
    await expect(bench.scanText("c.arrow", cut)).rejects.toThrow(/cut off or never closed/);
  });

  it("counts the rows of a part", async () => {
    expect((await mergeRule("arrow")).countRecords({ label: "r0", bytes: stream(0, 7) })).toBe(7);
  });
});

describe("parquet", () => {
  const SCHEMA: SchemaElement[] = [
    { name: "root", num_children: 5 },
    { name: "id", type: "INT64", repetition_type: "REQUIRED" },
    { name: "text", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
    {
      name: "price",
      type: "INT32",
      converted_type: "DECIMAL",
      scale: 2,
      precision: 9,
      repetition_type: "REQUIRED",
    },
    {
      name: "at",
      type: "INT64",
      converted_type: "TIMESTAMP_MICROS",
      repetition_type: "OPTIONAL",
    },
    { name: "pt", converted_type: "LIST", num_children: 1, repetition_type: "OPTIONAL" },
    { name: "list", num_children: 1, repetition_type: "REPEATED" },
    { name: "element", type: "FLOAT", repetition_type: "OPTIONAL" },
  ];
  const rowsOf = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => from + i).map((n) => ({
      id: BigInt(n) + 9_007_199_254_740_993n,
      text: n % 3 === 0 ? null : `värde ${n}`,
      price: n + 0.25,
      at: n % 4 === 0 ? null : 1_700_000_000_000_001n + BigInt(n),
      pt: n % 5 === 0 ? null : Array.from({ length: n % 4 }, (_, i) => (i === 1 ? null : i + 0.5)),
    }));

  function parquetOf(from: number, count: number, schema = SCHEMA): Uint8Array {
    const rows = rowsOf(from, count);
    const names = ["id", "text", "price", "at", "pt"] as const;
    const columnData = names.map((name) => ({ name, data: rows.map((row) => row[name]) }));
    const writer = new ByteWriter();
    parquetWrite({ writer, schema, columnData: columnData as never, statistics: false });
    return new Uint8Array(writer.getBuffer());
  }

  /** Rows with times as the integers they are on disk. */
  async function read(bytes: Uint8Array): Promise<unknown> {
    const file = new Uint8Array(bytes).buffer;
    const parsers = { timestampFromMicroseconds: (micros: bigint) => micros };
    return plain(await parquetReadObjects({ file, compressors, parsers }));
  }

  it("joins rows without losing a digit, with the schema as it was", async () => {
    const parts = [parquetOf(0, 1), new Uint8Array(), parquetOf(1, 20), parquetOf(21, 3)];
    const merged = await mergeParts("parquet", parts);
    expect(await read(merged)).toEqual(plain(rowsOf(0, 24)));
    const metadata = parquetMetadata(new Uint8Array(merged).buffer);
    const original = parquetMetadata(new Uint8Array(parquetOf(0, 1)).buffer);
    expect(metadata.schema).toEqual(original.schema);
    expect(metadata.row_groups.length).toBe(1);
    expect((await bench.scanText("merged.parquet", merged)).events).toBe(24);
  });

  it("gives the same bytes for the same parts", async () => {
    const parts = [parquetOf(0, 5), parquetOf(5, 5)];
    expect(await mergeParts("parquet", parts)).toEqual(await mergeParts("parquet", parts));
  });

  it.each([
    [
      "another schema",
      parquetOf(
        0,
        1,
        SCHEMA.map((e) => (e.name === "price" ? { ...e, scale: 3 } : e)),
      ),
      /another schema \(column price/,
    ],
    ["a cut file", parquetOf(0, 9).subarray(0, -9), /no whole Parquet file/],
    ["other bytes", Buffer.from("hello"), /does not begin with PAR1/],
  ])("refuses %s", async (_what, part, problem) => {
    const parts = [parquetOf(0, 1), part];
    await expect(mergeParts("parquet", parts)).rejects.toThrow(problem);
    await expect(mergeParts("parquet", parts)).rejects.toMatchObject({ label: "r1" });
  });

  it.skipIf(sharedData === null)("carries all 1 601 columns of a real file", async () => {
    const original = readFileSync(join(sharedData ?? "", "parquet/nano_dimuon.parquet"));
    const merged = await mergeParts("parquet", [original]);
    expect(await read(merged)).toEqual(await read(original));
  });
});

describe("zip", () => {
  it("holds one member a part, named by label and file, readable by others", async () => {
    const parts = ["one", "", "three\n".repeat(1000)].map((text) => Buffer.from(text));
    const merged = await mergeParts("zip", parts, "some/where/histogram é.root");
    const path = bench.file("merged.zip", merged);
    const script =
      "import sys, zipfile, json; z = zipfile.ZipFile(sys.argv[1]); z.testzip();" +
      "print(json.dumps([[i.filename, i.file_size, i.date_time[0]] for i in z.infolist()]))";
    const python = spawnSync("python3", ["-c", script, path], { encoding: "utf8" });
    if (python.error) return console.warn("SKIPPED: reading the zip with python3 (not installed)");
    expect(python.stderr).toBe("");
    expect(JSON.parse(python.stdout)).toEqual([
      ["r0-histogram é.root", 3, 1980],
      ["r1-histogram é.root", 0, 1980],
      ["r2-histogram é.root", 6000, 1980],
    ]);
  });

  it("goes over to zip64 where members are more than 65 534", async () => {
    const parts = Array.from({ length: 65_600 }, () => new Uint8Array(1));
    const merged = await mergeParts("zip", parts);
    expect(merged.readUInt32LE(merged.length - 22)).toBe(0x0605_4b50);
    expect(merged.readUInt16LE(merged.length - 12)).toBe(0xffff);
    expect(merged.readUInt32LE(merged.length - 98)).toBe(0x0606_4b50);
    expect(merged.readBigUInt64LE(merged.length - 98 + 32)).toBe(65_600n);
  });
});
