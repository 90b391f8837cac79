/** Figures against their goals: a table for people, one JSON document for programs. */
import { cpus } from "node:os";

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** "" where it only informs. */
  readonly goal: string;
  readonly ok: boolean;
}

export type Goal = { readonly atMost: number } | { readonly atLeast: number } | null;

export class FigureReport {
  readonly figures: Figure[] = [];
  readonly seed: number;
  readonly law: string;

  constructor(seed: number, law: string) {
    this.seed = seed;
    this.law = law;
  }

  add(name: string, value: number, unit: string, goal: Goal = null): void {
    let text = "";
    let ok = Number.isFinite(value);
    if (goal !== null && "atMost" in goal) {
      text = `<= ${round(goal.atMost)}`;
      ok &&= value <= goal.atMost;
    } else if (goal !== null) {
      text = `>= ${round(goal.atLeast)}`;
      ok &&= value >= goal.atLeast;
    }
    this.figures.push({ name, value: round(value), unit, goal: text, ok });
    const mark = goal === null ? " " : ok ? "+" : "-";
    console.log(`${mark} ${name.padEnd(58)} ${String(round(value)).padStart(10)} ${unit} ${text}`);
  }

  get missed(): number {
    return this.figures.filter((figure) => !figure.ok).length;
  }

  toJSON(): object {
    const [cpu] = cpus();
    return {
      schema: "bench-sim/1",
      machine: `${cpus().length} x ${cpu?.model ?? "?"}, node ${process.versions.node}`,
      seed: this.seed,
      law: this.law,
      figures: this.figures,
    };
  }
}

export function round(value: number): number {
  return Number(value.toPrecision(4));
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
