/**
 * A histogram as a picture: a filled step line with error bars of sqrt(N), axes with units, the
 * fullest bin named, a box with what was counted. Stands on its own, light and dark.
 */
import { formatCount } from "../../base/index.ts";
import { type Histogram, peakOf } from "./histogram.ts";
import { coordinate, svgDocument, svgLine, svgText } from "./svg.ts";
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
  const title = svgText("ink title", LEFT, 28, options.title);
  if (options.subtitle === undefined) return title;
  return title + svgText("soft", LEFT, 47, options.subtitle);
}

function axes(histogram: Histogram, top: number, frame: Frame, options: SpectrumOptions): string {
  const floor = frame.y(0);
  const right = WIDTH - RIGHT;
  const { low, high, counts } = histogram;
  let drawn = "";
  for (const tick of ticksBetween(0, top, 6)) {
    if (!Number.isInteger(tick)) continue;
    const y = frame.y(tick);
    if (tick > 0) drawn += svgLine("grid", LEFT, y, right, y);
    drawn += svgText("soft", LEFT - 9, y + 4, tickLabel(tick), "end");
  }
  for (const tick of ticksBetween(low, high, 8)) {
    const x = frame.x(tick);
    drawn += svgLine("axis", x, floor, x, floor + 5);
    drawn += svgText("soft", x, floor + 20, tickLabel(tick), "middle");
  }
  const { quantity, unit, noun } = options;
  const width = tickLabel(Number(((high - low) / counts.length).toPrecision(6)));
  const turned = `transform="translate(18 ${coordinate((TOP + floor) / 2)}) rotate(-90)"`;
  drawn += `<path class="axis" d="M${LEFT} ${TOP}V${coordinate(floor)}H${right}"/>\n`;
  drawn += svgText(
    "ink",
    right,
    HEIGHT - 14,
    unit === "" ? quantity : `${quantity} [${unit}]`,
    "end",
  );
  const perBin = svgText("ink", 0, 0, `${noun} / ${width} ${unit}`.trim(), "middle");
  drawn += `<g ${turned}>${perBin}</g>\n`;
  return drawn;
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
  const path = (kind: string, d: string): string => `<path class="${kind}" d="${d}"/>\n`;
  return path("bar", `${step}Z`) + path("step", step) + path("error", errors);
}

function markLine(mark: { at: number; text: string }, frame: Frame): string {
  const x = frame.x(mark.at);
  return svgLine("mark", x, TOP, x, frame.y(0)) + svgText("soft halo", x + 8, TOP + 12, mark.text);
}

function countBox(histogram: Histogram, options: SpectrumOptions): string {
  const peak = peakOf(histogram);
  const outside = histogram.under + histogram.over;
  const rows = [
    `${formatCount(histogram.entries)} ${options.noun}`,
    `${formatCount(outside)} outside the axis`,
    `fullest bin at ${Number(peak.centre.toPrecision(6))} ${options.unit}`.trim(),
  ];
  const right = WIDTH - RIGHT - 6;
  return rows.map((row, i) => svgText("soft halo", right, TOP + 12 + i * 17, row, "end")).join("");
}
