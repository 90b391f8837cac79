/** One simulated pilot on one node: its queue, its free slots, and what it has to tell. */
import type { Word } from "./engine-side.ts";

export interface NodeSpec {
  readonly slots: number;
  /** Multiplies range times: 5 = five times slower. */
  readonly speed: number;
  readonly type: string;
  readonly arriveSeconds: number;
  /** End of the walltime, known to the pilot; Infinity: none. */
  readonly wallSeconds: number;
  /** Vanishes then without a word; Infinity: never. */
  readonly diesSeconds: number;
  /** > 0: every start fails after so long (a black hole). */
  readonly failSeconds: number;
}

export function plainNode(slots: number, speed = 1): NodeSpec {
  return {
    slots,
    speed,
    type: "node",
    arriveSeconds: 0,
    wallSeconds: Number.POSITIVE_INFINITY,
    diesSeconds: Number.POSITIVE_INFINITY,
    failSeconds: 0,
  };
}

export class NodeRun {
  readonly index: number;
  readonly spec: NodeSpec;
  readonly slotBase: number;
  readonly free: number[] = [];
  alive = false;
  timerSet = false;
  nextSendSeconds = 0;
  queueRanges: number[] = [];
  queueLeases: number[] = [];
  queueHead = 0;
  /** Ranges of its first grant; 0: none came yet. */
  firstGrant = 0;
  #word: Word;

  constructor(index: number, spec: NodeSpec, slotBase: number) {
    this.index = index;
    this.spec = spec;
    this.slotBase = slotBase;
    for (let slot = slotBase + spec.slots - 1; slot >= slotBase; slot--) this.free.push(slot);
    this.#word = emptyWord(index);
  }

  get queued(): number {
    return this.queueRanges.length - this.queueHead;
  }

  tellStarted(range: number, lease: number): void {
    this.#word.startedRanges.push(range);
    this.#word.startedLeases.push(lease);
  }

  tellDone(range: number, lease: number, seconds: number): void {
    this.#word.doneRanges.push(range);
    this.#word.doneLeases.push(lease);
    this.#word.doneSeconds.push(seconds);
  }

  tellFailed(range: number, lease: number): void {
    this.#word.failedRanges.push(range);
    this.#word.failedLeases.push(lease);
  }

  untoldDone(): number {
    return this.#word.doneRanges.length;
  }

  hasNews(): boolean {
    const word = this.#word;
    return (
      word.startedRanges.length +
        word.doneRanges.length +
        word.failedRanges.length +
        word.returnedRanges.length >
      0
    );
  }

  /** Everything to tell, with the state of this moment. */
  takeWord(nowSeconds: number): Word {
    const word = this.#word;
    this.#word = emptyWord(this.index);
    word.freeSlots = this.free.length;
    word.waiting = this.queued;
    word.secondsLeft = this.spec.wallSeconds - nowSeconds;
    return word;
  }

  /** Gives back up to `count` ranges that have not started, the last ones first. */
  giveUp(count: number): void {
    for (let i = 0; i < count && this.queued > 0; i++) {
      this.#word.returnedRanges.push(this.queueRanges.pop()!);
      this.#word.returnedLeases.push(this.queueLeases.pop()!);
    }
  }

  returnQueue(word: Word): void {
    while (this.queued > 0) {
      word.returnedRanges.push(this.queueRanges.pop()!);
      word.returnedLeases.push(this.queueLeases.pop()!);
    }
  }

  /** Forgets what was taken from the queue's front. */
  tidyQueue(): void {
    if (this.queued === 0) {
      this.queueRanges.length = 0;
      this.queueLeases.length = 0;
      this.queueHead = 0;
    } else if (this.queueHead > 1024) {
      this.queueRanges = this.queueRanges.slice(this.queueHead);
      this.queueLeases = this.queueLeases.slice(this.queueHead);
      this.queueHead = 0;
    }
  }
}

function emptyWord(node: number): Word {
  return {
    node,
    hello: false,
    bye: false,
    startedRanges: [],
    startedLeases: [],
    doneRanges: [],
    doneLeases: [],
    doneSeconds: [],
    failedRanges: [],
    failedLeases: [],
    lostRanges: [],
    lostLeases: [],
    returnedRanges: [],
    returnedLeases: [],
    freeSlots: 0,
    waiting: 0,
    secondsLeft: 0,
  };
}
