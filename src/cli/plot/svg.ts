/**
 * Small pieces for SVG pictures that stand on their own: escaped text, rounded numbers, one style
 * sheet with a light and a dark half. A picture follows the reader's colour scheme where the viewer
 * tells it (browsers do), and is light where nobody says anything.
 */

/** Text that is safe inside an element or an attribute. */
export function escapeXml(text: string): string {
  return (
    text
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      .replaceAll('"', "&quot;")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 has no form for them.
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "�")
  );
}

/** At most two decimals, no trailing zeros: coordinates need no more. */
export function coordinate(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** Colours of pilots, told apart also by the colour-blind (after Okabe and Ito, Paul Tol). */
export const PILOT_COLOURS_LIGHT = [
  "#3b6fb6",
  "#e08a2c",
  "#2f9e77",
  "#b5559b",
  "#7f7a3a",
  "#5bb5d5",
  "#8e6bbf",
  "#c8503f",
  "#4f8f3c",
  "#d5a6c3",
] as const;
export const PILOT_COLOURS_DARK = [
  "#6b9be0",
  "#f0a552",
  "#4dc39a",
  "#d67fbd",
  "#b3ad5c",
  "#85d0ea",
  "#b095e0",
  "#e5796a",
  "#7dbb69",
  "#e6c3d9",
] as const;

const BASE_STYLE = `
  .paper { fill: #ffffff } .ink { fill: #1d2530 } .soft { fill: #5b6675 }
  .axis { stroke: #5b6675; stroke-width: 1; fill: none }
  .grid { stroke: #e4e8ee; stroke-width: 1; fill: none }
  .bar { fill: #3b6fb6; fill-opacity: .22 } .step { stroke: #2c5a9c; stroke-width: 1.5; fill: none }
  .error { stroke: #2c5a9c; stroke-width: 1; fill: none }
  .mark { stroke: #c8503f; stroke-dasharray: 4 3 }
  .none { fill: #d9dee5 } .failed { fill: #c62f3b } .cross { stroke: #ffffff; stroke-width: 1.4 }
  .again { fill: #1d2530 } .halo { stroke: #ffffff; stroke-width: 4px; paint-order: stroke }
  text { font-family: "Inter", "Helvetica Neue", "DejaVu Sans", Arial, sans-serif; font-size: 12px }
  .title { font-size: 15px; font-weight: 600 }`;
const DARK_STYLE = `
    .paper { fill: #12171e } .ink { fill: #e8ecf2 } .soft { fill: #9aa5b4 }
    .axis { stroke: #9aa5b4 } .grid { stroke: #262e39 }
    .bar { fill: #6b9be0; fill-opacity: .25 } .step, .error { stroke: #86b0ee }
    .mark { stroke: #e5796a } .none { fill: #323c49 } .failed { fill: #e0535e }
    .cross { stroke: #12171e } .again { fill: #ffffff } .halo { stroke: #12171e }`;

/** A whole document around `body`; sizes in pixels. `label` is what a screen reader says. */
export function svgDocument(width: number, height: number, label: string, body: string): string {
  const pilots = (colours: readonly string[]): string =>
    colours.map((colour, i) => `.p${i} { fill: ${colour} }`).join(" ");
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
  const spoken = `role="img" aria-label="${escapeXml(label)}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${spoken}>
<style>${BASE_STYLE}
  ${pilots(PILOT_COLOURS_LIGHT)}
  @media (prefers-color-scheme: dark) {${DARK_STYLE}
    ${pilots(PILOT_COLOURS_DARK)}
  }
</style>
<rect class="paper" width="${width}" height="${height}"/>
${body}</svg>
`;
}

/** One text element, escaped; `anchor` is which part of it stands at x. */
export function svgText(
  kind: string,
  x: number,
  y: number,
  text: string,
  anchor: "start" | "middle" | "end" = "start",
): string {
  const placed = anchor === "start" ? "" : ` text-anchor="${anchor}"`;
  const at = `x="${coordinate(x)}" y="${coordinate(y)}"`;
  return `<text class="${kind}" ${at}${placed}>${escapeXml(text)}</text>\n`;
}

export function svgLine(kind: string, x1: number, y1: number, x2: number, y2: number): string {
  const from = `x1="${coordinate(x1)}" y1="${coordinate(y1)}"`;
  return `<line class="${kind}" ${from} x2="${coordinate(x2)}" y2="${coordinate(y2)}"/>\n`;
}

/** Class of a pilot's colour; more pilots than colours share them. */
export function pilotClass(pilot: number): string {
  return pilot < 0 ? "none" : `p${pilot % PILOT_COLOURS_LIGHT.length}`;
}
