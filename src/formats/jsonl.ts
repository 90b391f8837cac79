/**
 * JSON Lines input: one JSON value a line, each an event; blank lines are none. Lines are not
 * parsed here: a broken one is the business of the payload that gets it.
 */
import { LineScanner } from "./line-scanner.ts";
import { hasExtension, scanText, textFormat } from "./text-format.ts";

const EXTENSIONS = [".jsonl", ".ndjson"];

const parts = textFormat({
  name: "jsonl",
  extensions: EXTENSIONS,
  looksAlike: firstLineIsObject,
  scan(input) {
    const scanner = new LineScanner({ header: false, quoted: false });
    scanText(input, scanner);
    const { bounds } = scanner;
    const common = { variant: "", header: [], footer: [], notes: [] };
    return { ...common, events: bounds.events, bounds: bounds.take() };
  },
});

export const jsonl: typeof parts = {
  ...parts,
  recognise: (path, head) => hasExtension(path, EXTENSIONS) || parts.recognise(path, head),
};

function firstLineIsObject(head: string): boolean {
  const line = /\S.*/.exec(head)?.[0] ?? "";
  if (!line.startsWith("{")) return false;
  try {
    JSON.parse(Buffer.from(line, "latin1").toString());
    return true;
  } catch {
    return false;
  }
}
