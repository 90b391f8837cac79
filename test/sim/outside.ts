/**
 * The engine as its peers see it: every frame that it hears and sends passes here, and what may be
 * concluded from frames alone is held against what comes later. Knows nothing of the ledger.
 *
 *   fence      lease identities only rise, over all lives (I3)
 *   exclusive  a range is not granted while a lease on it is known to be open: ended neither by its
 *              pilot's word, nor by the pilot's silence up to its deadline (I3, I7)
 *   kept       a durable, unexpired lease is not refused to the pilot that comes back with it, and
 *              is in the books after a crash (I2)
 *   attempts   rise above every attempt whose end was acknowledged (I4)
 *   final      what was acknowledged as done or fatal is not granted again unless it was reopened or
 *              retried (I1); failures are bounded by the task's attempts (I4)
 *   truth      a word is accepted only under a lease that may be open, and is not called stale or
 *              unknown under one that surely is (I3)
 *   twice      a range that runs may be given to one other pilot as well; either's done counts, one
 *              of them (I3); if the first ends without one, the copy goes on in its place
 *   told       a grant's task and files are described on that connection before or with it
 *
 * Who holds a range is in standing.ts. A crash takes back what was not durable: every change of a
 * standing is kept until its group is on disk, and undone at the next start if it never got there.
 * What was acknowledged is never undone.
 */
import type {
  EngineMessage,
  GrantBody,
  Hello,
  PilotMessage,
  SpanBlock,
} from "../../src/wire/index.ts";
import { OUTCOME, VERDICT } from "../../src/wire/index.ts";
import {
  type End,
  ended,
  granted,
  type Holder,
  holderOf,
  mayBeCopy,
  NOBODY,
  type Standing,
  settled,
  started,
  type Terms,
  unfailed,
  unlisted,
} from "./standing.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface OutsideRange {
  standing: Standing;
  /** Grants that may have been second ones of a running range. */
  copies: number;
  /** Lease of the acknowledged done, 0 without one. */
  done: number;
  fatal: boolean;
  failures: number;
  /** Highest attempt whose end was acknowledged. */
  attempt: number;
  reopened: number;
  /** Which of the engine's reopenings was its last. */
  reopenedAt: number;
}

export interface OutsideTask {
  readonly id: number;
  readonly name: string;
  readonly terms: Terms;
  /** Its submit was; grants may leave before. */
  acknowledged: boolean;
  ranges: number;
  retries: number;
  /** Cancel was asked; what follows may go either way until `cancelled`. */
  cancelAsked: boolean;
  cancelled: boolean;
  readonly seen: Map<number, OutsideRange>;
}

interface Word {
  readonly task: OutsideTask | undefined;
  readonly span: { first: number; count: number; lease: number; attempt: number };
  readonly outcome: number;
  /** Retries asked for when it was heard: a later one undoes what it says before the verdict. */
  readonly retries: number;
  /** Reopenings when it was heard: a later one undoes it too. */
  readonly reopenings: number;
  /** Ranges of the span whose lease was surely open when the word came. */
  readonly open: ReadonlySet<number>;
  /** Ranges whose lease may have been open then, these among them. */
  readonly maybe: ReadonlySet<number>;
  /** Of these, ranges that may have been running under another lease first. */
  readonly asCopy: ReadonlySet<number>;
}

interface Peer {
  readonly pilot: string;
  readonly words: Map<number, Word[][]>;
  readonly tasks: Set<number>;
  /** Files described: [first, end) of each, by task. */
  readonly files: Map<number, [number, number][]>;
  /** Open leases that it listed at its hello and had time left for. */
  mustKeep: Set<string>;
}

export class Outside {
  readonly tasks = new Map<number, OutsideTask>();
  /** Bundles were given up: stale is a truthful answer then. */
  bundlesLost = false;
  readonly #time: VirtualTime;
  readonly #termMs: number;
  readonly #graceMs: number;
  readonly #peers = new Map<number, Peer>();
  readonly #deadlines = new Map<string, number>();
  /** Connected pilots of which the engine was told that their process has ended. */
  readonly #ended = new Set<string>();
  /** When a pilot was last heard, or the engine ended, after the pilot's deadline. */
  readonly #lapses = new Map<string, number>();
  /** What tasks were submitted as, by name. */
  readonly #submitted = new Map<string, { ranges: number; terms: Terms }>();
  /** Changes that are not known to be on disk, from number `#changesFrom` on. */
  readonly #changes: { range: OutsideRange; before: Standing }[] = [];
  #changesFrom = 0;
  #reopenings = 0;
  #lastLease = 0;
  /** Second grants of running ranges that were seen. */
  copies = 0;

