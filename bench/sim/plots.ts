/** SVG plots, written by hand: busy slots over time, and when the ranges of each index ended. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Tally } from "./tally.ts";

const WIDTH = 760;
const HEIGHT = 320;
const LEFT = 88;
const RIGHT = 20;
const BOTTOM = 44;
const TOP = 34;
const COLORS = ["#b03a2e", "#1f618d", "#1e8449"];
const POINTS_MAX = 4000;
const TICKS_WANTED = 6;
/** Width of one character of the labels, about. */
const CHARACTER = 6.2;

interface Axes {
  readonly parts: string[];
  readonly x: (seconds: number) => number;
  readonly y: (value: number) => number;
}

let folder = "";

/** Where plots go; "" writes none. */
export function plotInto(path: string): void {
  folder = path;
}

/** `meanWork`: where all slots would end at once if work could be spread evenly. */
export function plotOccupancy(
  name: string,
  title: string,
  meanWork: number,
  curves: readonly (readonly [string, Tally])[],
): void {
  const seconds = Math.max(...curves.map(([, tally]) => tally.makespanSeconds));
  const slots = Math.max(
    ...curves.map(([, tally]) => Math.max(...tally.occupancy) / tally.binSeconds),
  );
  const { parts, x, y } = axes(title, seconds, slots, "busy slots", 0, WIDTH);
  const mark = x(meanWork).toFixed(1);
  parts.push(
    `<path d="M${mark} ${TOP}V${HEIGHT - BOTTOM}" stroke="#777" stroke-dasharray="4 3"/>`,
    `<text x="${mark}" y="${TOP - 4}" text-anchor="middle" fill="#555">mean work A</text>`,
  );
  curves.forEach(([label, tally], index) => {
    const points = tally.occupancy
      .map((busy, bin) => [(bin + 0.5) * tally.binSeconds, busy / tally.binSeconds] as const)
      // The last bin is cut off by the end: its mean would look like a fall.
      .slice(0, -1)
      .map(([at, busy]) => `${x(at).toFixed(1)},${y(busy).toFixed(1)}`);
    const color = COLORS[index % COLORS.length];
    const line = HEIGHT - BOTTOM - 16 * (curves.length - index);
    parts.push(
      `<polyline fill="none" stroke="${color}" stroke-width="1.5" points="${points.join(" ")}"/>`,
      `<text x="${LEFT + 12}" y="${line}" fill="${color}">${label}: all done after ` +
        `${grouped(tally.makespanSeconds)} s</text>`,
    );
  });
  write(name, WIDTH, parts);
}

/** One panel a run, side by side: a dot is a range, at its index and the time of its end. */
export function plotMap(name: string, runs: readonly (readonly [string, Tally])[]): void {
  const width = WIDTH / 2;
  const seconds = Math.max(...runs.map(([, tally]) => tally.makespanSeconds));
  const parts = runs.flatMap(([title, tally], panel) => {
    const { map, ranges } = tally;
    const frame = axes(title, seconds, ranges, "range index", panel * width, width);
    const count = Math.min(map.size, map.x.length);
    const stride = Math.max(1, Math.ceil(count / POINTS_MAX));
    let path = "";
    for (let i = 0; i < count; i += stride) {
      path += `M${frame.x(map.x[i]!).toFixed(0)} ${frame.y(map.y[i]!).toFixed(0)}h1`;
    }
    return [...frame.parts, `<path d="${path}" stroke="#1f618d" stroke-width="1"/>`];
  });
  write(name, width * runs.length, parts);
}

function axes(
  title: string,
  seconds: number,
  most: number,
  unit: string,
  offset: number,
  width: number,
): Axes {
  const left = offset + LEFT;
  const right = offset + width - RIGHT;
  const bottom = HEIGHT - BOTTOM;
  const x = (at: number) => left + (at / seconds) * (right - left);
  const y = (value: number) => bottom - (value / most) * (bottom - TOP);
  const parts = [`<text x="${left}" y="16" font-size="14">${title}</text>`];
  for (const tick of ticks(seconds, (right - left) / (CHARACTER * 9))) {
    const at = x(tick).toFixed(1);
    parts.push(
      `<path d="M${at} ${TOP}V${bottom}" stroke="#e4e4e4"/>`,
      `<text x="${at}" y="${bottom + 16}" text-anchor="middle">${grouped(tick)}</text>`,
    );
  }
  for (const tick of ticks(most, TICKS_WANTED)) {
    const at = y(tick);
    parts.push(
      `<path d="M${left} ${at.toFixed(1)}H${right}" stroke="#e4e4e4"/>`,
      `<text x="${left - 6}" y="${(at + 4).toFixed(1)}" text-anchor="end">${grouped(tick)}</text>`,
    );
  }
  const middle = (TOP + bottom) / 2;
  parts.push(
    `<path d="M${left} ${TOP}V${bottom}H${right}" fill="none" stroke="black"/>`,
    `<text x="${(left + right) / 2}" y="${HEIGHT - 8}" text-anchor="middle">seconds</text>`,
    `<text transform="translate(${offset + 13} ${middle}) rotate(-90)" ` +
      `text-anchor="middle">${unit}</text>`,
  );
  return { parts, x, y };
}

/** From 0 to `most` in steps of 1, 2 or 5 times a power of ten, about `wanted` of them. */
function ticks(most: number, wanted: number): number[] {
  const rough = most / Math.max(2, Math.min(TICKS_WANTED, wanted));
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const found: number[] = [];
  for (let tick = 0; tick <= most; tick += step) found.push(tick);
  return found;
}

/** 118 000, with thin spaces. */
function grouped(value: number): string {
  return String(Math.round(value)).replaceAll(/\B(?=(\d{3})+$)/g, "\u2009");
}

function write(name: string, width: number, parts: readonly string[]): void {
  if (folder === "") return;
  mkdirSync(folder, { recursive: true });
  const head =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${HEIGHT}" ` +
    'font-family="sans-serif" font-size="12">';
  const ground = `<rect width="${width}" height="${HEIGHT}" fill="white"/>`;
  const text = [head, ground, ...parts, "</svg>", ""].join("\n");
  writeFileSync(join(folder, `sim-${name}.svg`), text);
}
