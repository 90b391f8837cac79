/**
 * The core alone: exchanges of 64 pilots through the production core, from the frame that comes in
 * to the frames that go out, without sockets, threads and disk (a commit is durable when the batch
 * ends). Each pilot holds four times its batch and reports single ranges of it, chosen at random, as
 * `heart-load --scatter` does.
 *
 * The floor is the wire's own work: the same frames decoded, a grant and verdicts encoded. A batch
 * of 64 exchanges is timed as a whole, and its fifth of the fastest counts: a busy machine only makes
 * some of them slower.
 */
import { unpack } from "msgpackr";
import {
  assert,
  type LeaseId,
  leaseIdOf,
  SeededRandom,
  systemClock,
  type TaskId,
} from "../../src/base/index.ts";
import { Core } from "../../src/broker/core.ts";
import { Outgoing } from "../../src/broker/outgoing.ts";
import type { CommitOutcome } from "../../src/store/index.ts";
import {
  decodeBriefly,
  encodeFrame,
  FRAME_PREFIX_BYTES,
  MESSAGE,
  OUTCOME,
  type Report,
  SpanBlockBuilder,
} from "../../src/wire/index.ts";
import { countTask } from "../../test/sim/sim-tasks.ts";

const PILOTS = 64;
const WINDOW = 4;
const WARM_BATCHES = 400;
const MILLISECONDS = 3_000;

interface Range {
  readonly task: TaskId;
  readonly range: number;
  readonly lease: LeaseId;
}

/** A core over a memory that is durable at once, and what it sent to each pilot. */
class Bench {
  readonly core: Core;
  readonly outgoing = new Outgoing(() => {});
  readonly sent: Uint8Array[][] = Array.from({ length: PILOTS }, () => []);
  #commits: ((outcome: CommitOutcome) => void)[] = [];

  /** `more` open tasks beside the three that are worked on; all those of `owners` in turn. */
  constructor(more: number, owners: number) {
    const store = {
      commit: (_group: unknown, done: (outcome: CommitOutcome) => void) => this.#commits.push(done),
      space: () => ({ freeBytes: 1e12, freeShare: 1 }),
      close: () => Promise.resolve(),
    };
    this.core = new Core(
      {
        clock: systemClock,
        random: new SeededRandom(1),
        store,
        inputs: { bounds: () => new Float64Array(0), changed: () => "" },
        send: (pilot, frame, mayWait = false) => {
          this.sent[pilot - 1]?.push(frame);
          this.outgoing.send(pilot, frame, mayWait);
        },
        close: () => {},
        emit: () => {},
        failStop: (message) => assert(false, message),
      },
      { engineId: "bench", epoch: 1, lastSequence: 0, rows: [], pages: [], journal: [] },
    );
    const fail = (error: Error) => {
      throw error;
    };
    this.core.ask("setPilotKeys", { keys: ["key"] }, { ok: () => {}, fail });
    const tasks: [string, number][] = [
      ["high", 10],
      ["middle", 5],
      ["low", 1],
    ];
    for (let i = 0; i < more; i++) tasks.push([`waiting-${i}`, 0]);
    for (const [i, [name, priority]] of tasks.entries()) {
      // Several owners share the cores: all their tasks are worked on.
      const owned =
        owners > 1 ? { priority: 0, owner: `owner-${i % owners}` } : { priority, owner: "" };
      const terms = { attempts: 3, losses: 5, ...owned };
      this.core.ask("submit", countTask(name, 1e9, terms), { ok: () => {}, fail });
      this.settle();
    }
  }

  /** The batch ends and its commit is on disk. */
  settle(): void {
    this.core.endOfBatch();
    for (const done of this.#commits.splice(0)) done({ ok: true });
  }

  take(pilot: number): Uint8Array[] {
    return (this.sent[pilot - 1] as Uint8Array[]).splice(0);
  }
}

class Pilot {
  readonly #number: number;
  readonly #batch: number;
  readonly #random: SeededRandom;
  readonly #held: Range[] = [];
  #sequence = 0;

  constructor(bench: Bench, number: number, batch: number) {
    this.#number = number;
    this.#batch = batch;
    this.#random = new SeededRandom(number);
    const slots = WINDOW * batch;
    const nodes = [{ name: "n", cores: 8, gpus: 0, memoryMiB: 1024, slots }];
    const known = { queue: "q", allocation: "", software: "bench", credential: "key" };
    const wants = { want: slots, freeSlots: slots, secondsLeft: -1, held: [] };
    const who = { version: 1, role: "pilot", pilotId: `p${number}`, generation: 1 } as const;
    bench.core.opened(number, "bench");
    const hello = encodeFrame({ type: "hello", ...who, ...known, nodes, ...wants });
    const bundle = encodeFrame({ type: "bundle", number: 1, node: 0, uri: `file:///${number}` });
    for (const frame of [hello, bundle]) bench.core.receive(number, frame, FRAME_PREFIX_BYTES);
    bench.settle();
  }

