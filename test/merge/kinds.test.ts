/** Every kind of merge, bundles to file: it reads as the format, and is the same bytes twice. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { tableFromArrays, tableFromIPC, tableToIPC } from "apache-arrow";
import { parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bundleUri, openBundle } from "../../src/bundle/index.ts";
import { verifyManifest } from "../../src/merge/index.ts";
import {
  countFiles,
  ended,
  openWorld,
  type RangeAt,
  submit,
  TestPilot,
  tableOf,
  temporaryFolder,
  type World,
} from "./harness.ts";

let folder: ReturnType<typeof temporaryFolder>;
let world: World;

beforeEach(async () => {
  folder = temporaryFolder();
  world = await openWorld(folder.path);
});
afterEach(async () => {
  await world.close();
  folder.remove();
});

const EVENTS = 23;
const entries = Array.from({ length: EVENTS }, (_, i) => i);
const eventsOf = (at: RangeAt): number[] =>
  Array.from({ length: at.count }, (_, i) => at.start + i);
const text = (bytes: Buffer): string => bytes.toString("utf8");
const numbersIn = (bytes: Buffer, pattern: RegExp): number[] =>
  [...text(bytes).matchAll(pattern)].map((match) => Number(match[1]));

interface Kind {
  readonly merge: string;
  /** Null: the kind has no notion of records. */
  readonly recordsPerEvent: number | null;
  write(at: RangeAt): Uint8Array;
  read(result: Buffer): Promise<number[]> | number[];
}

const LHE_HEAD = '<LesHouchesEvents version="1.0">\n<init>\n2212 2212 6500\n</init>\n';
const KINDS: Kind[] = [
  {
    merge: "jsonl",
    recordsPerEvent: 1,
    write: (at) =>
      Buffer.from(
        eventsOf(at)
          .map((event) => `{"e":${event}}\n`)
          .join(""),
      ),
    read: (result) =>
      text(result)
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).e as number),
  },
  {
    merge: "csv",
    recordsPerEvent: 1,
    write: (at) =>
      Buffer.from(
        `e,f\n${eventsOf(at)
          .map((event) => `${event},0\n`)
          .join("")}`,
      ),
    read: (result) => {
      const [header, ...lines] = text(result).trim().split("\n");
      expect(header).toBe("e,f");
      return lines.map((line) => Number(line.split(",")[0]));
    },
  },
  {
    merge: "concat",
    recordsPerEvent: null,
    write: (at) =>
      Buffer.from(
        eventsOf(at)
          .map((event) => `${event};`)
          .join(""),
      ),
    read: (result) => text(result).slice(0, -1).split(";").map(Number),
  },
  {
    merge: "hepmc",
    recordsPerEvent: 1,
    write: (at) =>
      Buffer.from(
        "HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\n" +
          eventsOf(at)
            .map((event) => `E ${event} 0 0\nU GEV MM\n`)
            .join("") +
          "HepMC::Asciiv3-END_EVENT_LISTING\n\n",
      ),
    read: (result) => {
      expect(text(result).match(/START_EVENT_LISTING/g)).toHaveLength(1);
      expect(text(result).match(/END_EVENT_LISTING/g)).toHaveLength(1);
      return numbersIn(result, /^E (\d+)/gm);
    },
  },
  {
    merge: "lhe",
    recordsPerEvent: 1,
    write: (at) =>
      Buffer.from(
        `${LHE_HEAD}${eventsOf(at)
          .map((event) => `<event>\n${event}\n</event>\n`)
          .join("")}</LesHouchesEvents>\n`,
      ),
    read: (result) => {
      expect(text(result).match(/<init>/g)).toHaveLength(1);
      return numbersIn(result, /<event>\n(\d+)/g);
    },
  },
  {
    merge: "arrow",
    recordsPerEvent: 1,
    write: (at) => tableToIPC(tableFromArrays({ e: Float64Array.from(eventsOf(at)) }), "stream"),
    read: (result) => [...tableFromIPC(new Uint8Array(result)).getChild("e")!].map(Number),
  },
  {
    merge: "parquet",
    recordsPerEvent: 1,
    write: (at) => {
      const data = eventsOf(at);
      return new Uint8Array(
        parquetWriteBuffer({ columnData: [{ name: "e", data, type: "DOUBLE" }] }),
      );
    },
    read: async (result) => {
      const file = new Uint8Array(result).buffer;
      return (await parquetReadObjects({ file })).map((row) => row["e"] as number);
    },
  },
  {
    merge: "zip",
    recordsPerEvent: null,
    write: (at) => Buffer.from(JSON.stringify(eventsOf(at))),
    read: async (result) => {
      expect(result.subarray(0, 4).toString("latin1")).toBe("PK\u0003\u0004");
      return numbersIn(result, /(?<=[[,])(\d+)(?=[\],])/g);
    },
  },
];

describe("each kind of merge", () => {
  for (const kind of KINDS) {
    it(`${kind.merge}: all events in order, the same bytes for any crew`, async () => {
      const { merge, recordsPerEvent } = kind;
      const results: Buffer[] = [];
      await world.coordinator.start();
      for (const pilots of [1, 3]) {
        const files = countFiles(EVENTS);
        const task = await submit(
          world,
          {
            name: `${merge}-${pilots}`,
            input: { count: EVENTS },
            eventsPerRange: 4,
            payload: { command: ["true"] },
            output: { name: `all-${pilots}`, merge, recordsPerEvent },
          },
          files,
        );
        const tables = new Map([[task, tableOf(files, 4)]]);
        const crew = Array.from(
          { length: pilots },
          () => new TestPilot(world, { tables, outputOf: kind.write }),
        );
        for (const pilot of crew) void pilot.work(1, pilots === 1 ? 64 : 1);
        const view = await ended(world, task);
        expect(view.problem).toBe("");
        expect(view.state).toBe("done");
        expect((await verifyManifest(view.manifest)).problems).toEqual([]);
        results.push(readFileSync(join(world.results, `all-${pilots}`)));
        for (const pilot of crew) await pilot.leave();
      }
      expect(results[0]!.equals(results[1]!)).toBe(true);
      expect(await kind.read(results[0]!)).toEqual(entries);
    });
  }
});

describe("bundles", () => {
  it("stay where they are when they are to be kept", async () => {
    const kept = temporaryFolder();
    const other = await openWorld(kept.path, { keepBundles: true });
    const files = countFiles(4);
    const output = { name: "all", merge: "concat" };
    const payload = { command: ["true"] };
    const spec = { name: "kept", input: { count: 4 }, payload, output };
    const task = await submit(other, spec, files);
    await other.coordinator.start();
    const tables = new Map([[task, tableOf(files, 1)]]);
    const outputOf = (at: RangeAt): Uint8Array => Buffer.from(String(at.start));
    const pilot = new TestPilot(other, { tables, outputOf });
    await pilot.work(4);
    await pilot.leave();
    expect((await ended(other, task)).state).toBe("done");
    await other.close();
    const reader = await openBundle(bundleUri(pilot.bundlePaths[0]!));
    expect([...reader.members()]).toHaveLength(4);
    await reader.close();
    kept.remove();
  });
});
