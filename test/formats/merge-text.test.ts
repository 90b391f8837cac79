/** Mergers of text outputs: round trips, what must be equal, what is refused, empty parts. */
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { countRuleFor, mergeRule, readBounds, sliceBytes } from "../../src/formats/index.ts";
import { readLhe } from "../helpers/event-readers.ts";
import { mergeTexts } from "../helpers/merging.ts";
import { Workbench } from "../helpers/scanning.ts";
import {
  digestIds,
  type FileReference,
  references,
  sha256Hex,
  sharedData,
} from "../helpers/shared-data.ts";

const bench = new Workbench();
afterAll(() => bench.remove());

const INIT = "<init>\n 2212 2212 6500. 6500. 0 0 0 0 3 1\n 1. 0.1 1. 1\n</init>\n";
const lhe = (events: number[], init = INIT, end = "</LesHouchesEvents>\n") =>
  `<LesHouchesEvents version="3.0">\n${init}` +
  `${events.map((n) => `<event>\n ${n}\n</event>\n`).join("")}${end}`;
const v3 = (n: number) => `E ${n} 0 1\nU GEV MM\nP 1 0 11 0. 0. 1. 1. 0. 1\n`;
const START3 = "HepMC::Version 3.02.06\nHepMC::Asciiv3-START_EVENT_LISTING\nW Weight\n";
const END3 = "HepMC::Asciiv3-END_EVENT_LISTING\n\n";
const START2 = "HepMC::Version 2.06.09\nHepMC::IO_GenEvent-START_EVENT_LISTING\n";

describe("jsonl", () => {
  it("joins lines, drops blank ones and adds a missing line feed", async () => {
    expect(await mergeTexts("jsonl", ['{"a":1}\n\n{"a":2}', "", '3\n"x"\n'])).toBe(
      '{"a":1}\n{"a":2}\n3\n"x"\n',
    );
  });

  it("refuses a line that is no JSON, naming part and record", async () => {
    await expect(mergeTexts("jsonl", ["{}\n", '{}\n{"a":'])).rejects.toMatchObject({
      name: "PartError",
      label: "r1",
      message: expect.stringMatching(/output r1 has a record 2 that is no JSON/),
    });
  });
});

describe("csv", () => {
  it("writes one header and all records", async () => {
    const parts = ["a,b\n1,2\n", "", "a,b\r\n3,4\r\n5,6", "a,b\n", 'a,b\n"7\n,7",8\n'];
    expect(await mergeTexts("csv", parts)).toBe('a,b\n1,2\n3,4\r\n5,6\n"7\n,7",8\n');
  });

  it("counts fields with quotes, separators and stray quotes in them", async () => {
    const text = 'a;b\n"x;""y";5" pipe\nu""v;w,x\n';
    expect(await mergeTexts("csv", [text, text])).toBe(text + text.slice(4));
  });

  it.each([
    ["another header", "a,c\n1,2\n", /has the header "a,c"/],
    ["a record that was cut off", "a,b\n1,2\n3", /1 fields in record 2/],
    ["blank lines only", "\n\n", /no header line/],
    ["an open quote", 'a,b\n"1,2\n', /never closed/],
  ])("refuses %s", async (_what, part, problem) => {
    await expect(mergeTexts("csv", ["a,b\n1,2\n", part])).rejects.toThrow(problem);
    await expect(mergeTexts("csv", ["a,b\n1,2\n", part])).rejects.toMatchObject({ label: "r1" });
  });
});

describe("concat", () => {
  it("joins bytes as they are", async () => {
    expect(await mergeTexts("concat", ["a", "", "b\n\n", "\0c"])).toBe("ab\n\n\0c");
  });
});

describe("lhe", () => {
  it("keeps the first header, all events and what stands between them", async () => {
    const second = lhe([3]).replace("</event>\n", "</event> # weight 7\n");
    const merged = await mergeTexts("lhe", [lhe([1, 2]), "", lhe([]), second]);
    expect(merged).toBe(lhe([1, 2, 3]).replace(/<\/event>\n(?=<\/LesH)/, "</event> # weight 7\n"));
  });

  it.each([
    ["another init block", lhe([2], INIT.replace("0.1", "0.2")), /another <init> block/],
    ["a missing closing tag", lhe([2], INIT, ""), /no <\/LesHouchesEvents>/],
    ["a cut event", lhe([2]).slice(0, -26), /no <\/event>/],
    ["no init block", lhe([2], ""), /no <init> block/],
    ["other text", "hello", /no LHE text/],
  ])("refuses %s", async (_what, part, problem) => {
    await expect(mergeTexts("lhe", [lhe([1]), part])).rejects.toThrow(problem);
    await expect(mergeTexts("lhe", [lhe([1]), part])).rejects.toMatchObject({ label: "r1" });
  });

  it.skipIf(sharedData === null)(
    "gives back the 10 000 events of a file cut in 11 pieces",
    async () => {
      const name = "lhe/pylhe-testfile-madgraph-2.2.1-Z-mlm.lhe.gz";
      const reference = references()[name] as FileReference;
      const file = await bench.scan(join(sharedData ?? "", name));
      const pieces: string[] = [];
      const size = Math.ceil(file.events / 11);
      for (let first = 0; first < file.events; first += size) {
        const bounds = readBounds(file.indexPath, first, Math.min(size, file.events - first));
        const bytes = sliceBytes(file, bounds[0] as number, bounds.at(-1) as number);
        pieces.push(Buffer.from(bytes).toString("latin1"));
      }
      expect(pieces.length).toBe(11);
      const merged = await mergeTexts("lhe", pieces);
      const again = await bench.scanText("merged.lhe", Buffer.from(merged, "latin1"));
      expect(again.events).toBe(10_000);
      const ids = readLhe(merged).map((event) => sha256Hex(Buffer.from(event.text, "latin1")));
      expect(digestIds(ids)).toEqual(reference.content_ids);
      expect(merged.slice(0, file.header.length)).toBe(pieces[0]?.slice(0, file.header.length));
    },
  );
});

