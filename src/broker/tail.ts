/**
 * The end of a bag, and of an allocation: once a second it looks whether slots starve while other
 * pilots hold ranges that they have not started, and takes those back; and whether nothing that is
 * left will ever fit a pilot's walltime, and lets it hand its node back; and whether a pilot whose
 * cores or walltime changed queues what others had better run. What slow nodes run is copied to
 * slots that starve (copies.ts). How many and from whom is the shaper's word; which leases is
 * decided here, last granted first. A recalled range stays leased until the pilot's word or its
 * expiry.
 */
import type { PilotNumber, TaskId } from "../base/index.ts";
import { type Lease, STATE } from "../ledger/index.ts";
import type { HolderSight } from "../shape/index.ts";
import { type SpanBlock, SpanBlockBuilder } from "../wire/index.ts";
import type { Conversations } from "./conversations.ts";
import type { Copies } from "./copies.ts";
import { ROUND_TRIP_SECONDS } from "./granter.ts";
import type { CoreParts } from "./parts.ts";
import { coresMax, type Session, secondsLeftOf } from "./session.ts";

const LOOK_MS = 1_000;
/** A pilot that was asked and still holds it unstarted is not asked again before. */
const RECALL_AGAIN_MS = 5_000;

interface Hungry {
  slots: number;
  /** Most that one of their pilots could give a payload. */
  cores: number;
}

/** What is to be taken back: for how many slots, and of which leases. */
interface Wanted {
  readonly slots: number;
  readonly isFor: (lease: Lease) => boolean;
}

/** Ranges of a lease that its pilot was asked to give back. */
interface Asked {
  readonly lease: Lease;
  readonly first: number;
  readonly count: number;
  readonly atMs: number;
}

const isHeldUnder = (run: { state: number; lease: number }, lease: Lease): boolean =>
  run.state === STATE.held && run.lease === lease.id;

export class Tail {
  readonly #parts: CoreParts;
  readonly #conversations: Conversations;
  readonly #copies: Copies;
  /** By pilot: what it was asked for and may still hold. */
  readonly #asked = new Map<number, Asked[]>();
  #lookedMs = 0;
  recalled = 0;
  handedBack = 0;

  constructor(parts: CoreParts, conversations: Conversations, copies: Copies) {
    this.#parts = parts;
    this.#conversations = conversations;
    this.#copies = copies;
  }

  tick(nowMs: number): void {
    if (nowMs - this.#lookedMs < LOOK_MS) return;
    this.#lookedMs = nowMs;
    this.#handBack();
    this.#reshape(nowMs);
    for (const [owner, hungry] of this.#hungry()) {
      this.#recall(owner, hungry, nowMs);
      this.#copies.make(owner, nowMs);
    }
  }

  /** A pilot with other cores or another walltime: what would wait long there goes back. */
  #reshape(nowMs: number): void {
    for (const session of this.#conversations.sessions.values()) {
      if (!session.reshaped) continue;
      session.reshaped = false;
      this.#takeBack([session], { slots: Number.POSITIVE_INFINITY, isFor: () => true }, nowMs);
    }
  }

  forget(pilot: number): void {
    this.#asked.delete(pilot);
  }

  /** Ranges that the pilot holds beyond those that it runs, as far as it has said. */
  #unstarted(session: Session): number {
    const running = Math.max(0, session.slots - session.freeSlots);
    return Math.max(0, this.#parts.ledger.heldBy(session.pilot) - running);
  }

  /**
   * Free slots whose want nothing ready can meet and that what their pilot holds won't fill (its
   * programs may still be starting), by the owner of their pilots' key ("": nobody).
   */
  #hungry(): Map<string, Hungry> {
    const all = new Map<string, Hungry>();
    const least = this.#leastCoresReady();
    for (const session of this.#conversations.sessions.values()) {
      const slots = Math.min(session.want, session.freeSlots - this.#unstarted(session));
      if (session.draining || slots <= 0) continue;
      const { owner } = session.rights;
      const cores = coresMax(session) || Number.POSITIVE_INFINITY;
      const isFed = cores >= (least.get(owner) ?? Number.POSITIVE_INFINITY);
      // All that is ready may be at its last chance, of which it has one already.
      if (isFed && !this.#parts.granter.hasLastChance(session)) continue;
      const hungry = all.get(owner) ?? { slots: 0, cores: 0 };
      all.set(owner, hungry);
      hungry.slots += slots;
      hungry.cores = Math.max(hungry.cores, cores);
    }
    return all;
  }

  /** Cores a slot of the least demanding task with ready ranges: by owner, and of all at "". */
  #leastCoresReady(): Map<string, number> {
    const least = new Map<string, number>();
    for (const { ready, owner, coresPerSlot } of this.#parts.granter.open.values()) {
      if (ready === 0) continue;
      for (const whose of owner === "" ? [""] : ["", owner]) {
        least.set(whose, Math.min(coresPerSlot, least.get(whose) ?? coresPerSlot));
      }
    }
    return least;
  }

