/**
 * The pilots' half of the simulation and the time both live in: nodes that arrive, start ranges,
 * report, fall silent and hit walls, as an event-driven simulation. A pilot here behaves as the
 * real ones: it sends at once when nothing was sent for `gapSeconds`, else when that has passed;
 * it starts queued ranges itself; at its wall it stops `leadSeconds` early and tells everything.
 *
 * The engine is one server: an exchange waits for those before it. Verdicts leave when the group
 * commit that holds them is flushed (one in flight, the next begins when it has flushed).
 */
import { assert } from "../../src/base/index.ts";
import { Draws } from "./draws.ts";
import { type Answer, type Desk, EngineSide, type Word } from "./engine-side.ts";
import { EventQueue } from "./event-queue.ts";
import { NodeRun, type NodeSpec } from "./node-run.ts";
import type { PolicyName } from "./policies.ts";
import { Tally } from "./tally.ts";

export interface WorldOptions {
  readonly nodes: readonly NodeSpec[];
  /** Seconds of each range on a node of speed 1. */
  readonly times: Float32Array;
  readonly hints?: Float32Array | null;
  readonly hintMeanSeconds?: number | null;
  readonly policy?: PolicyName;
  readonly seed: number;
  /** One way. */
  readonly latencySeconds?: number;
  readonly gapSeconds?: number;
  readonly flushSeconds?: number;
  readonly leadSeconds?: number;
  readonly leaseTermSeconds?: number;
  readonly codec?: boolean;
  readonly attemptsMax?: number;
  readonly lossesMax?: number;
  readonly untilSeconds?: number;
  readonly speculation?: boolean;
  readonly recall?: boolean;
  /** Idle time is also measured from here on. */
  readonly markSeconds?: number;
  /** Bins of the occupancy plot. */
  readonly binSeconds?: number;
}

const KIND = {
  finish: 0,
  toEngine: 1,
  toNode: 2,
  timer: 3,
  arrive: 4,
  wall: 5,
  die: 6,
  expire: 7,
  tick: 8,
  verdict: 9,
  mark: 10,
} as const;
const KINDS = 16;
const TICK_SECONDS = 1;
/** Virtual service time of the engine: an exchange, and a range of it. */
const SERVICE_SECONDS = 15e-6;
const SERVICE_RANGE_SECONDS = 0.4e-6;

interface ToNode {
  node: number;
  ranges: number[];
  leases: number[];
  /** Ranges to give back if they have not started. */
  recall: boolean;
}

export class World {
  readonly engine: EngineSide;
  readonly tally: Tally;
  readonly nodes: NodeRun[] = [];
  readonly queue = new EventQueue();
  /** CPU that the engine had used at `markSeconds`. */
  cpuSecondsAtMark = 0;
  readonly #o: Required<WorldOptions>;
  readonly #draws: Draws;
  readonly #slotRange: Int32Array;
  readonly #slotLease: Float64Array;
  readonly #slotStart: Float64Array;
  readonly #slotEnd: Float64Array;
  readonly #slotNode: Uint32Array;
  readonly #words: (Word | null)[] = [];
  readonly #wordsFree: number[] = [];
  readonly #mails: (ToNode | null)[] = [];
  readonly #mailsFree: number[] = [];
  #engineFreeSeconds = 0;
  #groupEndSeconds = 0;
  #nextGroupEndSeconds = 0;
  #acceptedBefore = 0;

