/**
 * One queue, kept as it should be. Each pass
 *
 *   1. asks what became of our jobs, learns S from their pilots' first word, clears up after ends
 *   2. takes back what must not go on: jobs that wait although their hole was free, allocations
 *      whose pilots find no work
 *   3. unless the queue is paused: looks at the site, plans, and submits the plan's shapes, longest
 *      first, as far as the rate allows; the site is looked at again before each further one, and
 *      a shape whose nodes are no longer free for so long waits for the next pass's plan
 *
 * Passes and commands of one queue never overlap. Nothing is submitted that is not in the books
 * first; nothing that we did not submit is ever touched. Jobs that end badly before a pilot spoke
 * hold the queue back, twice as long each time.
 */
import { randomBytes } from "node:crypto";
import {
  JumboError,
  KEY_SLACK_SECONDS,
  messageOf,
  type PilotCaveats,
  readAccessFile,
  writeAccessFile,
} from "../base/index.ts";
import type { EngineClient, PilotView } from "../broker/index.ts";
import { completedRanges } from "../shape/index.ts";
import { allocationAccess, clearFolder, folderOf, makeFolder } from "./folder.ts";
import { type Plan, placesPerNode, planShapes, type Shape } from "./plan.ts";
import type { AllocationRecord, QueueRecord, QueueRecords } from "./records.ts";
import type { JobState, Provisioner, SiteSight } from "./types.ts";
import { readWork, type Work } from "./work.ts";

export interface KeeperParts {
  readonly record: QueueRecord;
  readonly records: QueueRecords;
  readonly provisioner: Provisioner;
  readonly client: EngineClient;
  /** The engine's own access file; read before each use. */
  readonly accessPath: string;
  /** Ranges that the live allocations of the other queues will do. */
  readonly claimedElsewhere: () => number;
  /** Nodes that other queues of the same site have asked for: sinfo shows that only later. */
  readonly takenElsewhere: () => readonly string[];
  readonly nowSeconds: () => number;
  readonly log: (line: string) => void;
}

const HOLD_SECONDS_FIRST = 30;
const HOLD_SECONDS_MAX = 1_800;
/** Weight of the newest start-up time in the learned mean. */
const STARTUP_WEIGHT = 0.3;
/** A submission that the site does not know after so long was never made. */
const SUBMIT_SECONDS_MAX = 120;
/** A submitted job may stay unseen for so long: sites answer from caches. */
const SEEN_SECONDS_MAX = 30;

export class QueueKeeper {
  readonly #parts: KeeperParts;
  readonly #idleSince = new Map<string, number>();
  #turn: Promise<unknown> = Promise.resolve();
  #passing = false;
  #closed = false;
  #work: Work | null = null;
  #places = 1;
  /** When the site was looked at last; 0: never. */
  lookedSeconds = 0;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  get record(): QueueRecord {
    return this.#parts.record;
  }

  get live(): AllocationRecord[] {
    return this.record.allocations.filter((one) => one.phase !== "ended");
  }

  /** A pass unless one is under way: a slow site is not asked twice at once. */
  async tick(): Promise<void> {
    if (this.#passing || this.#closed) return;
    this.#passing = true;
    await this.pass();
    this.#passing = false;
  }

  /** One pass; what goes wrong becomes the queue's problem, in words. */
  pass(): Promise<void> {
    return this.#inTurn(async () => {
      const { record, records, log } = this.#parts;
      try {
        await this.#settle();
        await this.#handBack();
        if (!record.paused) await this.#submitPlan();
        // A refused submission stays told until the queue may try again.
        if (record.heldUntilSeconds <= this.#parts.nowSeconds()) record.problem = "";
      } catch (error) {
        const problem = messageOf(error);
        if (record.problem !== problem) log(`queue ${record.name}: ${problem}`);
        record.problem = problem;
      }
      try {
        await records.save(record);
      } catch (error) {
        // The store is gone or going; whoever stops the engine says so.
        log(`queue ${record.name}: ${messageOf(error)}`);
      }
    });
  }

