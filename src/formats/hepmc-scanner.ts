/**
 * Finds the events of HepMC ASCII listings: version 2 (IO_GenEvent; Dobbs & Hansen, Comput. Phys.
 * Commun. 134 (2001) 41) and version 3 (Asciiv3; Buckley et al., arXiv:1912.08005).
 *
 * An event begins at a line `E ` and ends where the next one begins, at the footer (a line that
 * begins `HepMC::`) or at the end of the file. A file without footer is legal input, and all its
 * events count; but then nothing says that the last one is whole, so its `V` and `P` lines are
 * counted against its `E` line: a file cut off inside an event is refused, not read short.
 */
import { BoundsList, type ByteScanner, TextDefect } from "./byte-scan.ts";

const LINE_FEED = 0x0a;
/** Longest key line, `HepMC::IO_ExtendedAscii-START_EVENT_LISTING`, with room to spare. */
const KEY_LINE_BYTES_MAX = 128;

export type HepmcVariant = "hepmc2" | "hepmc3";

const START_KEYS: Record<string, HepmcVariant> = {
  "HepMC::IO_GenEvent-START_EVENT_LISTING": "hepmc2",
  "HepMC::Asciiv3-START_EVENT_LISTING": "hepmc3",
};
export const HEPMC_FOOTER: Record<HepmcVariant, string> = {
  hepmc2: "HepMC::IO_GenEvent-END_EVENT_LISTING\n\n",
  hepmc3: "HepMC::Asciiv3-END_EVENT_LISTING\n\n",
};

export class HepmcScanner implements ByteScanner {
  readonly bounds = new BoundsList();
  variant: HepmcVariant | "" = "";
  /** Offset of the footer line; -1: none. */
  footerBegin = -1;
  endsWithNewline = true;
  #sizeBytes = 0;

  feed(chunk: Buffer, base: number, last: boolean): number {
    let at = 0;
    if (base === 0 && chunk.length > 0) {
      if (!last && chunk.length < KEY_LINE_BYTES_MAX) return 0;
      this.#line(chunk, 0, base);
    }
    let event = chunk.indexOf("\nE ", at, "latin1");
    let key = chunk.indexOf("\nHepMC::", at, "latin1");
    while (event >= 0 || key >= 0) {
      const newline = key < 0 || (event >= 0 && event < key) ? event : key;
      if (newline === key && !last && chunk.length - newline < KEY_LINE_BYTES_MAX) return newline;
      at = newline + 1;
      this.#line(chunk, at, base);
      if (newline === event) event = chunk.indexOf("\nE ", at, "latin1");
      else key = chunk.indexOf("\nHepMC::", at, "latin1");
    }
    if (last) return this.#finish(chunk, base);
    // A line start may be cut by the chunk's end: keep what could be the start of `\nHepMC::`.
    return Math.max(at, chunk.length - 8);
  }

  /** Deals with the line at chunk[at], which begins with `E ` or `HepMC::` (or is the first). */
  #line(chunk: Buffer, at: number, base: number): void {
    if (chunk[at] === 0x45 && chunk[at + 1] === 0x20) this.#event(base + at);
    else if (chunk[at] === 0x48) this.#key(chunk, at, base);
  }

  #event(offset: number): void {
    if (this.footerBegin >= 0) {
      throw new TextDefect(
        `has an event at byte ${offset}, behind its END_EVENT_LISTING`,
        "readers stop at the footer and would lose it",
        "write one listing a file",
      );
    }
    if (this.variant === "") {
      throw new TextDefect(
        "has events before any START_EVENT_LISTING line",
        "without that line a reader can't know the HepMC version",
        "put the listing's first lines back",
      );
    }
    if (this.bounds.events > 0) this.bounds.closeLast(offset);
    this.bounds.push(offset, offset);
  }

  #key(chunk: Buffer, at: number, base: number): void {
    const end = chunk.indexOf(LINE_FEED, at);
    const text = chunk.toString("latin1", at, end < 0 ? chunk.length : end).trimEnd();
    if (!text.startsWith("HepMC::")) return;
    if (text.endsWith("END_EVENT_LISTING")) {
      if (this.footerBegin < 0) this.footerBegin = base + at;
      return;
    }
    if (!text.endsWith("START_EVENT_LISTING")) return;
    const variant = START_KEYS[text];
    if (variant === undefined) {
      throw new TextDefect(
        `holds a listing of kind "${text}"`,
        "only IO_GenEvent and Asciiv3 are read",
        "convert it to one of these",
      );
    }
    if (this.variant !== "" && (this.footerBegin >= 0 || this.bounds.events > 0)) {
      throw new TextDefect(
        `holds a second listing from byte ${base + at} on`,
        variant === this.variant
          ? "readers stop at the first footer and would lose it"
          : "HepMC 2 and 3 in one file lose events silently",
        "give each listing a file of its own",
      );
    }
    this.variant = variant;
  }

  #finish(chunk: Buffer, base: number): number {
    this.#sizeBytes = base + chunk.length;
    if (chunk.length > 0) this.endsWithNewline = chunk[chunk.length - 1] === LINE_FEED;
    if (this.bounds.events > 0) {
      this.bounds.closeLast(this.footerBegin < 0 ? this.#sizeBytes : this.footerBegin);
    }
    return chunk.length;
  }
}

/** Fields of a whole `P` line; HepMC 2 may append pairs of flow numbers. */
const PARTICLE_FIELDS_MIN: Record<HepmcVariant, number> = { hepmc2: 13, hepmc3: 10 };

/** Throws TextDefect unless the text of one event has the lines that its `E` line announces. */
export function checkWholeEvent(text: string, variant: HepmcVariant, eventIndex: number): void {
  const lines = text.split("\n").map((line) => line.trim().split(/ +/));
  const head = lines[0] ?? [];
  const vertices = lines.filter((fields) => fields[0] === "V");
  const particles = lines.filter((fields) => fields[0] === "P");
  let whole = (particles.at(-1)?.length ?? Infinity) >= PARTICLE_FIELDS_MIN[variant];
  if (variant === "hepmc3") {
    whole &&= particles.length === Number(head[3]);
  } else {
    // A version 2 vertex says how many particles follow it: orphans in, and out.
    const announced = vertices.reduce((sum, v) => sum + Number(v[7]) + Number(v[8]), 0);
    whole &&= vertices.length === Number(head[8]) && particles.length === announced;
  }
  if (whole) return;
  throw new TextDefect(
    `ends inside event ${eventIndex}`,
    "it has no footer, and its last event has not the lines that its E line announces",
    "write it again, or cut the incomplete event off",
  );
}
