/**
 * The promises, checked from outside the engine: what pilots and clients were told (outside.ts),
 * held against what the engine's books show.
 *
 *   I1  every range of an ended task is done once or listed as failed; counts add up
 *   I2  a recovered state is, range by range, the one at the last group that became durable
 *       (some histories), and holds every acknowledged word (all of them)
 *   I3  an acknowledged done stays with its lease; its output is in the bundle that the books name
 *   I4  starts of a range never go down, and are bounded by the task's attempts and losses
 *   I5  after healing everything ends (history.ts)
 *   I6  counts add up at every look; the ledger's own check runs at every few ticks
 *   I7  no lease ends before its term (outside.ts), wherever the wall clock jumps (history.ts)
 *   I9  recovering twice gives the same state
 *   I10 the hash over all frames and journal bytes is a function of the seed
 *   I11 no slot idles beside a range that it may run (idle-watch.ts)
 */
import { createHash, type Hash } from "node:crypto";
import type { RangeColumns, TaskView } from "../../src/broker/index.ts";
import { Outside, type OutsideTask } from "./outside.ts";
import type { VirtualTime } from "./virtual-time.ts";

const HELD = 1;
const RUNNING = 2;
const DONE = 3;
const FAILED = 4;
const MERGED = 5;

/** The books of one moment: columns of every task. */
export type Snapshot = Map<number, RangeColumns>;

export class Checkers {
  readonly outside: Outside;
  readonly #starts = new Map<number, Uint8Array>();
  readonly #hash: Hash = createHash("sha256");
  /** Bytes on their way into the hash: many small updates cost more than the hashing. */
  readonly #held = new Uint8Array(64 * 1024);
  #heldBytes = 0;
  readonly #time: VirtualTime;

  constructor(time: VirtualTime, options: { leaseTermMs: number; disconnectGraceMs: number }) {
    this.#time = time;
    this.outside = new Outside(time, options);
  }

  hash(bytes: Uint8Array): void {
    if (this.#heldBytes + bytes.length > this.#held.length) this.#flush();
    if (bytes.length > this.#held.length) this.#hash.update(bytes);
    else {
      this.#held.set(bytes, this.#heldBytes);
      this.#heldBytes += bytes.length;
    }
  }

  #flush(): void {
    this.#hash.update(this.#held.subarray(0, this.#heldBytes));
    this.#heldBytes = 0;
  }

  digest(): string {
    this.#flush();
    return this.#hash.update(String(this.#time.nowMs)).digest("hex").slice(0, 16);
  }

  /** The engine itself undoes these: their acknowledgement ends. */
  bundleReopened(id: number, bundle: number, columns: RangeColumns): void {
    const task = this.outside.tasks.get(id);
    if (!task) return;
    this.outside.bundlesLost = true;
    const reopened: number[] = [];
    for (let i = 0; i < columns.first.length; i++) {
      const state = columns.state[i];
      if (columns.bundle[i] !== bundle || (state !== DONE && state !== MERGED)) continue;
      const first = columns.first[i] as number;
      for (let k = 0; k < (columns.count[i] as number); k++) reopened.push(first + k);
    }
    this.outside.reopened(task, reopened);
  }

  /** `columnsOf` gives null for a task that the engine does not know. */
  afterRecovery(columnsOf: (task: number) => RangeColumns | null): void {
    for (const task of this.outside.tasks.values()) {
      if (!task.acknowledged) continue;
      const columns = columnsOf(task.id);
      if (!columns) throw new Error(`I2: acknowledged task ${task.id} is gone`);
      this.#recovered(task, columns);
    }
  }

  #recovered(task: OutsideTask, columns: RangeColumns): void {
    let starts = this.#starts.get(task.id) ?? new Uint8Array(0);
    if (starts.length < task.ranges) {
      const longer = new Uint8Array(task.ranges);
      longer.set(starts);
      starts = longer;
      this.#starts.set(task.id, starts);
    }
    let next = 0;
    for (let i = 0; i < columns.first.length; i++) {
      const state = columns.state[i] as number;
      const lease = columns.lease[i] as number;
      const attempts = columns.attempts[i] as number;
      const end = (columns.first[i] as number) + (columns.count[i] as number);
      for (; next < end; next++) {
        const range = task.seen.get(next);
        const name = `${task.id}/${next}`;
        if (!range) continue;
        if (range.done !== 0) {
          if (state !== DONE && state !== MERGED) {
            throw new Error(`I2: acknowledged done of ${name} is state ${state} after recovery`);
          }
          if (lease !== range.done) {
            throw new Error(`I3: ${name} was acknowledged under ${range.done} and is ${lease} now`);
          }
        }
        const holder = this.outside.surely(task, range);
        if (holder && (lease !== holder.lease || state !== (holder.started ? RUNNING : HELD))) {
          throw new Error(
            `I2: ${name} is ${state} under ${lease} after recovery, ${holder.pilot} has ${holder.lease}`,
          );
        }
        const least = Math.max(starts[next] as number, range.attempt);
        if (attempts < least) {
          throw new Error(`I4: ${name} has ${attempts} starts and had ${least}`);
        }
        if (range.done !== 0 || range.fatal) starts[next] = attempts;
      }
    }
    if (next < task.ranges) {
      throw new Error(`I2: task ${task.id} has ${next} of ${task.ranges} acknowledged ranges`);
    }
  }

