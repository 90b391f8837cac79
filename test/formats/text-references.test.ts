/**
 * Text formats on real files: counts, index digests, content digests and histograms equal the
 * references, for the whole file and for slices of 1, 7, 100 and more events than there are.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { mergeRule, readBounds, sliceBytes } from "../../src/formats/index.ts";
import type { TaskFile } from "../../src/task/index.ts";
import { leptonPairMass, readCsv, readHepmc, readLhe } from "../helpers/event-readers.ts";
import { Histogram, masslessPairMass } from "../helpers/histogram.ts";
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

type TextKind = "lhe" | "hepmc" | "csv";

const FILES: readonly [name: string, kind: TextKind][] = [
  ["lhe/pylhe-testfile-pythia-6.413-ttbar.lhe", "lhe"],
  ["lhe/pylhe-testfile-madgraph-2.2.1-Z-ckkwl.lhe.gz", "lhe"],
  ["lhe/pylhe-testfile-madgraph-2.2.1-Z-mlm.lhe.gz", "lhe"],
  ["hepmc/inputThreads1.hepmc", "hepmc"],
  ["hepmc/events.eeH.hepmc3", "hepmc"],
  ["csv/Zmumu_Run2011A.csv", "csv"],
];

/** What the references' content_rule names, by our own small readers. */
const contents: Record<TextKind, (text: string) => string[]> = {
  lhe: (text) => readLhe(text).map((event) => event.text),
  hepmc: (text) => readHepmc(text).map((event) => event.text),
  csv: (text) => readCsv(text).map((record) => record.line),
};

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** The slice of events [first, first + count), cut at the end of the file. */
function sliceOf(file: TaskFile, first: number, count: number): Uint8Array {
  const bounds = readBounds(file.indexPath, first, Math.min(count, file.events - first));
  return sliceBytes(file, bounds[0] as number, bounds.at(-1) as number);
}

describe.skipIf(sharedData === null).each(FILES)("%s", (name, kind) => {
  const reference = references()[name] as FileReference;
  const path = join(sharedData ?? "", name);

  it("has the reference's events, sha256 and index digest", async () => {
    const file = await bench.scan(path);
    expect(file.format).toBe(kind);
    expect(file.events).toBe(reference.events);
    expect(file.sha256).toBe(reference.sha256);
    const indices = Array.from({ length: file.events }, (_, i) => String(i));
    expect(digestIds(indices)).toEqual(reference.index_ids);
  });

  it("has bounds that hold exactly the contents of the reference", async () => {
    const file = await bench.scan(path);
    const bytes = readFileSync(file.path);
    const bounds = readBounds(file.indexPath, 0, file.events);
    const ids: string[] = [];
    for (let i = 0; i < bounds.length; i += 2) {
      const event = bytes.subarray(bounds[i], bounds[i + 1]).toString("latin1");
      ids.push(sha256Hex(Buffer.from(kind === "csv" ? event.trimEnd() : event, "latin1")));
    }
    expect(digestIds(ids)).toEqual(reference.content_ids);
  });

  it.each([1, 7, 100, reference?.events + 50])("gives valid slices of %d events", async (size) => {
    const file = await bench.scan(path);
    const rule = await mergeRule(kind);
    const ids: string[] = [];
    for (let first = 0; first < file.events; first += size) {
      const bytes = sliceOf(file, first, size);
      const events = rule.countRecords({ label: `r${first}`, bytes });
      const texts = contents[kind](latin1(bytes));
      const wanted = Math.min(size, file.events - first);
      if (events !== wanted || texts.length !== wanted) {
        expect({ first, events, read: texts.length }).toEqual({ first, events: wanted });
      }
      for (const text of texts) ids.push(sha256Hex(Buffer.from(text, "latin1")));
    }
    expect(digestIds(ids)).toEqual(reference.content_ids);
  });

  it("gives slices that scan as files of their own", async () => {
    const file = await bench.scan(path);
    for (const [first, count] of [
      [0, 1],
      [Math.floor(file.events / 2), 7],
      [0, file.events],
    ] as const) {
      const slice = await bench.scanText(`slice.${kind}`, sliceOf(file, first, count));
      expect(slice.events).toBe(count);
      expect(slice.variant).toBe(file.variant);
      expect(slice.notes).toEqual([]);
    }
  });
});

