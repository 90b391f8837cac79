/**
 * One history: an engine (production core, ledger, shaper, codec), a few pilots and a client live
 * through faults for a while (safety phase), then faults stop (heal) and everything must come to
 * its end within a bound (liveness phase). A seed decides everything; the same seed gives the same
 * history, bit by bit.
 *
 * Checked all along: see checkers.ts. A violation is thrown as an Error whose message names the
 * invariant; the caller adds the line that replays the seed.
 */
import { SeededRandom } from "../../src/base/index.ts";
import {
  type CommandMap,
  type CommandName,
  Core,
  type EngineEvent,
} from "../../src/broker/index.ts";
import type { FileRow } from "../../src/store/index.ts";
import type { TaskFile, TaskSpec } from "../../src/task/index.ts";
import { OUTCOME, type Outcome } from "../../src/wire/index.ts";
import { Checkers } from "./checkers.ts";
import { Disk, MemoryStore } from "./memory-store.ts";
import { CALM, SimNetwork } from "./sim-network.ts";
import { SimPilot } from "./sim-pilot.ts";
import { countTask } from "./sim-tasks.ts";
import { VirtualTime } from "./virtual-time.ts";

const CORE_OPTIONS = { leaseTermMs: 3_000, heartbeatMs: 500, disconnectGraceMs: 1_000 };
const TICK_MS = 100;
/** The ledger's own check walks every range. */
const CHECK_EVERY_TICKS = 5;
/** Faults act for so long, then everything heals. */
const CHAOS_MS = 20_000;
/** Time for leases to expire, pilots to return and merges to end, on top of the work itself. */
const SETTLE_MS = 60_000;
/** Starts a range may still need: no bad end after healing costs more than attempts and losses. */
const STARTS_LEFT_MAX = 8;

export interface HistoryResult {
  readonly seed: number;
  readonly hash: string;
  readonly events: number;
  readonly groups: number;
  readonly crashes: number;
  readonly ranges: number;
  readonly virtualMs: number;
}

interface SimTask {
  readonly spec: TaskSpec;
  readonly files: TaskFile[];
  /** 0 until the submit is acknowledged. */
  id: number;
  cancelled: boolean;
}

interface Profile {
  readonly pilots: number;
  readonly slots: number;
  readonly tasks: number;
  readonly rangesMax: number;
  readonly engineCrashes: number;
  readonly worseThanTcp: boolean;
  readonly meanSeconds: number;
}

export class History {
  readonly seed: number;
  readonly time = new VirtualTime();
  readonly network: SimNetwork;
  readonly checkers: Checkers;
  readonly #random: SeededRandom;
  readonly #fates: SeededRandom;
  readonly #profile: Profile;
  readonly #disk = new Disk();
  #store: MemoryStore | null = null;
  #core: Core | null = null;
  readonly #pilots: SimPilot[] = [];
  readonly #tasks: SimTask[] = [];
  /** Ranges that kill their pilot at each start: `task/range`. */
  readonly #killers = new Set<string>();
  /** Bundle URI -> outputs in it, as `task/range/lease`. */
  readonly bundles = new Map<string, Set<string>>();
  #events = 0;
  #crashes = 0;
  #healed = false;
  #merging = new Set<number>();

  constructor(seed: number) {
    this.seed = seed;
    this.#random = new SeededRandom(seed);
    this.#fates = new SeededRandom(seed + 0x5eed);
    this.#profile = profileOf(this.#random);
    this.network = new SimNetwork(this.time, new SeededRandom(seed + 1));
    this.checkers = new Checkers(this.time, CORE_OPTIONS);
    this.network.onEngineFrame = (frame) => this.checkers.hash(frame);
  }

  run(): HistoryResult {
    this.#startEngine();
    for (let i = 0; i < this.#profile.tasks; i++) this.#addTask(i);
    for (let i = 0; i < this.#profile.pilots; i++) this.#addPilot(i);
    this.#planFaults();
    this.#untilMs(this.time.nowMs + CHAOS_MS, () => false);
    this.#heal();
    this.#untilMs(this.time.nowMs + this.#livenessMs(), () =>
      this.#tasks.every(({ id }) => id > 0 && this.#hasEnded(id)),
    );
    this.#checkEnd();
    return {
      seed: this.seed,
      hash: this.checkers.digest(),
      events: this.#events,
      groups: this.#disk.groups,
      crashes: this.#crashes,
      ranges: this.#tasks.reduce((sum, { files }) => sum + (files[0] as TaskFile).events, 0),
      virtualMs: this.time.nowMs,
    };
  }

  /** I5's bound: all ranges again and again through a single slot, and time to settle. */
  #livenessMs(): number {
    const ranges = this.#tasks.reduce((sum, { files }) => sum + (files[0] as TaskFile).events, 0);
    return SETTLE_MS + ranges * STARTS_LEFT_MAX * 8 * this.#profile.meanSeconds * 1000;
  }

