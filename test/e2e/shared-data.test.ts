/**
 * All real event files through `jumbo run`, in ranges of 1, 7, 100 and more events than any file
 * has: what comes out of the merge equals the references, event by event, in order. Of the three
 * files with 10 000 events and more, two are cut into single events only with JUMBO_E2E=full.
 */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { Histogram } from "../helpers/histogram.ts";
import {
  digestIds,
  type FileReference,
  type HistogramReference,
  type IdDigest,
  references,
  sharedData,
} from "../helpers/shared-data.ts";
import type { EventLine } from "./payloads/event-reading.ts";
import { node, payload, useBench, writeTask } from "./support/bench.ts";
import { documentOf, expectFinal } from "./support/documents.ts";

const bench = useBench();
const PROGRAM = payload("event-lines.ts");
const RUN_MS = 400_000;

const all = references();
const names = Object.keys(all);
const full = process.env["JUMBO_E2E"] === "full";
const oneByOne = names.filter((name) => full || !/ckkwl|csv$/.test(name));
const isBinary = (name: string) => /\.(root|parquet)$/.test(name);

/** Runs a task over files and returns the merged lines, by input, in order. */
async function linesOf(
  files: readonly string[],
  eventsPerRange: number,
  payloadKeys: Record<string, unknown>,
): Promise<Map<string, EventLine[]>> {
  const folder = bench.place();
  const task = writeTask(folder, {
    name: "every-event",
    input: { files: files.map((name) => join(sharedData ?? "", name)) },
    eventsPerRange,
    payload: payloadKeys,
    output: { name: "events.jsonl", merge: "jsonl", recordsPerEvent: 1 },
  });
  const finished = await bench.jumbo(
    ["run", task, "--inline", "--slots", "2", "--results", folder, "--output", "json"],
    { timeoutMs: RUN_MS },
  );
  const document = documentOf(finished);
  const events = files.map((name) => (all[name] as FileReference).events);
  expectFinal(
    document,
    events.reduce((sum, count) => sum + Math.ceil(count / eventsPerRange), 0),
  );
  const text = readFileSync(join(folder, "events.jsonl"), "utf8");
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as EventLine);
  expect(lines.length).toBe(events.reduce((sum, count) => sum + count, 0));
  let at = 0;
  return new Map(files.map((name, i) => [name, lines.slice(at, (at += events[i] as number))]));
}

function expectHistogram(lines: readonly EventLine[], wanted: HistogramReference): Histogram {
  const histogram = new Histogram(wanted);
  for (const line of lines) {
    for (const value of line.values) histogram.fill(value, line.weight ?? 1);
  }
  const { counts, under, over, entries } = histogram;
  const { counts: c, under: u, over: o, entries: e } = wanted;
  expect({ counts, under, over, entries }).toEqual({ counts: c, under: u, over: o, entries: e });
  wanted.sumw?.forEach((sum, bin) => {
    expect(histogram.sumw[bin]).toBeCloseTo(sum, 5);
  });
  return histogram;
}

/** Everything that the reference states of a file, and the figures that are known by heart. */
function expectReference(name: string, lines: readonly EventLine[], bytesOnly: boolean): void {
  const reference = all[name] as FileReference;
  expect(lines.map((line) => line.entry)).toEqual(lines.map((_, i) => i));
  expect(digestIds(lines.map((line) => String(line.entry)))).toEqual(reference.index_ids);
  if (reference.content_ids) {
    expect(digestIds(lines.map((line) => line.content ?? ""))).toEqual(reference.content_ids);
  }
  const natives =
    reference.run_event_ids ??
    reference.run_lumi_event_ids ??
    (reference["event_numbers"] as IdDigest | undefined);
  if (natives) {
    const { n, uniq, sum64, xor64, sorted_sha256 } = natives;
    const wanted = { n, uniq, sum64, xor64, sorted_sha256 };
    expect(digestIds(lines.map((line) => line.native ?? ""))).toEqual(wanted);
  }
  const sum = (of: (line: EventLine) => number) => lines.reduce((all, line) => all + of(line), 0);
  const sumOfValues = sum((line) => line.values.reduce((a, b) => a + b, 0));
  const spectrum = (key: string) => expectHistogram(lines, reference[key] as HistogramReference);
  if (name.includes("HZZ")) {
    expect(sum((line) => Number(line.native))).toBe(3825);
    spectrum("hist_dimuon_mass_first_two_opposite_charge");
  } else if (name.includes("uproot-Zmumu")) spectrum("hist_M");
  else if (name.includes("nanoAOD")) {
    expect(sum((line) => line.weight ?? 0)).toBe(reference["muons"]);
    spectrum("hist_jet_pt");
  } else if (name.startsWith("parquet/")) expect(sumOfValues).toBe(reference["muons"]);
  else if (name.startsWith("lhe/")) {
    const histogram = spectrum("hist_mll_first_two_final_charged_leptons");
    if (!name.includes("mlm")) return;
    expect(histogram.counts.slice(30, 32)).toEqual([1653, 1908]);
    expect([histogram.under, histogram.over]).toEqual([1657, 103]);
  } else if (name.startsWith("hepmc/")) {
    // Which version it is stands in the header, which bytes alone don't hold.
    if (!bytesOnly || !name.endsWith("3")) spectrum("hist_final_state_multiplicity");
  } else {
    const histogram = spectrum("hist_mll_massless");
    expect(histogram.counts.slice(29, 33)).toEqual([1091, 1420, 1418, 1027]);
  }
}

describe.skipIf(sharedData === null)("all shared files as one task", () => {
  test("there are files of every format", () => {
    const endings = new Set(names.map((name) => basename(name).split(".").at(-1)));
    expect(endings).toEqual(new Set(["root", "parquet", "lhe", "gz", "hepmc", "hepmc3", "csv"]));
  });

  test.each([
    [1, ["--bytes"], oneByOne],
    [7, [], names],
    [100, [], names],
  ])("a stream in ranges of %d", { timeout: RUN_MS }, async (eventsPerRange, flags, files) => {
    const command = [node, PROGRAM, "stream", ...flags];
    const lines = await linesOf(files, eventsPerRange, { mode: "stream", command });
    for (const name of files) {
      expectReference(name, lines.get(name) as EventLine[], flags.includes("--bytes"));
    }
  });

  test("one process a file, ranges larger than it", { timeout: RUN_MS }, async () => {
    const text = names.filter((name) => !isBinary(name));
    const binary = names.filter(isBinary);
    const words = [node, PROGRAM, "once", "{file}", "{tree}", "{start}", "{count}"];
    const [ofText, ofBinary] = await Promise.all([
      linesOf(text, 20_000, { command: [...words, "{slice}", "{output}"] }),
      linesOf(binary, 20_000, { command: [...words, "", "{output}"] }),
    ]);
    for (const name of text) expectReference(name, ofText.get(name) as EventLine[], false);
    for (const name of binary) expectReference(name, ofBinary.get(name) as EventLine[], false);
  });
});
