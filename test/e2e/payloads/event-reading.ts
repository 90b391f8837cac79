/**
 * From a range of any format to one line an event: which file and entry it is, the digest of its
 * content as reference.json states the rule, its native number where it has one, and the physics
 * numbers that the reference's histograms are filled with.
 *
 * Written with the tests' own small readers, which know nothing of Jumbo.
 */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { basename } from "node:path";
import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { leptonPairMass, readCsv, readHepmc, readLhe } from "../../helpers/event-readers.ts";
import { masslessPairMass, pairMass } from "../../helpers/histogram.ts";
import { type RootRow, readTree } from "../../helpers/root-reader.ts";
import { sha256Hex } from "../../helpers/shared-data.ts";

/** What the payload is told; event numbers are 0-based. */
export interface Work {
  /** As the engine names it; for compressed inputs the decompressed copy. */
  readonly file: string;
  readonly tree: string;
  readonly start: number;
  readonly count: number;
  /** Place of the events' bytes, null where the format has none. */
  readonly offset: number | null;
  readonly bytes: number | null;
  /** A file of the range alone, "" where there is none. */
  readonly slice: string;
}

export interface EventLine {
  readonly file: string;
  readonly entry: number;
  readonly content?: string;
  readonly native?: string;
  readonly weight?: number;
  readonly values: readonly number[];
}

type Described = Omit<EventLine, "file" | "entry">;

const latin1Digest = (text: string) => sha256Hex(Buffer.from(text, "latin1"));

/** The range's events, in order. */
export async function eventLines(work: Work): Promise<EventLine[]> {
  const described = await describe(work);
  const file = basename(work.file);
  return described.map((event, i) => ({ file, entry: work.start + i, ...event }));
}

async function describe(work: Work): Promise<Described[]> {
  if (work.file.endsWith(".parquet")) return (await parquetRows(work.file)).slice(...span(work));
  if (work.file.endsWith(".root")) return (await rootRows(work)).slice(...span(work));
  const text = textOf(work);
  if (text.includes("<event")) return readLhe(text).map(lheEvent);
  if (text.includes("HepMC::") || /^E \d/m.test(text)) return readHepmc(text).map(hepmcEvent);
  return csvRecords(work, text);
}

const span = ({ start, count }: Work): [number, number] => [start, start + count];

/** Header, events and footer of the range: its slice, or its bytes alone. */
function textOf({ file, slice, offset, bytes }: Work): string {
  if (slice !== "") return readFileSync(slice, "latin1");
  if (offset === null || bytes === null) throw new Error(`${file} has neither slice nor bytes`);
  const buffer = Buffer.alloc(bytes);
  const input = openSync(file, "r");
  const read = readSync(input, buffer, 0, bytes, offset);
  closeSync(input);
  if (read !== bytes) throw new Error(`${file} ends early`);
  return buffer.toString("latin1");
}

function lheEvent(event: ReturnType<typeof readLhe>[number]): Described {
  const mass = leptonPairMass(event);
  const values = mass === null ? [] : [mass];
  return { content: latin1Digest(event.text), weight: event.weight, values };
}

/** Bytes alone don't say which version of HepMC they are: then the final state is left out. */
function hepmcEvent(event: ReturnType<typeof readHepmc>[number]): Described {
  return { content: latin1Digest(event.text), native: event.number, values: [event.finalState] };
}

const csvHeaders = new Map<string, string>();

function csvRecords({ file, slice }: Work, text: string): Described[] {
  if (!csvHeaders.has(file)) {
    csvHeaders.set(file, `${readFileSync(file, "latin1").split("\n", 1)[0]}\n`);
  }
  return readCsv(slice === "" ? csvHeaders.get(file) + text : text).map(({ line, row }) => {
    const [pt1, eta1, phi1, pt2, eta2, phi2] = ["pt1", "eta1", "phi1", "pt2", "eta2", "phi2"].map(
      (key) => Number(row[key]),
    ) as [number, number, number, number, number, number];
    return {
      content: latin1Digest(line),
      native: `${row["Run"]}:${row["Event"]}`,
      values: [masslessPairMass(pt1, eta1, phi1, pt2, eta2, phi2)],
    };
  });
}

/** Whole columns once a process, as a long-lived analysis would keep its baskets. */
const tables = new Map<string, Promise<Described[]>>();

function once(file: string, read: () => Promise<Described[]>): Promise<Described[]> {
  const known = tables.get(file) ?? read();
  tables.set(file, known);
  return known;
}

function parquetRows(path: string): Promise<Described[]> {
  return once(path, async () => {
    const file = new Uint8Array(readFileSync(path)).buffer;
    const columns = ["run", "luminosityBlock", "event", "nMuon"];
    const rows = await parquetReadObjects({ file, columns, compressors });
    return rows.map((row) => ({
      native: `${row["run"]}:${row["luminosityBlock"]}:${row["event"]}`,
      values: [Number(row["nMuon"])],
    }));
  });
}

const EVENTS_MAX = 1_000_000;
const HZZ_SCALARS = ["MET_px", "MET_py", "EventWeight", "NJet", "NMuon", "NPrimaryVertices"];
const HZZ_MUONS = ["Muon_Px", "Muon_Py", "Muon_Pz", "Muon_E", "Muon_Charge"];
const numbers = (row: RootRow, name: string) => Array.from(row[name] as ArrayLike<number>);

function rootRows({ file, tree }: Work): Promise<Described[]> {
  const of = (names: readonly string[]) => readTree(file, tree, names, 0, EVENTS_MAX);
  return once(file, async () => {
    const name = basename(file);
    if (name.includes("HZZ")) return (await of([...HZZ_SCALARS, ...HZZ_MUONS])).map(hzzEvent);
    if (name.includes("Zmumu")) {
      return (await of(["M", "Run", "Event"])).map((row) => ({
        native: `${row["Run"]}:${row["Event"]}`,
        values: [Number(row["M"])],
      }));
    }
    const rows = await of(["run", "luminosityBlock", "event", "nMuon", "Jet_pt"]);
    return rows.map((row) => ({
      native: `${row["run"]}:${row["luminosityBlock"]}:${row["event"]}`,
      weight: Number(row["nMuon"]),
      values: numbers(row, "Jet_pt"),
    }));
  });
}

/** The mass of the first two muons where their charges are opposite; all muons are counted. */
function hzzEvent(row: RootRow): Described {
  const bytes = Buffer.alloc(24);
  HZZ_SCALARS.slice(0, 3).forEach((key, i) => void bytes.writeFloatLE(Number(row[key]), 4 * i));
  HZZ_SCALARS.slice(3).forEach((key, i) => void bytes.writeInt32LE(Number(row[key]), 12 + 4 * i));
  const charge = numbers(row, "Muon_Charge");
  const four = (i: number) => HZZ_MUONS.slice(0, 4).map((key) => numbers(row, key)[i] as number);
  const opposite = charge.length >= 2 && (charge[0] as number) * (charge[1] as number) < 0;
  return {
    content: sha256Hex(bytes),
    native: String(charge.length),
    weight: Number(row["EventWeight"]),
    values: opposite ? [pairMass(four(0), four(1))] : [],
  };
}
