/**
 * How a pilot counts the records of an output without knowing its format: lines that are not blank,
 * or lines with a prefix. The numbers and meanings are those of the wire's COUNT_RULE; formats and
 * wire never import each other, so the core hands one to the other.
 */
import type { MergeKind } from "./types.ts";

export interface CountRuleValue {
  /** 0: not countable; 1: lines; 2: lines with `prefix`. */
  readonly kind: 0 | 1 | 2;
  /** lines: non-blank lines to subtract (a CSV header). */
  readonly skip: number;
  readonly prefix: string;
}

const NONE: CountRuleValue = { kind: 0, skip: 0, prefix: "" };

const RULES: Record<MergeKind, CountRuleValue> = {
  jsonl: { kind: 1, skip: 0, prefix: "" },
  csv: { kind: 1, skip: 1, prefix: "" },
  hepmc: { kind: 2, skip: 0, prefix: "E " },
  lhe: { kind: 2, skip: 0, prefix: "<event" },
  arrow: NONE,
  parquet: NONE,
  concat: NONE,
  zip: NONE,
  command: NONE,
};

export function countRuleFor(kind: MergeKind): CountRuleValue {
  return RULES[kind];
}
