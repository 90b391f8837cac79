/** ROOT and Parquet on real files: what is counted, and what readers get, equals the references. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { afterAll, describe, expect, it } from "vitest";
import { Histogram, pairMass } from "../helpers/histogram.ts";
import { type RootRow, readTree } from "../helpers/root-reader.ts";
import { Workbench } from "../helpers/scanning.ts";
import {
  digestIds,
  type FileReference,
  type HistogramReference,
  references,
  sha256Hex,
  sharedData,
} from "../helpers/shared-data.ts";

const bench = new Workbench();
afterAll(() => bench.remove());

const BINARY_FILES = [
  "root/uproot-HZZ.root",
  "root/uproot-HZZ-lz4.root",
  "root/uproot-Zmumu.root",
  "root/nanoAOD_2015_CMS_Open_Data_ttbar.root",
  "parquet/nano_dimuon.parquet",
];

describe.skipIf(sharedData === null).each(BINARY_FILES)("%s", (name) => {
  it("has the reference's events, tree, sha256 and index digest", async () => {
    const reference = references()[name] as FileReference;
    const file = await bench.scan(join(sharedData ?? "", name));
    expect(file.format).toBe(name.split("/")[0]);
    expect(file.events).toBe(reference.events);
    expect(file.tree).toBe(reference.tree ?? "");
    expect(file.sha256).toBe(reference.sha256);
    expect(file.indexPath).toBe("");
    const indices = Array.from({ length: file.events }, (_, i) => String(i));
    expect(digestIds(indices)).toEqual(reference.index_ids);
  });
});

describe.skipIf(sharedData === null)("baskets and clusters", () => {
  it("lists where HZZ begins a new basket", async () => {
    const file = await bench.scan(join(sharedData ?? "", "root/uproot-HZZ.root"));
    const baskets = references()["root/uproot-HZZ.root"]?.["baskets"] as { Muon_Px: number[] };
    expect([...file.clusters, file.events]).toEqual(baskets.Muon_Px);
  });
});

/** Entries of a file's tree, read in ranges of `size` as payloads do. */
async function rowsOf(name: string, branches: readonly string[], size: number): Promise<RootRow[]> {
  const path = join(sharedData ?? "", name);
  const { tree, events } = await bench.scan(path);
  const rows: RootRow[] = [];
  for (let first = 0; first < events; first += size) {
    rows.push(...(await readTree(path, tree, branches, first, Math.min(size, events - first))));
  }
  return rows;
}

function values(row: RootRow, name: string): number[] {
  return Array.from(row[name] as ArrayLike<number>);
}

function expectHistogram(histogram: Histogram, wanted: HistogramReference): void {
  expect(histogram.counts).toEqual(wanted.counts);
  expect([histogram.under, histogram.over]).toEqual([wanted.under, wanted.over]);
  wanted.sumw?.forEach((sum, bin) => {
    expect(histogram.sumw[bin]).toBeCloseTo(sum, 5);
  });
}

describe.skipIf(sharedData === null).each([
  ["root/uproot-HZZ.root", 3000],
  ["root/uproot-HZZ-lz4.root", 700],
])("%s in ranges of %d", (name, size) => {
  it("delivers the reference's contents, muons and dimuon spectrum", async () => {
    const reference = references()[name] as FileReference;
    const scalars = ["MET_px", "MET_py", "EventWeight", "NJet", "NMuon", "NPrimaryVertices"];
    const muons = ["Muon_Px", "Muon_Py", "Muon_Pz", "Muon_E", "Muon_Charge"];
    const rows = await rowsOf(name, [...scalars, ...muons], size);
    expect(rows.length).toBe(reference.events);
    const ids = rows.map((row) => {
      const bytes = Buffer.alloc(24);
      scalars.slice(0, 3).forEach((key, i) => void bytes.writeFloatLE(Number(row[key]), 4 * i));
      scalars.slice(3).forEach((key, i) => void bytes.writeInt32LE(Number(row[key]), 12 + 4 * i));
      return sha256Hex(bytes);
    });
    expect(digestIds(ids)).toEqual(reference.content_ids);
    expect(rows.reduce((sum, row) => sum + Number(row["NMuon"]), 0)).toBe(3825);

    const wanted = reference["hist_dimuon_mass_first_two_opposite_charge"] as HistogramReference;
    const histogram = new Histogram(wanted);
    for (const row of rows) {
      const charge = values(row, "Muon_Charge");
      if (charge.length < 2 || (charge[0] as number) * (charge[1] as number) >= 0) continue;
      const four = (i: number) => muons.slice(0, 4).map((key) => values(row, key)[i] as number);
      histogram.fill(pairMass(four(0), four(1)), Number(row["EventWeight"]));
    }
    expect(histogram.entries).toBe(wanted.entries);
    expectHistogram(histogram, wanted);
  });
});

describe.skipIf(sharedData === null)("other trees and tables", () => {
  it("Zmumu delivers the mass spectrum, its run:event pairs repeating", async () => {
    const name = "root/uproot-Zmumu.root";
    const wanted = references()[name]?.["hist_M"] as HistogramReference;
    const rows = await rowsOf(name, ["M", "Run", "Event"], 1000);
    const histogram = new Histogram(wanted);
    for (const row of rows) histogram.fill(Number(row["M"]));
    expectHistogram(histogram, wanted);
    const ids = rows.map((row) => `${row["Run"]}:${row["Event"]}`);
    expect(digestIds(ids)).toEqual(references()[name]?.run_event_ids);
  });

  it("NanoAOD delivers its jets and run:lumi:event numbers", async () => {
    const name = "root/nanoAOD_2015_CMS_Open_Data_ttbar.root";
    const reference = references()[name] as FileReference;
    const wanted = reference["hist_jet_pt"] as HistogramReference;
    const branches = ["run", "luminosityBlock", "event", "nMuon", "Jet_pt"];
    const rows = await rowsOf(name, branches, 100);
    const histogram = new Histogram(wanted);
    for (const row of rows) for (const pt of values(row, "Jet_pt")) histogram.fill(pt);
    expectHistogram(histogram, wanted);
    expect(rows.reduce((sum, row) => sum + Number(row["nMuon"]), 0)).toBe(reference["muons"]);
    const ids = rows.map((row) => `${row["run"]}:${row["luminosityBlock"]}:${row["event"]}`);
    expect(digestIds(ids)).toEqual(reference.run_lumi_event_ids);
  });

  it("Parquet delivers its muons and run:lumi:event numbers in ranges of 7", async () => {
    const name = "parquet/nano_dimuon.parquet";
    const reference = references()[name] as FileReference;
    const file = new Uint8Array(readFileSync(join(sharedData ?? "", name))).buffer;
    const columns = ["run", "luminosityBlock", "event", "nMuon"];
    const ids: string[] = [];
    let muons = 0;
    for (let rowStart = 0; rowStart < reference.events; rowStart += 7) {
      const rowEnd = Math.min(rowStart + 7, reference.events);
      for (const row of await parquetReadObjects({
        file,
        columns,
        compressors,
        rowStart,
        rowEnd,
      })) {
        ids.push(`${row["run"]}:${row["luminosityBlock"]}:${row["event"]}`);
        muons += Number(row["nMuon"]);
      }
    }
    expect(digestIds(ids)).toEqual(reference.run_lumi_event_ids);
    expect(muons).toBe(reference["muons"]);
  });
});
