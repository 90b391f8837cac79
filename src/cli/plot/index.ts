/** Pictures of results: for terminals, and as SVG files that stand on their own. */
export { type EventMap, type EventMapOptions, eventMapSvg, type MapCell } from "./event-map-svg.ts";
export { createHistogram, fillHistogram, type Histogram, peakOf, rebin } from "./histogram.ts";
export { type SpectrumOptions, spectrumSvg } from "./spectrum-svg.ts";
export {
  type TerminalPlotOptions,
  terminalHistogram,
  wantsColour,
} from "./terminal-histogram.ts";
