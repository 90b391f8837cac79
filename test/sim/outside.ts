/**
 * The engine as its peers see it: every frame that it hears and sends passes here, and what may be
 * concluded from frames alone is held against what comes later. Knows nothing of the ledger.
 *
 *   fence      lease identities only rise, over all lives (I3)
 *   exclusive  a range is not granted while a lease on it is known to be open: ended neither by its
 *              pilot's word, nor by the pilot's silence up to its deadline (I3, I7)
 *   kept       a durable, unexpired lease is not refused to the pilot that comes back with it (I2)
 *   attempts   rise above every attempt whose end was acknowledged (I4)
 *   final      what was acknowledged as done or fatal is not granted again unless it was reopened or
 *              retried (I1); failures are bounded by the task's attempts (I4)
 *   truth      a done is accepted from the newest grant only; an open lease's word is not stale or
 *              unknown (I3)
 *   twice      a range that runs may be given to one other pilot as well; either's done counts, one
 *              of them (I3); if the first ends without one, the copy goes on in its place
 *   told       a grant's task and files are described on that connection before or with it
 *
 * A crash takes back what was not durable: what was granted after the last durable group began is
 * forgotten here too, so that only what must hold is asked for.
 */
import type {
  EngineMessage,
  GrantBody,
  Hello,
  PilotMessage,
  SpanBlock,
} from "../../src/wire/index.ts";
import { OUTCOME, VERDICT } from "../../src/wire/index.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface Terms {
  readonly attempts: number;
  readonly losses: number;
}

/** The last grant of a range as it was seen to leave. */
interface Granted {
  readonly lease: number;
  readonly pilot: string;
  readonly atMs: number;
  open: boolean;
  /** Its pilot has said so. */
  started: boolean;
  /** The other of two that run it has reported it done, or may have: its word may be stale. */
  contested: boolean;
  /** Not open as far as may be asked for, but the engine may have it still. */
  uncertain: boolean;
}

export interface OutsideRange {
  granted: Granted | null;
  /** Lease of the last grant before the task was known here, whose fate is not known; else 0. */
  readonly early: number;
  /** A second grant while the first one runs. */
  copy: Granted | null;
  /** Both leases of the newest pair. */
  twins: readonly number[];
  copies: number;
  /** Lease of the acknowledged done, 0 without one. */
  done: number;
  fatal: boolean;
  failures: number;
  /** Highest attempt whose end was acknowledged. */
  attempt: number;
  reopened: number;
}

export interface OutsideTask {
  readonly id: number;
  readonly terms: Terms;
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
  /** Ranges of the span whose lease was open when the word came. */
  readonly open: ReadonlySet<number>;
  /** Of these, ranges that were running under another lease too. */
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
  /** Newest grants of tasks whose submit is not acknowledged yet: `task/range`. */
  readonly #early = new Map<string, Granted>();
  #lastLease = 0;
  /** Second grants of running ranges that were seen. */
  copies = 0;

  constructor(time: VirtualTime, options: { leaseTermMs: number; disconnectGraceMs: number }) {
    this.#time = time;
    this.#termMs = options.leaseTermMs;
    this.#graceMs = Math.min(options.disconnectGraceMs, options.leaseTermMs);
  }