  /** Takes back, from whoever holds it, what pilots of this owner could run. */
  #recall(owner: string, { slots, cores }: Hungry, nowMs: number): void {
    const { open } = this.#parts.granter;
    const isFor = ({ task: id }: Lease) => {
      const task = open.get(id);
      if (task === undefined || task.coresPerSlot > cores) return false;
      return owner === "" || task.owner === owner;
    };
    this.#takeBack(this.#conversations.sessions.values(), { slots, isFor }, nowMs);
  }

  #takeBack(sessions: Iterable<Session>, { slots, isFor }: Wanted, nowMs: number): void {
    const holders: HolderSight[] = [];
    for (const session of sessions) {
      const holder = this.#holder(session, isFor, nowMs);
      if (holder) holders.push(holder);
    }
    for (const order of this.#parts.shaper.recallFor(holders, slots)) {
      const session = this.#conversations.sessions.get(order.pilot as PilotNumber);
      if (!session) continue;
      this.recalled += order.ranges;
      const spans = this.#lastHeld(session, order.ranges, isFor, nowMs);
      this.#conversations.recall(session.pilot, spans, false);
    }
  }

  /** Has the pilot still to answer for such leases? What it gave back or started is forgotten. */
  #isAwaited(session: Session, isFor: (lease: Lease) => boolean, nowMs: number): boolean {
    const asked = this.#asked.get(session.pilot);
    if (asked === undefined) return false;
    const open = asked.filter((one) => nowMs - one.atMs < RECALL_AGAIN_MS && this.#isHeld(one));
    if (open.length > 0) this.#asked.set(session.pilot, open);
    else this.#asked.delete(session.pilot);
    return open.some(({ lease }) => isFor(lease));
  }

  #isHeld({ lease, first, count }: Asked): boolean {
    const { ledger } = this.#parts;
    if (!ledger.hasTask(lease.task)) return false;
    return ledger.runs(lease.task, first, count).some((run) => isHeldUnder(run, lease));
  }

  #holder(session: Session, isFor: (lease: Lease) => boolean, nowMs: number): HolderSight | null {
    if (this.#isAwaited(session, isFor, nowMs)) return null;
    const { ledger } = this.#parts;
    const unstarted = this.#unstarted(session);
    if (unstarted === 0) return null;
    const leases = ledger.leasesOf(session.pilot).filter(isFor);
    const [first] = leases;
    if (first === undefined) return null;
    return {
      pilot: session.pilot,
      slots: session.slots,
      freeSlots: session.freeSlots,
      unstarted: Math.min(
        unstarted,
        leases.reduce((sum, { open }) => sum + open, 0),
      ),
      meanSeconds: this.#meanSeconds(session, first.task, nowMs),
      roundTripSeconds: ROUND_TRIP_SECONDS,
      secondsLeft: secondsLeftOf(session, nowMs),
      draining: session.draining,
    };
  }

  /** Where none of the task's ranges has ended, what is known is how long the oldest one runs already. */
  #meanSeconds(session: Session, task: TaskId, nowMs: number): number {
    const mean = this.#parts.shaper.costs.mean(task, session.nodeTypes[0] ?? "");
    if (mean >= 0) return mean;
    let oldestMs = 0;
    for (const started of session.account.log.running()) {
      oldestMs = Math.max(oldestMs, nowMs - started.atMs);
    }
    // Since it came back, perhaps to another life of the engine, it runs something all the same.
    if (oldestMs === 0 && session.freeSlots < session.slots) oldestMs = nowMs - session.openedMs;
    return oldestMs / 1000;
  }

  /**
   * Up to `most` ranges that the pilot holds and has not started, from its newest such lease back:
   * they are asked for from now on.
   */
  #lastHeld(
    session: Session,
    most: number,
    isFor: (lease: Lease) => boolean,
    atMs: number,
  ): SpanBlock[] {
    const { ledger } = this.#parts;
    const asked = this.#asked.get(session.pilot) ?? [];
    this.#asked.set(session.pilot, asked);
    const builders = new Map<TaskId, SpanBlockBuilder>();
    let left = most;
    for (const lease of ledger.leasesOf(session.pilot).filter(isFor).reverse()) {
      if (left <= 0) break;
      const runs = ledger.runs(lease.task, lease.first, lease.count).reverse();
      for (const run of runs) {
        const end = Math.min(run.first + run.count, lease.first + lease.count);
        if (!isHeldUnder(run, lease) || run.first >= end || left <= 0) continue;
        const count = Math.min(left, end - run.first);
        const builder = builders.get(lease.task) ?? new SpanBlockBuilder(lease.task);
        builders.set(lease.task, builder);
        builder.add(end - count, count, run.attempts + 1, Math.max(1, run.grants), lease.id);
        asked.push({ lease, first: end - count, count, atMs });
        left -= count;
      }
    }
    return [...builders.values()].flatMap((builder) => builder.build());
  }

  /** Pilots whose walltime nothing fits any more leave, so that their cores are not held idle. */
  #handBack(): void {
    const { granter, shaper } = this.#parts;
    for (const session of this.#conversations.sessions.values()) {
      if (session.draining || session.wallEndsMs === Number.POSITIVE_INFINITY) continue;
      const reason = shaper.handBack(granter.sightOf(session), granter.sightsFor(session));
      if (reason === null) continue;
      this.handedBack++;
      this.#conversations.drain(session, reason);
    }
  }
}
