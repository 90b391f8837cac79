/**
 * Positions of the messages about work: exchange with its reports, verdicts, started, recall,
 * bundle. These are the hot ones, except bundle.
 */
import {
  ARRAY_ITEMS_MAX,
  assert,
  RANGES_PER_EXCHANGE_MAX,
  REASON_BYTES_MAX,
  SPANS_PER_MESSAGE_MAX,
} from "../base/index.ts";
import {
  type BundleNotice,
  type Exchange,
  OUTCOME,
  type Outcome,
  type RangeCost,
  type Recall,
  type Report,
  type Started,
  VERDICT,
  type Verdicts,
} from "./messages.ts";
import type { Reader } from "./reader.ts";
import { putBlocks, readBlocks } from "./session-codec.ts";
import { putBlock, readBlock } from "./spans.ts";
import { tooLarge, type Writer } from "./writer.ts";

const U32 = 0xffff_ffff;
const SAFE = Number.MAX_SAFE_INTEGER;
const REPORT_ITEMS = 6;
const COST_BYTES = 16;

const costFloats = new Float32Array(4);
const costBytes = new Uint8Array(costFloats.buffer);

function putCost(out: Writer, cost: RangeCost): void {
  costFloats[0] = cost.wallSum;
  costFloats[1] = cost.wallSquares;
  costFloats[2] = cost.wallMax;
  costFloats[3] = cost.cpuSum;
  assert(costIsSound(), "a cost is negative, no number, or beyond f32");
  const start = out.binHeader(COST_BYTES);
  for (let i = 0; i < COST_BYTES; i++) out.bytes[start + i] = costBytes[i]!;
}

function readCost(from: Reader): RangeCost {
  const start = from.column(COST_BYTES, "cost");
  for (let i = 0; i < COST_BYTES; i++) costBytes[i] = from.bytes[start + i]!;
  if (!costIsSound()) from.fail("cost", "is negative or no number", "four finite f32 >= 0");
  return {
    wallSum: costFloats[0]!,
    wallSquares: costFloats[1]!,
    wallMax: costFloats[2]!,
    cpuSum: costFloats[3]!,
  };
}

/** All four finite and >= 0; a set sign bit (also of -0) is refused, it has another byte form. */
function costIsSound(): boolean {
  for (let i = 0; i < 4; i++) {
    if (!(costFloats[i]! < Number.POSITIVE_INFINITY) || costBytes[4 * i + 3]! >= 0x80) return false;
  }
  return true;
}

function putReport(out: Writer, report: Report): void {
  assert(
    report.bundle === 0 || report.outcome === OUTCOME.done,
    "only a done report names a bundle",
  );
  out.array(REPORT_ITEMS);
  out.unsigned(report.outcome, OUTCOME.lost, "outcome");
  putBlock(out, report.spans);
  out.unsigned(report.bundle, U32, "bundle");
  out.string(report.reason, "reason", REASON_BYTES_MAX);
  putCost(out, report.cost);
  out.unsigned(report.node, ARRAY_ITEMS_MAX - 1, "node");
}

function readReport(from: Reader): Report {
  from.tuple(REPORT_ITEMS, "report");
  const outcome = from.unsigned(0, OUTCOME.lost, "outcome") as Outcome;
  const spans = readBlock(from);
  const bundle = from.unsigned(0, U32, "bundle");
  if (bundle !== 0 && outcome !== OUTCOME.done) {
    from.fail("bundle", "is named by a report that is not done", "0");
  }
  const reason = from.string("reason", REASON_BYTES_MAX);
  const cost = readCost(from);
  const node = from.unsigned(0, ARRAY_ITEMS_MAX - 1, "node");
  return { outcome, spans, bundle, reason, cost, node };
}

export const EXCHANGE_ITEMS = 6;

