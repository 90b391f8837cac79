/**
 * Cost of the wire: exchange, grant and verdicts with 1, 16 and 256 spans, encoded and decoded
 * (and read: every column of every span is summed), in ns an operation, ns and bytes a range; and
 * the same exchange as JSON and as msgpackr arrays, to compare. `node bench/wire/codec.bench.ts`,
 * `--json` prints one document.
 */
import { cpus } from "node:os";
import { pack, unpack } from "msgpackr";
import { Bench } from "tinybench";
import { leaseIdOf, type TaskId } from "../../src/base/index.ts";
import {
  decodePayload,
  encodeFrame,
  FRAME_PREFIX_BYTES,
  type Message,
  OUTCOME,
  type SpanBlock,
  SpanBlockBuilder,
} from "../../src/wire/index.ts";
import { toJson } from "../../test/vectors/json.ts";

interface Row {
  readonly name: string;
  readonly ranges: number;
  readonly nsPerOperation: number;
  readonly nsPerRange: number;
  readonly bytesPerRange: number;
}

const SIZES = [1, 16, 256];
const MILLISECONDS = 400;

function scattered(size: number): SpanBlock[] {
  const builder = new SpanBlockBuilder(12 as TaskId);
  for (let i = 0; i < size; i++) {
    builder.add(1_000_000 + 3 * i, 1, 1, 1, leaseIdOf(41, 9_000_000 + i));
  }
  return builder.build();
}

function exchange(size: number): Message {
  const cost = { wallSum: 2, wallSquares: 5, wallMax: 1.5, cpuSum: 1.75 };
  const reports = scattered(size).map((spans) => {
    return { outcome: OUTCOME.done, spans, bundle: 3, reason: "", cost, node: 0 };
  });
  return { type: "exchange", sequence: 77, reports, want: size, freeSlots: 4, secondsLeft: 3000 };
}

function grant(size: number): Message {
  const spans = scattered(size);
  return { type: "grant", sequence: 77, spans, tasks: [], files: [], offsets: [] };
}

/** As bad as it gets: each range has another verdict than the one before. */
function verdicts(size: number): Message {
  const runs = Array.from({ length: 2 * size }, (_, i) => (i % 2 === 0 ? 1 : (i >> 1) % 2));
  return { type: "verdicts", sequence: 77, runs };
}

/** Reads all that a decoded message says of its ranges. */
function read(message: Message): number {
  if (message.type === "exchange") {
    let sum = 0;
    for (const report of message.reports) sum += readBlock(report.spans);
    return sum;
  }
  if (message.type === "grant") {
    let sum = 0;
    for (const block of message.spans) sum += readBlock(block);
    return sum;
  }
  let sum = 0;
  if (message.type === "verdicts") for (const item of message.runs) sum += item;
  return sum;
}

function readBlock(block: SpanBlock): number {
  const { first, count, attempt, grant, lease, size } = block;
  let sum = 0;
  for (let i = 0; i < size; i++) {
    sum += first[i]! + count[i]! + attempt[i]! + grant[i]! + lease[i]!;
  }
  return sum;
}

/** The same for the peers: arrays of other makers would spoil the type feedback of `readBlock`. */
function readPeer(message: Message): number {
  let sum = 0;
  if (message.type !== "exchange") return sum;
  for (const { spans } of message.reports) {
    const { first, count, attempt, grant, lease, size } = spans;
    for (let i = 0; i < size; i++) {
      sum += first[i]! + count[i]! + attempt[i]! + grant[i]! + lease[i]!;
    }
  }
  return sum;
}

const rows: Row[] = [];
let sink = 0;

async function measure(cases: [string, number, number, () => number][]): Promise<void> {
  const bench = new Bench({ time: MILLISECONDS, warmupTime: 200 });
  for (const [name, , , run] of cases) {
    bench.add(name, () => {
      sink += run();
    });
  }
  await bench.run();
  for (const [i, [name, ranges, bytes]] of cases.entries()) {
    const result = bench.tasks[i]!.result;
    if (!("latency" in result)) throw new Error(`bench case "${name}" did not run to its end`);
    const ns = result.latency.p50 * 1e6;
    rows.push({
      name,
      ranges,
      nsPerOperation: Math.round(ns),
      nsPerRange: Number((ns / ranges).toFixed(1)),
      bytesPerRange: Number((bytes / ranges).toFixed(2)),
    });
  }
}

async function main(): Promise<void> {
  for (const size of SIZES) {
    const messages = [exchange(size), grant(size), verdicts(size)];
    const cases = messages.flatMap((message): [string, number, number, () => number][] => {
      const from = message.type === "exchange" ? "pilot" : "engine";
      const frame = encodeFrame(message);
      const payload = frame.subarray(FRAME_PREFIX_BYTES);
      const name = `${message.type} of ${size}`;
      return [
        [`${name}: encode`, size, frame.length, () => encodeFrame(message).length],
        [`${name}: decode`, size, frame.length, () => decodePayload(payload, from).type.length],
        [`${name}: decode + read`, size, frame.length, () => read(decodePayload(payload, from))],
      ];
    });
    await measure(cases);
    const json = JSON.stringify(toJson(messages[0]));
    const plain = pack(toJson(messages[0]));
    await measure([
      [
        `exchange of ${size}: JSON.parse + read`,
        size,
        json.length,
        () => readPeer(JSON.parse(json) as Message),
      ],
      [
        `exchange of ${size}: msgpackr maps, unpack + read`,
        size,
        plain.length,
        () => readPeer(unpack(plain) as Message),
      ],
    ]);
  }
  report();
}

function report(): void {
  const machine = `${cpus()[0]?.model ?? "?"} x ${cpus().length}, Node ${process.version}`;
  if (process.argv.includes("--json")) {
    console.log(JSON.stringify({ schema: "bench/wire/1", machine, rows }, null, 2));
    return;
  }
  console.log(`${machine} (p50 of one operation)`);
  for (const row of rows) {
    console.log(
      `${row.name.padEnd(50)} ${String(row.nsPerOperation).padStart(8)} ns ` +
        `${row.nsPerRange.toFixed(1).padStart(8)} ns/range ` +
        `${row.bytesPerRange.toFixed(2).padStart(7)} B/range`,
    );
  }
  if (sink < 0) throw new Error("sums of unsigned columns can't be negative");
}

await main();