  constructor(options: WorldOptions) {
    this.#o = {
      hints: null,
      hintMeanSeconds: null,
      policy: "jumbo",
      latencySeconds: 0.005,
      gapSeconds: 0.1,
      flushSeconds: 0.001,
      leadSeconds: 1,
      leaseTermSeconds: 30,
      codec: false,
      attemptsMax: 3,
      lossesMax: 5,
      untilSeconds: Number.POSITIVE_INFINITY,
      speculation: false,
      recall: true,
      binSeconds: 60,
      markSeconds: 0,
      ...options,
    };
    const o = this.#o;
    this.#draws = new Draws(o.seed ^ 0x5eed);
    let slots = 0;
    for (const spec of o.nodes) {
      this.nodes.push(new NodeRun(this.nodes.length, spec, slots));
      slots += spec.slots;
    }
    this.#slotRange = new Int32Array(slots).fill(-1);
    this.#slotLease = new Float64Array(slots);
    this.#slotStart = new Float64Array(slots);
    this.#slotEnd = new Float64Array(slots);
    this.#slotNode = new Uint32Array(slots);
    for (const node of this.nodes) {
      this.#slotNode.fill(node.index, node.slotBase, node.slotBase + node.spec.slots);
    }
    this.tally = new Tally(o.times.length, o.binSeconds, this.nodes.length);
    this.engine = new EngineSide({
      ranges: o.times.length,
      nodes: o.nodes.length,
      policy: o.policy,
      hints: o.hints,
      hintMeanSeconds: o.hintMeanSeconds,
      roundTripSeconds: 2 * o.latencySeconds + o.gapSeconds,
      codec: o.codec,
      attemptsMax: o.attemptsMax,
      lossesMax: o.lossesMax,
      unit: () => this.#draws.unit(),
    });
    for (const node of this.nodes) {
      this.queue.add(node.spec.arriveSeconds, node.index * KINDS + KIND.arrive);
      const { diesSeconds, wallSeconds } = node.spec;
      if (Number.isFinite(diesSeconds)) {
        this.queue.add(diesSeconds, node.index * KINDS + KIND.die);
      } else if (Number.isFinite(wallSeconds)) {
        const stop = wallSeconds - o.leadSeconds;
        this.queue.add(stop, node.index * KINDS + KIND.wall);
      }
    }
    this.queue.add(TICK_SECONDS, KIND.tick);
    if (o.markSeconds > 0) this.queue.add(o.markSeconds, KIND.mark);
  }

  /** Runs until every range is final, nothing is left to happen, or the time is over. */
  run(): Tally {
    const { queue, tally } = this;
    for (;;) {
      const code = queue.pop();
      if (code < 0 || queue.nowSeconds > this.#o.untilSeconds) break;
      tally.advance(queue.nowSeconds);
      this.#happen(code % KINDS, Math.floor(code / KINDS));
      if (tally.done + tally.failedForGood >= this.#o.times.length) break;
    }
    this.engine.commit();
    this.engine.ledger.check();
    this.tally.close(this.engine);
    return tally;
  }

  #happen(kind: number, index: number): void {
    const now = this.queue.nowSeconds;
    if (kind === KIND.finish) this.#finish(index, now);
    else if (kind === KIND.toEngine) this.#toEngine(index, now);
    else if (kind === KIND.toNode) this.#toNode(index, now);
    else if (kind === KIND.timer) this.#timer(this.nodes[index]!, now);
    else if (kind === KIND.arrive) this.#arrive(this.nodes[index]!, now);
    else if (kind === KIND.wall) this.#wall(this.nodes[index]!, now);
    else if (kind === KIND.die) this.#die(this.nodes[index]!, now);
    else if (kind === KIND.expire) this.#post(this.engine.expire(index, now), now);
    else if (kind === KIND.tick) this.#tick(now);
    else if (kind === KIND.mark) {
      this.tally.mark();
      this.cpuSecondsAtMark = this.engine.cpuSeconds;
    } else this.tally.flushed(now);
  }

  #arrive(node: NodeRun, now: number): void {
    node.alive = true;
    this.tally.capacity(node.spec.slots);
    node.nextSendSeconds = now + this.#o.gapSeconds;
    // The hello travels like a word; its answer carries the first grant.
    const word = node.takeWord(now);
    word.hello = true;
    this.#send(word, now);
  }

  #finish(slot: number, now: number): void {
    if (this.#slotRange[slot]! < 0 || this.#slotEnd[slot] !== now) return;
    const node = this.nodes[this.#slotNode[slot]!]!;
    const range = this.#slotRange[slot]!;
    const wall = now - this.#slotStart[slot]!;
    const lease = this.#slotLease[slot]!;
    this.#slotRange[slot] = -1;
    this.tally.stop(node.index, wall);
    if (node.spec.failSeconds > 0) node.tellFailed(range, lease);
    else {
      node.tellDone(range, lease, wall);
      this.tally.finished(range, wall, now);
    }
    node.free.push(slot);
    this.#startQueued(node, now);
    this.#wantToSend(node, now);
  }

  #startQueued(node: NodeRun, now: number): void {
    while (node.free.length > 0 && node.queued > 0) {
      const at = node.queueHead++;
      const range = node.queueRanges[at]!;
      const slot = node.free.pop()!;
      const nominal = node.spec.failSeconds > 0 ? node.spec.failSeconds : this.#o.times[range]!;
      const seconds = nominal * node.spec.speed;
      this.#slotRange[slot] = range;
      this.#slotLease[slot] = node.queueLeases[at]!;
      this.#slotStart[slot] = now;
      this.#slotEnd[slot] = now + seconds;
      node.tellStarted(range, node.queueLeases[at]!);
      this.tally.start(node.index, now - node.spec.arriveSeconds);
      this.queue.add(now + seconds, slot * KINDS + KIND.finish);
    }
    node.tidyQueue();
  }

  #wantToSend(node: NodeRun, now: number): void {
    if (node.timerSet || !node.alive) return;
    if (now >= node.nextSendSeconds) {
      node.nextSendSeconds = now + this.#o.gapSeconds;
      this.#send(node.takeWord(now), now);
    } else {
      node.timerSet = true;
      this.queue.add(node.nextSendSeconds, node.index * KINDS + KIND.timer);
    }
  }

  #timer(node: NodeRun, now: number): void {
    node.timerSet = false;
    if (node.alive && node.hasNews()) this.#wantToSend(node, now);
  }

  #send(word: Word, now: number): void {
    const at = this.#wordsFree.pop() ?? this.#words.length;
    this.#words[at] = word;
    this.queue.add(now + this.#o.latencySeconds, at * KINDS + KIND.toEngine);
  }

  #toEngine(at: number, now: number): void {
    const word = this.#words[at]!;
    this.#words[at] = null;
    this.#wordsFree.push(at);
    const begin = Math.max(now, this.#engineFreeSeconds);
    const told = word.doneRanges.length + word.startedRanges.length;
    const answers = word.hello
      ? [this.engine.hello(this.#deskOf(this.nodes[word.node]!), begin)]
      : this.engine.exchange(word, begin);
    this.#engineFreeSeconds = begin + SERVICE_SECONDS + told * SERVICE_RANGE_SECONDS;
    this.#post(answers, this.#engineFreeSeconds);
    this.tally.accepted(this.engine.accepted - this.#acceptedBefore, begin);
    this.#acceptedBefore = this.engine.accepted;
    this.#joinCommit(this.#engineFreeSeconds);
    if (word.bye) {
      this.queue.add(this.#groupEnd(this.#engineFreeSeconds), KIND.verdict);
      this.engine.leave(word.node);
    }
  }

  #deskOf(node: NodeRun): Desk {
    return {
      node: node.index,
      slots: node.spec.slots,
      type: node.spec.type,
      held: 0,
      freeSlots: node.spec.slots,
      secondsLeft: node.spec.wallSeconds - this.#o.leadSeconds - this.queue.nowSeconds,
      wantMax: node.spec.slots * 3 + 1024,
      streak: 0,
      parked: false,
      recallAgainSeconds: 0,
      gone: false,
    };
  }

  /** Group commit: what is applied now is durable at the end of the next group to begin. */
  #joinCommit(now: number): void {
    if (now < this.#nextGroupEndSeconds - this.#o.flushSeconds) return;
    this.engine.commit();
    this.#groupEndSeconds = Math.max(now, this.#nextGroupEndSeconds) + this.#o.flushSeconds;
    this.#nextGroupEndSeconds = this.#groupEndSeconds;
  }

  #groupEnd(now: number): number {
    return Math.max(now, this.#groupEndSeconds) + this.#o.flushSeconds;
  }

  #post(answers: readonly Answer[], now: number): void {
    for (const answer of answers) {
      if (answer.ranges.length === 0) continue;
      this.#mail(answer.node, answer.ranges, answer.leases, false, now + answer.delaySeconds);
    }
  }

  #mail(node: number, ranges: number[], leases: number[], recall: boolean, now: number): void {
    const at = this.#mailsFree.pop() ?? this.#mails.length;
    this.#mails[at] = { node, ranges, leases, recall };
    this.queue.add(now + this.#o.latencySeconds, at * KINDS + KIND.toNode);
  }

  #toNode(at: number, now: number): void {
    const mail = this.#mails[at]!;
    this.#mails[at] = null;
    this.#mailsFree.push(at);
    const node = this.nodes[mail.node]!;
    if (!node.alive) return;
    if (mail.recall) node.giveUp(mail.ranges.length);
    else {
      if (node.firstGrant === 0) node.firstGrant = mail.ranges.length;
      for (let i = 0; i < mail.ranges.length; i++) {
        node.queueRanges.push(mail.ranges[i]!);
        node.queueLeases.push(mail.leases[i]!);
      }
      this.#startQueued(node, now);
    }
    this.#wantToSend(node, now);
  }

  /** The pilot's own end: it stops what runs, tells all, and leaves. */
  #wall(node: NodeRun, now: number): void {
    if (!node.alive) return;
    const word = node.takeWord(now);
    this.#stopAll(node, now, word);
    node.returnQueue(word);
    word.bye = true;
    this.tally.leaving(now);
    this.#send(word, now);
  }

  #die(node: NodeRun, now: number): void {
    if (!node.alive) return;
    this.tally.untold += node.untoldDone();
    this.#stopAll(node, now, null);
    this.queue.add(now + this.#o.leaseTermSeconds, node.index * KINDS + KIND.expire);
  }

  #stopAll(node: NodeRun, now: number, word: Word | null): void {
    node.alive = false;
    this.tally.capacity(-node.spec.slots);
    const end = node.slotBase + node.spec.slots;
    for (let slot = node.slotBase; slot < end; slot++) {
      const range = this.#slotRange[slot]!;
      if (range < 0) continue;
      this.#slotRange[slot] = -1;
      this.tally.cut(node.index, now - this.#slotStart[slot]!);
      word?.lostRanges.push(range);
      word?.lostLeases.push(this.#slotLease[slot]!);
    }
  }

  #tick(now: number): void {
    const { engine } = this;
    this.#post(engine.poll(now), now);
    if (this.#o.policy === "jumbo" && engine.ready === 0) {
      if (this.#o.recall) {
        for (const order of engine.recalls(now)) {
          this.#mail(order.pilot, new Array(order.ranges).fill(0), [], true, now);
        }
      }
      if (this.#o.speculation)
        this.#post(
          engine.copies((node) => this.runningOn(node, now)),
          now,
        );
    }
    if (this.queue.size > 0) this.queue.add(now + TICK_SECONDS, KIND.tick);
  }

  /** Age of everything that runs on a node. */
  runningOn(index: number, now: number): { range: number; ageSeconds: number }[] {
    const node = this.nodes[index];
    assert(node, `there is no node ${index}`);
    const found: { range: number; ageSeconds: number }[] = [];
    for (let slot = node.slotBase; slot < node.slotBase + node.spec.slots; slot++) {
      const range = this.#slotRange[slot]!;
      if (range >= 0) found.push({ range, ageSeconds: now - this.#slotStart[slot]! });
    }
    return found;
  }
}
