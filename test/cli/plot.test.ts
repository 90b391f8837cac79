/** Pictures: their structure, their limits, and that nothing that is shown is wrong. */
import { describe, expect, it } from "vitest";
import {
  createHistogram,
  eventMapSvg,
  fillHistogram,
  type MapCell,
  peakOf,
  rebin,
  spectrumSvg,
  terminalHistogram,
  wantsColour,
} from "../../src/cli/plot/index.ts";
import { tickLabel, ticksBetween } from "../../src/cli/plot/ticks.ts";

function peaked(bins = 60) {
  const histogram = createHistogram(60, 120, bins);
  for (let i = 0; i < 5000; i++)
    fillHistogram(histogram, 91.19 + 2 * Math.tan((i / 5000 - 0.5) * 3));
  return histogram;
}

/** Well-formed as far as nesting goes: every tag that opens closes, in order. */
function expectNested(svg: string): void {
  const open: string[] = [];
  for (const [, close, name, self] of svg.matchAll(/<(\/?)([a-zA-Z]+)[^<>]*?(\/?)>/g)) {
    if (close) expect(open.pop()).toBe(name);
    else if (!self) open.push(name!);
  }
  expect(open).toEqual([]);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
}

describe("a histogram", () => {
  it("keeps what lies outside apart and gives edges to the upper bin", () => {
    const histogram = createHistogram(0, 10, 5);
    for (const value of [-1, 0, 2, 9.999, 10, 11, Number.NaN]) fillHistogram(histogram, value);
    expect([...histogram.counts]).toEqual([1, 1, 0, 0, 1]);
    expect(histogram).toMatchObject({ under: 1, over: 2, entries: 6 });
    expect(peakOf(peaked()).centre).toBe(91.5);
  });

  it("loses nothing when bins are joined", () => {
    const joined = rebin(peaked(), 17);
    expect(joined.counts.length).toBe(15);
    const sum = (counts: Float64Array): number => counts.reduce((a, b) => a + b, 0);
    expect(sum(joined.counts)).toBe(sum(peaked().counts));
  });

  it("has round ticks inside its axis", () => {
    expect(ticksBetween(60, 120, 6)).toEqual([60, 70, 80, 90, 100, 110, 120]);
    expect(ticksBetween(0, 0.35, 4)).toEqual([0, 0.1, 0.2, 0.3]);
    expect(tickLabel(12_500)).toBe("12\u2009500");
  });
});

describe("the terminal plot", () => {
  const options = { title: "m(ll)", unit: "GeV", colour: false };

  it("fits every width from 30 columns on", () => {
    for (const columns of [30, 41, 80, 113, 200]) {
      const lines = terminalHistogram(peaked(), { ...options, columns })
        .trimEnd()
        .split("\n");
      expect(lines).toHaveLength(15);
      for (const line of lines) expect([...line].length).toBeLessThanOrEqual(columns);
      expect(lines.at(-1)).toContain("80");
    }
  });

  it("peaks where the fullest bin is, and shows every bin that holds something", () => {
    const text = terminalHistogram(peaked(), { ...options, columns: 80 });
    const lines = text.split("\n");
    const offset = lines.at(-3)!.indexOf("┼") + 1;
    const top = lines.slice(1).find((line) => /[▁-█]/.test(line))!;
    expect(top.slice(offset).search(/[▁-█]/)).toBe(peakOf(peaked()).bin);
    const lowest = [...lines.at(-4)!.slice(offset)].map((column) => column !== " ");
    expect(lowest).toEqual([...peaked().counts].map((count) => count > 0));
    expect(text).not.toContain("\u001b");
  });

  it("is empty, not broken, for an empty histogram", () => {
    const text = terminalHistogram(createHistogram(0, 1, 10), { ...options, columns: 40 });
    expect(text).not.toMatch(/[▁-█]|NaN/);
  });

  it("has colour only on a terminal and without NO_COLOR", () => {
    expect(wantsColour({ isTTY: true }, {})).toBe(true);
    expect(wantsColour({ isTTY: true }, { NO_COLOR: "1" })).toBe(false);
    expect(wantsColour({ isTTY: true }, { NO_COLOR: "" })).toBe(true);
    expect(wantsColour({}, {})).toBe(false);
    expect(terminalHistogram(peaked(), { ...options, columns: 80, colour: true })).toContain(
      "\u001b[36m",
    );
  });
});

describe("the spectrum", () => {
  const options = { title: "a < b & c", quantity: "m(ll)", unit: "GeV", noun: "events" };

  it("is one nested document with axes, units and one error bar a filled bin", () => {
    const histogram = peaked();
    const svg = spectrumSvg(histogram, { ...options, mark: { at: 91.19, text: "m(Z)" } });
    expectNested(svg);
    expect(svg).toContain("a &lt; b &amp; c");
    expect(svg).toContain("m(ll) [GeV]");
    expect(svg).toContain("events / 1 GeV");
    expect(svg).toContain("prefers-color-scheme: dark");
    const errors = /class="error" d="([^"]*)"/.exec(svg)![1]!;
    expect(errors.match(/M/g)).toHaveLength(histogram.counts.filter((count) => count > 0).length);
  });

  it("is whole for an empty histogram", () => {
    expectNested(spectrumSvg(createHistogram(0, 1, 4), options));
  });
});

describe("the event map", () => {
  const cells: MapCell[] = Array.from({ length: 30 }, (_, i) => ({
    firstRange: i * 10,
    ranges: 10,
    pilot: i === 5 ? -1 : i % 2,
    attempts: i === 7 || i === 8 ? 2 : 1,
    failed: i === 8 ? 3 : 0,
  }));
  const svg = eventMapSvg({ pilots: ["a<b", "two"], rangesPerCell: 10, cells }, { title: "map" });

  it("has one titled cell a group, coloured by its pilot", () => {
    expectNested(svg);
    expect(svg.match(/<g><title>/g)).toHaveLength(30);
    expect(svg).toContain("ranges 290–299, two");
    expect(svg).toContain("ranges 50–59, nobody");
    // 15 even cells less the failed one, 15 odd ones less nobody's, and one each in the legend.
    expect(svg.match(/class="p0" x/g)).toHaveLength(14 + 1);
    expect(svg.match(/class="p1" x/g)).toHaveLength(14 + 1);
  });

  it("marks what was started more than once and what failed, and counts both", () => {
    expect(svg).toContain("started more than once: 1 cell<");
    expect(svg).toContain("with failed ranges: 1 cell<");
    expect(svg).toContain("ranges 80–89, a&lt;b, 2 attempts, 3 failed");
    expect(svg.match(/class="failed" x/g)).toHaveLength(2);
    expect(svg.match(/class="again" d/g)).toHaveLength(2);
  });

  it("is whole without a cell and with thousands", () => {
    expectNested(eventMapSvg({ pilots: [], rangesPerCell: 1, cells: [] }, { title: "none" }));
    const many = Array.from({ length: 2500 }, (_, i) => ({ ...cells[i % 30]!, firstRange: i }));
    expectNested(
      eventMapSvg({ pilots: ["a", "b"], rangesPerCell: 1, cells: many }, { title: "many" }),
    );
  });
});