  task(id: number, ranges: number, terms: Terms): OutsideTask {
    let task = this.tasks.get(id);
    if (!task) {
      task = {
        id,
        terms,
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
      const key = `${task.id}/${index}`;
      const early = this.#early.get(key)?.lease ?? 0;
      this.#early.delete(key);
      range = {
        granted: null,
        early,
        copy: null,
        twins: [],
        copies: 0,
        done: 0,
        fatal: false,
        failures: 0,
        attempt: 0,
        reopened: 0,
      };
      task.seen.set(index, range);
    }
    return range;
  }

  /** A life ends: leases past their deadline may have expired before. */
  engineDied(): void {
    for (const [pilot, deadlineMs] of this.#deadlines) {
      if (deadlineMs <= this.#time.nowMs) this.#endAll(pilot, () => true, true);
    }
  }

  /** A new life: what was granted at or after `durableMs` may never have happened. */
  engineStarts(durableMs: number): void {
    this.#peers.clear();
    for (const pilot of this.#deadlines.keys()) {
      this.#deadlines.set(pilot, this.#time.nowMs + this.#termMs);
    }
    for (const [key, granted] of this.#early) {
      if (granted.atMs >= durableMs) this.#early.delete(key);
    }
    for (const task of this.tasks.values()) {
      for (const range of task.seen.values()) {
        if (range.copy && range.copy.atMs >= durableMs) range.copy = null;
        if (range.granted && range.granted.atMs >= durableMs) range.granted = null;
      }
    }
  }

  // -- what the engine hears ---------------------------------------------------------------------

  hears(connection: number, message: PilotMessage): void {
    if (message.type === "hello") {
      this.#hello(connection, message);
      return;
    }
    const peer = this.#peers.get(connection);
    if (!peer) return;
    this.#deadlines.set(peer.pilot, this.#time.nowMs + this.#termMs);
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
    if (peer) this.#deadlines.set(peer.pilot, this.#time.nowMs + this.#graceMs);
  }

  /** The engine ended the connection by itself: deadlines stay. */
  closedByEngine(connection: number): void {
    this.#peers.delete(connection);
  }

  #started(spans: readonly SpanBlock[]): void {
    eachRange(spans, (block, at, index) => {
      const granted = this.tasks.get(block.task)?.seen.get(index)?.granted;
      if (granted && granted.lease === block.lease[at]) granted.started = true;
    });
  }

  #hello(connection: number, hello: Hello): void {
    const pilot = hello.pilotId;
    const listed = new Set<string>();
    const mustKeep = new Set<string>();
    const { nowMs } = this.#time;
    const inTime = nowMs < (this.#deadlines.get(pilot) ?? 0);
    eachRange(hello.held, (block, at, index) => {
      const key = `${block.task}/${index}/${block.lease[at]}`;
      listed.add(key);
      const task = this.tasks.get(block.task);
      const range = task?.seen.get(index);
      const granted = grantOf(range, block.lease[at] as number);
      // Of a range with two grants, the loss of the other one may have been its last.
      const safe = granted?.open === true && !granted.contested && range?.copies === 0;
      const mine = safe && granted.pilot === pilot;
      if (mine && inTime && !task?.cancelAsked) mustKeep.add(key);
    });
    // Past its deadline it may have lost them, or not: nothing can be asked for.
    this.#endAll(
      pilot,
      (task, index, lease) => !inTime || !listed.has(`${task}/${index}/${lease}`),
      !inTime,
    );
    for (const [other, peer] of this.#peers) if (peer.pilot === pilot) this.#peers.delete(other);
    this.#deadlines.set(pilot, nowMs + this.#termMs);
    this.#peers.set(connection, {
      pilot,
      words: new Map(),
      tasks: new Set(),
      files: new Map(),
      mustKeep,
    });
  }

  #endAll(
    pilot: string,
    ends: (task: number, index: number, lease: number) => boolean,
    uncertain = false,
  ): void {
    for (const task of this.tasks.values()) {
      for (const [index, range] of task.seen) {
        for (const granted of [range.granted, range.copy]) {
          if (granted?.open && granted.pilot === pilot && ends(task.id, index, granted.lease)) {
            granted.open = false;
            granted.uncertain = uncertain;
          }
        }
        promote(range);
      }
    }
  }

  #exchange(peer: Peer, message: Extract<PilotMessage, { type: "exchange" }>): void {
    if (message.reports.length === 0) return;
    const words: Word[] = [];
    for (const { spans, outcome } of message.reports) {
      const task = this.tasks.get(spans.task);
      for (let i = 0; i < spans.size; i++) {
        const first = spans.first[i] as number;
        const count = spans.count[i] as number;
        const lease = spans.lease[i] as number;
        const open = new Set<number>();
        const asCopy = new Set<number>();
        for (let index = first; task && index < first + count; index++) {
          const range = task.seen.get(index);
          const granted = grantOf(range, lease);
          if (!range || !granted?.open) continue;
          granted.open = false;
          // What is contested may be done by the other one.
          if (!granted.contested) open.add(index);
          if (granted === range.copy) asCopy.add(index);
          const other = granted === range.copy ? range.granted : range.copy;
          if (outcome === OUTCOME.done && other?.open) {
            other.contested = true;
            range.granted = other;
            range.copy = null;
          }
          promote(range);
        }
        const span = { first, count, lease, attempt: spans.attempt[i] as number };
        words.push({ task, span, outcome, retries: task?.retries ?? 0, open, asCopy });
      }
    }
    const queue = peer.words.get(message.sequence);
    if (queue) queue.push(words);
    else peer.words.set(message.sequence, [words]);
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
      });
      peer.mustKeep.clear();
      this.#grant(peer, message.grant);
    } else if (message.type === "grant") this.#grant(peer, message);
    else if (message.type === "verdicts") this.#verdicts(peer, message.sequence, message.runs);
  }

  #grant(peer: Peer, grant: GrantBody): void {
    for (const info of grant.tasks) peer.tasks.add(info.task);
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
      // A task whose submit is not acknowledged is not known here yet.
      const task = this.tasks.get(block.task);
      eachRange([block], (_, at, index) => {
        if (task) this.#granted(peer, task, block, at, index);
        else this.#early.set(`${block.task}/${index}`, this.#grantTo(peer, block, at));
      });
    }
  }

  #grantTo({ pilot }: Peer, block: SpanBlock, at: number): Granted {
    return {
      lease: block.lease[at] as number,
      pilot,
      atMs: this.#time.nowMs,
      open: true,
      started: false,
      contested: false,
      uncertain: false,
    };
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
    if (range.fatal) throw new Error(`I1: range ${name} had failed for good and was granted again`);
    if (attempt <= range.attempt) {
      throw new Error(`I4: attempt ${attempt} of ${name} is granted after ${range.attempt} ended`);
    }
    const granted = this.#grantTo(peer, block, at);
    const { lease } = granted;
    for (const one of [range.granted, range.copy]) {
      if (one && nowMs >= (this.#deadlines.get(one.pilot) ?? 0)) one.open = false;
    }
    promote(range);
    const before = range.granted;
    if (before?.open) {
      const deadlineMs = this.#deadlines.get(before.pilot) ?? 0;
      if (before.started && before.pilot !== peer.pilot && !range.copy?.open) {
        range.copy = granted;
        range.twins = [before.lease, lease];
        range.copies++;
        this.copies++;
        return;
      }
      if (nowMs < deadlineMs && !before.contested) {
        throw new Error(
          `I7: range ${name} is granted at ${nowMs} although ${before.pilot} has it until ${deadlineMs}`,
        );
      }
    }
    range.granted = granted;
    range.copy = null;
    // The engine may still have had a lease of which nobody here can say so: then it is a copy.
    const unsure = before ? (before.uncertain && before.started ? before.lease : 0) : range.early;
    // What became of an early grant nobody here knows, whatever copies have come and gone since.
    const open = [range.early, unsure].filter((one, i, all) => one > 0 && all.indexOf(one) === i);
    range.twins = open.length > 0 ? [...open, lease] : [];
    granted.contested = unsure > 0;
    if (unsure > 0) range.copies++;
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
    const counts = verdict === VERDICT.accepted || verdict === VERDICT.duplicate;
    if (!counts) return;
    if (word.outcome === OUTCOME.returned) return;
    if (verdict === VERDICT.accepted) range.attempt = Math.max(range.attempt, attempt);
    if (word.outcome === OUTCOME.done) this.#done(task, range, name, lease);
    // A copy's bad end is its own: the range goes on under the first lease.
    if (verdict !== VERDICT.accepted || word.asCopy.has(index)) return;
    if (word.outcome === OUTCOME.fatal && word.retries === task.retries) range.fatal = true;
    if (word.outcome === OUTCOME.failed) {
      range.failures++;
      const most = task.terms.attempts * (1 + task.retries) + range.reopened;
      if (range.failures > most) {
        throw new Error(`I4: ${range.failures} failures of ${name} counted, ${most} are allowed`);
      }
    }
  }

  #done(task: OutsideTask, range: OutsideRange, name: string, lease: number): void {
    if (range.reopened > 0 && range.granted?.lease !== lease) return;
    if (range.done !== 0 && range.done !== lease) {
      throw new Error(`I3: ${name} was acknowledged under ${range.done} and again under ${lease}`);
    }
    const newest = range.granted;
    const isTwin = range.twins.includes(lease);
    if (newest && newest.lease !== lease && range.done === 0 && !isTwin) {
      throw new Error(`I3: a done of ${name} under ${lease} counts after grant ${newest.lease}`);
    }
    if (task.cancelled && range.done === 0) {
      throw new Error(`I2: a done of ${name} counts after its task was cancelled`);
    }
    range.done = lease;
  }

  retryAsked(task: OutsideTask): void {
    task.retries++;
    for (const range of task.seen.values()) range.fatal = false;
  }

  /** The engine undoes an acknowledged done. */
  reopened(task: OutsideTask, index: number): void {
    const range = this.range(task, index);
    range.done = 0;
    range.reopened++;
  }
}

/** The grant of a range that has this lease. */
function grantOf(range: OutsideRange | undefined, lease: number): Granted | null {
  if (range?.granted?.lease === lease) return range.granted;
  return range?.copy?.lease === lease ? range.copy : null;
}

/** The first of two has ended without a done: the copy is the range's grant now. */
function promote(range: OutsideRange): void {
  if (range.copy && !range.copy.open) range.copy = null;
  if (range.granted?.open || !range.copy) return;
  range.granted = range.copy;
  range.copy = null;
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
