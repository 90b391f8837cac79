/**
 * The three styles of every command: `text` for people, `json` one versioned document, `quiet` the
 * one word a script wants. Results go to standard output, everything else to standard error, so
 * that a pipe only ever sees the result. Colours honour NO_COLOR and a terminal's absence.
 */
import { type JumboError, messageOf } from "../base/index.ts";

export const STYLES = ["text", "json", "quiet"] as const;
export type Style = (typeof STYLES)[number];

export interface Rendering {
  /** A versioned document: { schema: "name/1", ... }. */
  json: () => unknown;
  text: () => string;
  quiet: () => string;
}

export function print(style: Style, rendering: Rendering): void {
  const text =
    style === "json"
      ? JSON.stringify(rendering.json(), null, 2)
      : style === "quiet"
        ? rendering.quiet()
        : rendering.text();
  if (text !== "") process.stdout.write(`${text}\n`);
}

export function printError(style: Style, error: JumboError): void {
  if (style === "json") process.stdout.write(`${JSON.stringify(error.toJSON())}\n`);
  process.stderr.write(`jumbo: ${paint("red", "error")}: ${messageOf(error)}\n`);
}

const CODES = { red: 31, green: 32, yellow: 33, blue: 34, cyan: 36, grey: 90, bold: 1 } as const;

export function usesColour(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";
}

export function paint(
  colour: keyof typeof CODES,
  text: string,
  stream: NodeJS.WriteStream = process.stderr,
): string {
  return usesColour(stream) ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
}

/** Columns padded to their widest cell; numbers (or what looks like them) to the right. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const isNumber = headings.map(
    (_heading, column) =>
      rows.length > 0 && rows.every((row) => /^[-\d .,%/]*$/.test(row[column] ?? "")),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return isNumber[column] ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [line(headings), ...rows.map(line)].join("\n");
}
