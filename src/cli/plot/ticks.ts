/** Round numbers for axes: steps of 1, 2 or 5 times a power of ten. */

export function niceStep(span: number, ticksWanted: number): number {
  const rough = span / Math.max(1, ticksWanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  for (const factor of [1, 2, 5, 10]) if (factor * power >= rough * 0.999) return factor * power;
  return 10 * power;
}

/** Ticks inside [low, high], about `ticksWanted` of them. */
export function ticksBetween(low: number, high: number, ticksWanted: number): number[] {
  const step = niceStep(high - low, ticksWanted);
  const ticks: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return ticks;
}

/** `12 500`, `0.25`: digits in threes, no more decimals than the number has. */
export function tickLabel(value: number): string {
  const [whole, part] = String(value).split(".") as [string, string | undefined];
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, "\u2009");
  return part === undefined ? grouped : `${grouped}.${part}`;
}
