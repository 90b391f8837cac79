/**
 * Allocated cores are never idle because of us: no pilot has a free slot and an unmet want for long
 * while a range that it may run is ready, or is queued at another. Random tasks (owners,
 * priorities, cores, weights, few losses) and random pilots (keys, sizes, sudden ends) through the
 * production core; in rough histories also engines that are killed, connections that break, pilots
 * that freeze, walls, drains, cancels and retries.
 */
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../src/base/index.ts";
import { countTask } from "../sim/sim-tasks.ts";
import { BenchPilot } from "./bench-pilot.ts";
import { CoreBench } from "./core-bench.ts";

const STEP_MS = 500;
/** Everybody who wants is asked again once a second. */
const IDLE_MS_MAX = 2_000;
/** Who gave back what was asked for is asked again a second later; who did not, after five. */
const QUEUED_MS_MAX = 7_000;
const OWNERS = ["a", "b", "c"];
/** Far more time than any range of the task can take: no wall is a reason to leave a slot idle. */
const WALL_MEANS = 8;
/** The last ones found something once. */
const SEEDS = [...Array.from({ length: 60 }, (_, i) => i + 1), 84, 149, 674, 1656, 2033];
const ROUGH_SEEDS = [...Array.from({ length: 100 }, (_, i) => i + 1), 1187];

interface Task {
  readonly id: number;
  readonly owner: string;
  readonly cores: number;
  readonly losses: number;
}

class World {
  readonly #bench = new CoreBench();
  readonly #seed: number;
  readonly #random: SeededRandom;
  /** Null in calm histories. */
  readonly #faults: SeededRandom | null;
  readonly #tasks: Task[] = [];
  readonly #seconds = new Map<number, number>();
  readonly #pilots: BenchPilot[] = [];
  /** Milliseconds with slots free while something that it may run is ready; is queued elsewhere. */
  readonly #idleMs = new Map<BenchPilot, number>();
  readonly #starvesMs = new Map<BenchPilot, number>();
  /** Since when each was neither frozen nor away. */
  readonly #awakeMs = new Map<BenchPilot, number>();
  #connections = 0;
  #named = 0;

  constructor(seed: number, isRough: boolean) {
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
    this.#faults = isRough ? new SeededRandom(seed + 0xfa17) : null;
  }

  /** One history; the words say who idled, "" if nobody did. */
  run(steps: number): string {
    const random = this.#random;
    for (let i = 0; i < 3; i++) this.#submit();
    for (let step = 0; step < steps; step++) {
      if (random.chance(0.05)) this.#submit();
      if (this.#pilots.length < 6 && random.chance(0.2)) this.#addPilot();
      if (this.#pilots.length > 0 && random.chance(0.02)) {
        this.#end(random.below(this.#pilots.length));
      }
      if (this.#faults !== null) this.#faultsOf(this.#faults);
      for (const pilot of this.#pilots) {
        if (pilot.frozen > 0) pilot.frozen--;
        else pilot.step();
      }
      this.#bench.pass(STEP_MS);
      this.#return();
      const words = this.#check();
      if (words !== "") return `seed ${this.#seed}, step ${step}: ${words}`;
    }
    this.#bench.core.check();
    return this.#bench.failure;
  }

  #submit(): void {
    const random = this.#random;
    const owner = OWNERS[random.below(OWNERS.length)] as string;
    const cores = random.chance(0.3) ? 1 + random.below(10) : 1;
    // In rough histories many pilots are lost, which is not what brings a range to its last chance.
    const losses = random.chance(0.3) ? 2 : this.#faults === null ? 5 : 99;
    const ranges = 1 + random.below(random.chance(0.3) ? 400 : 30);
    const priority = random.below(3);
    const terms = { attempts: 3, losses, priority, owner };
    const { spec, files } = countTask(`t${this.#tasks.length}`, ranges, terms);
    const payload = { ...spec.payload, cores };
    const weights = random.chance(0.2)
      ? { weights: Float32Array.from({ length: ranges }, () => 1 + random.nextUnit()) }
      : {};
    const cost = { ...spec.cost, weights: "weights" in weights ? "weights.txt" : null };
    const ask = { spec: { ...spec, payload, cost }, files, ...weights };
    const result = this.#bench.ask("submit", ask);
    this.#bench.pass(200);
    const { answer } = result;
    if (!answer) throw new Error(result.error);
    this.#tasks.push({ id: answer.task, owner, cores, losses });
    this.#seconds.set(answer.task, 0.5 + 20 * random.nextUnit());
  }

  #secondsOf(task: number): number {
    return this.#seconds.get(task) ?? 1;
  }

