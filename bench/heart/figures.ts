/** The figures of a run: value, unit, goal, kept or missed; one list, in the order they came. */

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** As people read it: ">= 1.4"; "" for what is only told. */
  readonly goal: string;
  /** True where there is no goal. */
  readonly ok: boolean;
}

export type Goal = { readonly atLeast: number } | { readonly atMost: number } | null;

export class Figures {
  readonly list: Figure[] = [];
  readonly #onFigure: (figure: Figure) => void;

  constructor(onFigure: (figure: Figure) => void) {
    this.#onFigure = onFigure;
  }

  add(name: string, value: number, unit: string, goal: Goal = null): void {
    const figure = {
      name,
      value: rounded(value),
      unit,
      goal: goalText(goal),
      ok: keeps(value, goal),
    };
    this.list.push(figure);
    this.#onFigure(figure);
  }

  get missed(): Figure[] {
    return this.list.filter((figure) => !figure.ok);
  }
}

function keeps(value: number, goal: Goal): boolean {
  if (goal === null) return true;
  return "atLeast" in goal ? value >= goal.atLeast : value <= goal.atMost;
}

function goalText(goal: Goal): string {
  if (goal === null) return "";
  return "atLeast" in goal ? `>= ${goal.atLeast}` : `<= ${goal.atMost}`;
}

function rounded(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(4)) : value;
}

export function figureLine({ name, value, unit, goal, ok }: Figure): string {
  const verdict = goal === "" ? "" : `${ok ? "ok    " : "MISSED"} goal ${goal}`;
  return `${name.padEnd(62)} ${String(value).padStart(12)} ${unit.padEnd(14)} ${verdict}`.trimEnd();
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length === 0) return Number.NaN;
  const high = sorted[middle] as number;
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] as number)) / 2;
}
