/**
 * A pilot as the protocol page describes one, without processes or files: it holds ranges, starts
 * them, takes virtual time for each, writes outputs into the world's bundles before it reports,
 * reports again after a break what was not answered, crashes, freezes and comes back.
 */
import type { LeaseId, SeededRandom, TaskId } from "../../src/base/index.ts";
import {
  type EngineMessage,
  type GrantBody,
  OUTCOME,
  type Outcome,
  type Report,
  type SpanBlock,
  SpanBlockBuilder,
  VERDICT,
} from "../../src/wire/index.ts";
import type { PilotEnd, SimNetwork } from "./sim-network.ts";
import type { VirtualTime } from "./virtual-time.ts";

type ItemState = "queued" | "running" | "finished" | "reported";

interface Item {
  readonly task: TaskId;
  readonly range: number;
  readonly lease: LeaseId;
  readonly attempt: number;
  readonly grant: number;
  readonly takenMs: number;
  state: ItemState;
  outcome: Outcome;
  bundle: number;
  wallSeconds: number;
}

/** A stubborn pilot leaves a range out of its hello, and reports it all the same. */
const FORGET_CHANCE = 0.1;
/** A pilot that scatters waits so many times longer for more to end, and repeats some. */
const SCATTER_WAITS = 30;
const REPEAT_CHANCE = 0.05;

/** What a pilot does to and asks of the world around it. */
export interface PilotWorld {
  readonly time: VirtualTime;
  readonly network: SimNetwork;
  /** Pilots go on with what they were told to drop, and don't list all that they hold when they
   * come back: the engine alone must keep them out. */
  readonly stubborn: boolean;
  /** Ranges they want a slot, the one that runs among them. */
  readonly depth: number;
  /** Pilots gather what ends and report it range by range in any order, now and then twice. */
  readonly scatters: SeededRandom | null;
  readonly credential: string;
  ownerOf(task: number): string;
  /** Whose ranges alone it may run; "": anybody's. */
  readonly owner: string;
  /** Milliseconds that a life from now on may last, Infinity without a wall. */
  readonly walltimeMs: () => number;
  /** Nearer to its wall than this a pilot may be told to leave, or find nothing that fits. */
  readonly wallMarginMs: number;
  /** A fate for this start: how long, how it ends, whether it takes the pilot with it. */
  fate(task: number, range: number): { seconds: number; outcome: Outcome; kills: boolean };
  writeOutput(uri: string, task: number, range: number, lease: number): void;
}

export class SimPilot implements PilotEnd {
  readonly id: string;
  generation = 1;
  alive = true;
  #frozenUntilMs = 0;
  #connection = 0;
  #welcomed = false;
  #welcomedMs = 0;
  #life = 0;
  #sequence = 0;
  #bundleNumber = 0;
  #announced = new Map<number, string>();
  #items = new Map<string, Item>();
  #awaited = new Map<number, Item[]>();
  #reportPlanned = false;
  #heartbeatMs = 500;
  /** When its node is taken away; Infinity: it is not. */
  #wallMs = Number.POSITIVE_INFINITY;
  draining = false;
  /** Ranges that ended badly since the last that did not, as the engine took them. */
  badInARow = 0;
  /** Ranges that it ever began. */
  starts = 0;
  readonly #slots: number;
  readonly #world: PilotWorld;
  readonly #random: SeededRandom;

  constructor(id: string, slots: number, world: PilotWorld, random: SeededRandom) {
    this.id = id;
    this.#slots = slots;
    this.#world = world;
    this.#random = random;
    this.#newBundle();
    this.#begin();
  }

  /** May it run tasks of this owner? */
  serves(owner: string): boolean {
    return this.#world.owner === "" || this.#world.owner === owner;
  }

  get holds(): number {
    return this.#items.size;
  }

  /** Ranges that it runs or is to run. */
  get open(): number {
    let open = 0;
    for (const { state } of this.#items.values()) {
      if (state === "queued" || state === "running") open++;
    }
    return open;
  }

