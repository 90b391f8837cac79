/**
 * Report items -> the reports of one exchange. Items of one task, outcome, bundle, reason and lease
 * epoch share a report; neighbouring ranges of a lease share a span. Verdicts come back in the
 * order of the ranges, but a pilot forgets the whole exchange whatever they are, so no order has
 * to be kept beside the message.
 */
import { leaseEpoch } from "../base/index.ts";
import { blockRanges, type RangeCost, type Report } from "../wire/index.ts";
import { joined, type ReportItem, spanBlocks } from "./holdings.ts";

export function buildReports(items: readonly ReportItem[]): Report[] {
  const groups = new Map<string, ReportItem[]>();
  for (const item of items) {
    const { task, lease } = item.span;
    const key = `${task}/${item.outcome}/${item.bundle}/${leaseEpoch(lease)}/${item.reason}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return [...groups.values()].flatMap(groupReports);
}

function groupReports(group: readonly ReportItem[]): Report[] {
  const { outcome, bundle, reason, span } = group[0]!;
  const blocks = spanBlocks(span.task, joined(group.map((item) => item.span)));
  const total = sumCost(group);
  const ranges = blocks.reduce((sum, block) => sum + blockRanges(block), 0);
  return blocks.map((spans) => {
    // One block but for columns that would overflow; then each has its share of the sums.
    const share = blockRanges(spans) / ranges;
    const cost = {
      wallSum: total.wallSum * share,
      wallSquares: total.wallSquares * share,
      wallMax: total.wallMax,
      cpuSum: total.cpuSum * share,
    };
    return { outcome, spans, bundle, reason, cost, node: 0 };
  });
}

function sumCost(group: readonly ReportItem[]): RangeCost {
  let wallSum = 0;
  let wallSquares = 0;
  let wallMax = 0;
  let cpuSum = 0;
  for (const item of group) {
    wallSum += item.wallSum;
    wallSquares += item.wallSquares;
    wallMax = Math.max(wallMax, item.wallMax);
    cpuSum += item.cpuSum;
  }
  return { wallSum, wallSquares, wallMax, cpuSum };
}