describe("hepmc", () => {
  it("keeps one header and one footer, and all events of parts without footer", async () => {
    const parts = [START3 + v3(0) + END3, "", START3 + v3(1) + v3(2), (START3 + v3(3)).trimEnd()];
    const merged = await mergeTexts("hepmc", [...parts, START3 + END3]);
    expect(merged).toBe(START3 + v3(0) + v3(1) + v3(2) + v3(3) + END3);
    expect((await bench.scanText("merged.hepmc3", merged)).events).toBe(4);
  });

  it.each([
    ["version 2 beside version 3", START2, /is hepmc2/],
    ["other weights", (START3 + v3(1)).replace("W Weight", "W Other"), /names other weights/],
    ["a part cut inside an event", `${START3}E 1 0 3\nU GEV MM\n`, /ends inside event 0/],
    ["other text", "hello\n", /no HepMC listing/],
  ])("refuses %s", async (_what, part, problem) => {
    await expect(mergeTexts("hepmc", [START3 + v3(0), part])).rejects.toThrow(problem);
    await expect(mergeTexts("hepmc", [START3 + v3(0), part])).rejects.toMatchObject({
      label: "r1",
    });
  });

  it.skipIf(sharedData === null)("gives back real listings cut in ranges of 7", async () => {
    for (const name of ["hepmc/inputThreads1.hepmc", "hepmc/events.eeH.hepmc3"]) {
      const file = await bench.scan(join(sharedData ?? "", name));
      const pieces: string[] = [];
      for (let first = 0; first < file.events; first += 7) {
        const bounds = readBounds(file.indexPath, first, Math.min(7, file.events - first));
        const bytes = sliceBytes(file, bounds[0] as number, bounds.at(-1) as number);
        pieces.push(Buffer.from(bytes).toString("latin1"));
      }
      const merged = await mergeTexts("hepmc", pieces);
      expect(sha256Hex(Buffer.from(merged, "latin1"))).toBe(file.sha256);
    }
  });
});

describe("records", () => {
  it.each([
    ["jsonl", '{"a":1}\n\n{"a":2}', 2],
    ["csv", "a\n1\n2\n", 2],
    ["csv", "", 0],
    ["lhe", lhe([1, 2, 3]), 3],
    ["hepmc", START3 + v3(0) + v3(1), 2],
    ["concat", "abc", null],
    ["zip", "abc", null],
  ] as const)("of a %s part are counted", async (kind, text, records) => {
    expect((await mergeRule(kind)).countRecords({ label: "r0", bytes: Buffer.from(text) })).toBe(
      records,
    );
  });

  it("are counted alike by the rule that pilots get", async () => {
    const byRule = (kind: "jsonl" | "csv" | "lhe" | "hepmc", text: string) => {
      const rule = countRuleFor(kind);
      const lines = text.split("\n").filter((line) => line.trim() !== "");
      if (rule.kind === 1) return Math.max(0, lines.length - rule.skip);
      return lines.filter((line) => line.startsWith(rule.prefix)).length;
    };
    const texts = [
      ["jsonl", '{"a":1}\n\n{"a":2}'],
      ["csv", "a\n1\n\n2\n"],
      ["csv", ""],
      ["lhe", lhe([1, 2, 3])],
      ["hepmc", START3 + v3(0) + v3(1)],
    ] as const;
    for (const [kind, text] of texts) {
      const records = (await mergeRule(kind)).countRecords({
        label: "r0",
        bytes: Buffer.from(text),
      });
      expect([kind, byRule(kind, text)]).toEqual([kind, records]);
    }
    for (const kind of ["arrow", "parquet", "concat", "zip", "command"] as const) {
      expect(countRuleFor(kind).kind).toBe(0);
    }
  });
});
