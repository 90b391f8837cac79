/**
 * One history: an engine (production core, ledger, shaper, codec), a few pilots and a client live
 * through faults for a while (safety phase), then faults stop (heal) and everything must come to
 * its end within a bound (liveness phase). A seed decides everything; the same seed gives the same
 * history, bit by bit.
 *
 * Checked all along: see checkers.ts and outside.ts. A violation is thrown as an Error whose message
 * names the invariant; the caller adds the line that replays the seed.
 */
import { SeededRandom } from "../../src/base/index.ts";
import { Core } from "../../src/broker/core.ts";
import type { CoreOptions, EngineEvent } from "../../src/broker/index.ts";
import type { FileRow } from "../../src/store/index.ts";
import { OUTCOME, type Outcome } from "../../src/wire/index.ts";
import { Checkers } from "./checkers.ts";
import { IdleWatch } from "./idle-watch.ts";
import { Disk, MemoryStore } from "./memory-store.ts";
import { SimClient } from "./sim-client.ts";
import { credentialFor } from "./sim-key.ts";
import { CALM, SimNetwork } from "./sim-network.ts";
import { SimPilot } from "./sim-pilot.ts";
import { countTask, fileTask } from "./sim-tasks.ts";
import { VirtualTime } from "./virtual-time.ts";

const TIMES = { leaseTermMs: 3_000, heartbeatMs: 500, disconnectGraceMs: 1_000 };
const TICK_MS = 100;
/** The ledger's own check walks every range; it is left out while nothing reached the core. */
const CHECK_EVERY_TICKS = 10;
/** Pages of a large task are packed and opened when tasks alternate, not at every touch. */
const LARGE_OPEN_BYTES = 250_000;
const PILOT_KEY = "sim";
const OWNERS = ["a", "b"] as const;
/** In the year 2096. */
const NEVER_SECONDS = 4_000_000_000;
/** So far from its wall a pilot can surely run another range. */
const WALL_MEANS = 8;
/** Ranges that each slot of a pilot has, in every second history. */
const DEEP = 10;
/** Faults act for so long, then everything heals. */
const CHAOS_MS = 20_000;
/** The engine tries once a second whether the disk has room, and grants nothing while it has none. */
const SPACE_LOOK_MS = 1_300;
/** Time for leases to expire, pilots to return and merges to end, on top of the work itself. */
const SETTLE_MS = 60_000;
/** Starts a range may still need: no bad end after healing costs more than attempts and losses. */
const STARTS_LEFT_MAX = 8;
/** Of the ranges that kill their pilots so many go on doing so after everything else has healed. */
const CURSED_MAX = 3;
/** A second task's pages must not be the only ones: what is written along is next to nothing. */
const SMALL_TRICKLE = [
  { journalBytes: 64, pages: 1, leases: 1, everyNth: 2 },
  { journalBytes: 512, pages: 2, leases: 4, everyNth: 1 },
  { journalBytes: 2_048, pages: 8, leases: 64, everyNth: 1 },
] as const;

export interface HistoryResult {
  readonly seed: number;
  readonly hash: string;
  readonly events: number;
  readonly groups: number;
  readonly crashes: number;
  readonly ranges: number;
  /** Pages written back and journal records cut off. */
  readonly pages: number;
  readonly cut: number;
  readonly virtualMs: number;
  /** Ranges that were given to a second pilot while they ran. */
  readonly copies: number;
}

interface Profile {
  readonly pilots: number;
  readonly slots: number;
  readonly tasks: number;
  readonly rangesMax: number;
  readonly engineCrashes: number;
  readonly worseThanTcp: boolean;
  readonly stubborn: boolean;
  readonly meanSeconds: number;
  /** Books are compared range by range with those of the last durable group. */
  readonly compared: boolean;
  /** How many times slower the first pilot's node is. */
  readonly slowness: number;
  readonly core: Partial<CoreOptions>;
}

export class History {
  readonly seed: number;
  readonly time = new VirtualTime();
  readonly network: SimNetwork;
  readonly checkers: Checkers;
  readonly #random: SeededRandom;
  readonly #fates: SeededRandom;
  /** Every fourth history has pilots that scatter. */
  readonly #scatters: SeededRandom | null;
  readonly #walls: SeededRandom | null;
  readonly #profile: Profile;
  readonly #disk = new Disk();
  readonly #client: SimClient;
  readonly #idle: IdleWatch;
  #store: MemoryStore | null = null;
  #core: Core | null = null;
  readonly #pilots: SimPilot[] = [];
  /** Ranges that kill their pilot at each start: `task/range`. */
  readonly #killers = new Set<string>();
  readonly #bundles = new Map<string, Set<string>>();
  #events = 0;
  #crashes = 0;
  #healed = false;
  /** When the engine surely knows again that the disk has room. */
  #roomyMs = 0;

