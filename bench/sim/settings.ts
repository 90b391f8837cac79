/** What the command line fixes for every scenario. */
import type { LawName } from "./draws.ts";
import type { PolicyName } from "./policies.ts";

/** Relative error of the hints: null = no hints, 0 = perfect. */
export type Spread = number | null;

export interface Settings {
  readonly quick: boolean;
  readonly seed: number;
  /** How many seeds, from `seed` on, where a goal speaks of a mean. */
  readonly seeds: number;
  /** Only this policy, or all that the scenario compares. */
  readonly policy: PolicyName | null;
  /** Only these hints, or all; undefined: all. */
  readonly hints: Spread | undefined;
  readonly law: LawName;
  /** Replaces the scenario's cv; null: as it is. */
  readonly cv: number | null;
}

/** Goals that speak of one law are for the scenario as it is. */
export function isYardstick(settings: Settings): boolean {
  return settings.law === "gamma" && settings.cv === null;
}

export function spreadName(spread: Spread): string {
  if (spread === null) return "no hints";
  return spread === 0 ? "perfect hints" : `hints ${Math.round(spread * 100)} % wrong`;
}