  // -- the engine's lives ------------------------------------------------------------------------

  #startEngine(): void {
    const recovered = this.#disk.open();
    const store = new MemoryStore(this.#disk, this.time, new SeededRandom(this.#random.nextU32()));
    store.onDurable = (group) => this.checkers.hash(group.journal);
    const core: Core = new Core(
      {
        clock: this.time,
        random: this.#random,
        store,
        inputs: { bounds: noBounds, changed: () => "" },
        send: (connection, frame) => {
          if (this.#core === core) this.network.toPilot(connection, frame);
        },
        close: (connection) => {
          if (this.#core === core) this.network.closeByEngine(connection);
        },
        emit: (event) => this.#onEvent(core, event),
        failStop: (message) => {
          throw new Error(`unexpected fail-stop: ${message}`);
        },
      },
      recovered,
      CORE_OPTIONS,
    );
    this.#core = core;
    this.#store = store;
    this.network.core = core;
    void this.#ask("setPilotKeys", { keys: ["sim"] });
    core.endOfBatch();
    core.check();
    this.checkers.afterRecovery((task, range) => this.#rangeAt(task, range));
    this.checkers.sameRecovery(() => this.#recoverBeside());
    let ticks = 0;
    const tick = () => {
      if (this.#core !== core) return;
      core.tick();
      if (++ticks % CHECK_EVERY_TICKS === 0) core.check();
      this.time.after(TICK_MS, tick);
    };
    this.time.after(TICK_MS, tick);
    for (const task of this.#tasks) this.#submit(task);
    void this.#ask("mergeable", {}, (list) => {
      for (const { task } of list) this.#merge(task);
    });
  }

  /** Recovers a second time from the same disk, for comparison; that core does nothing else. */
  #recoverBeside(): (task: number) => string {
    const silent = () => {};
    const store = new MemoryStore(new Disk(), this.time, new SeededRandom(1));
    const world = {
      clock: this.time,
      random: new SeededRandom(1),
      store,
      inputs: { bounds: noBounds, changed: () => "" },
      send: silent,
      close: silent,
      emit: silent,
      failStop: silent,
    };
    const beside = new Core(world, this.#disk.contents(), CORE_OPTIONS);
    const text = (core: Core) => (task: number) => {
      let answer = "";
      core.ask(
        "ranges",
        { task, from: 0, runsMax: 100_000 },
        {
          ok: (columns) => {
            answer = JSON.stringify(columns, (_key, value) =>
              ArrayBuffer.isView(value) ? [...(value as Uint8Array)] : value,
            );
          },
          fail: (error) => {
            answer = error.message;
          },
        },
      );
      return answer;
    };
    const first = text(this.#core as Core);
    const second = text(beside);
    return (task) => (first(task) === second(task) ? "" : `${first(task)} / ${second(task)}`);
  }

  #crashEngine(): void {
    if (!this.#core) return;
    this.#crashes++;
    this.#store?.crash();
    this.#core = null;
    this.network.core = null;
    this.network.cutAll();
    this.#merging.clear();
    this.time.after(50 + 3_000 * this.#random.nextUnit(), () => this.#startEngine());
  }

  /** Asks the engine of this life; the answer is dropped if it dies before. */
  #ask<Name extends CommandName>(
    name: Name,
    ask: CommandMap[Name]["ask"],
    then: (answer: CommandMap[Name]["answer"]) => void = () => {},
    failed: (message: string) => void = () => {},
  ): void {
    const core = this.#core;
    if (!core) return;
    core.ask(name, ask, {
      ok: (answer) => {
        if (this.#core === core) then(answer);
      },
      fail: (error) => {
        if (this.#core === core) failed(error.message);
      },
    });
    core.endOfBatch();
  }

  // -- the client: submits, cancels, merges ------------------------------------------------------

  #addTask(number: number): void {
    const ranges = 1 + this.#random.below(this.#profile.rangesMax);
    const { spec, files } = countTask(`t${number}`, ranges, {
      attempts: 1 + this.#random.below(4),
      losses: 1 + this.#random.below(4),
      priority: this.#random.below(3),
      owner: this.#random.chance(0.5) ? "a" : "b",
      cost: this.#profile.meanSeconds,
    });
    const task = { spec, files, id: 0, cancelled: false };
    this.#tasks.push(task);
    for (let k = 0; k < ranges; k++) {
      if (this.#random.chance(0.01)) this.#killers.add(`${number + 1}/${k}`);
    }
    this.time.after(500 * this.#random.nextUnit(), () => this.#submit(task));
  }

  /** A client repeats its submit until it is acknowledged; the name makes it one task. */
  #submit(task: SimTask): void {
    this.#ask("submit", { spec: task.spec, files: task.files }, ({ task: id, existed }) => {
      if (task.id !== 0 && (!existed || task.id !== id)) {
        throw new Error(`I2: acknowledged task ${task.id} came back as ${id}`);
      }
      task.id = id;
      this.checkers.taskKnown(id, (task.files[0] as TaskFile).events, task.spec);
    });
  }

  #hasEnded(task: number): boolean {
    let state = "";
    this.#ask("show", { task }, (view) => {
      state = view.state;
    });
    return state === "done" || state === "failed" || state === "cancelled";
  }

  #onEvent(core: Core, event: EngineEvent): void {
    if (this.#core !== core || event.type !== "mergeable") return;
    this.time.after(10, () => this.#merge(event.task));
  }

  /** The merge room in short: damage is found by chance, then the outputs are checked one by one. */
  #merge(task: number): void {
    if (this.#merging.has(task) || !this.#core) return;
    this.#merging.add(task);
    this.time.after(50 * this.#random.nextUnit(), () => {
      this.#merging.delete(task);
      const columns = this.#columns(task);
      if (!columns) return;
      const bundles = [...new Set(columns.bundle)].filter((bundle) => bundle !== 0);
      const damage = !this.#healed && bundles.length > 0 && this.#random.chance(0.2);
      if (damage) {
        const bundle = bundles[this.#random.below(bundles.length)] as number;
        this.checkers.bundleReopened(task, bundle, columns);
        this.#ask("reopenBundle", { task, bundle, why: "simulated damage" }, ({ ranges }) => {
          if (ranges === 0) this.#merge(task);
        });
        return;
      }
      this.checkers.outputsExist(task, columns, (id) => this.#uriOf(id), this.bundles);
      this.#ask("finish", { task, manifest: "m", problem: "" });
    });
  }

  #uriOf(bundle: number): string {
    let uri = "";
    this.#ask("bundles", { ids: [bundle] }, (rows) => {
      uri = rows[0]?.uri ?? "";
    });
    return uri;
  }

  #columns(task: number): CommandMap["ranges"]["answer"] | null {
    let columns: CommandMap["ranges"]["answer"] | null = null;
    this.#ask("ranges", { task, from: 0, runsMax: 100_000 }, (answer) => {
      columns = answer;
    });
    return columns;
  }

  #rangeAt(task: number, range: number): { state: number; lease: number; attempts: number } | null {
    const columns = this.#columns(task);
    if (!columns) return null;
    for (let i = 0; i < columns.first.length; i++) {
      const first = columns.first[i] as number;
      if (range < first || range >= first + (columns.count[i] as number)) continue;
      return {
        state: columns.state[i] as number,
        lease: columns.lease[i] as number,
        attempts: columns.attempts[i] as number,
      };
    }
    return null;
  }

  // -- pilots and faults -------------------------------------------------------------------------

  #addPilot(number: number): void {
    const slots = 1 + this.#random.below(this.#profile.slots);
    const world = {
      time: this.time,
      network: this.network,
      fate: (task: number, range: number) => this.#fate(task, range),
      writeOutput: (uri: string, task: number, range: number, lease: number) => {
        const outputs = this.bundles.get(uri) ?? new Set();
        this.bundles.set(uri, outputs);
        outputs.add(`${task}/${range}/${lease}`);
      },
      onStarted: () => {},
      onAccepted: (task: number, range: number, lease: number, outcome: Outcome) => {
        if (outcome === OUTCOME.done) this.checkers.acknowledged(task, range, lease);
      },
      onHeard: () => {},
    };
    const at = 300 * this.#random.nextUnit();
    this.time.after(at, () => {
      this.#pilots.push(
        new SimPilot(`p${number}`, slots, world, new SeededRandom(this.#random.nextU32())),
      );
    });
  }

  #fate(task: number, range: number): { seconds: number; outcome: Outcome; kills: boolean } {
    const mean = this.#profile.meanSeconds;
    const seconds = mean * (0.2 - Math.log(1 - this.#fates.nextUnit() * 0.999));
    const kills = this.#killers.has(`${task}/${range}`);
    const draw = this.#fates.nextUnit();
    const outcome = draw < 0.03 ? OUTCOME.failed : draw < 0.033 ? OUTCOME.fatal : OUTCOME.done;
    return { seconds, outcome, kills };
  }

  #planFaults(): void {
    const random = this.#random;
    const at = (act: () => void) =>
      this.time.after(CHAOS_MS * random.nextUnit(), () => {
        if (!this.#healed) act();
      });
    const anyPilot = (act: (pilot: SimPilot) => void) => () => {
      const pilot = this.#pilots[random.below(Math.max(1, this.#pilots.length))];
      if (pilot) act(pilot);
    };
    for (let i = 0; i < this.#profile.engineCrashes; i++) at(() => this.#crashEngine());
    for (let i = 0; i < 4; i++)
      at(anyPilot((pilot) => pilot.crash(100 + 2_000 * random.nextUnit())));
    for (let i = 0; i < 4; i++) at(anyPilot((pilot) => pilot.disconnect()));
    for (let i = 0; i < 3; i++) at(anyPilot((pilot) => pilot.freeze(6_000 * random.nextUnit())));
    for (let i = 0; i < 3; i++) at(() => this.#jumpWallClock());
    if (random.chance(0.2)) at(() => this.#fillDisk(2_000 * random.nextUnit()));
    if (random.chance(0.15)) at(() => this.#cancelOne());
    if (random.chance(0.3)) at(() => this.#retryOne());
    if (this.#profile.worseThanTcp) {
      this.network.chaos = { lose: 0.02, double: 0.05, overtake: 0.05 };
      // Frames that TCP would not lose are only made good by a fresh hello.
      const again = () => {
        if (this.#healed) return;
        for (const pilot of this.#pilots) pilot.disconnect();
        this.time.after(5_000, again);
      };
      this.time.after(5_000, again);
    }
  }

  #jumpWallClock(): void {
    this.time.wallOffsetMs += (this.#random.nextUnit() - 0.5) * 7_200_000;
  }

  #fillDisk(forMs: number): void {
    const store = this.#store;
    if (!store) return;
    store.full = true;
    this.time.after(forMs, () => {
      store.full = false;
    });
  }

  #cancelOne(): void {
    const task = this.#tasks[this.#random.below(this.#tasks.length)];
    if (!task || task.id === 0) return;
    this.#ask("cancel", { task: task.id }, () => {
      task.cancelled = true;
      this.checkers.cancelled(task.id);
    });
  }

  #retryOne(): void {
    const task = this.#tasks[this.#random.below(this.#tasks.length)];
    if (task && task.id !== 0 && !task.cancelled) this.#ask("retry", { task: task.id });
  }

  /** Faults stop: no killers any more, everybody runs, the network is calm. */
  #heal(): void {
    this.#healed = true;
    this.#killers.clear();
    this.network.chaos = CALM;
    if (this.#store) this.#store.full = false;
    for (const pilot of this.#pilots) pilot.disconnect();
  }

  #untilMs(endMs: number, ended: () => boolean): void {
    let checkedMs = this.time.nowMs;
    while (this.time.nowMs < endMs) {
      if (!this.time.step()) return;
      this.#events++;
      if (this.time.nowMs - checkedMs < 500) continue;
      checkedMs = this.time.nowMs;
      if (ended()) return;
    }
  }

  #checkEnd(): void {
    for (const task of this.#tasks) {
      if (task.id === 0) throw new Error(`I5: task ${task.spec.name} was never acknowledged`);
      let text = "";
      this.#ask("show", { task: task.id }, (view) => {
        text = `${view.state} ${JSON.stringify(view.ranges)}`;
        this.checkers.ended(task.id, view);
      });
      if (!this.#hasEnded(task.id)) throw new Error(`I5: task ${task.id} did not end: ${text}`);
    }
    this.#core?.check();
  }
}

function noBounds(_file: FileRow): Float64Array {
  throw new Error("a count task has no byte bounds");
}

function profileOf(random: SeededRandom): Profile {
  const large = random.chance(0.01);
  return {
    pilots: 1 + random.below(4),
    slots: 1 + random.below(4),
    tasks: 1 + random.below(3),
    rangesMax: large ? 9_000 : 4 + random.below(80),
    engineCrashes: random.below(5),
    worseThanTcp: random.chance(0.25),
    meanSeconds: large ? 0.005 : random.chance(0.5) ? 0.05 : 0.5,
  };
}
