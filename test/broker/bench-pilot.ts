/**
 * A pilot of a CoreBench that does its work: runs ranges in its slots, reports what ended and keeps
 * it until the verdict, gives back what is recalled, drains, freezes, has a wall, and comes back
 * with what it holds when its connection or its engine is gone.
 */
import type { LeaseId, SeededRandom, TaskId } from "../../src/base/index.ts";
import {
  type EngineMessage,
  OUTCOME,
  type Report,
  type SpanBlock,
  singleSpan,
} from "../../src/wire/index.ts";
import type { CoreBench } from "./core-bench.ts";

export interface HeldRange {
  readonly task: TaskId;
  readonly range: number;
  readonly attempt: number;
  readonly grant: number;
  readonly lease: LeaseId;
  readonly grantedMs: number;
  endsMs: number;
}

export interface PilotTerms {
  /** "" runs everybody's tasks. */
  readonly owner: string;
  readonly slots: number;
  /** Ranges it would hold for each slot. */
  readonly depth: number;
  /** When its allocation ends; none: infinity. */
  readonly wallMs: number;
}

export class BenchPilot {
  readonly name: string;
  readonly terms: PilotTerms;
  connection = 0;
  readonly running: HeldRange[] = [];
  queued: HeldRange[] = [];
  streak = 0;
  draining = false;
  /** Steps for which it is stopped. */
  frozen = 0;
  #want = 0;
  #heard = 0;
  #sequence = 0;
  readonly #unanswered = new Map<number, readonly Report[]>();
  readonly #bench: CoreBench;
  readonly #random: SeededRandom;
  readonly #secondsOf: (task: number) => number;

  constructor(
    world: { bench: CoreBench; random: SeededRandom; secondsOf: (task: number) => number },
    name: string,
    connection: number,
    terms: PilotTerms,
  ) {
    this.name = name;
    this.terms = terms;
    this.#bench = world.bench;
    this.#random = world.random;
    this.#secondsOf = world.secondsOf;
    this.connect(connection);
  }

  get free(): number {
    return this.terms.slots - this.running.length;
  }

  get secondsLeft(): number {
    const { wallMs } = this.terms;
    if (wallMs === Number.POSITIVE_INFINITY) return -1;
    return Math.max(0, wallMs - this.#bench.time.nowMs) / 1000;
  }

  /** Nothing is held and nothing waits for its verdict. */
  get isEmpty(): boolean {
    return this.running.length + this.queued.length + this.#unanswered.size === 0;
  }

  /** A grant lies in the connection and was not read yet. */
  get hasUnread(): boolean {
    return this.#bench.heard(this.connection, this.#heard).flatMap(grantedBy).length > 0;
  }

  /** Says hello, again with all that it holds; what was reported and not answered goes again. */
  connect(connection: number): void {
    if (this.connection !== 0) this.#read([]);
    this.connection = connection;
    this.#heard = this.#bench.sent.length;
    const { owner, slots } = this.terms;
    const reports = [...this.#unanswered.values()].flat();
    this.#unanswered.clear();
    const held = [...this.running, ...this.queued].map(spanOf);
    const nodes = [{ name: "n", cores: slots, gpus: 0, memoryMiB: 1, slots }];
    const key = owner === "" ? {} : { credential: this.#bench.credential({ owner, cores: 8 }) };
    this.#want = this.#wanted();
    this.#bench.hello(connection, {
      pilotId: this.name,
      allocation: this.name,
      nodes,
      held: [...held, ...reports.flatMap(({ spans }) => spans)],
      want: this.#want,
      freeSlots: this.free,
      secondsLeft: this.secondsLeft,
      ...key,
    });
    const uri = `file:///${this.name}.zip`;
    this.#bench.say(connection, { type: "bundle", number: 1, node: 0, uri });
    this.#read(reports);
    if (reports.length > 0) this.#exchange(reports);
  }

  /** What has ended is reported, what is queued is started. */
  step(): void {
    const nowMs = this.#bench.time.nowMs;
    const reports: Report[] = [];
    this.#read(reports);
    for (const range of this.running.filter(({ endsMs }) => endsMs <= nowMs)) {
      this.running.splice(this.running.indexOf(range), 1);
      const isBad = this.#random.chance(0.05);
      this.streak = isBad ? this.streak + 1 : 0;
      reports.push(
        reportOf(range, isBad ? OUTCOME.failed : OUTCOME.done, this.#secondsOf(range.task)),
      );
    }
    const started = this.queued.splice(0, this.free);
    for (const range of started) {
      range.endsMs = nowMs + 1_000 * this.#secondsOf(range.task) * (0.5 + this.#random.nextUnit());
      this.running.push(range);
    }
    const spans = started.map((range) => spanOf(range));
    if (spans.length > 0) this.#bench.say(this.connection, { type: "started", spans });
    if (reports.length === 0 && this.#wanted() === this.#want) {
      const { free, secondsLeft } = this;
      this.#bench.say(this.connection, { type: "heartbeat", freeSlots: free, secondsLeft });
    } else {
      this.#exchange(reports);
    }
    this.#read(reports);
  }

  #wanted(): number {
    if (this.draining) return 0;
    return this.terms.depth * this.terms.slots - this.running.length - this.queued.length;
  }

  #exchange(reports: readonly Report[]): void {
    this.#want = this.#wanted();
    const sequence = ++this.#sequence;
    if (reports.length > 0) this.#unanswered.set(sequence, reports);
    const asks = { want: this.#want, freeSlots: this.free, secondsLeft: this.secondsLeft };
    this.#bench.say(this.connection, { type: "exchange", sequence, reports, ...asks });
  }

  /** Grants are queued; what is recalled and not started goes back with the next reports. */
  #read(reports: Report[]): void {
    const messages = this.#bench.heard(this.connection, this.#heard);
    this.#heard = this.#bench.sent.length;
    for (const message of messages) {
      if (message.type === "recall") this.#giveBack(message.spans, message.stop, reports);
      if (message.type === "welcome") this.#drop(message.refused);
      if (message.type === "verdicts") this.#unanswered.delete(message.sequence);
      if (message.type === "drain") this.#drain(reports);
      for (const range of grantedBy(message, this.#bench.time.nowMs)) {
        this.queued.push(range);
        this.#want--;
      }
    }
  }

  #giveBack(spans: readonly SpanBlock[], stop: boolean, reports: Report[]): void {
    const asked = namesIn(spans);
    for (const range of this.queued.filter((one) => asked.has(nameOf(one)))) {
      reports.push(reportOf(range, OUTCOME.returned, 0));
    }
    if (stop) {
      for (const range of this.running.filter((one) => asked.has(nameOf(one)))) {
        reports.push(reportOf(range, OUTCOME.lost, 0));
      }
    }
    this.#drop(spans, stop);
  }

