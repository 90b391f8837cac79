/**
 * The promises, checked from outside the engine: what pilots and clients were told, held against
 * what the engine shows later.
 *
 *   I1  every range of an ended task is done once or listed as failed; counts add up
 *   I2  what was acknowledged is there after any crash
 *   I3  an acknowledged done stays with its lease; its output is in the bundle that the books name
 *   I4  starts of a range never go down
 *   I5  after healing everything ends (history.ts)
 *   I6  counts add up at every look; the ledger's own check runs at every tick
 *   I7  wall-clock jumps change nothing (history.ts makes them; early expiries would break I3, I5)
 *   I9  recovering twice gives the same state
 *   I10 the hash over all frames and journal bytes is a function of the seed
 */
import { createHash, type Hash } from "node:crypto";
import type { RangeColumns, TaskView } from "../../src/broker/index.ts";
import type { TaskSpec } from "../../src/task/index.ts";
import type { VirtualTime } from "./virtual-time.ts";

const DONE = 3;
const FAILED = 4;
const MERGED = 5;

interface KnownTask {
  readonly ranges: number;
  readonly spec: TaskSpec;
  cancelled: boolean;
}

export class Checkers {
  readonly #acknowledged = new Map<string, number>();
  readonly #attempts = new Map<string, number>();
  readonly #tasks = new Map<number, KnownTask>();
  readonly #hash: Hash = createHash("sha256");
  readonly #time: VirtualTime;

  constructor(time: VirtualTime, _options: { leaseTermMs: number }) {
    this.#time = time;
  }

  hash(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  digest(): string {
    return this.#hash.update(String(this.#time.nowMs)).digest("hex").slice(0, 16);
  }

  taskKnown(id: number, ranges: number, spec: TaskSpec): void {
    if (!this.#tasks.has(id)) this.#tasks.set(id, { ranges, spec, cancelled: false });
  }

  cancelled(id: number): void {
    const task = this.#tasks.get(id);
    if (task) task.cancelled = true;
  }

  /** A pilot was told that its done counts. */
  acknowledged(task: number, range: number, lease: number): void {
    const key = `${task}/${range}`;
    const known = this.#acknowledged.get(key);
    if (known !== undefined && known !== lease) {
      throw new Error(
        `I3: range ${key} was acknowledged under lease ${known} and again under ${lease}`,
      );
    }
    this.#acknowledged.set(key, lease);
  }

  /** The engine itself undoes these: their acknowledgement ends. */
  bundleReopened(task: number, bundle: number, columns: RangeColumns): void {
    for (let i = 0; i < columns.first.length; i++) {
      if (columns.bundle[i] !== bundle || columns.state[i] !== DONE) continue;
      const first = columns.first[i] as number;
      for (let k = 0; k < (columns.count[i] as number); k++) {
        this.#acknowledged.delete(`${task}/${first + k}`);
      }
    }
  }

  afterRecovery(
    rangeAt: (
      task: number,
      range: number,
    ) => {
      state: number;
      lease: number;
      attempts: number;
    } | null,
  ): void {
    for (const [key, lease] of this.#acknowledged) {
      const [task, range] = key.split("/").map(Number) as [number, number];
      const now = rangeAt(task, range);
      if (!now) throw new Error(`I2: task ${task} with acknowledged ranges is gone`);
      if (now.state !== DONE && now.state !== MERGED) {
        throw new Error(`I2: acknowledged done of ${key} is state ${now.state} after recovery`);
      }
      if (now.lease !== lease) {
        throw new Error(
          `I3: ${key} was acknowledged under ${lease} and is ${now.lease} after recovery`,
        );
      }
      const before = this.#attempts.get(key) ?? 0;
      if (now.attempts < before)
        throw new Error(`I4: starts of ${key} fell from ${before} to ${now.attempts}`);
      this.#attempts.set(key, now.attempts);
    }
  }

  sameRecovery(recoverBeside: () => (task: number) => string): void {
    if (this.#tasks.size === 0) return;
    const difference = recoverBeside();
    for (const task of this.#tasks.keys()) {
      const text = difference(task);
      if (text !== "")
        throw new Error(`I9: two recoveries differ in task ${task}: ${text.slice(0, 300)}`);
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
      if (state !== DONE)
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
    const known = this.#tasks.get(task);
    if (known && next !== known.ranges) {
      throw new Error(`I1: task ${task} shows ${next} of ${known.ranges} ranges`);
    }
  }

  ended(task: number, view: TaskView): void {
    const known = this.#tasks.get(task);
    if (!known) return;
    const { ready, leased, done, failed, cancelled, total } = view.ranges;
    if (ready + leased + done + failed + cancelled !== total || total !== known.ranges) {
      throw new Error(`I6: counts of task ${task} don't add up: ${JSON.stringify(view.ranges)}`);
    }
    if (known.cancelled && view.state !== "cancelled") {
      throw new Error(
        `I2: task ${task} was cancelled with an acknowledgement and is ${view.state}`,
      );
    }
    if (!known.cancelled && (ready !== 0 || leased !== 0) && view.state !== "cancelled") {
      throw new Error(`I5: task ${task} has ${ready} ready and ${leased} leased ranges at its end`);
    }
  }
}
