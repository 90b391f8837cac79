/**
 * A histogram as a picture: a filled step line with error bars of sqrt(N), axes with units, the
 * fullest bin named, a box with what was counted. Stands on its own, light and dark.
 */
import { formatCount } from "../../base/index.ts";
import { type Histogram, peakOf } from "./histogram.ts";
import { coordinate, escapeXml, svgDocument } from "./svg.ts";
import { tickLabel, ticksBetween } from "./ticks.ts";

export interface SpectrumOptions {
  readonly title: string;
  /** What is on the horizontal axis: "m(ℓℓ)". */
  readonly quantity: string;
  /** "GeV"; "" for none. */
  readonly unit: string;
  /** What is counted: "events". */
  readonly noun: string;
  /** A value to mark with a thin line, such as a known mass. */
  readonly mark?: { readonly at: number; readonly text: string };
  /** Remark under the title. */
  readonly subtitle?: string;
}

const WIDTH = 760;
const HEIGHT = 440;
const LEFT = 74;
const RIGHT = 24;
const TOP = 66;
const BOTTOM = 58;

interface Frame {
  x(value: number): number;
  y(count: number): number;
}

export function spectrumSvg(histogram: Histogram, options: SpectrumOptions): string {
  const peak = peakOf(histogram);
  const top = Math.max(1, (peak.count + Math.sqrt(peak.count)) * 1.06);
  const plotWidth = WIDTH - LEFT - RIGHT;
  const plotHeight = HEIGHT - TOP - BOTTOM;
  const frame: Frame = {
    x: (value) => LEFT + ((value - histogram.low) / (histogram.high - histogram.low)) * plotWidth,
    y: (count) => TOP + plotHeight * (1 - count / top),
  };
  const body = [
    heading(options),
    axes(histogram, top, frame, options),
    bars(histogram, frame),
    options.mark ? markLine(options.mark, frame) : "",
    countBox(histogram, options),
  ].join("");
  return svgDocument(WIDTH, HEIGHT, `Histogram: ${options.title}`, body);
}

function heading(options: SpectrumOptions): string {
  const title = `<text class="ink title" x="${LEFT}" y="28">${escapeXml(options.title)}</text>\n`;
  if (options.subtitle === undefined) return title;
  return `${title}<text class="soft" x="${LEFT}" y="47">${escapeXml(options.subtitle)}</text>\n`;
}

function axes(histogram: Histogram, top: number, frame: Frame, options: SpectrumOptions): string {
  const floor = frame.y(0);
  const right = WIDTH - RIGHT;
  const lines: string[] = [];
  for (const tick of ticksBetween(0, top, 6)) {
    if (!Number.isInteger(tick)) continue;
    const y = coordinate(frame.y(tick));
    if (tick > 0) lines.push(`<line class="grid" x1="${LEFT}" x2="${right}" y1="${y}" y2="${y}"/>`);
    lines.push(
      `<text class="soft" x="${LEFT - 9}" y="${y}" dy="4" text-anchor="end">${tickLabel(tick)}</text>`,
    );
  }
  for (const tick of ticksBetween(histogram.low, histogram.high, 8)) {
    const x = coordinate(frame.x(tick));
    lines.push(
      `<line class="axis" x1="${x}" x2="${x}" y1="${coordinate(floor)}" y2="${coordinate(floor + 5)}"/>`,
      `<text class="soft" x="${x}" y="${coordinate(floor + 20)}" text-anchor="middle">${tickLabel(tick)}</text>`,
    );
  }
  const width = (histogram.high - histogram.low) / histogram.counts.length;
  const perBin =
    `${options.noun} / ${tickLabel(Number(width.toPrecision(6)))} ${options.unit}`.trim();
  const middle = coordinate((TOP + floor) / 2);
  const quantity = options.unit === "" ? options.quantity : `${options.quantity} [${options.unit}]`;
  lines.push(
    `<path class="axis" d="M${LEFT} ${TOP}V${coordinate(floor)}H${right}"/>`,
    `<text class="ink" x="${right}" y="${HEIGHT - 14}" text-anchor="end">${escapeXml(quantity)}</text>`,
    `<text class="ink" transform="translate(18 ${middle}) rotate(-90)" text-anchor="middle">${escapeXml(perBin)}</text>`,
  );
  return `${lines.join("\n")}\n`;
}

function bars(histogram: Histogram, frame: Frame): string {
  const { low, high, counts } = histogram;
  const width = (high - low) / counts.length;
  const floor = coordinate(frame.y(0));
  let step = `M${coordinate(frame.x(low))} ${floor}`;
  let errors = "";
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i] as number;
    step += `V${coordinate(frame.y(count))}H${coordinate(frame.x(low + (i + 1) * width))}`;
    if (count === 0) continue;
    const x = coordinate(frame.x(low + (i + 0.5) * width));
    const half = Math.sqrt(count);
    errors += `M${x} ${coordinate(frame.y(count - half))}V${coordinate(frame.y(count + half))}`;
  }
  step += `V${floor}`;
  return `<path class="bar" d="${step}Z"/>\n<path class="step" d="${step}"/>\n<path class="error" d="${errors}"/>\n`;
}

function markLine(mark: { at: number; text: string }, frame: Frame): string {
  const x = frame.x(mark.at);
  const line = `<line class="mark" stroke-dasharray="4 3" x1="${coordinate(x)}" x2="${coordinate(x)}" y1="${TOP}" y2="${coordinate(frame.y(0))}"/>`;
  return `${line}\n<text class="soft halo" x="${coordinate(x + 8)}" y="${TOP + 12}">${escapeXml(mark.text)}</text>\n`;
}

function countBox(histogram: Histogram, options: SpectrumOptions): string {
  const peak = peakOf(histogram);
  const outside = histogram.under + histogram.over;
  const rows = [
    `${formatCount(histogram.entries)} ${options.noun}`,
    `${formatCount(outside)} outside the axis`,
    `fullest bin at ${Number(peak.centre.toPrecision(6))} ${options.unit}`.trim(),
  ];
  return rows
    .map(
      (row, i) =>
        `<text class="soft halo" x="${WIDTH - RIGHT - 6}" y="${TOP + 12 + i * 17}" text-anchor="end">${escapeXml(row)}</text>\n`,
    )
    .join("");
}
