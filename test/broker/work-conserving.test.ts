/**
 * Allocated cores are never idle because of us: no pilot has a free slot and an unmet want for long
 * while a range that it may run is ready. Random tasks (owners, priorities, cores, weights, few
 * losses) and random pilots (keys, sizes, sudden ends) through the production core.
 */
import { describe, expect, it } from "vitest";
import {
  credentialOf,
  identityOf,
  type LeaseId,
  pilotKeyOf,
  SeededRandom,
  type TaskId,
} from "../../src/base/index.ts";
import {
  type EngineMessage,
  OUTCOME,
  type Report,
  type SpanBlock,
  singleSpan,
} from "../../src/wire/index.ts";
import { countTask } from "../sim/sim-tasks.ts";
import { CoreBench } from "./core-bench.ts";

const STEP_MS = 500;
/** Everybody who wants is asked again once a second. */
const IDLE_MS_MAX = 2_000;
/** Nobody is asked twice in five seconds to give something back. */
const QUEUED_MS_MAX = 12_000;
const OWNERS = ["a", "b", "c"];
/** The last ones found something once. */
const SEEDS = [...Array.from({ length: 60 }, (_, i) => i + 1), 84, 149, 674, 1656, 2033];

interface Range {
  readonly task: TaskId;
  readonly range: number;
  readonly attempt: number;
  readonly grant: number;
  readonly lease: LeaseId;
  readonly grantedMs: number;
  endsMs: number;
}

interface Task {
  readonly id: number;
  readonly owner: string;
  readonly cores: number;
  readonly losses: number;
}

class Pilot {
  readonly connection: number;
  readonly owner: string;
  readonly slots: number;
  readonly running: Range[] = [];
  queued: Range[] = [];
  want: number;
  streak = 0;
  /** Slots free while something that it may run is ready; or is queued elsewhere. */
  idleMs = 0;
  starvesMs = 0;
  heard: number;
  /** Ranges it would hold for each slot. */
  readonly #depth: number;
  #sequence = 0;
  readonly #bench: CoreBench;
  readonly #random: SeededRandom;
  readonly #secondsOf: (task: number) => number;

  constructor(
    world: { bench: CoreBench; random: SeededRandom; secondsOf: (task: number) => number },
    connection: number,
  ) {
    const { bench, random, secondsOf } = world;
    this.connection = connection;
    this.owner = random.chance(0.5) ? "" : (OWNERS[random.below(OWNERS.length)] as string);
    this.slots = 1 + random.below(8);
    this.#depth = random.chance(0.5) ? 2 : 10;
    this.want = this.#depth * this.slots;
    this.#bench = bench;
    this.#random = random;
    this.#secondsOf = secondsOf;
    this.heard = bench.sent.length;
    const nodes = [{ name: "n", cores: this.slots, gpus: 0, memoryMiB: 1, slots: this.slots }];
    const key = this.owner === "" ? {} : { credential: keyOf(bench, this.owner) };
    bench.hello(connection, { nodes, want: this.want, freeSlots: this.slots, ...key });
    bench.say(connection, { type: "bundle", number: 1, node: 0, uri: `file:///${connection}.zip` });
    this.#read([]);
  }

  get free(): number {
    return this.slots - this.running.length;
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
    const want = this.#depth * this.slots - this.running.length - this.queued.length;
    if (reports.length === 0 && want === this.want) {
      const { free } = this;
      this.#bench.say(this.connection, { type: "heartbeat", freeSlots: free, secondsLeft: -1 });
    } else {
      this.want = want;
      const sequence = ++this.#sequence;
      const asks = { want, freeSlots: this.free, secondsLeft: -1 };
      this.#bench.say(this.connection, { type: "exchange", sequence, reports, ...asks });
    }
    this.#read(reports);
  }

  /** Grants are queued; what is recalled and not started goes back with the next reports. */
  #read(reports: Report[]): void {
    const messages = this.#bench.heard(this.connection, this.heard);
    this.heard = this.#bench.sent.length;
    for (const message of messages) {
      if (message.type === "recall") this.#giveBack(message.spans, reports);
      for (const range of grantedBy(message, this.#bench.time.nowMs)) {
        this.queued.push(range);
        this.want--;
      }
    }
  }

  #giveBack(spans: readonly SpanBlock[], reports: Report[]): void {
    const asked = new Set(spans.flatMap((block) => rangesOf(block).map(nameOf)));
    for (const range of this.queued.filter((one) => asked.has(nameOf(one)))) {
      reports.push(reportOf(range, OUTCOME.returned, 0));
    }
    this.queued = this.queued.filter((one) => !asked.has(nameOf(one)));
  }
}

const nameOf = ({ task, range, lease }: Range) => `${task}/${range}/${lease}`;

const spanOf = ({ task, range, attempt, grant, lease }: Range) =>
  singleSpan(task, range, 1, attempt, grant, lease);

function reportOf(range: Range, outcome: Report["outcome"], seconds: number): Report {
  const cost = { wallSum: seconds, wallSquares: seconds * seconds, wallMax: seconds, cpuSum: 0 };
  const bundle = outcome === OUTCOME.done ? 1 : 0;
  return { outcome, spans: spanOf(range), bundle, reason: "", cost, node: 0 };
}