  /** Free slots, if an engine serves it, it is not about to leave and has told what has ended. */
  get idleSlots(): number {
    const isAwake = this.alive && this.#frozenUntilMs <= this.#world.time.nowMs;
    if (!isAwake || !this.#welcomed || this.draining) return 0;
    if (this.#wallMs - this.#world.time.nowMs < this.#world.wallMarginMs) return 0;
    for (const { state } of this.#items.values()) if (state === "finished") return 0;
    return this.#freeSlots();
  }

  /** Ranges that another could run and that have waited longer, while this was served and awake. */
  queuedFor(longerThanMs: number, other: SimPilot): number {
    const sinceMs = this.#world.time.nowMs - longerThanMs;
    // What a stubborn one has queued may be nobody's any more.
    if (this.#world.stubborn) return 0;
    const wasAwake = this.alive && this.#frozenUntilMs < sinceMs;
    if (!wasAwake || !this.#welcomed || this.#welcomedMs > sinceMs || this.draining) return 0;
    let queued = 0;
    for (const { task, state, takenMs } of this.#items.values()) {
      const waits = state === "queued" && takenMs < sinceMs;
      if (waits && other.serves(this.#world.ownerOf(task))) queued++;
    }
    return queued;
  }

  /** The process dies: everything it knew is gone; bundles stay. */
  crash(restartAfterMs: number): void {
    if (!this.alive) return;
    this.alive = false;
    this.#life++;
    this.#reportPlanned = false;
    this.#items.clear();
    this.#awaited.clear();
    this.#announced.clear();
    this.#world.network.cut(this.#connection);
    this.#world.time.after(restartAfterMs, () => this.#restart());
  }

  /** SIGSTOP: nothing happens for a while, then everything that waited happens at once. */
  freeze(forMs: number): void {
    this.#frozenUntilMs = Math.max(this.#frozenUntilMs, this.#world.time.nowMs + forMs);
  }

  /** Its node is left to it after all. */
  liftWall(): void {
    this.#wallMs = Number.POSITIVE_INFINITY;
  }

  /** As the wire tells it: -1 without a wall. */
  get #secondsLeft(): number {
    if (this.#wallMs === Number.POSITIVE_INFINITY) return -1;
    return Math.max(0, this.#wallMs - this.#world.time.nowMs) / 1000;
  }

  #begin(): void {
    const { time } = this.#world;
    const lastsMs = this.#world.walltimeMs();
    this.#wallMs = time.nowMs + lastsMs;
    this.#connect();
    if (lastsMs === Number.POSITIVE_INFINITY) return;
    const life = this.#life;
    time.after(lastsMs, () => {
      if (life === this.#life && this.#wallMs <= time.nowMs) this.crash(400);
    });
  }

  /** Breaks the connection; it dials again by itself. */
  disconnect(): void {
    this.#world.network.cut(this.#connection);
  }

  /** Gives back what has not started, ends what has, then says bye and comes back as another. */
  #drain(): void {
    this.draining = true;
    for (const item of this.#items.values()) {
      if (item.state !== "queued") continue;
      item.outcome = OUTCOME.returned;
      item.state = "finished";
    }
    this.#reportSoon();
    this.#leaveIfEmpty();
  }

  #leaveIfEmpty(): void {
    if (!this.draining || this.#items.size > 0 || !this.#welcomed) return;
    this.#world.network.toEngine(this.#connection, { type: "bye", reason: "drained" });
    this.#later(50, () => this.crash(500));
  }

  #restart(): void {
    this.alive = true;
    this.draining = false;
    this.badInARow = 0;
    this.generation++;
    this.#newBundle();
    this.#begin();
  }

  /** Runs `act` unless this life is over; later if the process is stopped meanwhile. */
  #later(delayMs: number, act: () => void): void {
    const life = this.#life;
    const run = () => {
      if (life !== this.#life || !this.alive) return;
      const stoppedMs = this.#frozenUntilMs - this.#world.time.nowMs;
      if (stoppedMs > 0) this.#world.time.after(stoppedMs, run);
      else act();
    };
    this.#world.time.after(delayMs, run);
  }

  #connect(): void {
    if (!this.alive || this.#connection !== 0) return;
    this.#connection = this.#world.network.dial(this);
    if (this.#connection === 0) {
      this.#later(100 + 400 * this.#random.nextUnit(), () => this.#connect());
      return;
    }
    const connection = this.#connection;
    this.#welcomed = false;
    this.#world.network.toEngine(connection, {
      type: "hello",
      version: 1,
      role: "pilot",
      pilotId: this.id,
      generation: this.generation,
      credential: this.#world.credential,
      software: "simulated",
      queue: "sim",
      allocation: "",
      // All of one kind, so that a slow one is measured against the others.
      nodes: [{ name: this.id, cores: 8, gpus: 0, memoryMiB: 1, slots: this.#slots }],
      secondsLeft: this.#secondsLeft,
      held: this.#heldBlocks(),
      want: this.#want(),
      freeSlots: this.#freeSlots(),
    });
    this.#later(2_000, () => {
      if (this.#connection === connection && !this.#welcomed) this.disconnect();
    });
  }

  broken(connection: number): void {
    if (connection !== this.#connection) return;
    this.#connection = 0;
    this.#welcomed = false;
    this.#awaited.clear();
    for (const item of this.#items.values()) {
      if (item.state === "reported") item.state = "finished";
    }
    if (this.alive) this.#later(20 + 200 * this.#random.nextUnit(), () => this.#connect());
  }

  receive(message: EngineMessage, connection: number): void {
    if (!this.alive || connection !== this.#connection) return;
    const stoppedMs = this.#frozenUntilMs - this.#world.time.nowMs;
    if (stoppedMs > 0) {
      this.#later(stoppedMs, () => this.receive(message, connection));
      return;
    }
    switch (message.type) {
      case "welcome":
        this.#welcome(message.refused, message.grant, message.heartbeatMs, connection);
        return;
      case "grant":
        this.#take(message);
        return;
      case "verdicts":
        this.#verdicts(message.sequence, message.runs);
        return;
      case "recall":
        this.#recall(message.spans, message.stop);
        return;
      case "drain":
        this.#drain();
        return;
      default:
        return;
    }
  }

  #welcome(
    refused: readonly SpanBlock[],
    grant: GrantBody,
    heartbeatMs: number,
    connection: number,
  ): void {
    this.#welcomed = true;
    this.#welcomedMs = this.#world.time.nowMs;
    this.#heartbeatMs = heartbeatMs;
    if (!this.#world.stubborn) {
      forEachRange(refused, (lease, range) => this.#items.delete(keyOf(lease, range)));
    }
    for (const [number, uri] of this.#announced) this.#announce(number, uri);
    this.#take(grant);
    this.#reportSoon();
    this.#leaveIfEmpty();
    this.#beat(connection);
  }

  #beat(connection: number): void {
    if (connection !== this.#connection) return;
    this.#world.network.toEngine(connection, {
      type: "heartbeat",
      freeSlots: this.#freeSlots(),
      secondsLeft: this.#secondsLeft,
    });
    this.#later(this.#heartbeatMs, () => this.#beat(connection));
  }

  #take(grant: GrantBody): void {
    for (const block of grant.spans) {
      for (let i = 0; i < block.size; i++) {
        const first = block.first[i] as number;
        for (let k = 0; k < (block.count[i] as number); k++) {
          const lease = block.lease[i] as LeaseId;
          const key = keyOf(lease, first + k);
          if (this.#items.has(key)) continue;
          this.#items.set(key, {
            task: block.task,
            range: first + k,
            lease,
            attempt: block.attempt[i] as number,
            grant: block.grant[i] as number,
            takenMs: this.#world.time.nowMs,
            state: "queued",
            outcome: OUTCOME.done,
            bundle: 0,
            wallSeconds: 0,
          });
        }
      }
    }
    this.#startSome();
  }

  #startSome(): void {
    const starting: Item[] = [];
    let free = this.#freeSlots();
    for (const item of this.#items.values()) {
      if (free === 0) break;
      if (item.state !== "queued") continue;
      item.state = "running";
      starting.push(item);
      free--;
    }
    if (starting.length === 0) return;
    this.starts += starting.length;
    if (this.#connection !== 0 && this.#welcomed) {
      this.#world.network.toEngine(this.#connection, {
        type: "started",
        spans: blocksOf(starting),
      });
    }
    for (const item of starting) {
      const fate = this.#world.fate(item.task, item.range);
      item.wallSeconds = fate.seconds;
      this.#later(fate.seconds * 1000, () => this.#finish(item, fate.outcome, fate.kills));
    }
  }

  #finish(item: Item, outcome: Outcome, kills: boolean): void {
    if (this.#items.get(keyOf(item.lease, item.range)) !== item) return;
    if (item.state !== "running") return;
    if (kills) {
      this.crash(200 + 1_000 * this.#random.nextUnit());
      return;
    }
    item.state = "finished";
    item.outcome = outcome;
    if (outcome === OUTCOME.done) {
      if (this.#random.chance(0.05)) this.#newBundle();
      item.bundle = this.#bundleNumber;
      const uri = this.#announced.get(item.bundle) as string;
      this.#world.writeOutput(uri, item.task, item.range, item.lease);
    }
    this.#startSome();
    this.#reportSoon();
  }

  #newBundle(): void {
    this.#bundleNumber++;
    const uri = `file:///bundles/${this.id}.g${this.generation}.${this.#bundleNumber}.zip`;
    this.#announced.set(this.#bundleNumber, uri);
    this.#announce(this.#bundleNumber, uri);
  }

  #announce(number: number, uri: string): void {
    if (this.#connection === 0 || !this.#welcomed) return;
    this.#world.network.toEngine(this.#connection, { type: "bundle", number, node: 0, uri });
  }

  #reportSoon(): void {
    if (this.#reportPlanned) return;
    this.#reportPlanned = true;
    const life = this.#life;
    const waits = this.#world.scatters ? SCATTER_WAITS : 1;
    this.#world.time.after(waits * (1 + 10 * this.#random.nextUnit()), () => {
      if (life !== this.#life) return;
      this.#reportPlanned = false;
      this.#later(0, () => this.#exchange());
    });
  }

  #exchange(): void {
    if (this.#connection === 0 || !this.#welcomed) return;
    const finished = [...this.#items.values()].filter((item) => item.state === "finished");
    const groups = new Map<string, Item[]>();
    for (const item of finished) {
      const name = `${item.task}/${item.outcome}/${item.bundle}`;
      const group = groups.get(name) ?? [];
      groups.set(name, group);
      group.push(item);
    }
    const reports: Report[] = [];
    const order: Item[] = [];
    const { scatters } = this.#world;
    for (const group of groups.values()) {
      for (const block of scatters ? scattered(group, scatters) : blocksOf(group)) {
        reports.push(reportOf(block, group[0] as Item));
        forEachRange([block], (lease, range) => {
          order.push(this.#items.get(keyOf(lease, range)) as Item);
        });
      }
    }
    for (const item of order) item.state = "reported";
    const sequence = ++this.#sequence;
    if (order.length > 0) this.#awaited.set(sequence, order);
    this.#world.network.toEngine(this.#connection, {
      type: "exchange",
      sequence,
      reports,
      want: this.#want(),
      freeSlots: this.#freeSlots(),
      secondsLeft: this.#secondsLeft,
    });
  }

  #verdicts(sequence: number, runs: readonly number[]): void {
    const order = this.#awaited.get(sequence);
    if (!order) return;
    this.#awaited.delete(sequence);
    let at = 0;
    for (let i = 0; i < runs.length; i += 2) {
      for (let k = 0; k < (runs[i] as number); k++) {
        const item = order[at++] as Item;
        if (runs[i + 1] === VERDICT.accepted) this.#judged(item.outcome);
        this.#items.delete(keyOf(item.lease, item.range));
      }
    }
    if (at !== order.length) throw new Error(`verdicts for ${at} of ${order.length} ranges`);
    this.#leaveIfEmpty();
  }

