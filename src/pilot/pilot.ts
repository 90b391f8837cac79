/**
 * The agent of one machine: holdings, slots, bundles and the session, tied together.
 *
 *   grant -> holdings -> slots (payload) -> finish (check, bundle, sync) -> exchange -> verdict
 *
 *   working --drain (signal, engine, wall, broken disk)--> draining --all answered--> ended
 *       \--second signal, parent gone, no engine--------------------------------------^
 *
 * While the engine is away, what runs goes on, and what was granted still starts for one lease
 * term since the engine was last heard (later it belongs to others); reports wait, and are sent
 * after the next welcome. Nothing else is kept for later.
 */
import { mkdir, rm } from "node:fs/promises";
import { totalmem } from "node:os";
import { EXIT, type JumboError, LEASE_TERM_MS, messageOf } from "../base/index.ts";
import {
  type Drain,
  type EngineMessage,
  forEachSpan,
  type GrantBody,
  type NodeResources,
  OUTCOME,
  PROTOCOL_VERSION,
  type Recall,
  type Welcome,
} from "../wire/index.ts";
import { Bundles } from "./bundles.ts";
import { Catalog } from "./catalog.ts";
import { Connection } from "./connection.ts";
import { ExchangeLine } from "./exchange.ts";
import { Holdings, ITEMS_MAX, returnedItem } from "./holdings.ts";
import {
  type PilotEnd,
  type PilotOptions,
  type ResolvedOptions,
  resolveOptions,
} from "./options.ts";
import { Slots } from "./slots.ts";
import { WallTime } from "./wall-time.ts";
import type { HeldSpan } from "./work.ts";

const PREFETCH_MAX = 16_384;
/** A round trip is taken for at least this long: ticks and commits are not in every sample. */
const ROUND_TRIP_SECONDS_MIN = 0.002;
/** So near to the wall payloads get no time to end by themselves. */
const WALL_STOP_SECONDS = 2.5;
const WALL_WATCH_MS = 50;
/** How often bundles of tasks that are not worked on any more are closed. */
const TIDY_MS = 10_000;
/** How long the last verdicts are awaited. */
const LAST_VERDICTS_MS = 30_000;
const OFFSET_COLUMNS_KEPT = 64;
const SOFTWARE = "jumbo-pilot-node/1";

export class Pilot {
  readonly #options: ResolvedOptions;
  readonly #holdings = new Holdings();
  readonly #catalog = new Catalog();
  readonly #bundles: Bundles;
  readonly #slots: Slots;
  readonly #line: ExchangeLine;
  readonly #connection: Connection;
  readonly #wall: WallTime;
  readonly #ended: Promise<PilotEnd>;
  #resolveEnd: (end: PilotEnd) => void = () => {};
  #leaseTermMs = LEASE_TERM_MS;
  #helloWant = 0;
  #flushDue = false;
  #announced: (() => void)[] = [];
  #draining: { reason: string; exitCode: number } | null = null;
  #drainTimer: NodeJS.Timeout | undefined;
  #lastTimer: NodeJS.Timeout | undefined;
  #wallTimer: NodeJS.Timeout | undefined;
  #tidyTimer: NodeJS.Timeout | undefined;
  #ending = false;

