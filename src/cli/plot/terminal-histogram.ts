/**
 * A histogram for a terminal: columns of Unicode eighths over an axis, as wide as the terminal lets
 * it be and no wider. Colour only where it is asked for (a terminal, no NO_COLOR); the picture is
 * the same without.
 *
 *   dilepton mass                                20 000 entries
 *   3 000 ┤              █
 *         │             ▃█▅
 *       0 ┼─────────────┴──────────────
 *         60            91          120 GeV
 */
import { formatCount } from "../../base/index.ts";
import { type Histogram, peakOf, rebin } from "./histogram.ts";
import { niceStep, ticksBetween } from "./ticks.ts";

const EIGHTHS = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const CYAN = "\u001b[36m";
const BOLD = "\u001b[1m";
const DIM = "\u001b[2m";
const RESET = "\u001b[0m";

export interface TerminalPlotOptions {
  readonly title: string;
  /** "GeV"; "" for none. */
  readonly unit: string;
  /** Columns of the terminal, at least 30. */
  readonly columns: number;
  /** Lines of the plot without title and axis. */
  readonly lines?: number;
  readonly colour: boolean;
  /** What stands behind the number of entries; "entries" by default. */
  readonly noun?: string;
}

/** True if `stream` is a terminal and nobody asked for no colour (https://no-color.org). */
export function wantsColour(
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  return stream.isTTY === true && (environment["NO_COLOR"] ?? "") === "";
}

/** Lines joined by line feeds, with one at the end; none is wider than `columns`. */
export function terminalHistogram(histogram: Histogram, options: TerminalPlotOptions): string {
  const columns = Math.max(30, options.columns);
  const height = options.lines ?? 12;
  const paint = (style: string, text: string): string =>
    options.colour && text.trim() !== "" ? `${style}${text}${RESET}` : text;
  const top = roundUp(peakOf(histogram).count);
  const gutter = Math.max(formatCount(top).length, 4);
  const shown = rebin(histogram, columns - gutter - 3);
  const scale = roundUp(peakOf(shown).count);
  const repeat = Math.max(1, Math.floor((columns - gutter - 3) / shown.counts.length));
  const width = repeat * shown.counts.length;

  const lines = [
    titleLine(options, histogram, gutter, width, (text) => paint(BOLD, text), columns),
  ];
  for (let line = height - 1; line >= 0; line--) {
    const label = labelOf(line, height, scale);
    const tick = label === "" ? "│" : "┤";
    const bars = barLine(shown.counts, scale, line, height, repeat);
    lines.push(
      `${paint(DIM, `${label.padStart(gutter)} ${tick}`)}${paint(CYAN, bars.trimEnd())}`.trimEnd(),
    );
  }
  const { axis, labels } = axisLines(shown, width, options.unit, columns - gutter - 2);
  lines.push(paint(DIM, `${"0".padStart(gutter)} ┼${axis}`));
  lines.push(paint(DIM, `${" ".repeat(gutter + 2)}${labels}`));
  return `${lines.join("\n")}\n`;
}

/** Counts stand where a line of characters ends: at the top and, if it is whole, half way. */
function labelOf(line: number, height: number, scale: number): string {
  if (line === height - 1) return formatCount(scale);
  const isHalf = height % 2 === 0 && line === height / 2 - 1 && scale % 2 === 0;
  return isHalf ? formatCount(scale / 2) : "";
}

/** A round number not below `count`: the top of the axis. */
function roundUp(count: number): number {
  if (count <= 10) return Math.max(1, Math.ceil(count));
  const step = niceStep(count, 5) / 2;
  return Math.ceil(count / step) * step;
}

function titleLine(
  options: TerminalPlotOptions,
  histogram: Histogram,
  gutter: number,
  width: number,
  bold: (text: string) => string,
  columns: number,
): string {
  const outside = histogram.under + histogram.over;
  const counted = `${formatCount(histogram.entries)} ${options.noun ?? "entries"}`;
  const right = outside > 0 ? `${counted}, ${formatCount(outside)} outside` : counted;
  const room = Math.min(columns, gutter + 2 + width);
  const gap = room - gutter - 2 - options.title.length - right.length;
  const indent = " ".repeat(gutter + 2);
  if (gap < 2) return `${indent}${bold(options.title.slice(0, columns - gutter - 2))}`;
  return `${indent}${bold(options.title)}${" ".repeat(gap)}${right}`;
}

function barLine(
  counts: Float64Array,
  scale: number,
  line: number,
  height: number,
  repeat: number,
): string {
  let text = "";
  for (const count of counts) {
    const eighths = Math.round((count / scale) * height * 8);
    // A bin that holds anything at all shows at least its lowest eighth.
    const visible = count > 0 ? Math.max(1, eighths) : 0;
    text += (EIGHTHS[Math.min(8, Math.max(0, visible - line * 8))] as string).repeat(repeat);
  }
  return text;
}

/** Ticks below the bars; labels that would overlap or run over `room` are left out. */
function axisLines(
  shown: Histogram,
  width: number,
  unit: string,
  room: number,
): { axis: string; labels: string } {
  const axis = new Array<string>(width).fill("─");
  let labels = "";
  for (const tick of ticksBetween(shown.low, shown.high, Math.max(3, Math.floor(width / 12)))) {
    const at = Math.round(((tick - shown.low) / (shown.high - shown.low)) * width);
    if (at < width) axis[at] = "┬";
    const text = String(tick);
    const start = Math.max(0, Math.min(at - Math.floor(text.length / 2), room - text.length));
    const gap = start - labels.length;
    if (gap >= (labels === "" ? 0 : 1)) labels += " ".repeat(gap) + text;
  }
  if (unit !== "" && labels.length + unit.length < room) labels += ` ${unit}`;
  return { axis: axis.join(""), labels };
}