describe.skipIf(sharedData === null)("histograms of what slices deliver", () => {
  async function textOfRanges(name: string, size: number): Promise<string[]> {
    const file = await bench.scan(join(sharedData ?? "", name));
    const texts: string[] = [];
    for (let first = 0; first < file.events; first += size) {
      texts.push(latin1(sliceOf(file, first, size)));
    }
    return texts;
  }

  function expectEqual(histogram: Histogram, wanted: HistogramReference): void {
    const { counts, under, over, entries } = histogram;
    const { counts: c, under: u, over: o, entries: e } = wanted;
    expect({ counts, under, over, entries }).toEqual({ counts: c, under: u, over: o, entries: e });
    wanted.sumw?.forEach((sum, bin) => {
      expect(histogram.sumw[bin]).toBeCloseTo(sum, 6);
    });
  }

  it.each(FILES.filter(([, kind]) => kind === "lhe"))("m(ll) of %s", async (name) => {
    const wanted = references()[name]?.[
      "hist_mll_first_two_final_charged_leptons"
    ] as HistogramReference;
    const histogram = new Histogram(wanted);
    for (const text of await textOfRanges(name, 1000)) {
      for (const event of readLhe(text)) {
        const mass = leptonPairMass(event);
        if (mass !== null) histogram.fill(mass, event.weight);
      }
    }
    expectEqual(histogram, wanted);
  });

  it("m(ll) of LHE mlm has its peak and tails where the issue states them", async () => {
    const histogram = new Histogram({ lo: 60, hi: 120, bins: 60 });
    const name = "lhe/pylhe-testfile-madgraph-2.2.1-Z-mlm.lhe.gz";
    for (const text of await textOfRanges(name, 100)) {
      for (const event of readLhe(text)) histogram.fill(leptonPairMass(event) ?? Number.NaN);
    }
    expect(histogram.counts.slice(30, 32)).toEqual([1653, 1908]);
    expect([histogram.under, histogram.over]).toEqual([1657, 103]);
  });

  it("m(mumu) of CSV Zmumu", async () => {
    const name = "csv/Zmumu_Run2011A.csv";
    const wanted = references()[name]?.["hist_mll_massless"] as HistogramReference;
    const histogram = new Histogram(wanted);
    const ids: string[] = [];
    for (const text of await textOfRanges(name, 100)) {
      for (const { row } of readCsv(text)) {
        const value = (key: string) => Number(row[key]);
        histogram.fill(
          masslessPairMass(
            value("pt1"),
            value("eta1"),
            value("phi1"),
            value("pt2"),
            value("eta2"),
            value("phi2"),
          ),
        );
        ids.push(`${row["Run"]}:${row["Event"]}`);
      }
    }
    expectEqual(histogram, wanted);
    expect(histogram.counts.slice(29, 33)).toEqual([1091, 1420, 1418, 1027]);
    expect(digestIds(ids)).toEqual(references()[name]?.run_event_ids);
  });

  it.each(FILES.filter(([, kind]) => kind === "hepmc"))("multiplicity of %s", async (name) => {
    const reference = references()[name] as FileReference;
    const wanted = reference["hist_final_state_multiplicity"] as HistogramReference;
    const histogram = new Histogram(wanted);
    const numbers: string[] = [];
    for (const text of await textOfRanges(name, 7)) {
      for (const event of readHepmc(text)) {
        histogram.fill(event.finalState);
        numbers.push(event.number);
      }
    }
    expectEqual(histogram, wanted);
    expect(digestIds(numbers)).toMatchObject({
      n: reference.events,
      sum64: (reference["event_numbers"] as { sum64: string }).sum64,
    });
  });
});
