/**
 * CSV input: the first record is the header line, each further record one event; blank lines are
 * none. Quoted fields may hold line feeds. A slice is the header line + records.
 */
import { LineScanner } from "./line-scanner.ts";
import { hasExtension, scanText, textFormat } from "./text-format.ts";

const EXTENSIONS = [".csv"];

const parts = textFormat({
  name: "csv",
  extensions: EXTENSIONS,
  looksAlike: () => false,
  scan(input) {
    const scanner = new LineScanner({ header: true, quoted: true });
    scanText(input, scanner);
    const headerEnd = Math.max(scanner.headerEnd, 0);
    return {
      variant: "",
      events: scanner.bounds.events,
      bounds: scanner.bounds.take(),
      header: headerEnd > 0 ? [[0, headerEnd]] : [],
      footer: [],
      notes: headerEnd === 0 && input.sizeBytes > 0 ? ["only blank lines"] : [],
    };
  },
});

/** CSV has no mark of its own: only the name tells it from other text. */
export const csv: typeof parts = {
  ...parts,
  recognise: (path) => hasExtension(path, EXTENSIONS),
};
