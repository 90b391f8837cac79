/** SVG plots, written by hand: node occupancy over time, and the event map. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Tally } from "./tally.ts";

const WIDTH = 720;
const HEIGHT = 320;
const LEFT = 60;
const BOTTOM = 40;
const TOP = 30;
const COLORS = ["#b03a2e", "#1f618d", "#1e8449"];
const POINTS_MAX = 8000;

let folder = "";

/** Where plots go; "" writes none. */
export function plotInto(path: string): void {
  folder = path;
}

export function plotOccupancy(
  name: string,
  title: string,
  curves: readonly (readonly [string, Tally])[],
): void {
  const seconds = Math.max(...curves.map(([, tally]) => tally.occupancy.length * tally.binSeconds));
  const slots = Math.max(
    ...curves.map(([, tally]) => Math.max(...tally.occupancy) / tally.binSeconds),
  );
  const parts = frame(title, seconds, slots, "busy slots");
  curves.forEach(([label, tally], index) => {
    const points = tally.occupancy.map((busy, bin) => {
      const x = LEFT + ((bin + 0.5) * tally.binSeconds * (WIDTH - LEFT)) / seconds;
      const y = HEIGHT - BOTTOM - (busy / tally.binSeconds / slots) * (HEIGHT - BOTTOM - TOP);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    });
    const color = COLORS[index % COLORS.length];
    parts.push(`<polyline fill="none" stroke="${color}" points="${points.join(" ")}"/>`);
    parts.push(
      `<text x="${LEFT + 10}" y="${TOP + 24 + 16 * index}" fill="${color}">${label}</text>`,
    );
  });
  write(name, parts);
}

export function plotMap(name: string, title: string, tally: Tally): void {
  const { x, y, size } = tally.map;
  const parts = frame(title, tally.makespanSeconds, tally.ranges, "range index");
  const stride = Math.max(1, Math.floor(size / POINTS_MAX));
  let path = "";
  for (let i = 0; i < Math.min(size, x.length); i += stride) {
    const px = LEFT + (x[i]! / tally.makespanSeconds) * (WIDTH - LEFT);
    const py = HEIGHT - BOTTOM - (y[i]! / tally.ranges) * (HEIGHT - BOTTOM - TOP);
    path += `M${px.toFixed(0)} ${py.toFixed(0)}h1`;
  }
  parts.push(`<path d="${path}" stroke="#1f618d" stroke-width="1"/>`);
  write(name, parts);
}

function frame(title: string, seconds: number, most: number, unit: string): string[] {
  const bottom = HEIGHT - BOTTOM;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH + 10} ${HEIGHT}" ` +
      'font-family="sans-serif" font-size="12">',
    `<rect width="${WIDTH + 10}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${LEFT}" y="18" font-size="14">${title}</text>`,
    `<path d="M${LEFT} ${TOP}V${bottom}H${WIDTH}" fill="none" stroke="black"/>`,
    `<text x="${LEFT}" y="${bottom + 16}">0</text>`,
    `<text x="${WIDTH}" y="${bottom + 16}" text-anchor="end">${Math.round(seconds)} s</text>`,
    `<text x="${LEFT - 4}" y="${TOP + 10}" text-anchor="end">${Math.round(most)}</text>`,
    `<text x="14" y="${bottom}" transform="rotate(-90 14 ${bottom})">${unit}</text>`,
  ];
}

function write(name: string, parts: readonly string[]): void {
  if (folder === "") return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `sim-${name}.svg`), `${parts.join("\n")}\n</svg>\n`);
}
