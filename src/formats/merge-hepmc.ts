/**
 * Merges HepMC ASCII outputs: the first part's header, all events, one footer. Versions 2 and 3 are
 * never mixed (readers lose the events of the other one silently), and version 3 parts must name
 * the same weights (`W` and `N` header lines), since events refer to them by position. A part
 * without footer loses nothing: its last event is checked to be whole instead.
 */
import { scanBytes } from "./byte-scan.ts";
import { checkWholeEvent, HEPMC_FOOTER, HepmcScanner, type HepmcVariant } from "./hepmc-scanner.ts";
import { bufferOf, partError, withPart } from "./merge-text.ts";
import type { MergePart, MergeRule, Merger, MergeTarget } from "./types.ts";

export const hepmcRule: MergeRule = {
  kind: "hepmc",
  open: (target) => new HepmcMerger(target),
  countRecords: (part) => scanPart(part).bounds.events,
};

class HepmcMerger implements Merger {
  readonly #target: MergeTarget;
  #variant: HepmcVariant | "" = "";
  #weights = "";
  #label = "";

  constructor(target: MergeTarget) {
    this.#target = target;
  }

  async add(part: MergePart): Promise<void> {
    if (part.bytes.length === 0) return;
    const scanner = scanPart(part);
    const { variant, footerBegin } = scanner;
    if (variant === "") {
      throw partError(part, "is no HepMC listing", "it has no START_EVENT_LISTING", "write one");
    }
    const bytes = bufferOf(part.bytes);
    const bounds = scanner.bounds.take();
    const end = footerBegin < 0 ? bytes.length : footerBegin;
    if (footerBegin < 0 && bounds.length > 0) {
      const text = bytes.toString("latin1", bounds.at(-2), end);
      withPart(part, () => checkWholeEvent(text, variant, bounds.length / 2 - 1));
    }
    const headerEnd = bounds[0] ?? end;
    const weights = weightLines(bytes.toString("latin1", 0, headerEnd));
    if (this.#variant === "") {
      this.#variant = variant;
      this.#weights = weights;
      this.#label = part.label;
      await this.#target.write(bytes.subarray(0, headerEnd));
    }
    this.#checkAlike(part, variant, weights);
    if (end === headerEnd) return;
    await this.#target.write(bytes.subarray(headerEnd, end));
    if (bytes[end - 1] !== 0x0a) await this.#target.write(Buffer.from("\n"));
  }

  async finish(): Promise<void> {
    if (this.#variant === "") return;
    await this.#target.write(Buffer.from(HEPMC_FOOTER[this.#variant]));
  }

  #checkAlike(part: MergePart, variant: HepmcVariant, weights: string): void {
    if (variant !== this.#variant) {
      throw partError(
        part,
        `is ${variant}`,
        `output ${this.#label} is ${this.#variant}, and a file that mixes them loses events`,
        "write one version",
      );
    }
    if (weights !== this.#weights) {
      throw partError(
        part,
        "names other weights",
        `output ${this.#label} has others, and events refer to them by position`,
        "generate all ranges with one set-up",
      );
    }
  }
}

/** The header's lines that name weights: `W`, and `N` of version 3. */
function weightLines(header: string): string {
  const lines = header.split("\n").map((line) => line.trimEnd());
  return lines.filter((line) => /^[WN] /.test(line)).join("\n");
}

function scanPart(part: MergePart): HepmcScanner {
  const scanner = new HepmcScanner();
  withPart(part, () => scanBytes(part.bytes, scanner));
  return scanner;
}