function rangesOf(block: SpanBlock, grantedMs = 0): Range[] {
  const ranges: Range[] = [];
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

function grantedBy(message: EngineMessage, nowMs = 0): Range[] {
  const spans =
    message.type === "welcome"
      ? message.grant.spans
      : message.type === "grant"
        ? message.spans
        : [];
  return spans.flatMap((block) => rangesOf(block, nowMs));
}

function keyOf(bench: CoreBench, owner: string): string {
  const nowSeconds = Math.floor(bench.time.wallMs() / 1000);
  const pilotIdentity = identityOf({
    allocation: "a1",
    queue: "q",
    owner,
    cores: 8,
    enrolBeforeSeconds: nowSeconds + 60,
    notAfterSeconds: nowSeconds + 3600,
  });
  return credentialOf({ pilotIdentity, pilotKey: pilotKeyOf("key", pilotIdentity) as string });
}

/** One history; the words say who idled, "" if nobody did. */
function history(seed: number, steps: number): string {
  const random = new SeededRandom(seed);
  const bench = new CoreBench();
  const tasks: Task[] = [];
  const seconds = new Map<number, number>();
  const secondsOf = (task: number) => seconds.get(task) ?? 1;
  const pilots: Pilot[] = [];
  let connections = 0;

  const submit = () => {
    const owner = OWNERS[random.below(OWNERS.length)] as string;
    const cores = random.chance(0.3) ? 1 + random.below(10) : 1;
    const losses = random.chance(0.3) ? 2 : 5;
    const ranges = 1 + random.below(random.chance(0.3) ? 400 : 30);
    const priority = random.below(3);
    const terms = { attempts: 3, losses, priority, owner };
    const { spec, files } = countTask(`t${tasks.length}`, ranges, terms);
    const payload = { ...spec.payload, cores };
    const weights = random.chance(0.2)
      ? { weights: Float32Array.from({ length: ranges }, () => 1 + random.nextUnit()) }
      : {};
    const cost = { ...spec.cost, weights: "weights" in weights ? "weights.txt" : null };
    const ask = { spec: { ...spec, payload, cost }, files, ...weights };
    const result = bench.ask("submit", ask);
    bench.pass(200);
    const { answer } = result;
    if (!answer) throw new Error(result.error);
    tasks.push({ id: answer.task, owner, cores, losses });
    seconds.set(answer.task, 0.5 + 20 * random.nextUnit());
  };

  for (let i = 0; i < 3; i++) submit();
  for (let step = 0; step < steps; step++) {
    if (random.chance(0.05)) submit();
    if (pilots.length < 6 && random.chance(0.2)) {
      pilots.push(new Pilot({ bench, random, secondsOf }, ++connections));
    }
    if (pilots.length > 0 && random.chance(0.02)) {
      const [gone] = pilots.splice(random.below(pilots.length), 1);
      bench.core.closed((gone as Pilot).connection);
      bench.core.endOfBatch();
    }
    for (const pilot of pilots) pilot.step();
    bench.pass(STEP_MS);
    const ready = readyTasks(bench, tasks);
    for (const pilot of pilots) {
      const feeds = pilot.free > pilot.queued.length ? feedsFor(pilot, ready) : [];
      const unread = bench.heard(pilot.connection, pilot.heard).flatMap(grantedBy).length > 0;
      pilot.idleMs = feeds.length > 0 && !unread ? pilot.idleMs + STEP_MS : 0;
      if (pilot.idleMs > IDLE_MS_MAX) {
        const why = bench.ask("explainPilot", { pilot: `pilot-${pilot.connection}` }).answer?.lines;
        return `seed ${seed}, step ${step}: ${feeds.map(({ id }) => id)}; ${why?.join("; ")}`;
      }
      const waits = pilot.free > 0 && pilot.queued.length === 0 && feeds.length === 0 && !unread;
      const elsewhere = waits ? queuedFor(pilot, pilots, tasks, bench.time.nowMs) : undefined;
      pilot.starvesMs = elsewhere === undefined ? 0 : pilot.starvesMs + STEP_MS;
      if (pilot.starvesMs > QUEUED_MS_MAX) {
        return `seed ${seed}, step ${step}: pilot-${elsewhere?.connection} queues what pilot-${pilot.connection} could run`;
      }
    }
  }
  bench.core.check();
  return "";
}

function readyTasks(bench: CoreBench, tasks: readonly Task[]): Task[] {
  const rows = bench.ask("list", {}).answer ?? [];
  const ready = new Set(rows.filter(({ ranges }) => ranges.ready > 0).map(({ id }) => id));
  return tasks.filter(({ id }) => ready.has(id));
}

/** Of tasks that bear one lost pilot only, a pilot may hold one range at its last chance. */
function feedsFor(pilot: Pilot, ready: readonly Task[]): Task[] {
  if (pilot.streak > 0) return [];
  const holdsFrail = pilot.running.length > 0 || pilot.queued.length > 0;
  return ready.filter(({ owner, cores, losses }) => {
    if (pilot.owner !== "" && pilot.owner !== owner) return false;
    return cores <= pilot.slots && (losses > 2 || !holdsFrail);
  });
}

/** Another pilot with several ranges that wait there for long and that this one could run. */
function queuedFor(
  pilot: Pilot,
  pilots: readonly Pilot[],
  tasks: readonly Task[],
  nowMs: number,
): Pilot | undefined {
  if (pilot.streak > 0) return undefined;
  return pilots.find((other) => {
    const long = other.queued.filter(({ task, grantedMs }) => {
      const of = tasks.find(({ id }) => id === task) as Task;
      const reaches = pilot.owner === "" || pilot.owner === of.owner;
      return reaches && of.cores <= pilot.slots && nowMs - grantedMs > QUEUED_MS_MAX;
    });
    return other !== pilot && long.length > 1;
  });
}

describe("slots that are free while something is ready", () => {
  it("are filled within two seconds, and soon with what is queued at others, whatever there is", () => {
    const words: string[] = [];
    for (const seed of SEEDS) {
      const idle = history(seed, 150);
      if (idle !== "") words.push(idle);
    }
    expect(words).toEqual([]);
  });
});
