/**
 * HepMC ASCII input, version 2 (IO_GenEvent) and 3 (Asciiv3); hepmc-scanner.ts knows the lines.
 * A slice is the bytes before the first event + events + the footer of the same version. The
 * variant, "hepmc2" or "hepmc3", goes with the scan: versions must never be mixed in one file.
 */
import { TextDefect } from "./byte-scan.ts";
import { checkWholeEvent, HEPMC_FOOTER, HepmcScanner } from "./hepmc-scanner.ts";
import { readAt } from "./input-file.ts";
import { scanText, textFormat } from "./text-format.ts";
import type { PreparedInput, SlicePiece } from "./types.ts";

/** Beyond this an event that ends without footer is not read back for the check. */
const CHECKED_EVENT_BYTES_MAX = 256 * 1024 * 1024;

export const hepmc = textFormat({
  name: "hepmc",
  extensions: [".hepmc", ".hepmc2", ".hepmc3"],
  looksAlike: (head) => /^HepMC::/m.test(head.slice(0, 4096)),
  scan(input) {
    const scanner = new HepmcScanner();
    scanText(input, scanner);
    const { variant } = scanner;
    if (variant === "") {
      if (input.sizeBytes > 0) throw notHepmc();
      return { variant, events: 0, bounds: new Float64Array(), header: [], footer: [], notes: [] };
    }
    const events = scanner.bounds.events;
    const bounds = scanner.bounds.take();
    const notes: string[] = [];
    if (scanner.footerBegin < 0) {
      notes.push("no END_EVENT_LISTING footer; slices get one");
      if (events > 0) checkLast(input, bounds, scanner);
    }
    const firstBegin = events > 0 ? (bounds[0] as number) : headerEndOf(input, scanner);
    const header: SlicePiece[] = [[0, firstBegin]];
    const separator = scanner.endsWithNewline ? "" : "\n";
    const footer = [new TextEncoder().encode(separator + HEPMC_FOOTER[variant])];
    return { variant, events, bounds, header, footer, notes };
  },
});

function notHepmc(): TextDefect {
  return new TextDefect(
    "is no HepMC listing",
    "it has no line HepMC::IO_GenEvent-START_EVENT_LISTING or HepMC::Asciiv3-START_EVENT_LISTING",
    "check input.format, or the file",
  );
}

function headerEndOf(input: PreparedInput, scanner: HepmcScanner): number {
  return scanner.footerBegin < 0 ? input.sizeBytes : scanner.footerBegin;
}

function checkLast(input: PreparedInput, bounds: Float64Array, scanner: HepmcScanner): void {
  const begin = bounds[bounds.length - 2] as number;
  const end = bounds[bounds.length - 1] as number;
  if (end - begin > CHECKED_EVENT_BYTES_MAX || scanner.variant === "") return;
  const text = readAt(input.path, begin, end - begin).toString("latin1");
  checkWholeEvent(text, scanner.variant, scanner.bounds.events - 1);
}
