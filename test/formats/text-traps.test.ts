/** What real and broken text files do: attributes, comments, line ends, cuts, missing footers. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { type ByteScanner, scanBytes, scanFileBytes } from "../../src/formats/byte-scan.ts";
import { HepmcScanner } from "../../src/formats/hepmc-scanner.ts";
import { readBounds, sliceBytes } from "../../src/formats/index.ts";
import { LheScanner } from "../../src/formats/lhe-scanner.ts";
import { LineScanner } from "../../src/formats/line-scanner.ts";
import type { InputFormatName, TaskFile } from "../../src/task/index.ts";
import { Workbench } from "../helpers/scanning.ts";
import { sharedData } from "../helpers/shared-data.ts";

const bench = new Workbench();
afterAll(() => bench.remove());

const INIT = "<init>\n 2212 2212 6500. 6500. 0 0 0 0 3 1\n 1. 0.1 1. 1\n</init>\n";
const HEAD =
  '<LesHouchesEvents version="3.0">\n<header>\n<!-- an <event> in a comment -->\n</header>\n';
const event = (n: number) => ` 1 1 1. 91. 0.007 0.11\n 23 1 0 0 0 0 0. 0. ${n}. 92. 91. 0. 9.\n`;

/** Events of a scanned file as text. */
function eventTexts(file: TaskFile): string[] {
  const bytes = readFileSync(file.path);
  const bounds = readBounds(file.indexPath, 0, file.events);
  const texts: string[] = [];
  for (let i = 0; i < bounds.length; i += 2) {
    texts.push(bytes.subarray(bounds[i], bounds[i + 1]).toString("latin1"));
  }
  return texts;
}

function wholeSlice(file: TaskFile): string {
  const bounds = readBounds(file.indexPath, 0, file.events);
  return Buffer.from(sliceBytes(file, bounds[0] as number, bounds.at(-1) as number)).toString();
}