  constructor(time: VirtualTime, options: { leaseTermMs: number; disconnectGraceMs: number }) {
    this.#time = time;
    this.#termMs = options.leaseTermMs;
    this.#graceMs = Math.min(options.disconnectGraceMs, options.leaseTermMs);
  }

  /** A submit is under way: the engine may grant before it answers. */
  submits(name: string, ranges: number, terms: Terms): void {
    this.#submitted.set(name, { ranges, terms });
  }

  /** The engine knows the task; a number that a crash took back may come again. */
  task(id: number, name: string, ranges: number, terms: Terms): OutsideTask {
    let task = this.tasks.get(id);
    if (task?.name !== name) {
      task = {
        id,
        name,
        terms,
        acknowledged: false,
        ranges,
        retries: 0,
        cancelAsked: false,
        cancelled: false,
        seen: new Map(),
      };
      this.tasks.set(id, task);
    }
    return task;
  }

  range(task: OutsideTask, index: number): OutsideRange {
    let range = task.seen.get(index);
    if (!range) {
      range = {
        standing: NOBODY,
        copies: 0,
        done: 0,
        fatal: false,
        failures: 0,
        attempt: 0,
        reopened: 0,
        reopenedAt: 0,
      };
      task.seen.set(index, range);
    }
    return range;
  }

  /** What is decided from now on is not in the group that is handed over now. */
  mark(): number {
    return this.#changesFrom + this.#changes.length;
  }

  /** Everything before `mark` is on disk. */
  durable(mark: number): void {
    this.#changes.splice(0, mark - this.#changesFrom);
    this.#changesFrom = Math.max(mark, this.#changesFrom);
  }

  /** A life ends: leases past their deadline may have expired before. */
  engineDied(): void {
    this.#ended.clear();
    for (const [pilot, deadlineMs] of this.#deadlines) {
      if (deadlineMs <= this.#time.nowMs) this.#lapses.set(pilot, this.#time.nowMs);
    }
  }

  /** A new life, in which nothing has happened that is not on disk. */
  engineStarts(): void {
    this.#peers.clear();
    for (const pilot of this.#deadlines.keys()) {
      this.#deadlines.set(pilot, this.#time.nowMs + this.#termMs);
    }
    for (const { range, before } of this.#changes.reverse()) range.standing = before;
    this.#changesFrom = this.mark();
    this.#changes.length = 0;
  }

  /** The range's only holder, if it surely has one: the books must say so too. */
  surely(task: OutsideTask, range: OutsideRange): Holder | null {
    this.#settle(task, range);
    const { holders } = range.standing;
    const [only] = holders;
    return holders.length === 1 && only?.sure && !task.cancelAsked ? only : null;
  }

  #stand(range: OutsideRange, standing: Standing): void {
    if (range.standing === standing) return;
    this.#changes.push({ range, before: range.standing });
    range.standing = standing;
  }

  #settle(task: OutsideTask, range: OutsideRange): void {
    if (range.standing.holders.length === 0) return;
    this.#stand(range, settled(range.standing, this.#hasLapsed, task.terms));
  }

  readonly #hasLapsed = (holder: Holder): boolean =>
    this.#isPast(holder) || holder.atMs < (this.#lapses.get(holder.pilot) ?? 0);

  readonly #isPast = (holder: Holder): boolean =>
    this.#time.nowMs >= (this.#deadlines.get(holder.pilot) ?? 0);

