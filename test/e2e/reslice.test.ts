/**
 * Files cut into ranges and merged again are the same events: a payload that hands its slice on as
 * it is proves slicing and merging at once, for compressed LHE and for HepMC that lacks its footer.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { lheText } from "../../examples/drell-yan/generate.ts";
import { readHepmc, readLhe } from "../helpers/event-readers.ts";
import {
  digestIds,
  type FileReference,
  references,
  sha256Hex,
  sharedData,
} from "../helpers/shared-data.ts";
import { useBench, writeTask } from "./support/bench.ts";
import { documentOf, expectFinal } from "./support/documents.ts";

const bench = useBench();
const TIMEOUT_MS = 90_000;

/** The merged text of a task whose payload copies slices. */
async function resliced(
  input: string,
  merge: "lhe" | "hepmc",
  events: number,
  pieces: number,
): Promise<string> {
  const folder = bench.place();
  const task = writeTask(folder, {
    name: "resliced",
    input: { files: [input] },
    eventsPerRange: Math.ceil(events / pieces),
    payload: { command: ["cp", "{slice}", "{output}"] },
    output: { name: `merged.${merge}`, merge, recordsPerEvent: 1 },
  });
  const args = ["run", task, "--inline", "--slots", "2", "--results", folder, "--output", "json"];
  const document = documentOf(await bench.jumbo(args, { timeoutMs: TIMEOUT_MS }));
  expectFinal(document, pieces);
  expect(document.events.done).toBe(events);
  return readFileSync(join(folder, `merged.${merge}`), "latin1");
}

const digest = (texts: readonly string[]) =>
  digestIds(texts.map((text) => sha256Hex(Buffer.from(text, "latin1"))));

test("a generated LHE file in 11 pieces and merged again has the same bytes", {
  timeout: TIMEOUT_MS,
}, async () => {
  const text = lheText(0, 1000, "42");
  const input = join(bench.place(), "generated.lhe");
  writeFileSync(input, text);
  expect(await resliced(input, "lhe", 1000, 11)).toBe(text);
});

test("HepMC of three events without a footer gives all three", {
  timeout: TIMEOUT_MS,
}, async () => {
  const input = join(bench.place(), "three.hepmc3");
  const event = (n: number) => `E ${n} 0 1\nU GEV MM\nP 1 0 22 0 0 ${n} ${n} 0 1\n`;
  const head = "HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\n";
  writeFileSync(input, head + event(0) + event(1) + event(2));
  const merged = await resliced(input, "hepmc", 3, 3);
  expect(readHepmc(merged).map((each) => each.text)).toEqual([event(0), event(1), event(2)]);
  expect(merged).toContain("END_EVENT_LISTING");
});

describe.skipIf(sharedData === null)("real files", () => {
  const reference = (name: string) => references()[name] as FileReference;

  test("10 000 LHE events in 11 pieces and merged again", { timeout: TIMEOUT_MS }, async () => {
    const name = "lhe/pylhe-testfile-madgraph-2.2.1-Z-mlm.lhe.gz";
    const merged = await resliced(join(sharedData ?? "", name), "lhe", 10_000, 11);
    const texts = readLhe(merged).map((event) => event.text);
    expect(texts.length).toBe(10_000);
    expect(digest(texts)).toEqual(reference(name).content_ids);
    expect(sha256Hex(Buffer.from(texts[0] as string, "latin1"))).toBe(
      reference(name)["first_event_sha256"],
    );
    expect(sha256Hex(Buffer.from(texts[9999] as string, "latin1"))).toBe(
      reference(name)["last_event_sha256"],
    );
  });

  test.each([
    ["hepmc/events.eeH.hepmc3", 7],
    ["hepmc/inputThreads1.hepmc", 13],
  ])("%s without its footer", { timeout: TIMEOUT_MS }, async (name, pieces) => {
    const whole = readFileSync(join(sharedData ?? "", name), "latin1");
    const footer = /HepMC::\S*END_EVENT_LISTING\s*$/.exec(whole);
    expect(footer).not.toBeNull();
    const input = join(bench.place(), `cut.${name.split(".").at(-1)}`);
    writeFileSync(input, whole.slice(0, footer?.index), "latin1");
    const { events, content_ids } = reference(name);
    const merged = await resliced(input, "hepmc", events, pieces);
    expect(digest(readHepmc(merged).map((event) => event.text))).toEqual(content_ids);
  });
});