  /** No pass begins after this, and none is under way when it resolves. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#turn;
  }

  /** What a pass would submit now. */
  dryRun(): Promise<Plan> {
    return this.#inTurn(async () => {
      await this.#settle();
      return (await this.#plan()).plan;
    });
  }

  setPaused(paused: boolean): Promise<void> {
    return this.#inTurn(async () => {
      this.record.paused = paused;
      if (!paused) Object.assign(this.record, { badStreak: 0, heldUntilSeconds: 0, problem: "" });
      await this.#parts.records.save(this.record);
    });
  }

  /**
   * Takes every job back that we submitted; used before a queue is forgotten. `gently`: pilots that
   * are there are told to drain, since Slurm's own signal ends their payloads too.
   */
  cancelAll(why: string, gently: boolean): Promise<void> {
    return this.#inTurn(async () => {
      this.record.paused = true;
      await this.#settle();
      for (const one of this.live) {
        if (!gently || !(await this.#drain(one, why))) await this.#cancel(one, why);
      }
      await this.#settle();
      await this.#parts.records.save(this.record);
    });
  }

  /** The engine may be at other addresses than in its last life: pilots read them when they dial. */
  refreshAccess(): void {
    const { record, accessPath } = this.#parts;
    const access = readAccessFile(accessPath);
    const { kind } = record.settings;
    for (const one of this.live) {
      const at = folderOf(record.name, record.settings, one.id);
      try {
        const own = allocationAccess(access, kind, this.#caveatsOf(one));
        writeAccessFile(at.accessPath, own, 0o400);
      } catch (error) {
        this.#parts.log(`queue ${record.name}: ${at.accessPath}: ${messageOf(error)}`);
      }
    }
  }

  /** Ranges that our live allocations will take, by what is known of their time. */
  claimed(): number {
    const work = this.#work;
    if (work === null) return 0;
    const nowSeconds = this.#parts.nowSeconds();
    let ranges = 0;
    for (const one of this.live) {
      const places = one.nodes.length * this.#places;
      const end = one.startSeconds > 0 ? one.startSeconds + one.seconds : nowSeconds + one.seconds;
      const left = end - nowSeconds - this.record.settings.flushSeconds;
      const moments = { mean: work.meanSeconds, cv: work.cv };
      const done = work.meanSeconds > 0 ? completedRanges(places, left, moments) : places;
      ranges += Math.max(0, done);
    }
    return ranges;
  }

  /** The same at each call: a key that is written anew must be the one that its pilots have. */
  #caveatsOf(one: AllocationRecord): PilotCaveats {
    const { name, settings } = this.record;
    const begunBefore = Math.floor(one.submittedSeconds) + Math.ceil(settings.pendingSecondsMax);
    const enrolBeforeSeconds = begunBefore + KEY_SLACK_SECONDS;
    return {
      allocation: one.id,
      queue: name,
      owner: settings.owner,
      cores: one.cores ?? 0,
      enrolBeforeSeconds,
      notAfterSeconds: enrolBeforeSeconds + Math.ceil(one.seconds),
    };
  }

  #inTurn<Value>(step: () => Promise<Value>): Promise<Value> {
    const result = this.#turn.then(step);
    this.#turn = result.catch(() => {});
    return result;
  }

  jobName(id: string): string {
    return `jumbo-${this.record.name}-${id}`;
  }

  // -- 1. what became of our jobs ----------------------------------------------------------------

  async #settle(): Promise<void> {
    const live = this.live;
    if (live.length === 0) return;
    const { provisioner, client, nowSeconds } = this.#parts;
    const asked = live.map((one) => ({ jobId: one.jobId, name: this.jobName(one.id) }));
    const [states, pilots] = await Promise.all([
      provisioner.states(asked),
      client.ask("pilots", {}),
    ]);
    const byName = new Map(states.map((state) => [state.name, state]));
    for (const one of live) {
      const ours = pilots.filter((pilot) => this.#isOf(pilot, one));
      const state = byName.get(this.jobName(one.id));
      if (state !== undefined) this.#take(one, state);
      this.#learnStartup(one, ours);
      if (state === undefined) this.#missing(one);
      if (one.phase === "ended") this.#clearUp(one);
      else this.#watchIdle(one, ours, nowSeconds());
    }
    await this.#parts.records.save(this.record);
  }

  #isOf(pilot: PilotView, one: AllocationRecord): boolean {
    return pilot.queue === this.record.name && pilot.allocation === one.id;
  }

  #take(one: AllocationRecord, state: JobState): void {
    one.jobId = state.jobId;
    one.phase = state.phase;
    one.state = state.state;
    one.reason = state.reason;
    one.exitCode = state.exitCode;
    if (state.phase !== "pending") one.startSeconds = state.startSeconds;
    if (state.phase === "ended") one.endSeconds = state.endSeconds || this.#parts.nowSeconds();
  }

  #missing(one: AllocationRecord): void {
    const nowSeconds = this.#parts.nowSeconds();
    const since = nowSeconds - one.submittedSeconds;
    if (since < (one.jobId === "" ? SUBMIT_SECONDS_MAX : SEEN_SECONDS_MAX)) return;
    one.reason = one.jobId === "" ? "it was never submitted" : "the site knows it no more";
    Object.assign(one, { phase: "ended", state: "GONE", endSeconds: nowSeconds });
  }

  #learnStartup(one: AllocationRecord, pilots: readonly PilotView[]): void {
    if (one.startupSeconds >= 0 || one.startSeconds <= 0 || pilots.length === 0) return;
    const longest = Math.max(...pilots.map((pilot) => pilot.connectedSeconds));
    const seconds = Math.max(0, this.#parts.nowSeconds() - longest - one.startSeconds);
    one.startupSeconds = seconds;
    const { record, client } = this.#parts;
    const began = { queue: record.name, allocation: one.id, wallMs: one.startSeconds * 1000 };
    void client.ask("allocationBegan", began).catch((error) => this.#parts.log(messageOf(error)));
    const known = record.startupSeconds;
    record.startupSeconds = known < 0 ? seconds : known + STARTUP_WEIGHT * (seconds - known);
    record.badStreak = 0;
  }

  #clearUp(one: AllocationRecord): void {
    const { record, client, log, nowSeconds } = this.#parts;
    this.#idleSince.delete(one.id);
    // A node that went away without a word would keep its ranges for the rest of their leases.
    const which = { queue: record.name, allocation: one.id };
    void client.ask("allocationEnded", which).catch((error) => log(messageOf(error)));
    const spoke = one.startupSeconds >= 0;
    // One that ended between two looks may have had pilots all the same: its exit code tells.
    const bad =
      one.cancelled === "" && /^(FAILED|BOOT_FAIL|OUT_OF_MEMORY|REFUSED)$/.test(one.state);
    const at = folderOf(record.name, record.settings, one.id);
    clearFolder(at, bad && one.jobId !== "");
    const job = one.jobId === "" ? "" : `, job ${one.jobId}`;
    log(`queue ${record.name}: allocation ${one.id}${job} ended: ${one.state} ${one.reason}`);
    if (!bad || spoke) return;
    const hold = Math.min(HOLD_SECONDS_MAX, HOLD_SECONDS_FIRST * 2 ** record.badStreak);
    record.badStreak++;
    record.heldUntilSeconds = nowSeconds() + hold;
    const looked = one.state === "REFUSED" ? "" : `; see ${at.folder}`;
    record.problem = `allocation ${one.id} ended ${one.state} (${one.reason})${looked}`;
  }

  // -- 2. what must not go on --------------------------------------------------------------------

  #watchIdle(one: AllocationRecord, pilots: readonly PilotView[], nowSeconds: number): void {
    const idle = pilots.length > 0 && pilots.every((pilot) => pilot.held === 0);
    if (!idle) this.#idleSince.delete(one.id);
    else if (!this.#idleSince.has(one.id)) this.#idleSince.set(one.id, nowSeconds);
  }

  async #handBack(): Promise<void> {
    const { record, nowSeconds } = this.#parts;
    const { pendingSecondsMax, idleSecondsMax } = record.settings;
    for (const one of this.live) {
      const waited = nowSeconds() - one.submittedSeconds;
      if (one.phase === "pending" && waited > pendingSecondsMax) {
        await this.#cancel(one, `it did not begin within ${pendingSecondsMax} s: its hole is gone`);
      }
      const idle = nowSeconds() - (this.#idleSince.get(one.id) ?? Number.POSITIVE_INFINITY);
      if (!(idle > idleSecondsMax) || one.cancelled !== "") continue;
      await this.#drain(one, `its pilots found no work for ${idleSecondsMax} s`);
    }
  }

  /** Tells the allocation's pilots to drain; false if none is there to be told. */
  async #drain(one: AllocationRecord, reason: string): Promise<boolean> {
    const { client } = this.#parts;
    const pilots = (await client.ask("pilots", {})).filter((pilot) => this.#isOf(pilot, one));
    if (pilots.length > 0) one.cancelled = reason;
    for (const { number } of pilots) await client.ask("drainPilot", { pilot: number, reason });
    return pilots.length > 0;
  }

  async #cancel(one: AllocationRecord, why: string): Promise<void> {
    one.cancelled = why;
    await this.#parts.records.save(this.record);
    if (one.jobId !== "") await this.#parts.provisioner.cancel(one.jobId);
    this.#parts.log(`queue ${this.record.name}: allocation ${one.id} is taken back: ${why}`);
  }

  // -- 3. what there should be -------------------------------------------------------------------

  async #plan(): Promise<{ plan: Plan; sight: SiteSight }> {
    const { record, provisioner, client, nowSeconds } = this.#parts;
    const { claimedElsewhere, takenElsewhere } = this.#parts;
    const { settings } = record;
    const sight = await provisioner.look();
    this.lookedSeconds = nowSeconds();
    const work = await readWork(client, nodeTypeOf(record, sight), settings.owner);
    this.#work = work;
    const live = this.live;
    const input = {
      sight,
      settings,
      work,
      startSeconds: record.startupSeconds >= 0 ? record.startupSeconds : settings.startSeconds,
      jobsLive: live.length,
      taken: new Set([...live.flatMap((one) => one.nodes), ...takenElsewhere()]),
      claimed: 0,
    };
    this.#places = placesPerNode(input);
    return { plan: planShapes({ ...input, claimed: this.claimed() + claimedElsewhere() }), sight };
  }

  async #submitPlan(): Promise<void> {
    const { record, nowSeconds, provisioner } = this.#parts;
    if (record.heldUntilSeconds > nowSeconds()) return;
    const first = await this.#plan();
    let { sight } = first;
    let submitted = 0;
    for (const shape of first.plan.shapes) {
      if (!this.#mayNow()) return;
      if (submitted > 0) sight = await provisioner.look();
      if (!stillFits(shape, sight)) return;
      await this.#submit(shape, sight);
      submitted++;
    }
  }

  #mayNow(): boolean {
    const since = this.#parts.nowSeconds() - 60;
    const lately = this.record.allocations.filter((one) => one.submittedSeconds > since).length;
    return lately < this.record.settings.submissionsPerMinute;
  }

  /** Most slots that its pilots may offer: twice a node's, since sites may count cores as one. */
  #coresOf(nodes: readonly string[], sight: SiteSight): number {
    const { slots } = this.record.settings;
    if (slots > 0) return slots * nodes.length;
    const known = new Map(sight.nodes.map((node) => [node.name, node.cores]));
    return nodes.reduce((sum, name) => sum + 2 * (known.get(name) ?? 0), 0);
  }

  async #submit(shape: Shape, sight: SiteSight): Promise<void> {
    const { record, records, provisioner, accessPath, nowSeconds, log } = this.#parts;
    const one: AllocationRecord = {
      id: randomBytes(4).toString("hex"),
      jobId: "",
      phase: "submitting",
      state: "",
      reason: "",
      nodes: shape.nodes,
      cores: this.#coresOf(shape.nodes, sight),
      seconds: shape.seconds,
      why: shape.reason,
      submittedSeconds: nowSeconds(),
      startSeconds: 0,
      endSeconds: 0,
      exitCode: 0,
      startupSeconds: -1,
      cancelled: "",
    };
    const access = readAccessFile(accessPath);
    const { kind } = record.settings;
    allocationAccess(access, kind, this.#caveatsOf(one));
    record.allocations.push(one);
    await records.save(record);
    const at = folderOf(record.name, record.settings, one.id);
    try {
      makeFolder(at, access, kind, this.#caveatsOf(one));
      const { nodes, seconds } = shape;
      const request = { allocation: one.id, jobName: this.jobName(one.id), nodes, seconds, ...at };
      one.jobId = await provisioner.submit(request);
      one.phase = "pending";
      log(`queue ${record.name}: job ${one.jobId}, ${shape.reason}`);
    } catch (error) {
      // Only the site's own no is a no; a command that broke off may have submitted all the same.
      const refused = !(error instanceof JumboError) || error.code === "refused";
      if (refused) {
        Object.assign(one, { phase: "ended", state: "REFUSED", endSeconds: nowSeconds() });
        one.reason = messageOf(error);
        this.#clearUp(one);
      }
      throw error;
    } finally {
      await records.save(record);
    }
  }
}

/** What the engine's cost model calls nodes of this queue, if they are all alike. */
function nodeTypeOf({ name, settings }: QueueRecord, sight: SiteSight): string {
  return `${name}/${settings.slots > 0 ? settings.slots : (sight.nodes[0]?.cores ?? 0)}c`;
}

function stillFits(shape: Shape, sight: SiteSight): boolean {
  const ends = new Map(sight.nodes.map((node) => [node.name, node.endsSeconds]));
  return shape.nodes.every((name) => {
    const end = ends.get(name);
    return end !== undefined && end - sight.nowSeconds >= shape.seconds;
  });
}
