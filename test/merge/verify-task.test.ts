/** The certificate must find every planted gap, duplicate, swap and change; and only those. */

import { createHash } from "node:crypto";
import { appendFileSync, closeSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createManifest, ManifestColumns } from "../../src/formats/index.ts";
import { eventMapOf, formatCertificate, verifyManifest } from "../../src/merge/index.ts";
import { headMetadata, type ManifestHead } from "../../src/merge/manifest-head.ts";
import { temporaryFolder } from "./harness.ts";

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

interface Row {
  range: number;
  input: number;
  first: number;
  last: number;
  state: 0 | 1;
  output: number;
  member: string | null;
  attempt: number;
  pilot: number;
}

/** Inputs of 10 and 6 events and an empty one, 4 a range; range 3 failed; two output files. */
function soundRows(): Row[] {
  const row = (range: number, input: number, first: number, last: number): Row => ({
    range,
    input,
    first,
    last,
    state: range === 3 ? 1 : 0,
    output: range === 3 ? -1 : range < 2 ? 0 : 1,
    member: range === 3 ? null : `t9/r${range}.e2.l${range + 1}/out`,
    attempt: range === 4 ? 3 : 1,
    pilot: range === 3 ? -1 : range % 2,
  });
  return [row(0, 0, 0, 3), row(1, 0, 4, 7), row(2, 0, 8, 9), row(3, 2, 0, 3), row(4, 2, 4, 5)];
}

function soundHead(): ManifestHead {
  const sha256 = createHash("sha256").update("some bytes\n").digest("hex");
  const output = (path: string, firstRange: number, ranges: number) => ({
    path,
    bytes: 11,
    sha256,
    firstRange,
    ranges,
  });
  const input = (source: string, events: number) => ({
    source,
    format: "lhe",
    tree: "",
    events,
    sha256: "",
  });
  return {
    schema: "manifest/1",
    task: {
      id: 9,
      name: "planted",
      contentHash: "c0ffee",
      merge: "concat",
      eventsPerRange: 4,
      ranges: 5,
      events: 16,
    },
    counts: { merged: { ranges: 4, events: 12 }, failed: { ranges: 1, events: 4 } },
    inputs: [input("/a", 10), input("/empty", 0), input("/b", 6)],
    outputs: [output("out-00000", 0, 2), output("out-00001", 2, 3)],
  };
}

async function write(rows: Row[], head: ManifestHead): Promise<string> {
  for (const { path } of head.outputs) writeFileSync(join(folder.path, path), "some bytes\n");
  const path = join(folder.path, "out.manifest.arrow");
  const fd = openSync(path, "w");
  const target = { write: (bytes: Uint8Array) => void writeSync(fd, bytes) };
  const writer = await createManifest(target, headMetadata(head), {
    file: ["/a", "/empty", "/b"],
    bundle: ["file:///x.zip"],
    pilot: ["p0", "p1"],
    node: [],
    outputFile: head.outputs.map((output) => output.path),
    reason: ["bad luck"],
  });
  const batch = new ManifestColumns(2);
  for (const row of rows) {
    if (batch.full) {
      writer.write(batch);
      batch.clear();
    }
    const at = batch.addRow();
    batch.range[at] = row.range;
    batch.inputIndex[at] = row.input;
    batch.fileIndex[at] = row.input;
    batch.firstEvent0[at] = row.first;
    batch.lastEvent0[at] = row.last;
    batch.state[at] = row.state;
    batch.attempt[at] = row.attempt;
    batch.member[at] = row.member;
    batch.outputFileIndex[at] = row.output;
    batch.pilotIndex[at] = row.pilot;
    batch.bundleIndex[at] = row.member === null ? -1 : 0;
    batch.epoch[at] = row.state === 1 ? -1 : 2;
    batch.lease[at] = row.state === 1 ? -1 : row.range + 1;
    batch.reasonIndex[at] = row.state === 1 ? 0 : -1;
  }
  writer.write(batch);
  writer.finish();
  closeSync(fd);
  return path;
}

type Plant = (rows: Row[], head: ManifestHead) => Row[] | undefined;
const verify = async (plant: Plant) => {
  const rows = soundRows();
  const head = soundHead();
  return await verifyManifest(await write(plant(rows, head) ?? rows, head));
};

