/**
 * Merges LHE outputs: the first part's header and init block, all events, one closing tag. Init
 * blocks must be equal byte for byte: cross sections and process numbers in them give the events
 * their meaning. What stands between and behind events (comments, event groups) is kept.
 */
import { scanBytes } from "./byte-scan.ts";
import { LHE_FOOTER } from "./lhe.ts";
import { LheScanner } from "./lhe-scanner.ts";
import { bufferOf, partError, withPart } from "./merge-text.ts";
import type { MergePart, MergeRule, Merger, MergeTarget } from "./types.ts";

const LINE_FEED = 0x0a;

export const lheRule: MergeRule = {
  kind: "lhe",
  open: (target) => new LheMerger(target),
  countRecords: (part) => scanPart(part).bounds.events,
};

class LheMerger implements Merger {
  readonly #target: MergeTarget;
  #init: Buffer | null = null;
  #initLabel = "";

  constructor(target: MergeTarget) {
    this.#target = target;
  }

  async add(part: MergePart): Promise<void> {
    if (part.bytes.length === 0) return;
    const scanner = scanPart(part);
    checkDocument(part, scanner);
    const bytes = bufferOf(part.bytes);
    const bodyBegin = scanner.headerEnd < 0 ? scanner.footerBegin : scanner.headerEnd;
    const init = bytes.subarray(scanner.initBegin, scanner.initEnd);
    if (this.#init === null) {
      this.#init = Buffer.from(init);
      this.#initLabel = part.label;
      await this.#writeLines(bytes.subarray(0, bodyBegin));
    } else if (!init.equals(this.#init)) {
      throw partError(
        part,
        "has another <init> block",
        `it differs from that of output ${this.#initLabel}, so their events can't share a file`,
        "generate all ranges with one set-up, or merge with zip",
      );
    }
    await this.#writeLines(bytes.subarray(bodyBegin, scanner.footerBegin));
  }

  async finish(): Promise<void> {
    if (this.#init !== null) await this.#target.write(Buffer.from(LHE_FOOTER));
  }

  async #writeLines(bytes: Buffer): Promise<void> {
    if (bytes.length === 0) return;
    await this.#target.write(bytes);
    if (bytes[bytes.length - 1] !== LINE_FEED) await this.#target.write(Buffer.from("\n"));
  }
}

function scanPart(part: MergePart): LheScanner {
  const scanner = new LheScanner();
  withPart(part, () => scanBytes(part.bytes, scanner));
  return scanner;
}

function checkDocument(part: MergePart, scanner: LheScanner): void {
  if (scanner.rootBegin < 0) {
    throw partError(part, "is no LHE text", "it has no <LesHouchesEvents> tag", "write one");
  }
  if (scanner.initEnd < 0) {
    throw partError(part, "has no <init> block", "events mean nothing without one", "write one");
  }
  if (scanner.footerBegin < 0) {
    throw partError(
      part,
      "has no </LesHouchesEvents>",
      "its writer was stopped before the end",
      "close the file in the payload",
    );
  }
}
