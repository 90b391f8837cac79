/**
 * The event map: the whole task as a grid in event order, one cell a group of ranges, coloured by
 * the pilot that did most of it. A small triangle in a cell: something in it was started more than
 * once. A red cell with a cross: something in it failed. Legend with counts below.
 */
import { formatCount } from "../../base/index.ts";
import { coordinate, escapeXml, pilotClass, svgDocument, svgText } from "./svg.ts";

export interface MapCell {
  readonly firstRange: number;
  readonly ranges: number;
  /** Index into `pilots`, -1 if nobody did any. */
  readonly pilot: number;
  readonly attempts: number;
  /** Failed ranges in it. */
  readonly failed: number;
}

export interface EventMap {
  readonly pilots: readonly string[];
  readonly rangesPerCell: number;
  readonly cells: readonly MapCell[];
}

export interface EventMapOptions {
  readonly title: string;
  readonly subtitle?: string;
}

const WIDTH = 760;
const MARGIN = 28;
const TOP = 66;
const GAP = 2;
/** Room for the numbers left of the grid. */
const LABELS = 64;
const CELLS_PER_ROW = [10, 20, 25, 40, 50, 80] as const;
const SIDE_MAX = 26;
const GRID_HEIGHT_MAX = 360;
const LEGEND_ROW = 22;
const NAME_CHARACTERS_MAX = 26;
const LEGEND_PILOTS_MAX = 10;

export function eventMapSvg(map: EventMap, options: EventMapOptions): string {
  const { perRow, side } = layoutOf(map.cells.length);
  const rows = Math.max(1, Math.ceil(map.cells.length / perRow));
  const gridBottom = TOP + rows * (side + GAP);
  const legend = legendOf(map, gridBottom + 22);
  const parts = [
    svgText("ink title", MARGIN, 28, options.title),
    svgText("soft", MARGIN, 47, options.subtitle ?? subtitleOf(map)),
  ];
  const left = MARGIN + LABELS;
  for (let row = 0; row < rows; row++) {
    const first = map.cells[row * perRow];
    const labelled = row === 0 || rows <= 24 || row % Math.ceil(rows / 24) === 0;
    if (!first || !labelled) continue;
    const y = TOP + row * (side + GAP) + side / 2 + 4;
    parts.push(svgText("soft", left - 10, y, formatCount(first.firstRange), "end"));
  }
  map.cells.forEach((cell, i) => {
    const x = left + (i % perRow) * (side + GAP);
    const y = TOP + Math.floor(i / perRow) * (side + GAP);
    parts.push(cellShape(map, cell, x, y, side));
  });
  parts.push(legend.body);
  return svgDocument(WIDTH, legend.bottom + 16, `Event map: ${options.title}`, parts.join(""));
}

/** Cells of a row: a number people can count with, few and large or many and small. */
function layoutOf(cells: number): { perRow: number; side: number } {
  const room = WIDTH - 2 * MARGIN - LABELS;
  for (const perRow of CELLS_PER_ROW) {
    const side = Math.min(SIDE_MAX, Math.floor((room + GAP) / perRow) - GAP);
    const rows = Math.ceil(cells / perRow);
    if (rows * (side + GAP) <= GRID_HEIGHT_MAX) return { perRow, side };
  }
  const perRow = CELLS_PER_ROW.at(-1) as number;
  return { perRow, side: Math.floor((room + GAP) / perRow) - GAP };
}

function cellShape(map: EventMap, cell: MapCell, x: number, y: number, side: number): string {
  const kind = cell.failed > 0 ? "failed" : pilotClass(cell.pilot);
  const last = cell.firstRange + cell.ranges - 1;
  const who = cell.pilot >= 0 ? (map.pilots[cell.pilot] ?? "?") : "nobody";
  const one = cell.ranges === 1;
  const what = one ? `range ${cell.firstRange}` : `ranges ${cell.firstRange}–${last}`;
  const said = [what, who];
  if (cell.attempts > 1) said.push(`${cell.attempts} attempts`);
  if (cell.failed > 0) said.push(`${cell.failed} failed`);
  const [cx, cy] = [coordinate(x), coordinate(y)];
  let shape = `<rect class="${kind}" x="${cx}" y="${cy}" width="${side}" height="${side}" rx="2"/>`;
  if (cell.failed > 0) shape += cross(x, y, side);
  else if (cell.attempts > 1) shape += corner(x, y, side);
  return `<g><title>${escapeXml(said.join(", "))}</title>${shape}</g>\n`;
}

