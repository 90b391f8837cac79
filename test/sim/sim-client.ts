/**
 * The people and the merge room of a history: submits (again until acknowledged), extends, cancels,
 * retries, drains; reads the books; merges in one or two outputs and finds a damaged bundle now and
 * then. What an answer promises is told to the checkers.
 */
import type { SeededRandom } from "../../src/base/index.ts";
import type { Core } from "../../src/broker/core.ts";
import type { CommandMap, CommandName, RangeColumns } from "../../src/broker/index.ts";
import { STATE } from "../../src/ledger/index.ts";
import type { TaskFile, TaskSpec } from "../../src/task/index.ts";
import type { Checkers, Snapshot } from "./checkers.ts";
import { fileOf } from "./sim-tasks.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface SimTask {
  readonly spec: TaskSpec;
  readonly files: TaskFile[];
  /** 0 until the submit is acknowledged. */
  id: number;
  ranges: number;
  cancelled: boolean;
  /** Ranges that an extend which is not yet answered would give it. */
  extendingTo: number;
  /** The file of the newest extend. */
  extension: TaskFile | null;
  /** That came about or are under way. */
  extensions: number;
  merging: boolean;
}

export interface ClientWorld {
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  readonly checkers: Checkers;
  /** Bundle URI -> outputs in it, as `task/range/lease`. */
  readonly bundles: ReadonlyMap<string, ReadonlySet<string>>;
  core(): Core | null;
  healed(): boolean;
}

export class SimClient {
  readonly tasks: SimTask[] = [];
  /** Commands that the core was given. */
  asked = 0;
  readonly #world: ClientWorld;
  /** `task/bundle` whose reopening was acknowledged. */
  readonly #reopened = new Set<string>();

  constructor(world: ClientWorld) {
    this.#world = world;
  }