describe("the certificate", () => {
  it("is given to a sound manifest, failed ranges listed", async () => {
    const certificate = await verify(() => undefined);
    expect(certificate.problems).toEqual([]);
    expect(certificate).toMatchObject({
      ok: true,
      events: 16,
      ranges: 5,
      covered: 12,
      failed: 4,
      duplicated: 0,
      missing: 0,
    });
    expect(formatCertificate(certificate)).toContain("exactly once: proven");
  });

  const planted: [string, Plant, { missing?: number; duplicated?: number }, RegExp][] = [
    [
      "a row left out",
      (rows) => rows.filter((row) => row.range !== 1),
      { missing: 4 },
      /in no range/,
    ],
    [
      "the last row left out",
      (rows) => rows.slice(0, 4),
      { missing: 2 },
      /events 4\.\.5 are in no/,
    ],
    [
      "a row twice",
      (rows) => [...rows.slice(0, 2), rows[1]!, ...rows.slice(2)],
      { duplicated: 4 },
      /again/,
    ],
    [
      "a range that begins early",
      (rows) => void (rows[1]!.first = 3),
      { duplicated: 1 },
      /events 3\.\.3 are covered again/,
    ],
    [
      "a range that begins late",
      (rows) => void (rows[1]!.first = 5),
      { missing: 1 },
      /events 4\.\.4 are in no range/,
    ],
    ["a range beyond its file", (rows) => void (rows[2]!.last = 10), {}, /not in input 0/],
    ["two rows swapped", (rows) => [rows[1]!, rows[0]!, ...rows.slice(2)], {}, /not in order/],
    ["an event of another file", (rows) => void (rows[4]!.input = 0), {}, /comes after input 2/],
    [
      "a member used for two rows",
      (rows) => void (rows[1]!.member = rows[0]!.member),
      {},
      /belongs to another/,
    ],
    ["a range in the wrong output", (rows) => void (rows[1]!.output = 1), {}, /does not claim it/],
    [
      "a failed range called merged",
      (rows) => void (rows[3]!.state = 0),
      {},
      /merged ranges: 5 found/,
    ],
    [
      "an output that claims too little",
      (_rows, head) => void ((head.outputs[1] as { ranges: number }).ranges = 2),
      {},
      /ranges of the output files: 4/,
    ],
    [
      "an input table that shrank",
      (rows, head) => {
        (head.inputs as unknown[]).pop();
        return rows.slice(0, 3);
      },
      {},
      /events of the input table: 10 found/,
    ],
  ];
  for (const [what, plant, figures, problem] of planted) {
    it(`is refused for ${what}`, async () => {
      const certificate = await verify(plant);
      expect(certificate.ok).toBe(false);
      expect(certificate).toMatchObject(figures);
      expect(certificate.problems.join("\n")).toMatch(problem);
      expect(formatCertificate(certificate)).toContain("NOT proven");
    });
  }

  it("is refused when an output file is longer, changed or gone", async () => {
    const path = await write(soundRows(), soundHead());
    writeFileSync(join(folder.path, "out-00000"), "some bytez\n");
    expect((await verifyManifest(path)).problems[0]).toContain("another sha256");
    appendFileSync(join(folder.path, "out-00000"), "x");
    expect((await verifyManifest(path)).problems[0]).toContain("12 bytes, recorded are 11");
    rmSync(join(folder.path, "out-00000"));
    expect((await verifyManifest(path)).problems[0]).toContain("can't be read");
    expect((await verifyManifest(path, { hashFiles: false })).ok).toBe(true);
  });

  it("compares with the books where it is given them", async () => {
    const path = await write(soundRows(), soundHead());
    const inputs = soundHead().inputs;
    expect((await verifyManifest(path, { inputs, contentHash: "c0ffee" })).ok).toBe(true);
    expect((await verifyManifest(path, { contentHash: "other" })).ok).toBe(false);
    const other = inputs.map((input) => ({ ...input, source: "/c" }));
    expect((await verifyManifest(path, { inputs: other })).ok).toBe(false);
  });

  it("says what is wrong with a file that is no manifest", async () => {
    const path = join(folder.path, "x.arrow");
    await expect(verifyManifest(path)).rejects.toMatchObject({ code: "not_found" });
    writeFileSync(path, "ARROW1 but not really");
    await expect(verifyManifest(path)).rejects.toMatchObject({ code: "input_unreadable" });
    const good = await write(soundRows(), { ...soundHead(), schema: "manifest/7" as never });
    await expect(verifyManifest(good)).rejects.toMatchObject({ code: "input_unreadable" });
  });
});

describe("the event map", () => {
  it("draws rows together to cells with pilot, attempts and failures", async () => {
    const path = await write(soundRows(), soundHead());
    const fine = await eventMapOf(path, 100);
    expect(fine.cells).toHaveLength(5);
    expect(fine.cells[4]).toEqual({ firstRange: 4, ranges: 1, pilot: 0, attempts: 3, failed: 0 });
    expect(fine.cells[3]).toMatchObject({ pilot: -1, failed: 1 });
    const coarse = await eventMapOf(path, 2);
    expect(coarse).toMatchObject({ rangesPerCell: 3, pilots: ["p0", "p1"] });
    expect(coarse.cells[0]).toEqual({ firstRange: 0, ranges: 3, pilot: 0, attempts: 1, failed: 0 });
    expect(coarse.cells[1]).toMatchObject({ firstRange: 3, ranges: 2, attempts: 3, failed: 1 });
  });
});