  /** Reads what it was granted, and gives the payload of its next exchange. */
  exchange(bench: Bench): Uint8Array {
    for (const frame of bench.take(this.#number)) this.#read(frame);
    const reports: Report[] = [];
    const builders = new Map<TaskId, SpanBlockBuilder>();
    for (let i = 0; i < this.#batch && this.#held.length > 0; i++) {
      const { task, range, lease } = this.#pick();
      const builder = builders.get(task) ?? new SpanBlockBuilder(task);
      builders.set(task, builder);
      builder.add(range, 1, 1, 1, lease);
    }
    const seconds = this.#batch;
    const cost = { wallSum: seconds, wallSquares: seconds, wallMax: 1, cpuSum: seconds };
    for (const builder of builders.values()) {
      for (const spans of builder.build()) {
        reports.push({ outcome: OUTCOME.done, spans, bundle: 1, reason: "", cost, node: 0 });
      }
    }
    const asks = { want: this.#batch, freeSlots: this.#batch, secondsLeft: -1 };
    const sequence = ++this.#sequence;
    return encodeFrame({ type: "exchange", sequence, reports, ...asks }).subarray(
      FRAME_PREFIX_BYTES,
    );
  }

  #pick(): Range {
    const at = this.#random.below(this.#held.length);
    const picked = this.#held[at] as Range;
    const last = this.#held.pop() as Range;
    if (at < this.#held.length) this.#held[at] = last;
    return picked;
  }

  /** By another decoder: ours would meet two kinds of callers in one process. */
  #read(frame: Uint8Array): void {
    const [type, ...rest] = unpack(frame.subarray(FRAME_PREFIX_BYTES)) as [number, ...unknown[]];
    const body = type === MESSAGE.welcome ? (rest.at(-1) as unknown[])[0] : rest[1];
    if (type !== MESSAGE.welcome && type !== MESSAGE.grant) return;
    for (const [task, epoch, ...numbers] of body as [TaskId, number, ...number[]][]) {
      assert(numbers.length % 5 === 0, "a grant of untouched ranges has few spans");
      for (let i = 0; i < numbers.length; i += 5) {
        const [first, count, , , number] = numbers.slice(i, i + 5) as number[];
        const lease = leaseIdOf(epoch, number as number);
        for (let k = 0; k < (count as number); k++) {
          this.#held.push({ task, range: (first as number) + k, lease });
        }
      }
    }
  }
}

/** Nanoseconds of `work`, of which the fastest fifth counts, over all runs that fit the time. */
function fastest(work: () => bigint): number {
  const times: number[] = [];
  for (let i = 0; i < WARM_BATCHES; i++) work();
  const endMs = performance.now() + MILLISECONDS;
  while (performance.now() < endMs) times.push(Number(work()));
  return times.sort((a, b) => a - b)[Math.floor(times.length / 5)] as number;
}

/** Microseconds an exchange: the core's, and the wire's part alone. */
function measure(batch: number, moreTasks = 0, owners = 1): { core: number; wire: number } {
  const bench = new Bench(moreTasks, owners);
  const pilots = Array.from({ length: PILOTS }, (_, i) => new Pilot(bench, i + 1, batch));
  const core = fastest(() => {
    const payloads = pilots.map((pilot) => pilot.exchange(bench));
    const began = process.hrtime.bigint();
    bench.outgoing.framesCame(PILOTS);
    for (const [i, payload] of payloads.entries()) bench.core.receive(i + 1, payload);
    bench.settle();
    return process.hrtime.bigint() - began;
  });
  const payload = (pilots[0] as Pilot).exchange(bench);
  const builder = new SpanBlockBuilder(1 as TaskId);
  builder.add(1_000_000, batch, 1, 1, leaseIdOf(1, 1_000_000));
  const spans = builder.build();
  const wire = fastest(() => {
    const began = process.hrtime.bigint();
    for (let i = 0; i < PILOTS; i++) {
      decodeBriefly(payload, "pilot");
      encodeFrame({ type: "grant", sequence: i, spans, tasks: [], files: [], offsets: [] });
      encodeFrame({ type: "verdicts", sequence: i + 1, runs: [batch, 0] });
    }
    return process.hrtime.bigint() - began;
  });
  return { core: core / PILOTS / 1000, wire: wire / PILOTS / 1000 };
}

console.log("scattered singles an exchange | core, us | wire alone, us | core / wire");
for (const batch of [1, 16, 256]) {
  const { core, wire } = measure(batch);
  const cells = [batch, core.toFixed(2), wire.toFixed(2), (core / wire).toFixed(1)];
  console.log(cells.join(" | "));
}
/** One more axis: how much more an exchange costs with more of something. */
function table(title: string, counts: readonly number[], coreOf: (count: number) => number): void {
  console.log(`\n${title} | core, us | / with ${counts[0]}`);
  let few = 0;
  for (const count of counts) {
    const core = coreOf(count);
    few ||= core;
    console.log([count, core.toFixed(2), (core / few).toFixed(2)].join(" | "));
  }
}

table(
  "open tasks, one single an exchange",
  [3, 100, 1_000, 10_000],
  (tasks) => measure(1, tasks - 3).core,
);
for (const batch of [1, 64]) {
  table(
    `owners of one task each, ${batch} single(s) an exchange`,
    [3, 100, 1_000],
    (owners) => measure(batch, owners - 3, owners).core,
  );
}
process.exit(0);