  #drop(spans: readonly SpanBlock[], runningToo = true): void {
    const gone = namesIn(spans);
    this.queued = this.queued.filter((one) => !gone.has(nameOf(one)));
    if (!runningToo) return;
    const stay = this.running.filter((one) => !gone.has(nameOf(one)));
    this.running.splice(0, this.running.length, ...stay);
  }

  #drain(reports: Report[]): void {
    this.draining = true;
    for (const range of this.queued) reports.push(reportOf(range, OUTCOME.returned, 0));
    this.queued = [];
  }
}

const nameOf = ({ task, range, lease }: HeldRange) => `${task}/${range}/${lease}`;

const namesIn = (spans: readonly SpanBlock[]) =>
  new Set(spans.flatMap((block) => rangesOf(block).map(nameOf)));

const spanOf = ({ task, range, attempt, grant, lease }: HeldRange) =>
  singleSpan(task, range, 1, attempt, grant, lease);

function reportOf(range: HeldRange, outcome: Report["outcome"], seconds: number): Report {
  const cost = { wallSum: seconds, wallSquares: seconds * seconds, wallMax: seconds, cpuSum: 0 };
  const bundle = outcome === OUTCOME.done ? 1 : 0;
  return { outcome, spans: spanOf(range), bundle, reason: "", cost, node: 0 };
}

function rangesOf(block: SpanBlock, grantedMs = 0): HeldRange[] {
  const ranges: HeldRange[] = [];
  for (let i = 0; i < block.size; i++) {
    const first = block.first[i] as number;
    const attempt = block.attempt[i] as number;
    const grant = block.grant[i] as number;
    const lease = block.lease[i] as LeaseId;
    for (let range = first; range < first + (block.count[i] as number); range++) {
      ranges.push({ task: block.task, range, attempt, grant, lease, grantedMs, endsMs: 0 });
    }
  }
  return ranges;
}

function grantedBy(message: EngineMessage, nowMs = 0): HeldRange[] {
  const spans =
    message.type === "welcome"
      ? message.grant.spans
      : message.type === "grant"
        ? message.spans
        : [];
  return spans.flatMap((block) => rangesOf(block, nowMs));
}
