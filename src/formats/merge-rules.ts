/**
 * The merge rules by kind. The same parts give the same bytes; a part that is malformed, truncated
 * or unlike the ones before raises PartError with its label. A part of 0 bytes adds nothing.
 * `command` runs a program and is the merge room's own business.
 */
import { assert } from "../base/index.ts";
import { arrowRule } from "./merge-arrow.ts";
import { hepmcRule } from "./merge-hepmc.ts";
import { lheRule } from "./merge-lhe.ts";
import { parquetRule } from "./merge-parquet.ts";
import { concatRule, csvRule, jsonlRule } from "./merge-text.ts";
import { zipRule } from "./merge-zip.ts";
import type { MergeKind, MergeRule } from "./types.ts";

const RULES: ReadonlyMap<MergeKind, MergeRule> = new Map(
  [jsonlRule, csvRule, concatRule, hepmcRule, lheRule, arrowRule, parquetRule, zipRule].map(
    (rule) => [rule.kind, rule],
  ),
);

export function mergeRule(kind: MergeKind): MergeRule {
  const rule = RULES.get(kind);
  assert(rule, `no merge rule for "${kind}"`);
  return rule;
}
