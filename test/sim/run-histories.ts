/**
 * Histories FIRST, FIRST+STRIDE, ... (COUNT of them) in this process:
 * `node run-histories.ts FIRST COUNT [STRIDE]`. Prints one JSON line a violation, after 50 of them
 * no more, then one with sums; ends with 1 if there were any.
 */
import { History } from "./history.ts";

const [first = 1, count = 100, stride = 1] = process.argv.slice(2).map(Number);
const sums = {
  histories: 0,
  events: 0,
  groups: 0,
  crashes: 0,
  ranges: 0,
  pages: 0,
  cut: 0,
  copies: 0,
};

const VIOLATIONS_MAX = 50;
let violations = 0;
// Refusals are errors that are thrown by the thousand; nobody reads their stacks here.
Error.stackTraceLimit = 0;
for (let i = 0; i < count; i++) {
  const seed = first + i * stride;
  try {
    const { events, groups, crashes, ranges, pages, cut, copies } = new History(seed).run();
    sums.histories++;
    sums.events += events;
    sums.groups += groups;
    sums.crashes += crashes;
    sums.ranges += ranges;
    sums.pages += pages;
    sums.cut += cut;
    sums.copies += copies;
  } catch (error) {
    console.log(JSON.stringify({ seed, violation: (error as Error).message }));
    process.exitCode = 1;
    if (++violations === VIOLATIONS_MAX) break;
  }
}
console.log(JSON.stringify(sums));