  constructor(options: PilotOptions) {
    const resolved = resolveOptions(options);
    this.#options = resolved;
    const { node, pilotId, generation, log, workDir, walltimeSeconds, slurmJob } = resolved;
    this.#wall = new WallTime({ seconds: walltimeSeconds, slurmJob, log });
    const safeId = pilotId.replace(/[^A-Za-z0-9._-]/g, "_").slice(0, 100);
    this.#bundles = new Bundles({
      folder: resolved.bundlesDir,
      prefix: `${safeId}.g${generation}`,
      node,
      log,
    });
    this.#slots = new Slots(resolved.slots, {
      holdings: this.#holdings,
      catalog: this.#catalog,
      bundles: this.#bundles,
      workDir,
      announce: (span) => this.#announce(span),
      changed: () => this.#changed(),
      broken: (reason) => this.drain(reason, null, EXIT.storeIo),
      mayStart: (meanSeconds) => this.#mayStart(meanSeconds),
      log,
    });
    this.#connection = new Connection({
      access: resolved.access,
      giveUpMs: resolved.giveUpSeconds * 1000,
      hello: () => this.#hello(),
      heartbeat: () => ({
        type: "heartbeat",
        freeSlots: this.#slots.freePlaces,
        secondsLeft: this.#wall.secondsLeft(),
      }),
      onWelcome: (welcome) => this.#onWelcome(welcome),
      onMessage: (message) => this.#onMessage(message),
      onLost: () => this.#line.lost(),
      onGiveUp: (error) => this.#onGiveUp(error),
      log,
    });
    this.#line = new ExchangeLine({
      holdings: this.#holdings,
      send: (message) => this.#connection.send(message),
      uri: (bundle) => this.#bundles.uri(bundle),
      want: () => this.#want(),
      reserve: () => this.#reserve(),
      freeSlots: () => this.#slots.freePlaces,
      secondsLeft: () => this.#wall.secondsLeft(),
    });
    this.#ended = new Promise((resolve) => {
      this.#resolveEnd = resolve;
    });
  }

  /** Works until it is drained, stopped or without an engine. Throws if a folder can't be made. */
  async run(): Promise<PilotEnd> {
    await mkdir(this.#options.bundlesDir, { recursive: true });
    await mkdir(this.#options.workDir, { recursive: true });
    this.#connection.start();
    this.#tidyTimer = setInterval(
      () => void this.#bundles.keepOnly(this.#holdings.heldTasks()),
      TIDY_MS,
    );
    if (this.#options.walltimeSeconds !== null || this.#options.slurmJob !== "") {
      this.#wall.start(() => this.#sayResources());
      this.#wallTimer = setInterval(() => this.#watchWall(), WALL_WATCH_MS);
    }
    return this.#ended;
  }

  #hello() {
    this.#helloWant = this.#want();
    return {
      type: "hello" as const,
      version: PROTOCOL_VERSION,
      role: "pilot" as const,
      pilotId: this.#options.pilotId,
      generation: this.#options.generation,
      software: SOFTWARE,
      queue: this.#options.queue,
      allocation: this.#options.allocation,
      nodes: this.#nodes(),
      secondsLeft: this.#wall.secondsLeft(),
      held: this.#holdings.held(),
      want: this.#helloWant,
      freeSlots: this.#slots.freePlaces,
    };
  }

  #nodes(): NodeResources[] {
    const { slots, node } = this.#options;
    const memoryMiB = Math.floor(totalmem() / 2 ** 20);
    return [{ name: node, cores: slots, gpus: 0, memoryMiB, slots }];
  }

  /** The walltime was changed: the engine's next grant should know. */
  #sayResources(): void {
    if (!this.#connection.ready) return;
    const secondsLeft = this.#wall.secondsLeft();
    this.#connection.send({ type: "resources", nodes: this.#nodes(), secondsLeft });
  }

  /** Ranges beyond those held: what could start now, and the reserve. */
  #want(): number {
    if (this.#draining !== null || this.#holdings.items > ITEMS_MAX) return 0;
    const wanted = this.#slots.freePlaces + this.#reserve();
    return Math.max(0, wanted - this.#holdings.unstartedRanges);
  }

  /** What the slots eat until the next ranges come. */
  #reserve(): number {
    const mean = this.#slots.meanSeconds;
    const capacity = this.#slots.capacity;
    const seconds = Math.max(this.#line.refillSeconds, ROUND_TRIP_SECONDS_MIN);
    const prefetch = mean === 0 ? capacity + 1 : Math.ceil((capacity * seconds) / mean) + 1;
    return Math.min(prefetch, PREFETCH_MAX);
  }

  #mayStart(meanSeconds: number): boolean {
    if (this.#draining !== null) return false;
    const left = this.#wall.secondsLeft();
    // An engine that is there has granted what is worth a start; alone, the mean must fit.
    const least = this.#connection.ready ? 0 : meanSeconds;
    if (left >= 0 && left - this.#wall.leadSeconds() <= least) return false;
    return (
      this.#connection.ready || performance.now() - this.#connection.heardAtMs < this.#leaseTermMs
    );
  }

  /** Resolves when `started` was handed to the socket, or at once while there is no session. */
  #announce(span: HeldSpan): Promise<void> {
    this.#line.started(span);
    this.#changed();
    return new Promise((resolve) => this.#announced.push(resolve));
  }

  #changed(): void {
    if (this.#flushDue || this.#ending) return;
    this.#flushDue = true;
    setImmediate(() => {
      this.#flushDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#connection.ready) this.#line.flush();
    const announced = this.#announced;
    this.#announced = [];
    for (const resolve of announced) resolve();
    this.#endIfDrained();
  }

  #onWelcome(welcome: Welcome): void {
    this.#leaseTermMs = welcome.leaseTermMs;
    // Only now: what was held in hello is what the engine answered to.
    const stop = this.#holdings.refuse(welcome.refused);
    for (const span of stop) this.#slots.stop(span, { kind: "returned" });
    this.#catalog.retain(this.#holdings.heldTasks());
    this.#line.open(this.#helloWant);
    // Slurm may have answered since hello was said.
    if (this.#options.slurmJob !== "" && this.#wall.secondsLeft() >= 0) this.#sayResources();
    this.#onGrant(welcome.grant);
    if (this.#draining !== null) this.#sayDrain();
  }

  #onGrant(body: GrantBody): void {
    this.#catalog.learn(body);
    this.#holdings.add(body.spans);
    this.#line.granted(body.spans);
    if (this.#catalog.columns > OFFSET_COLUMNS_KEPT) {
      this.#catalog.prune((task, first, count) => this.#holdings.overlaps(task, first, count));
    }
    if (this.#draining !== null) this.#returnUnstarted();
    this.#slots.fill();
    this.#changed();
  }

  #onMessage(message: Exclude<EngineMessage, Welcome>): void {
    switch (message.type) {
      case "grant":
        this.#onGrant(message);
        break;
      case "verdicts":
        if (!this.#line.onVerdicts(message)) {
          this.#connection.restart("verdicts did not fit the exchange that they answer");
        }
        this.#changed();
        break;
      case "recall":
        this.#onRecall(message);
        break;
      case "drain":
        this.#onDrain(message);
        break;
      case "bye":
        this.#connection.restart(`the engine said bye: ${message.reason}`);
        break;
      default:
        break;
    }
  }

  #onRecall({ spans, stop }: Recall): void {
    forEachSpan(spans, (task, first, count, _attempt, _grant, lease) => {
      for (const span of this.#holdings.release(task, first, count, lease)) {
        this.#holdings.report(returnedItem(span));
      }
      if (!stop) return;
      for (const span of this.#holdings.runningIn(first, count, lease)) {
        this.#slots.stop(span, { kind: "returned" });
      }
    });
    this.#changed();
  }

  #onDrain({ reason, secondsLeft }: Drain): void {
    this.drain(reason, secondsLeft < 0 ? null : secondsLeft);
  }

  /**
   * No new starts; unstarted ranges go back; what runs has `seconds` (null: as long as it needs, at
   * most until the walltime's lead), then it is stopped and reported lost. A second call can only
   * shorten that.
   */
  drain(reason: string, seconds: number | null, exitCode: number = EXIT.ok): void {
    if (this.#ending) return;
    if (this.#draining === null) {
      this.#options.log(`draining: ${reason}`);
      this.#draining = { reason, exitCode };
      this.#returnUnstarted();
      this.#slots.stopIdleWorkers();
      this.#sayDrain(seconds);
    }
    if (seconds !== null) {
      clearTimeout(this.#drainTimer);
      this.#drainTimer = setTimeout(() => this.#stopRunning(reason), seconds * 1000);
    }
    this.#changed();
  }

  #sayDrain(seconds: number | null = null): void {
    const reason = this.#draining?.reason ?? "";
    const secondsLeft = seconds ?? this.#wall.secondsLeft();
    this.#connection.send({ type: "drain", reason: reason.slice(0, 500), secondsLeft });
  }

  #returnUnstarted(): void {
    for (const span of this.#holdings.takeUnstarted()) this.#holdings.report(returnedItem(span));
  }

  #stopRunning(why: string): void {
    const reason = `stopped before its end (${why})`;
    const left = this.#wall.secondsLeft();
    const atOnce = left >= 0 && left < WALL_STOP_SECONDS;
    if (left >= 0 && this.#holdings.runningRanges > 0) {
      const { runningRanges } = this.#holdings;
      this.#options.log(`stopping ${runningRanges} range(s): ${why}, ${left.toFixed(2)} s left`);
    }
    this.#slots.stopAll({ kind: "lost", reason, wallSeconds: 0 }, atOnce);
  }

  #watchWall(): void {
    const left = this.#wall.secondsLeft();
    if (left < 0) return;
    const spare = left - this.#wall.leadSeconds();
    const least = this.#connection.ready ? 0 : this.#slots.meanSeconds;
    if (spare <= least && this.#draining === null) {
      this.drain("the walltime ends", Math.max(0, spare));
    } else if (spare <= 0) this.#stopRunning("the walltime ends");
  }

  /** Draining and nothing held any more (or no hope to be rid of it): the end. */
  #endIfDrained(): void {
    const draining = this.#draining;
    if (draining === null || this.#ending) return;
    if (this.#holdings.runningRanges > 0 || this.#slots.active > 0) return;
    this.#slots.stopIdleWorkers();
    const { reason, exitCode } = draining;
    if (this.#holdings.items === 0) {
      void this.#end(reason, exitCode, true);
      return;
    }
    this.#lastTimer ??= setTimeout(() => {
      this.#options.log("the last verdicts did not come: their leases will expire");
      void this.#end(reason, exitCode === EXIT.ok ? EXIT.unreachable : exitCode, true);
    }, LAST_VERDICTS_MS);
  }

  /** Kills everything now; says what can be said without waiting for answers. */
  async stop(reason: string, exitCode: number = EXIT.interrupted): Promise<void> {
    if (this.#ending) return;
    this.#draining ??= { reason, exitCode };
    this.#returnUnstarted();
    for (const span of [...this.#holdings.running()]) {
      this.#holdings.finish({
        ...returnedItem(span),
        outcome: OUTCOME.lost,
        reason: `stopped before its end (${reason})`,
      });
    }
    if (this.#connection.ready) this.#line.flush();
    await this.#end(reason, exitCode, false);
  }

  #onGiveUp(error: JumboError): void {
    this.#options.log(error.message);
    void this.#end(error.message, error.exitCode, false);
  }

  async #end(reason: string, exitCode: number, politely: boolean): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    for (const timer of [this.#drainTimer, this.#lastTimer]) clearTimeout(timer);
    clearInterval(this.#wallTimer);
    this.#wall.stop();
    clearInterval(this.#tidyTimer);
    if (!politely) this.#slots.killAll();
    else await this.#slots.endWorkers();
    for (const resolve of this.#announced) resolve();
    await this.#bundles.closeAll().catch((error) => this.#options.log(messageOf(error)));
    this.#connection.send({ type: "bye", reason: reason.slice(0, 500) });
    await this.#connection.end();
    await rm(this.#options.workDir, { recursive: true, force: true }).catch(() => {});
    this.#resolveEnd({ reason, exitCode, ...this.#line.tally, bundles: this.#bundles.created });
  }
}