  #renew(pilot: string, forMs: number): void {
    const { nowMs } = this.#time;
    if (nowMs >= (this.#deadlines.get(pilot) ?? nowMs)) this.#lapses.set(pilot, nowMs);
    this.#deadlines.set(pilot, nowMs + forMs);
  }

  /** The engine is told that the pilot's process has ended: no lease of it is kept any longer. */
  tellsEnd(pilot: string): void {
    const isConnected = [...this.#peers.values()].some((peer) => peer.pilot === pilot);
    if (isConnected) this.#ended.add(pilot);
    else this.#renew(pilot, 0);
  }

  // -- what the engine hears ---------------------------------------------------------------------

  hears(connection: number, message: PilotMessage): void {
    if (message.type === "hello") {
      this.#hello(connection, message);
      return;
    }
    const peer = this.#peers.get(connection);
    if (!peer) return;
    this.#renew(peer.pilot, this.#termMs);
    if (message.type === "started") this.#started(message.spans);
    if (message.type === "exchange") this.#exchange(peer, message);
    if (message.type === "bye") {
      this.#peers.delete(connection);
      this.#endAll(peer.pilot, () => true);
    }
  }

  closed(connection: number): void {
    const peer = this.#peers.get(connection);
    this.#peers.delete(connection);
    if (peer) this.#renew(peer.pilot, this.#ended.delete(peer.pilot) ? 0 : this.#graceMs);
  }

  /** The engine ended the connection by itself: deadlines stay. */
  closedByEngine(connection: number): void {
    const peer = this.#peers.get(connection);
    this.#peers.delete(connection);
    if (peer && this.#ended.delete(peer.pilot)) this.#renew(peer.pilot, 0);
  }

  #started(spans: readonly SpanBlock[]): void {
    eachRange(spans, (block, at, index) => {
      const task = this.tasks.get(block.task);
      const range = task?.seen.get(index);
      if (!task || !range) return;
      this.#settle(task, range);
      this.#stand(range, started(range.standing, block.lease[at] as number));
    });
  }

  #hello(connection: number, hello: Hello): void {
    const pilot = hello.pilotId;
    const listed = new Set<string>();
    const mustKeep = new Set<string>();
    this.#ended.delete(pilot);
    this.#renew(pilot, this.#termMs);
    eachRange(hello.held, (block, at, index) => {
      const lease = block.lease[at] as number;
      const key = `${block.task}/${index}/${lease}`;
      listed.add(key);
      const task = this.tasks.get(block.task);
      const range = task?.seen.get(index);
      if (!task || !range) return;
      this.#settle(task, range);
      const holder = holderOf(range.standing, lease);
      const isMine = holder?.sure === true && holder.pilot === pilot;
      if (isMine && !task.cancelAsked) mustKeep.add(key);
    });
    this.#endAll(pilot, (task, index, lease) => !listed.has(`${task}/${index}/${lease}`));
    for (const [other, peer] of this.#peers) if (peer.pilot === pilot) this.#peers.delete(other);
    this.#peers.set(connection, {
      pilot,
      words: new Map(),
      tasks: new Set(),
      files: new Map(),
      mustKeep,
    });
  }

