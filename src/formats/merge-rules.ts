/**
 * The merge rules by kind. The same parts give the same bytes; a part that is malformed, truncated
 * or unlike the ones before raises PartError with its label. A part of 0 bytes adds nothing.
 * `command` runs a program and is the merge room's own business.
 */
import { assert } from "../base/index.ts";
import { hepmcRule } from "./merge-hepmc.ts";
import { lheRule } from "./merge-lhe.ts";
import { concatRule, csvRule, jsonlRule } from "./merge-text.ts";
import { zipRule } from "./merge-zip.ts";
import type { MergeKind, MergeRule } from "./types.ts";

const RULES: ReadonlyMap<MergeKind, MergeRule> = new Map(
  [jsonlRule, csvRule, concatRule, hepmcRule, lheRule, zipRule].map((rule) => [rule.kind, rule]),
);

/** The rule of a kind; those of Arrow and Parquet come with their libraries. */
export async function mergeRule(kind: MergeKind): Promise<MergeRule> {
  if (kind === "arrow") return (await import("./merge-arrow.ts")).arrowRule;
  if (kind === "parquet") return (await import("./merge-parquet.ts")).parquetRule;
  const rule = RULES.get(kind);
  assert(rule, `no merge rule for "${kind}"`);
  return rule;
}