  constructor(seed: number) {
    this.seed = seed;
    this.#random = new SeededRandom(seed);
    this.#fates = new SeededRandom(seed + 0x5eed);
    this.#scatters = seed % 4 === 3 ? new SeededRandom(seed + 0x5ca7) : null;
    this.#walls = seed % 5 === 2 ? new SeededRandom(seed + 0x3a11) : null;
    this.#profile = profileOf(this.#random);
    this.network = new SimNetwork(this.time, new SeededRandom(seed + 1));
    this.checkers = new Checkers(this.time, TIMES);
    this.network.onEngineFrame = (frame) => this.checkers.hash(frame);
    this.network.outside = this.checkers.outside;
    this.#client = new SimClient({
      time: this.time,
      random: this.#random,
      checkers: this.checkers,
      bundles: this.#bundles,
      core: () => this.#core,
      healed: () => this.#healed,
    });
    this.#idle = new IdleWatch(this.time, this.#client);
  }

  run(): HistoryResult {
    this.#startEngine();
    for (let i = 0; i < this.#profile.tasks; i++) this.#addTask(i);
    for (let i = 0; i < this.#profile.pilots; i++) this.#addPilot(i);
    this.#planFaults();
    this.#untilMs(this.time.nowMs + CHAOS_MS, () => false);
    this.#heal();
    const { tasks } = this.#client;
    this.#untilMs(this.time.nowMs + this.#livenessMs(), () =>
      tasks.every(({ id }) => id > 0 && this.#client.hasEnded(id)),
    );
    this.#checkEnd();
    return {
      seed: this.seed,
      hash: this.checkers.digest(),
      events: this.#events,
      groups: this.#disk.groups,
      crashes: this.#crashes,
      ranges: this.#ranges(),
      pages: this.#disk.pagesWritten,
      cut: this.#disk.cut,
      virtualMs: this.time.nowMs,
      copies: this.checkers.outside.copies,
    };
  }

  #ranges(): number {
    return this.#client.tasks.reduce((sum, { ranges }) => sum + ranges, 0);
  }

  /** I5's bound: all ranges again and again through a single slot, and time to settle. */
  #livenessMs(): number {
    return SETTLE_MS + this.#ranges() * STARTS_LEFT_MAX * 8 * this.#profile.meanSeconds * 1000;
  }

  // -- the engine's lives ------------------------------------------------------------------------

  #startEngine(): void {
    const recovered = this.#disk.open();
    const store = new MemoryStore(this.#disk, this.time, new SeededRandom(this.#random.nextU32()));
    const { outside } = this.checkers;
    store.mark = () => outside.mark();
    store.onDurable = (group) => {
      this.checkers.hash(group.journal);
      outside.durable(this.#disk.durableMark);
    };
    if (this.#profile.compared) store.look = () => this.#client.snapshot();
    outside.engineStarts();
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
      this.#profile.core,
    );
    this.#compareRecovered(core);
    this.#core = core;
    this.#store = store;
    this.network.core = core;
    this.#client.ask("setPilotKeys", { keys: [PILOT_KEY] });
    core.check();
    this.checkers.afterRecovery((task) => this.#client.columns(task));
    let ticks = 0;
    let checked = -1;
    const tick = () => {
      if (this.#core !== core) return;
      core.tick();
      if (++ticks % CHECK_EVERY_TICKS === 0) {
        const now = this.network.calls + this.#client.asked + store.commits;
        if (now !== checked) core.check();
        checked = now;
      }
      this.time.after(TICK_MS, tick);
    };
    this.time.after(TICK_MS, tick);
    this.#client.engineStarted();
  }

  /** Against the last durable group, and against a second recovery from the same disk. */
  #compareRecovered(core: Core): void {
    const { snapshot } = this.#disk;
    for (const [task, before] of snapshot ?? []) {
      const now = this.#client.columns(task, core);
      if (!now) throw new Error(`I2: task ${task} of the last durable group is gone`);
      this.checkers.sameBooks("I2: the last durable group / the recovery", before, now);
    }
    if (!this.#profile.compared || this.#crashes === 0) return;
    const silent = () => {};
    const world = {
      clock: this.time,
      random: new SeededRandom(1),
      store: new MemoryStore(new Disk(), this.time, new SeededRandom(1)),
      inputs: { bounds: noBounds, changed: () => "" },
      send: silent,
      close: silent,
      emit: silent,
      failStop: silent,
    };
    const beside = new Core(world, this.#disk.contents(), this.#profile.core);
    const first = this.#client.snapshot(core);
    for (const [task, columns] of this.#client.snapshot(beside)) {
      const other = first.get(task);
      if (!other) throw new Error(`I9: task ${task} is there in one of two recoveries`);
      this.checkers.sameBooks("I9: two recoveries", other, columns);
    }
  }

  #crashEngine(): void {
    if (!this.#core) return;
    this.#crashes++;
    this.#store?.crash();
    this.#core = null;
    this.checkers.outside.engineDied();
    this.network.core = null;
    this.network.cutAll();
    this.time.after(50 + 3_000 * this.#random.nextUnit(), () => this.#startEngine());
  }

  #onEvent(core: Core, event: EngineEvent): void {
    if (this.#core !== core || event.type !== "mergeable") return;
    this.time.after(10, () => this.#client.merge(event.task));
  }

  // -- tasks, pilots and faults ------------------------------------------------------------------

  #addTask(number: number): void {
    const random = this.#random;
    const ranges = 1 + random.below(this.#profile.rangesMax);
    const terms = {
      attempts: 1 + random.below(4),
      losses: 1 + random.below(4),
      priority: random.below(3),
      owner: random.chance(0.5) ? OWNERS[0] : OWNERS[1],
      weighted: this.seed % 4 === 1 && this.seed % 3 !== number,
    };
    const name = `t${number}`;
    const per = 1 + random.below(3);
    const events = random.chance(0.5) ? [] : [1 + random.below(per * ranges), per * ranges];
    const task = this.#client.add(
      events.length === 0 ? countTask(name, ranges, terms) : fileTask(name, events, per, terms),
    );
    for (let k = 0; k < Math.min(200, ranges); k++) {
      if (random.chance(0.02)) this.#killers.add(`${number + 1}/${k}`);
    }
    this.time.after(500 * random.nextUnit(), () => this.#client.submit(task));
  }

  #addPilot(number: number): void {
    const slots = 1 + this.#random.below(this.#profile.slots);
    const world = {
      time: this.time,
      network: this.network,
      stubborn: this.#profile.stubborn,
      scatters: this.#scatters,
      ...this.#keyOf(number),
      ownerOf: (task: number) => this.#client.tasks.find(({ id }) => id === task)?.spec.owner ?? "",
      walltimeMs: () => this.#walltimeMs(),
      wallMarginMs: WALL_MEANS * 1_000 * this.#profile.meanSeconds * this.#profile.slowness,
      depth: this.seed % 2 === 0 ? DEEP : 2,
      fate: (task: number, range: number) => {
        const fate = this.#fate(task, range);
        const slowness = number === 0 ? this.#profile.slowness : 1;
        return { ...fate, seconds: fate.seconds * slowness };
      },
      writeOutput: (uri: string, task: number, range: number, lease: number) => {
        const outputs = this.#bundles.get(uri) ?? new Set();
        this.#bundles.set(uri, outputs);
        outputs.add(`${task}/${range}/${lease}`);
      },
    };
    const at = 300 * this.#random.nextUnit();
    this.time.after(at, () => {
      this.#pilots.push(
        new SimPilot(`p${number}`, slots, world, new SeededRandom(this.#random.nextU32())),
      );
    });
  }

  /** In every fifth history half of the pilots' lives end at a wall that they tell of. */
  #walltimeMs(): number {
    if (this.#walls === null || this.#healed || this.#walls.chance(0.5)) {
      return Number.POSITIVE_INFINITY;
    }
    return 500 + 14_500 * this.#walls.nextUnit();
  }

  /** In every seventh history all pilots but the first one may have the key of one owner. */
  #keyOf(number: number): { owner: string; credential: string } {
    const owner = this.seed % 7 === 5 && number > 0 ? (OWNERS[(this.seed + number) % 3] ?? "") : "";
    if (owner === "") return { owner, credential: PILOT_KEY };
    const caveats = {
      allocation: "",
      queue: "sim",
      owner,
      cores: 0,
      enrolBeforeSeconds: NEVER_SECONDS,
      notAfterSeconds: NEVER_SECONDS,
    };
    return { owner, credential: credentialFor(PILOT_KEY, caveats) };
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
    if (random.chance(0.25)) at(() => this.#client.cancelOne());
    if (random.chance(0.5)) at(() => this.#client.retryOne());
    if (random.chance(0.3)) at(() => this.#client.extendOne());
    if (random.chance(0.3)) at(() => this.#client.drainOne());
    if (this.seed % 8 === 6) this.#tellEnds();
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

  /** Somebody who knows tells the engine of pilots that have ended; at times it is not true. */
  #tellEnds(): void {
    const random = new SeededRandom(this.seed + 0xe2d);
    for (let i = 0; i < 4; i++) {
      this.time.after(CHAOS_MS * random.nextUnit(), () => {
        const pilot = this.#pilots[random.below(Math.max(1, this.#pilots.length))];
        if (this.#healed || !pilot) return;
        if (random.chance(0.7)) pilot.crash(100 + 4_000 * random.nextUnit());
        this.time.after(300 * random.nextUnit(), () => this.#client.tellEnd(pilot.id));
      });
    }
  }

  #jumpWallClock(): void {
    this.time.wallOffsetMs += (this.#random.nextUnit() - 0.5) * 7_200_000;
  }

  #fillDisk(forMs: number): void {
    const store = this.#store;
    if (!store) return;
    store.full = true;
    this.#roomyMs = this.time.nowMs + forMs + SPACE_LOOK_MS;
    this.time.after(forMs, () => {
      store.full = false;
    });
  }

  /** Faults stop: hardly a killer any more, everybody runs, the network is calm. */
  #heal(): void {
    this.#healed = true;
    for (const killer of [...this.#killers].slice(CURSED_MAX)) this.#killers.delete(killer);
    this.network.chaos = CALM;
    if (this.#store) this.#store.full = false;
    for (const pilot of this.#pilots) {
      pilot.liftWall();
      pilot.disconnect();
    }
  }

  #untilMs(endMs: number, ended: () => boolean): void {
    let checkedMs = this.time.nowMs;
    while (this.time.nowMs < endMs) {
      if (!this.time.step()) return;
      this.#events++;
      if (this.time.nowMs - checkedMs < 500) continue;
      checkedMs = this.time.nowMs;
      const isRoomy = checkedMs > this.#roomyMs;
      const isCalm = this.#core !== null && this.network.chaos === CALM && isRoomy;
      this.#idle.look(this.#pilots, isCalm);
      if (ended()) return;
    }
  }

  #checkEnd(): void {
    for (const task of this.#client.tasks) {
      if (task.id === 0) throw new Error(`I5: task ${task.spec.name} was never acknowledged`);
      let text = "";
      this.#client.ask("show", { task: task.id }, (view) => {
        text = `${view.state} ${JSON.stringify(view.ranges)}`;
        this.checkers.ended(task.id, view);
      });
      if (!this.#client.hasEnded(task.id)) {
        throw new Error(`I5: task ${task.id} did not end: ${text}`);
      }
      const columns = this.#client.columns(task.id);
      if (columns) this.checkers.startsBounded(columns);
    }
    this.#core?.check();
  }
}

function noBounds(_file: FileRow): Float64Array {
  throw new Error("a simulated task has no byte bounds");
}

function profileOf(random: SeededRandom): Profile {
  const large = random.chance(0.004);
  const paced = random.chance(0.85);
  const slow = !large && random.chance(0.3);
  // These tasks are over before a 2 % of them is worth a range.
  const times = slow ? { ...TIMES, copyShareMax: 1 } : TIMES;
  return {
    pilots: 1 + random.below(4),
    slots: 1 + random.below(4),
    tasks: 1 + random.below(3),
    rangesMax: large ? 9_000 : 4 + random.below(60),
    engineCrashes: random.below(5),
    worseThanTcp: random.chance(0.25),
    stubborn: random.chance(0.25),
    meanSeconds: large ? 0.005 : random.chance(0.5) ? 0.05 : 0.5,
    compared: !large && random.chance(0.3),
    slowness: slow ? 10 : 1,
    core: paced
      ? {
          ...times,
          trickle: SMALL_TRICKLE,
          ledger: {
            settleGroups: random.below(8),
            openBytesMax: (large ? LARGE_OPEN_BYTES : 0) + 100 + random.below(4_000),
          },
        }
      : times,
  };
}