  #addPilot(): void {
    const random = this.#random;
    const connection = ++this.#connections;
    const owner = random.chance(0.5) ? "" : (OWNERS[random.below(OWNERS.length)] as string);
    const slots = 1 + random.below(8);
    const depth = random.chance(0.5) ? 2 : 10;
    const faults = this.#faults;
    const wallMs = faults?.chance(0.4)
      ? this.#bench.time.nowMs + 10_000 + 200_000 * faults.nextUnit()
      : Number.POSITIVE_INFINITY;
    const world = {
      bench: this.#bench,
      random,
      secondsOf: (task: number) => this.#secondsOf(task),
    };
    const terms = { owner, slots, depth, wallMs };
    this.#pilots.push(new BenchPilot(world, `pilot-${++this.#named}`, connection, terms));
  }

  #end(at: number): void {
    const [gone] = this.#pilots.splice(at, 1) as [BenchPilot];
    this.#bench.core.closed(gone.connection);
    this.#bench.core.endOfBatch();
    if (!this.#faults?.chance(0.5)) return;
    this.#bench.ask("allocationEnded", { queue: "q", allocation: gone.name });
  }

  #faultsOf(faults: SeededRandom): void {
    const bench = this.#bench;
    const pilot = this.#pilots[faults.below(Math.max(1, this.#pilots.length))];
    const task = this.#tasks[faults.below(this.#tasks.length)] as Task;
    if (faults.chance(0.02)) this.#crash();
    if (faults.chance(0.03) && pilot) pilot.frozen = 1 + faults.below(12);
    if (faults.chance(0.03) && pilot) {
      bench.core.closed(pilot.connection);
      bench.core.endOfBatch();
      this.#reconnect(pilot);
    }
    if (faults.chance(0.01) && pilot) {
      const rows = bench.ask("pilots", {}).answer ?? [];
      const row = rows.find(({ pilotId }) => pilotId === pilot.name);
      if (row) bench.ask("drainPilot", { pilot: row.number, reason: "its node is needed" });
    }
    if (faults.chance(0.01)) bench.ask("cancel", { task: task.id });
    if (faults.chance(0.03)) bench.ask("retry", { task: task.id });
  }

  #crash(): void {
    this.#bench.crash();
    this.#bench.closed.push(...this.#pilots.map(({ connection }) => connection));
    for (const pilot of this.#pilots) if (pilot.frozen === 0) this.#reconnect(pilot);
    this.#idleMs.clear();
    this.#starvesMs.clear();
  }

  #reconnect(pilot: BenchPilot): void {
    pilot.connect(++this.#connections);
    this.#awakeMs.set(pilot, this.#bench.time.nowMs);
  }

  /** Who was cut off comes back, who reached its wall or has drained is gone. */
  #return(): void {
    const { time, closed } = this.#bench;
    for (const pilot of [...this.#pilots]) {
      const isOver = pilot.terms.wallMs <= time.nowMs || (pilot.draining && pilot.isEmpty);
      if (isOver) this.#end(this.#pilots.indexOf(pilot));
      else if (pilot.frozen > 0) this.#awakeMs.set(pilot, time.nowMs);
      else if (closed.includes(pilot.connection)) this.#reconnect(pilot);
    }
  }

  #check(): string {
    const ready = this.#readyTasks();
    for (const pilot of this.#pilots) {
      if (pilot.frozen > 0 || pilot.draining) {
        this.#idleMs.delete(pilot);
        this.#starvesMs.delete(pilot);
        continue;
      }
      const { hasUnread } = pilot;
      const feeds = pilot.free > pilot.queued.length ? this.#feedsFor(pilot, ready) : [];
      const idles = feeds.length > 0 && !hasUnread;
      if (this.#lasts(this.#idleMs, pilot, idles) > IDLE_MS_MAX) {
        const why = this.#bench.ask("explainPilot", { pilot: pilot.name }).answer?.lines;
        return `${feeds.map(({ id }) => id)}; ${why?.join("; ")}`;
      }
      const waits = pilot.free > 0 && pilot.queued.length === 0 && !idles && !hasUnread;
      const elsewhere = waits ? this.#queuedFor(pilot) : undefined;
      if (this.#lasts(this.#starvesMs, pilot, elsewhere !== undefined) > QUEUED_MS_MAX) {
        return `${elsewhere?.name} queues what ${pilot.name} could run`;
      }
    }
    return "";
  }

  #lasts(since: Map<BenchPilot, number>, pilot: BenchPilot, isSo: boolean): number {
    const ms = isSo ? (since.get(pilot) ?? 0) + STEP_MS : 0;
    since.set(pilot, ms);
    return ms;
  }

  #readyTasks(): Task[] {
    const rows = this.#bench.ask("list", {}).answer ?? [];
    const ready = new Set(rows.filter(({ ranges }) => ranges.ready > 0).map(({ id }) => id));
    return this.#tasks.filter(({ id }) => ready.has(id));
  }

  #mayRun(pilot: BenchPilot, { id, owner, cores }: Task): boolean {
    if (pilot.terms.owner !== "" && pilot.terms.owner !== owner) return false;
    const { secondsLeft } = pilot;
    const ends = secondsLeft < 0 || secondsLeft > WALL_MEANS * this.#secondsOf(id);
    return ends && cores <= pilot.terms.slots;
  }

  /** Of tasks that bear one lost pilot only, a pilot may hold one range at its last chance. */
  #feedsFor(pilot: BenchPilot, ready: readonly Task[]): Task[] {
    if (pilot.streak > 0) return [];
    const holdsFrail = pilot.running.length > 0 || pilot.queued.length > 0;
    return ready.filter((task) => this.#mayRun(pilot, task) && (task.losses > 2 || !holdsFrail));
  }

  /** Another pilot with several ranges that wait there for long and that this one could run. */
  #queuedFor(pilot: BenchPilot): BenchPilot | undefined {
    if (pilot.streak > 0) return undefined;
    const { nowMs } = this.#bench.time;
    return this.#pilots.find((other) => {
      const long = other.queued.filter(({ task, grantedMs }) => {
        const of = this.#tasks.find(({ id }) => id === task) as Task;
        return this.#mayRun(pilot, of) && nowMs - grantedMs > QUEUED_MS_MAX;
      });
      const isThere = nowMs - (this.#awakeMs.get(other) ?? 0) > QUEUED_MS_MAX;
      return other !== pilot && long.length > 1 && isThere;
    });
  }
}

function idleIn(seeds: readonly number[], isRough: boolean): string[] {
  return seeds.map((seed) => new World(seed, isRough).run(150)).filter((words) => words !== "");
}

describe("slots that are free while something is ready", () => {
  it("are filled within two seconds, and soon with what is queued at others, whatever there is", () => {
    expect(idleIn(SEEDS, false)).toEqual([]);
  });

  it("also where engines die, pilots freeze or have walls, and tasks are cancelled", () => {
    expect(idleIn(ROUGH_SEEDS, true)).toEqual([]);
  });
});