describe("LHE", () => {
  it("counts events with attributes and keeps text behind </event> out of them", async () => {
    const text =
      `${HEAD}${INIT}<event npLO=" 1 " npNLO=" 0 ">\n${event(1)}</event> # behind\nmore text\n` +
      `<event>\n${event(2)}</event>\n<event\tid='3'>\n${event(3)}</event>\n</LesHouchesEvents>\n`;
    const file = await bench.scanText("attributes.lhe", text);
    expect(file.events).toBe(3);
    for (const one of eventTexts(file)) expect(one).toMatch(/^<event[\s>][^#]*<\/event>$/);
    expect(file.notes.join()).toMatch(/1 events have text behind/);
    expect(file.header).toEqual([[0, text.indexOf("<event npLO")]]);
  });

  it("is not fooled by event groups, comments, CDATA, headers or init blocks", async () => {
    const text =
      '<?xml version="1.0"?>\n<!-- <LesHouchesEvents> <event> </event> -->\n' +
      `<LesHouchesEvents version="3.0">\n<header>\n<MGProc> <event> </event>\n</MGProc>\n` +
      `<![CDATA[ </header> <event> ]]>\n</header>\n` +
      `<init>\n 2212 2212 6500. 6500. 0 0 0 0 3 1\n<eventinfo> <event> </eventinfo>\n</init>\n` +
      `<eventgroup nreal="1">\n<event>\n${event(1)}<!-- </event> <event> -->\n</event>\n` +
      `<!-- <event>\n${event(9)}</event> -->\n<events_total>2</events_total>\n` +
      `<event>\n${event(2)}</event >\n</eventgroup>\n</LesHouchesEvents>\n`;
    const file = await bench.scanText("fooled.lhe", text);
    expect(file.events).toBe(2);
    expect(eventTexts(file)[1]).toMatch(/<\/event >$/);
    expect(file.header).toEqual([[0, text.indexOf("<eventgroup")]]);
    expect((await bench.scanText("slice.lhe", wholeSlice(file))).events).toBe(2);
  });

  it("takes CRLF lines, and a file without closing tag whose slices get one", async () => {
    const text = `${HEAD}${INIT}<event>\n${event(1)}</event>\n`.replaceAll("\n", "\r\n");
    const file = await bench.scanText("crlf.lhe", text);
    expect(file.events).toBe(1);
    expect(file.notes.join()).toMatch(/no closing/);
    expect(wholeSlice(file)).toMatch(/<\/event>\n<\/LesHouchesEvents>\n$/);
  });

  it("has 0 events where there is a header only, or nothing at all", async () => {
    const empty = await bench.scanText("none.lhe", `${HEAD}${INIT}</LesHouchesEvents>\n`);
    expect([empty.events, empty.format]).toEqual([0, "lhe"]);
    const nothing = await bench.scanText("nothing.lhe", "");
    expect([nothing.events, nothing.format]).toEqual([0, "lhe"]);
  });

  it.each([
    ["cut inside an event", `${HEAD}${INIT}<event>\n${event(1)}`, /no <\/event> for event 0/],
    ["cut inside the header", HEAD.slice(0, 60), /cut off/],
    [
      "an event inside an event",
      `${HEAD}${INIT}<event>\n<event>\n</event>\n</LesHouchesEvents>\n`,
      /no <\/event> for event 0/,
    ],
    [
      "two documents in one file",
      `${HEAD}${INIT}<event>\n${event(1)}</event>\n</LesHouchesEvents>\n`.repeat(2),
      /second LHE document/,
    ],
  ])("refuses %s, naming the file", async (_what, text, problem) => {
    await expect(bench.scanText("broken.lhe", text, "lhe")).rejects.toThrow(problem);
    await expect(bench.scanText("broken.lhe", text, "lhe")).rejects.toMatchObject({
      code: "input_unreadable",
      subject: join(bench.folder, "broken.lhe"),
    });
  });

  it("refuses other text as LHE rather than counting 0 events", async () => {
    await expect(bench.scanText("x.lhe", "a,b\n1,2\n", "lhe")).rejects.toThrow(/no LHE text/);
  });
});

describe("gzip", () => {
  const text = `${HEAD}${INIT}<event>\n${event(1)}</event>\n</LesHouchesEvents>\n`;

  it("reads concatenated members as one file and keeps the copy in scratch", async () => {
    const members = [text.slice(0, 90), text.slice(90)].map((part) => gzipSync(part));
    const path = bench.file("members.lhe.gz", Buffer.concat(members));
    const file = await bench.scan(path);
    expect(file.events).toBe(1);
    expect(file.path).toBe(join(bench.scratch, `${file.sha256}-members.lhe`));
    expect(readFileSync(file.path, "utf8")).toBe(text);
    expect(file.sizeBytes).toBe(text.length);
  });

  it("keeps a copy that is there, and makes it again where it was changed", async () => {
    for (const cuts of [[text.length], [90, text.length]]) {
      const members = cuts.map((end, i) => gzipSync(text.slice(cuts[i - 1] ?? 0, end)));
      const path = bench.file(`kept${cuts.length}.lhe.gz`, Buffer.concat(members));
      const first = await bench.scan(path);
      expect(await bench.scan(path)).toEqual(first);
      writeFileSync(first.path, text.slice(0, -30));
      expect(await bench.scan(path)).toMatchObject({ events: 1, sizeBytes: text.length });
      expect(readFileSync(first.path, "utf8")).toBe(text);
    }
    expect(readdirSync(bench.scratch).filter((name) => name.endsWith(".partial"))).toEqual([]);
  });

  it("refuses a truncated gzip and leaves no copy", async () => {
    const whole = gzipSync(readFileSync(bench.file("plain.lhe", text)));
    const path = bench.file("cut.lhe.gz", whole.subarray(0, whole.length - 12));
    await expect(bench.scan(path)).rejects.toThrow(/can't be decompressed.*unexpected end of file/);
    await expect(bench.scan(path)).rejects.toMatchObject({ code: "input_unreadable" });
  });

  it("takes any text format, and refuses a gzip around a binary one", async () => {
    const csv = await bench.scanText("a.csv.gz", gzipSync("x,y\n1,2\n"));
    expect([csv.format, csv.events]).toEqual(["csv", 1]);
    const parquet = gzipSync("PAR1 and more");
    await expect(bench.scanText("a.parquet.gz", parquet)).rejects.toThrow(/gzip around parquet/);
  });
});

describe("HepMC", () => {
  const v3 = (n: number) => `E ${n} 0 1\nU GEV MM\nP 1 0 11 0. 0. 1. 1. 0. 1\n`;
  const START3 = "HepMC::Version 3.02.06\nHepMC::Asciiv3-START_EVENT_LISTING\nW Weight\n";
  const END3 = "HepMC::Asciiv3-END_EVENT_LISTING\n\n";

  it("gives all events of a file without footer; its slices have one", async () => {
    const file = await bench.scanText("nofooter.hepmc3", START3 + v3(0) + v3(1));
    expect([file.events, file.variant]).toEqual([2, "hepmc3"]);
    expect(file.notes.join()).toMatch(/no END_EVENT_LISTING/);
    expect(wholeSlice(file)).toBe(START3 + v3(0) + v3(1) + END3);
  });

  it("gives them also where the last line has no line feed", async () => {
    const file = await bench.scanText("noline.hepmc3", (START3 + v3(0) + v3(1)).trimEnd());
    expect(file.events).toBe(2);
    expect(wholeSlice(file)).toBe(START3 + v3(0) + v3(1) + END3);
  });

  it("takes version 2 listings that begin with a blank line, as they do", async () => {
    const text = `\nHepMC::Version 2.06.09\nHepMC::IO_GenEvent-START_EVENT_LISTING\nE 0 -1\n`;
    const file = await bench.scanText("v2.hepmc", `${text}HepMC::IO_GenEvent-END_EVENT_LISTING\n`);
    expect([file.events, file.variant]).toEqual([1, "hepmc2"]);
  });

  it("takes CRLF lines and header-only listings", async () => {
    const crlf = await bench.scanText("c.hepmc", (START3 + v3(0) + END3).replaceAll("\n", "\r\n"));
    expect([crlf.events, crlf.variant]).toEqual([1, "hepmc3"]);
    expect((await bench.scanText("h.hepmc", START3 + END3)).events).toBe(0);
    expect((await bench.scanText("zero.hepmc", "")).events).toBe(0);
  });

  it.each([
    ["a file cut inside its last event", `${START3}${v3(0)}E 1 0 2\nP 1 0 11`, /inside event 1/],
    [
      "versions 2 and 3 in one file",
      `${START3}${v3(0)}${END3}HepMC::IO_GenEvent-START_EVENT_LISTING\n`,
      /HepMC 2 and 3 in one file/,
    ],
    ["two listings in one file", `${START3}${v3(0)}${END3}`.repeat(2), /second listing/],
    ["events without a start line", v3(0), /START_EVENT_LISTING/],
    ["an old listing kind", "HepMC::IO_Ascii-START_EVENT_LISTING\nE 0\n", /IO_Ascii/],
    ["other text", "hello\nworld\n", /no HepMC listing/],
  ])("refuses %s", async (_what, text, problem) => {
    await expect(bench.scanText("broken.hepmc", text, "hepmc")).rejects.toThrow(problem);
  });

  it.skipIf(sharedData === null)("gives all events of real files with the footer cut", async () => {
    for (const [name, events] of [
      ["inputThreads1.hepmc", 1000],
      ["events.eeH.hepmc3", 100],
    ] as const) {
      const text = readFileSync(join(sharedData ?? "", "hepmc", name), "latin1");
      const cut = text.slice(0, text.lastIndexOf("HepMC::"));
      expect((await bench.scanText(name, cut)).events).toBe(events);
      await expect(bench.scanText(name, cut.slice(0, -200))).rejects.toThrow(/ends inside event/);
    }
  });
});

describe("CSV", () => {
  it.each([
    ["plain lines", "a,b\n1,2\n3,4\n", ["1,2\n", "3,4\n"]],
    ["CRLF", "a,b\r\n1,2\r\n3,4\r\n", ["1,2\r\n", "3,4\r\n"]],
    ["a last line without line feed", "a,b\n1,2\n3,4", ["1,2\n", "3,4"]],
    ["empty trailing lines", "a,b\n1,2\n\n \r\n\n", ["1,2\n"]],
    ["a line feed inside quotes", 'a,b\n"1\n1",2\n3,4\n', ['"1\n1",2\n', "3,4\n"]],
    ["quotes inside quotes", 'a,b\n"x ""\n"" y",2\n3,4\n', ['"x ""\n"" y",2\n', "3,4\n"]],
    ["a tab-separated file", 'a\tb\n"1\n,"\t2\n', ['"1\n,"\t2\n']],
    ["a quote behind what is no separator here", 'a,b\nx;"y,2\n3,4\n', ['x;"y,2\n', "3,4\n"]],
    ["a stray quote", 'a,b\n5" pipe,2\n3,4\n', ['5" pipe,2\n', "3,4\n"]],
    ["a header alone", "a,b\n", []],
    ["nothing", "", []],
  ])("reads %s", async (_what, text, records) => {
    const file = await bench.scanText("case.csv", text);
    expect(eventTexts(file)).toEqual(records);
  });

  it("refuses a quote that is never closed, instead of losing the rest", async () => {
    const text = 'a,b\n1,2\n"3,4\n5,6\n';
    await expect(bench.scanText("q.csv", text)).rejects.toThrow(/quote that is never closed.*8/);
  });
});

describe("JSONL", () => {
  it("counts lines that are not blank", async () => {
    const file = await bench.scanText("a.jsonl", '{"a":1}\r\n\n{"a":2}\n{"a":3}');
    expect(eventTexts(file)).toEqual(['{"a":1}\r\n', '{"a":2}\n', '{"a":3}']);
    expect((await bench.scanText("b.txt", '\n{"a":1}\n')).format).toBe("jsonl");
  });
});

describe("files that are none", () => {
  it.each<[string, () => string, InputFormatName, RegExp]>([
    ["a directory", () => bench.folder, "lhe", /is a directory/],
    ["a missing file", () => join(bench.folder, "absent"), "auto", /can't be opened/],
    ["a device", () => "/dev/null", "csv", /no regular file/],
    ["text of no format", () => bench.file("a.txt", "hello\n"), "auto", /no known format/],
    ["an empty file without a telling name", () => bench.file("e", ""), "auto", /is empty/],
    ["an empty ROOT file", () => bench.file("e.root", ""), "root", /is empty/],
  ])("refuses %s", async (_what, path, format, problem) => {
    await expect(bench.scan(path(), format)).rejects.toThrow(problem);
    await expect(bench.scan(path(), format)).rejects.toMatchObject({ code: "input_unreadable" });
  });
});

describe("chunk borders", () => {
  const crlf = `${HEAD}${INIT}<event a="1">\n${event(1)}</event> x\n`.replaceAll("\n", "\r\n");
  const cases: [string, string, () => ByteScanner & { bounds: { take(): Float64Array } }][] = [
    [
      "LHE",
      `${crlf}<eventgroup>\n<event>\n${event(2)}<!-- </event> --> </event  >\n</eventgroup>\n` +
        "<![CDATA[ <event> ]]>\n</LesHouchesEvents>\n",
      () => new LheScanner(),
    ],
    [
      "HepMC",
      `HepMC::Version 2.06\nHepMC::IO_GenEvent-START_EVENT_LISTING\n` +
        `${"E 0 0\nV 1\nP 1\n".repeat(9)}HepMC::IO_GenEvent-END_EVENT_LISTING\n\n`,
      () => new HepmcScanner(),
    ],
    [
      "CSV",
      'a,b\r\n"1""\n""2",3\n\n5" x,"a\nb"\n,""\n"",""""\n7,8',
      () => new LineScanner({ header: true, quoted: true }),
    ],
  ];

  it.each(cases)("%s events are the same whatever is read at once", (name, text, make) => {
    const wanted = make();
    scanBytes(Buffer.from(text), wanted);
    expect(wanted.bounds.take().length).toBeGreaterThan(2);
    const expected = [...wanted.bounds.take()];
    const path = join(bench.folder, `chunks.${name}`);
    writeFileSync(path, text);
    for (let chunkBytes = 1; chunkBytes <= 80; chunkBytes++) {
      const scanner = make();
      scanFileBytes(path, scanner, chunkBytes);
      expect([chunkBytes, ...scanner.bounds.take()]).toEqual([chunkBytes, ...expected]);
    }
  });
});