  /** What its pilot does not hold any more returns, or is lost if it had started. */
  #endAll(pilot: string, ends: (task: number, index: number, lease: number) => boolean): void {
    for (const task of this.tasks.values()) {
      for (const [index, range] of task.seen) {
        for (const holder of range.standing.holders) {
          if (holder.pilot !== pilot || !ends(task.id, index, holder.lease)) continue;
          this.#settle(task, range);
          this.#stand(range, unlisted(range.standing, holder.lease, task.terms));
        }
      }
    }
  }

  #exchange(peer: Peer, message: Extract<PilotMessage, { type: "exchange" }>): void {
    if (message.reports.length === 0) return;
    const words: Word[] = [];
    for (const { spans, outcome } of message.reports) {
      for (let i = 0; i < spans.size; i++) {
        const span = {
          first: spans.first[i] as number,
          count: spans.count[i] as number,
          lease: spans.lease[i] as number,
          attempt: spans.attempt[i] as number,
        };
        words.push(this.#word(spans.task, span, outcome));
      }
    }
    const queue = peer.words.get(message.sequence);
    if (queue) queue.push(words);
    else peer.words.set(message.sequence, [words]);
  }

  #word(id: number, span: Word["span"], outcome: number): Word {
    const task = this.tasks.get(id);
    const open = new Set<number>();
    const maybe = new Set<number>();
    const asCopy = new Set<number>();
    const { first, count, lease } = span;
    for (let index = first; task && index < first + count; index++) {
      const range = task.seen.get(index);
      if (!range) continue;
      this.#settle(task, range);
      const { standing } = range;
      const holder = holderOf(standing, lease);
      if (!holder) continue;
      maybe.add(index);
      if (holder.sure) open.add(index);
      if (mayBeCopy(standing, lease)) asCopy.add(index);
      const after = ended(standing, lease, ENDS[outcome] as End, task.terms);
      // A done into a lost bundle is refused and charged as a loss.
      const charge = outcome === OUTCOME.done && this.bundlesLost ? 1 : 0;
      this.#stand(range, { ...after, losses: after.losses + charge });
    }
    const retries = task?.retries ?? 0;
    return { task, span, outcome, retries, reopenings: this.#reopenings, open, maybe, asCopy };
  }

  // -- what the engine says ----------------------------------------------------------------------

  says(connection: number, message: EngineMessage): void {
    const peer = this.#peers.get(connection);
    if (!peer) return;
    if (message.type === "welcome") {
      eachRange(message.refused, (block, at, index) => {
        const key = `${block.task}/${index}/${block.lease[at]}`;
        if (peer.mustKeep.has(key)) {
          throw new Error(`I2: ${peer.pilot} came back in time and was refused ${key}`);
        }
        const task = this.tasks.get(block.task);
        const range = task?.seen.get(index);
        if (!task || !range) return;
        const lease = block.lease[at] as number;
        // What had started and is refused all the same is another's, or has failed: nothing counts
        // under it any more. What had not is refused even while its done would still count.
        if (!holderOf(range.standing, lease)?.surely) return;
        this.#stand(range, ended(range.standing, lease, "returned", task.terms));
      });
      peer.mustKeep.clear();
      this.#grant(peer, message.grant);
    } else if (message.type === "grant") this.#grant(peer, message);
    else if (message.type === "verdicts") this.#verdicts(peer, message.sequence, message.runs);
  }

  #grant(peer: Peer, grant: GrantBody): void {
    for (const info of grant.tasks) {
      peer.tasks.add(info.task);
      const known = this.#submitted.get(info.name);
      if (!known) throw new Error(`told: task ${info.name} was granted and never submitted`);
      this.task(info.task, info.name, known.ranges, known.terms);
    }
    for (const file of grant.files) {
      const known = peer.files.get(file.task) ?? [];
      peer.files.set(file.task, known);
      known.push([file.firstRange, file.firstRange + file.ranges]);
    }
    for (const block of grant.spans) {
      if (!peer.tasks.has(block.task)) {
        throw new Error(`told: task ${block.task} was granted and never described`);
      }
      for (let i = 0; i < block.size; i++) {
        const lease = block.lease[i] as number;
        if (lease <= this.#lastLease) {
          throw new Error(`I3: lease ${lease} was issued after ${this.#lastLease}`);
        }
        this.#lastLease = lease;
      }
      const task = this.tasks.get(block.task) as OutsideTask;
      eachRange([block], (_, at, index) => this.#granted(peer, task, block, at, index));
    }
  }

  #granted(peer: Peer, task: OutsideTask, block: SpanBlock, at: number, index: number): void {
    const { nowMs } = this.#time;
    const name = `${task.id}/${index}`;
    const range = this.range(task, index);
    const files = peer.files.get(task.id) ?? [];
    const attempt = block.attempt[at] as number;
    if (!files.some(([first, end]) => index >= first && index < end)) {
      throw new Error(`told: the file of range ${name} was never described to ${peer.pilot}`);
    }
    if (task.cancelled) throw new Error(`I2: range ${name} of a cancelled task was granted`);
    if (range.done !== 0) throw new Error(`I1: range ${name} is done and was granted again`);
    if (range.fatal || range.failures >= failuresMax(task, range)) {
      throw new Error(`I1: range ${name} had failed for good and was granted again`);
    }
    if (attempt <= range.attempt) {
      throw new Error(`I4: attempt ${attempt} of ${name} is granted after ${range.attempt} ended`);
    }
    this.#settle(task, range);
    const holder: Holder = {
      lease: block.lease[at] as number,
      pilot: peer.pilot,
      atMs: nowMs,
      started: false,
      surely: false,
      sure: true,
      lapsed: false,
      late: false,
    };
    try {
      this.#stand(range, granted(range.standing, holder, this.#isPast, task.terms));
    } catch (error) {
      throw new Error(`${(error as Error).message} when ${name} was granted at ${nowMs}`);
    }
    const { holders } = range.standing;
    if (holders.length > 1) range.copies++;
    if (holders.length > 1 && holders[0]?.sure) this.copies++;
  }

  #verdicts(peer: Peer, sequence: number, runs: readonly number[]): void {
    const queue = peer.words.get(sequence);
    const words = queue?.shift();
    if (!words) throw new Error(`truth: verdicts for exchange ${sequence}, which was not asked`);
    if (queue?.length === 0) peer.words.delete(sequence);
    let run = 0;
    let left = runs[0] ?? 0;
    for (const word of words) {
      const { first, count } = word.span;
      for (let index = first; index < first + count; index++) {
        while (left === 0) {
          run += 2;
          if (run >= runs.length) throw new Error("truth: fewer verdicts than ranges reported");
          left = runs[run] as number;
        }
        left--;
        if (word.task) this.#verdict(word, word.task, index, runs[run + 1] as number);
      }
    }
    if (left > 0 || run + 2 < runs.length) throw new Error("truth: more verdicts than ranges");
  }

  #verdict(word: Word, task: OutsideTask, index: number, verdict: number): void {
    const { lease, attempt } = word.span;
    const name = `${task.id}/${index}`;
    const range = this.range(task, index);
    const refused = verdict === VERDICT.stale || verdict === VERDICT.unknown;
    if (refused && word.open.has(index) && !this.bundlesLost && !task.cancelAsked) {
      throw new Error(`truth: the word of open lease ${lease} on ${name} has verdict ${verdict}`);
    }
    const accepted = verdict === VERDICT.accepted;
    if (accepted && !word.maybe.has(index)) {
      throw new Error(`I3: a word on ${name} under ${lease} counts, which had ended`);
    }
    if (!accepted && verdict !== VERDICT.duplicate) return;
    if (word.outcome === OUTCOME.returned) return;
    if (accepted) range.attempt = Math.max(range.attempt, attempt);
    if (word.outcome === OUTCOME.done && range.reopenedAt <= word.reopenings) {
      this.#done(task, range, name, lease);
    }
    // A copy's bad end is its own: the range goes on under the first lease.
    if (!accepted || word.asCopy.has(index)) return;
    if (word.outcome === OUTCOME.fatal && word.retries === task.retries) range.fatal = true;
    if (word.outcome === OUTCOME.failed) {
      range.failures++;
      const most = failuresMax(task, range);
      if (range.failures > most) {
        throw new Error(`I4: ${range.failures} failures of ${name} counted, ${most} are allowed`);
      }
    }
  }

  #done(task: OutsideTask, range: OutsideRange, name: string, lease: number): void {
    if (range.done !== 0 && range.done !== lease) {
      throw new Error(`I3: ${name} was acknowledged under ${range.done} and again under ${lease}`);
    }
    if (task.cancelled && range.done === 0) {
      throw new Error(`I2: a done of ${name} counts after its task was cancelled`);
    }
    range.done = lease;
  }

  retryAsked(task: OutsideTask): void {
    task.retries++;
    for (const range of task.seen.values()) {
      range.fatal = false;
      this.#stand(range, unfailed(range.standing, task.terms));
    }
  }

  /** The engine undoes acknowledged dones: of these ranges, all at once. */
  reopened(task: OutsideTask, indices: readonly number[]): void {
    this.#reopenings++;
    for (const index of indices) {
      const range = this.range(task, index);
      range.done = 0;
      range.reopened++;
      range.reopenedAt = this.#reopenings;
    }
  }
}

const ENDS: Readonly<Record<number, End>> = {
  [OUTCOME.done]: "done",
  [OUTCOME.failed]: "failed",
  [OUTCOME.fatal]: "fatal",
  [OUTCOME.lost]: "lost",
  [OUTCOME.returned]: "returned",
};

/** So many accepted failures end a range, whenever they were retried. */
function failuresMax(task: OutsideTask, range: OutsideRange): number {
  return task.terms.attempts * (1 + task.retries) + range.reopened;
}

function eachRange(
  blocks: readonly SpanBlock[],
  visit: (block: SpanBlock, at: number, index: number) => void,
): void {
  for (const block of blocks) {
    for (let i = 0; i < block.size; i++) {
      const first = block.first[i] as number;
      const end = first + (block.count[i] as number);
      for (let index = first; index < end; index++) visit(block, i, index);
    }
  }
}
