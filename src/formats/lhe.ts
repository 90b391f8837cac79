/**
 * LHE input: `.lhe`, or `.lhe.gz` by way of its decompressed copy. lhe-scanner.ts knows the tags.
 *
 * A slice is the bytes before the first event + events + the closing root tag. The footer piece
 * begins with a line feed, since the bytes of an event end with `</event>` and line-based readers
 * want the next tag on a line of its own.
 */
import { TextDefect } from "./byte-scan.ts";
import { LheScanner } from "./lhe-scanner.ts";
import { scanText, textFormat } from "./text-format.ts";
import type { SlicePiece } from "./types.ts";

export const LHE_FOOTER = "</LesHouchesEvents>\n";

export const lhe = textFormat({
  name: "lhe",
  extensions: [".lhe"],
  looksAlike: (head) => head.includes("<LesHouchesEvents"),
  scan(input) {
    const scanner = new LheScanner();
    scanText(input, scanner);
    if (scanner.rootBegin < 0 && input.sizeBytes > 0) {
      throw new TextDefect(
        "is no LHE text",
        "it has no <LesHouchesEvents> tag",
        "check input.format, or the file",
      );
    }
    const { bounds } = scanner;
    const headerEnd = scanner.headerEnd < 0 ? scanner.footerBegin : scanner.headerEnd;
    const header: SlicePiece[] = [[0, headerEnd < 0 ? input.sizeBytes : headerEnd]];
    return {
      variant: "",
      events: bounds.events,
      bounds: bounds.take(),
      header,
      footer: [new TextEncoder().encode(`\n${LHE_FOOTER}`)],
      notes: notesOf(scanner),
    };
  },
});

function notesOf(scanner: LheScanner): string[] {
  const notes: string[] = [];
  if (scanner.footerBegin < 0) notes.push("no closing </LesHouchesEvents>; slices get one");
  if (scanner.initBegin < 0) notes.push("no <init> block");
  if (scanner.textBehind > 0) {
    notes.push(`${scanner.textBehind} events have text behind </event>; it is no part of them`);
  }
  if (scanner.eventGroups > 0) {
    notes.push(`${scanner.eventGroups} <eventgroup> tags; ranges are cut inside groups`);
  }
  return notes;
}