  /** Two views of the same books, range by range. */
  sameBooks(what: string, one: RangeColumns, other: RangeColumns): void {
    const names = ["first", "count", "state", "attempts", "failures", "losses", "lease"] as const;
    for (const name of [...names, "bundle", "reason"] as const) {
      const a = one[name];
      const b = other[name];
      let same = a.length === b.length;
      for (let i = 0; same && i < a.length; i++) same = a[i] === b[i];
      if (!same) throw new Error(`${what}: ${name} of task ${one.task} is ${a} / ${b}`);
    }
  }

  /** What the merge would read: every done range's output, under its fence, in its bundle. */
  outputsExist(
    task: number,
    columns: RangeColumns,
    uriOf: (bundle: number) => string,
    bundles: ReadonlyMap<string, ReadonlySet<string>>,
  ): void {
    let next = 0;
    for (let i = 0; i < columns.first.length; i++) {
      const first = columns.first[i] as number;
      const count = columns.count[i] as number;
      if (first !== next) throw new Error(`I1: runs of task ${task} leave a gap at ${next}`);
      next = first + count;
      const state = columns.state[i] as number;
      if (state === FAILED) continue;
      if (state !== DONE && state !== MERGED)
        throw new Error(`I1: range ${first} of task ${task} is merged in state ${state}`);
      const outputs = bundles.get(uriOf(columns.bundle[i] as number));
      for (let k = 0; k < count; k++) {
        if (!outputs?.has(`${task}/${first + k}/${columns.lease[i]}`)) {
          throw new Error(
            `I3: no output of range ${first + k} of task ${task} under its accepted lease`,
          );
        }
      }
    }
    const known = this.outside.tasks.get(task);
    if (known && next < known.ranges) {
      throw new Error(`I1: task ${task} shows ${next} of ${known.ranges} ranges`);
    }
  }

  /** Every start ended as a failure, a loss or a done; each of these has its limit. */
  startsBounded(columns: RangeColumns): void {
    const task = this.outside.tasks.get(columns.task);
    if (!task) return;
    const cycle = task.terms.attempts + task.terms.losses;
    for (let i = 0; i < columns.first.length; i++) {
      const first = columns.first[i] as number;
      /** Starts beyond failures and losses: done again, or run twice at once. */
      let reopened = 0;
      for (let k = 0; k < (columns.count[i] as number); k++) {
        const range = task.seen.get(first + k);
        reopened = Math.max(reopened, (range?.reopened ?? 0) + (range?.copies ?? 0));
      }
      const most = cycle * (1 + task.retries) + reopened;
      if ((columns.attempts[i] as number) > most) {
        throw new Error(
          `I4: range ${task.id}/${first} started ${columns.attempts[i]} times, at most ${most}`,
        );
      }
    }
  }

  ended(id: number, view: TaskView): void {
    const task = this.outside.tasks.get(id);
    if (!task) return;
    const { ready, leased, done, failed, cancelled, total } = view.ranges;
    if (ready + leased + done + failed + cancelled !== total || total !== task.ranges) {
      throw new Error(`I6: counts of task ${id} don't add up: ${JSON.stringify(view.ranges)}`);
    }
    if (task.cancelled && view.state !== "cancelled") {
      throw new Error(`I2: task ${id} was cancelled with an acknowledgement and is ${view.state}`);
    }
    if (!task.cancelled && (ready !== 0 || leased !== 0) && view.state !== "cancelled") {
      throw new Error(`I5: task ${id} has ${ready} ready and ${leased} leased ranges at its end`);
    }
  }
}