  #judged(outcome: Outcome): void {
    if (outcome === OUTCOME.done) this.badInARow = 0;
    else if (outcome === OUTCOME.failed || outcome === OUTCOME.fatal) this.badInARow++;
  }

  #recall(spans: readonly SpanBlock[], stop: boolean): void {
    forEachRange(spans, (lease, range) => {
      const item = this.#items.get(keyOf(lease, range));
      if (!item || (item.state !== "queued" && !(stop && item.state === "running"))) return;
      item.outcome = item.state === "queued" ? OUTCOME.returned : OUTCOME.lost;
      item.state = "finished";
    });
    this.#startSome();
    this.#reportSoon();
  }

  #freeSlots(): number {
    let running = 0;
    for (const item of this.#items.values()) if (item.state === "running") running++;
    return Math.max(0, this.#slots - running);
  }

  #want(): number {
    return this.draining ? 0 : Math.max(0, this.#world.depth * this.#slots - this.open);
  }

  #heldBlocks(): SpanBlock[] {
    const items = [...this.#items.values()];
    const { stubborn } = this.#world;
    return blocksOf(items.filter(() => !stubborn || !this.#random.chance(FORGET_CHANCE)));
  }
}

const keyOf = (lease: number, range: number) => `${lease}:${range}`;

/** Blocks a task and lease epoch each, neighbours under one lease joined to spans. */
function blocksOf(items: readonly Item[]): SpanBlock[] {
  const byTask = new Map<TaskId, SpanBlockBuilder>();
  const sorted = [...items].sort((a, b) => a.lease - b.lease || a.range - b.range);
  for (let i = 0; i < sorted.length; ) {
    const item = sorted[i] as Item;
    let count = 1;
    while (i + count < sorted.length) {
      const next = sorted[i + count] as Item;
      if (next.lease !== item.lease || next.range !== item.range + count) break;
      count++;
    }
    const builder = byTask.get(item.task) ?? new SpanBlockBuilder(item.task);
    byTask.set(item.task, builder);
    builder.add(item.range, count, item.attempt, item.grant, item.lease);
    i += count;
  }
  return [...byTask.values()].flatMap((builder) => builder.build());
}

/** Every range a span of its own. */
function scattered(items: readonly Item[], random: SeededRandom): SpanBlock[] {
  const left = items.flatMap((item) => (random.chance(REPEAT_CHANCE) ? [item, item] : [item]));
  const builder = new SpanBlockBuilder((items[0] as Item).task);
  while (left.length > 0) {
    const [{ range, attempt, grant, lease }] = left.splice(random.below(left.length), 1) as [Item];
    builder.add(range, 1, attempt, grant, lease);
  }
  return builder.build();
}

function reportOf(block: SpanBlock, item: Item): Report {
  const wall = item.wallSeconds;
  const failing = item.outcome === OUTCOME.failed || item.outcome === OUTCOME.fatal;
  return {
    outcome: item.outcome,
    spans: block,
    bundle: item.outcome === OUTCOME.done ? item.bundle : 0,
    reason: failing ? "simulated failure" : "",
    cost: { wallSum: wall, wallSquares: wall * wall, wallMax: wall, cpuSum: wall },
    node: 0,
  };
}

export function forEachRange(
  blocks: readonly SpanBlock[],
  visit: (lease: LeaseId, range: number) => void,
): void {
  for (const block of blocks) {
    for (let i = 0; i < block.size; i++) {
      const first = block.first[i] as number;
      for (let k = 0; k < (block.count[i] as number); k++)
        visit(block.lease[i] as LeaseId, first + k);
    }
  }
}