export function putExchange(out: Writer, exchange: Exchange): void {
  const reports = exchange.reports;
  if (reports.length > SPANS_PER_MESSAGE_MAX) {
    throw tooLarge("reports", reports.length, SPANS_PER_MESSAGE_MAX);
  }
  out.unsigned(exchange.sequence, SAFE, "sequence");
  out.array(reports.length);
  for (let i = 0; i < reports.length; i++) putReport(out, reports[i]!);
  out.unsigned(exchange.want, SAFE, "want");
  out.unsigned(exchange.freeSlots, U32, "freeSlots");
  out.real(exchange.secondsLeft, "secondsLeft");
}

export function readExchange(from: Reader): Exchange {
  const sequence = from.unsigned(1, SAFE, "sequence");
  const length = from.array(SPANS_PER_MESSAGE_MAX, "reports");
  const reports: Report[] = [];
  for (let i = 0; i < length; i++) reports.push(readReport(from));
  if (from.ranges > RANGES_PER_EXCHANGE_MAX) {
    from.fail("reports", `cover ${from.ranges} ranges`, `at most ${RANGES_PER_EXCHANGE_MAX}`);
  }
  const want = from.unsigned(0, SAFE, "want");
  const freeSlots = from.unsigned(0, U32, "freeSlots");
  const secondsLeft = from.real("secondsLeft");
  return { type: "exchange", sequence, reports, want, freeSlots, secondsLeft };
}

export const VERDICTS_ITEMS = 3;

export function putVerdicts(out: Writer, verdicts: Verdicts): void {
  const runs = verdicts.runs;
  assert(runs.length % 2 === 0, "verdict runs come in pairs");
  if (runs.length > 2 * RANGES_PER_EXCHANGE_MAX) {
    throw tooLarge("verdict runs", runs.length, 2 * RANGES_PER_EXCHANGE_MAX);
  }
  out.unsigned(verdicts.sequence, SAFE, "sequence");
  out.array(runs.length);
  for (let i = 0; i < runs.length; i += 2) {
    assert(runs[i]! >= 1, "a verdict run is empty");
    out.unsigned(runs[i]!, RANGES_PER_EXCHANGE_MAX, "count of a verdict run");
    out.unsigned(runs[i + 1]!, VERDICT.unknown, "verdict");
  }
}

export function readVerdicts(from: Reader): Verdicts {
  const sequence = from.unsigned(1, SAFE, "sequence");
  const length = from.array(2 * RANGES_PER_EXCHANGE_MAX, "verdict runs");
  if (length % 2 !== 0) from.fail("verdict runs", "have an odd length", "pairs");
  const runs: number[] = [];
  for (let i = 0; i < length; i += 2) {
    runs.push(from.unsigned(1, RANGES_PER_EXCHANGE_MAX, "count of a verdict run"));
    runs.push(from.unsigned(0, VERDICT.unknown, "verdict"));
  }
  return { type: "verdicts", sequence, runs };
}

export const STARTED_ITEMS = 2;

export function putStarted(out: Writer, started: Started): void {
  putBlocks(out, started.spans, "spans");
}

export function readStarted(from: Reader): Started {
  return { type: "started", spans: readBlocks(from, "spans") };
}

export const RECALL_ITEMS = 3;

export function putRecall(out: Writer, recall: Recall): void {
  putBlocks(out, recall.spans, "spans");
  out.flag(recall.stop);
}

export function readRecall(from: Reader): Recall {
  const spans = readBlocks(from, "spans");
  return { type: "recall", spans, stop: from.flag("stop") };
}

export const BUNDLE_ITEMS = 4;

export function putBundle(out: Writer, bundle: BundleNotice): void {
  out.unsigned(bundle.number, U32, "bundle number");
  out.unsigned(bundle.node, ARRAY_ITEMS_MAX - 1, "node");
  out.string(bundle.uri, "uri");
}

export function readBundle(from: Reader): BundleNotice {
  const number = from.unsigned(1, U32, "bundle number");
  const node = from.unsigned(0, ARRAY_ITEMS_MAX - 1, "node");
  return { type: "bundle", number, node, uri: from.string("uri") };
}