  /** Asks the engine of this life; the answer is dropped if it dies before. */
  ask<Name extends CommandName>(
    name: Name,
    ask: CommandMap[Name]["ask"],
    then: (answer: CommandMap[Name]["answer"]) => void = () => {},
    failed: (message: string) => void = () => {},
  ): void {
    const core = this.#world.core();
    if (!core) return;
    this.asked++;
    core.ask(name, ask, {
      ok: (answer) => {
        if (this.#world.core() === core) then(answer);
      },
      fail: (error) => {
        if (this.#world.core() === core) failed(error.message);
      },
    });
    core.endOfBatch();
  }

  add(task: { spec: TaskSpec; files: TaskFile[]; ranges: number }): SimTask {
    const added: SimTask = {
      ...task,
      id: 0,
      cancelled: false,
      extendingTo: 0,
      extension: null,
      extensions: 0,
      merging: false,
    };
    this.tasks.push(added);
    return added;
  }

  /** A client repeats its submit until it is acknowledged; the name makes it one task. */
  submit(task: SimTask): void {
    if (task.extensions > 0) return;
    const { outside } = this.#world.checkers;
    const { name } = task.spec;
    outside.submits(name, task.ranges, task.spec);
    const { spec, files } = task;
    const weights = weightsOf(task, 0, task.ranges);
    this.ask("submit", { spec, files, weights }, ({ task: id, existed }) => {
      if (task.id !== 0 && (!existed || task.id !== id)) {
        throw new Error(`I2: acknowledged task ${task.id} came back as ${id}`);
      }
      task.id = id;
      outside.task(id, name, task.ranges, task.spec).acknowledged = true;
    });
  }

  /** A new life of the engine: what was not answered is asked again or looked up. */
  engineStarted(): void {
    for (const task of this.tasks) {
      task.merging = false;
      this.submit(task);
      if (task.extendingTo > 0) this.#extend(task);
    }
    this.ask("mergeable", {}, (list) => {
      for (const { task } of list) this.merge(task);
    });
  }

  extendOne(): void {
    const task = this.#any();
    if (!task || task.extendingTo > 0 || task.spec.input.count !== null) return;
    const number = task.files.length + task.extensions;
    const file = fileOf(task.spec.name, 1 + this.#world.random.below(40), number);
    const more = Math.ceil(file.events / task.spec.eventsPerRange);
    task.extendingTo = task.ranges + more;
    task.extension = file;
    task.extensions++;
    this.#extend(task);
  }

  /** Repeated where the answer was lost, with the engine or on its way: it must not count twice. */
  #extend(task: SimTask): void {
    const files = [task.extension as TaskFile];
    const weights = weightsOf(task, task.ranges, task.extendingTo);
    const ended = (total: number) => {
      if (total === task.extendingTo) {
        this.#extended(task);
      } else if (total === task.ranges) {
        task.extendingTo = 0;
        task.extensions--;
      } else {
        throw new Error(`I2: task ${task.id} has ${total} ranges after an extend`);
      }
    };
    this.ask(
      "extend",
      { task: task.id, files, again: false, weights },
      ({ ranges }) => {
        if (this.#world.random.chance(0.5)) this.#extend(task);
        else ended(ranges);
      },
      // Refused: it is no longer open, or it has the file already.
      () => this.ask("show", { task: task.id }, ({ ranges }) => ended(ranges.total)),
    );
  }

  #extended(task: SimTask): void {
    task.ranges = task.extendingTo;
    task.extendingTo = 0;
    const known = this.#world.checkers.outside.tasks.get(task.id);
    if (known) known.ranges = task.ranges;
  }

  cancelOne(): void {
    const task = this.#any();
    const known = task && this.#world.checkers.outside.tasks.get(task.id);
    if (!task || !known) return;
    known.cancelAsked = true;
    this.ask("cancel", { task: task.id }, () => {
      task.cancelled = true;
      known.cancelled = true;
    });
  }

  retryOne(): void {
    const task = this.#any();
    const known = task && this.#world.checkers.outside.tasks.get(task.id);
    if (!task || !known || task.cancelled) return;
    this.#world.checkers.outside.retryAsked(known);
    this.ask("retry", { task: task.id });
  }

  drainOne(): void {
    this.ask("pilots", {}, (pilots) => {
      const pilot = pilots[this.#world.random.below(Math.max(1, pilots.length))];
      if (pilot) this.ask("drainPilot", { pilot: pilot.number, reason: "simulated" });
    });
  }

  tellEnd(pilotId: string): void {
    if (this.#world.core() === null) return;
    this.#world.checkers.outside.tellsEnd(pilotId);
    this.ask("pilotsEnded", { prefix: pilotId });
  }

  #any(): SimTask | null {
    const task = this.tasks[this.#world.random.below(this.tasks.length)];
    return task && task.id !== 0 ? task : null;
  }

  hasEnded(task: number): boolean {
    let state = "";
    this.ask("show", { task }, (view) => {
      state = view.state;
    });
    return state === "done" || state === "failed" || state === "cancelled";
  }

  columns(task: number, core: Core | null = this.#world.core()): RangeColumns | null {
    let columns: RangeColumns | null = null;
    core?.ask(
      "ranges",
      { task, from: 0, runsMax: 100_000 },
      {
        ok: (answer) => {
          columns = answer;
        },
        fail: () => {},
      },
    );
    return columns;
  }

  snapshot(core: Core | null = this.#world.core()): Snapshot {
    const books: Snapshot = new Map();
    for (let id = 1; id <= this.tasks.length; id++) {
      const columns = this.columns(id, core);
      if (columns) books.set(id, columns);
    }
    return books;
  }

  // -- the merge room in short -------------------------------------------------------------------

  merge(id: number): void {
    const task = this.tasks.find((known) => known.id === id);
    const core = this.#world.core();
    if (!task || task.merging || !core) return;
    task.merging = true;
    const { random, time } = this.#world;
    time.after(50 * random.nextUnit(), () => {
      // The merge room dies with its engine.
      if (this.#world.core() !== core) return;
      task.merging = false;
      this.#mergeNow(task);
    });
  }

  /** Damage is found by chance; otherwise the outputs are checked one by one. */
  #mergeNow(task: SimTask): void {
    const { random, checkers, bundles: outputs } = this.#world;
    const columns = this.columns(task.id);
    if (!columns || this.hasEnded(task.id) || !isFinal(columns)) return;
    const bundles = [...new Set(columns.bundle)].filter((bundle) => bundle !== 0);
    const damage = !this.#world.healed() && bundles.length > 0 && random.chance(0.2);
    // A bundle that another task gave up is found lost here too, once.
    const lost = damage
      ? bundles[random.below(bundles.length)]
      : bundles.find((bundle) => this.#isLost(bundle));
    if (lost !== undefined) {
      const again = `${task.id}/${lost}`;
      if (this.#reopened.has(again))
        throw new Error(`I3: a merge finds lost bundle ${again} again`);
      checkers.bundleReopened(task.id, lost, columns);
      const why = "simulated damage";
      this.ask("reopenBundle", { task: task.id, bundle: lost, why }, ({ ranges }) => {
        this.#reopened.add(again);
        if (ranges === 0) this.merge(task.id);
      });
      return;
    }
    checkers.outputsExist(task.id, columns, (id) => this.#uriOf(id), outputs);
    if (task.ranges > 1 && random.chance(0.4) && this.#recordHalf(task)) return;
    this.ask("finish", { task: task.id, manifest: "m", problem: "" });
  }

  /** One of two outputs is renamed and recorded; the other one follows. */
  #recordHalf(task: SimTask): boolean {
    const half = Math.floor(task.ranges / 2);
    let recorded = true;
    this.ask("show", { task: task.id }, (view) => {
      recorded = view.files.length > 0;
    });
    if (recorded) return false;
    const output = { path: "/half", bytes: 1, sha256: "", firstRange: 0, ranges: half };
    const again = () => this.merge(task.id);
    this.ask("merged", { task: task.id, output, mergedBelow: half }, again, again);
    return true;
  }

  #isLost(bundle: number): boolean {
    let lost = false;
    this.ask("bundles", { ids: [bundle] }, (rows) => {
      lost = rows[0]?.state === "lost";
    });
    return lost;
  }

  #uriOf(bundle: number): string {
    let uri = "";
    this.ask("bundles", { ids: [bundle] }, (rows) => {
      uri = rows[0]?.uri ?? "";
    });
    return uri;
  }
}

/** Weights of ranges from .. end-1, the same whenever they are asked for; null if it has none. */
function weightsOf({ spec }: SimTask, from: number, end: number): Float32Array | null {
  if (spec.cost.weights === null) return null;
  return Float32Array.from({ length: end - from }, (_, i) => 1 + (((from + i) * 7919) % 97) / 10);
}

/** A retry or another damage may have opened ranges again before the merge began. */
function isFinal(columns: RangeColumns): boolean {
  return columns.state.every((state) => state >= STATE.done);
}