function corner(x: number, y: number, side: number): string {
  const leg = coordinate(Math.max(4, side * 0.45));
  const at = `${coordinate(x + side)} ${coordinate(y)}`;
  return `<path class="again" d="M${at}v${leg}l-${leg} -${leg}z"/>`;
}

function cross(x: number, y: number, side: number): string {
  const inset = side * 0.28;
  const [a, b] = [coordinate(x + inset), coordinate(x + side - inset)];
  const [c, d] = [coordinate(y + inset), coordinate(y + side - inset)];
  return `<path class="cross" d="M${a} ${c}L${b} ${d}M${a} ${d}L${b} ${c}"/>`;
}

function subtitleOf(map: EventMap): string {
  const last = map.cells.at(-1);
  const ranges = last ? last.firstRange + last.ranges : 0;
  const cell = map.rangesPerCell === 1 ? "1 range" : `${formatCount(map.rangesPerCell)} ranges`;
  const order = `${formatCount(ranges)} ranges in event order, one cell = ${cell}`;
  return `${order}; numbers: first range of the row`;
}

function legendOf(map: EventMap, top: number): { body: string; bottom: number } {
  const cellsOf = new Map<number, number>();
  for (const { pilot, failed } of map.cells) {
    if (failed === 0) cellsOf.set(pilot, (cellsOf.get(pilot) ?? 0) + 1);
  }
  const count = (cells: number): string => `${formatCount(cells)} cell${cells === 1 ? "" : "s"}`;
  const entries: { shape: (x: number, y: number) => string; text: string }[] = [];
  map.pilots.slice(0, LEGEND_PILOTS_MAX).forEach((name, pilot) => {
    const shown = name.length > NAME_CHARACTERS_MAX ? `${name.slice(0, 25)}…` : name;
    const text = `${shown}: ${count(cellsOf.get(pilot) ?? 0)}`;
    entries.push({ shape: (x, y) => swatch(pilotClass(pilot), x, y), text });
  });
  const unnamed = map.pilots.length - LEGEND_PILOTS_MAX;
  const idle = cellsOf.get(-1) ?? 0;
  if (idle > 0) {
    entries.push({ shape: (x, y) => swatch("none", x, y), text: `no output: ${count(idle)}` });
  }
  const again = map.cells.filter((cell) => cell.attempts > 1 && cell.failed === 0).length;
  entries.push({
    shape: (x, y) => swatch("none", x, y) + corner(x, y, 14),
    text: `started more than once: ${count(again)}`,
  });
  const failed = map.cells.filter((cell) => cell.failed > 0).length;
  entries.push({
    shape: (x, y) => swatch("failed", x, y) + cross(x, y, 14),
    text: `with failed ranges: ${count(failed)}`,
  });
  if (unnamed > 0) entries.push({ shape: () => "", text: `and ${unnamed} more pilots` });
  const columns = 3;
  const columnWidth = (WIDTH - 2 * MARGIN) / columns;
  const body = entries.map(({ shape, text }, i) => {
    const x = MARGIN + (i % columns) * columnWidth;
    const y = top + Math.floor(i / columns) * LEGEND_ROW;
    return shape(x, y) + svgText("ink", x + 22, y + 11, text);
  });
  return { body: body.join(""), bottom: top + Math.ceil(entries.length / columns) * LEGEND_ROW };
}

function swatch(kind: string, x: number, y: number): string {
  return `<rect class="${kind}" x="${coordinate(x)}" y="${y}" width="14" height="14" rx="2"/>`;
}
