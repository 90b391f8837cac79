/**
 * Second copies of what runs on slow nodes, when nothing is ready and slots are free elsewhere.
 * Which and how many is the shaper's word (shape/speculate.ts); here is who holds what since when,
 * and what follows: the first accepted report wins, and the other pilot is told to stop. Its own
 * word, if it still comes, is answered `stale`, which is true: somebody else did it.
 *
 * Which ranges have two leases is in the ledger and survives a restart; ages don't, so after one a
 * node is judged anew.
 */
import type { LeaseId, PilotNumber, TaskId } from "../base/index.ts";
import { STARTS_PER_RANGE_MAX } from "../base/index.ts";
import { STATE } from "../ledger/index.ts";
import { type CopyCandidate, SLOW_FROM } from "../shape/index.ts";
import { OUTCOME, type Report, singleSpan } from "../wire/index.ts";
import type { Conversations } from "./conversations.ts";
import type { OpenTask } from "./open-tasks.ts";
import type { CoreParts } from "./parts.ts";
import { coresMax, type Session, secondsLeftOf } from "./session.ts";

/** One holder of a range that runs twice. */
interface Holder {
  readonly pilot: PilotNumber;
  readonly lease: LeaseId;
}

interface Twice {
  readonly task: TaskId;
  readonly range: number;
  readonly holders: readonly [first: Holder, copy: Holder];
}

interface Candidate extends CopyCandidate {
  readonly task: OpenTask;
  readonly holder: Holder;
}

const keyOf = (task: number, range: number) => `${task}/${range}`;

export class Copies {
  readonly #parts: CoreParts;
  readonly #conversations: Conversations;
  readonly #twice = new Map<string, Twice>();
  made = 0;
  /** Losers that were told to stop. */
  stopped = 0;

  constructor(parts: CoreParts, conversations: Conversations) {
    this.#parts = parts;
    this.#conversations = conversations;
    const { ledger } = parts;
    for (const { task, first, id, pilot, speculative } of ledger.leases()) {
      if (!speculative) continue;
      const lease = ledger.rangeAt(task, first).lease;
      const before = ledger.lease(lease);
      if (before) this.#remember(task, first, { pilot: before.pilot, lease }, { pilot, lease: id });
    }
  }

  /** Ranges that two pilots run now. */
  get open(): number {
    return this.#twice.size;
  }

  /** The pilot that runs a second copy of the range; null: none does. */
  copyOf(task: number, range: number): PilotNumber | null {
    const twice = this.#twice.get(keyOf(task, range));
    const copy = twice?.holders[1];
    return copy !== undefined && this.#parts.ledger.lease(copy.lease) ? copy.pilot : null;
  }

  /** Copies what slow nodes hold to pilots of this owner's keys that have nothing to do. */
  make(owner: string, nowMs: number): void {
    const { shaper, granter } = this.#parts;
    this.#tidy();
    for (const session of this.#conversations.sessions.values()) {
      shaper.see(granter.sightOf(session), nowMs);
    }
    const candidates = this.#candidates(owner, nowMs);
    if (candidates.length === 0) return;
    const free = this.#free(owner, new Set(candidates.map(({ task }) => task.task)));
    let slots = 0;
    for (const session of free) slots += Math.min(session.want, session.freeSlots);
    if (slots === 0) return;
    for (const chosen of shaper.copiesFor(candidates, slots) as Candidate[]) {
      const session = free.find((one) => this.#takes(one, chosen, nowMs));
      if (session) this.#copy(session, chosen);
      else shaper.copyNotMade(chosen);
    }
  }

  /** A report was applied: whoever still runs what is done by another is told to stop. */
  reported(session: Session, { outcome, spans }: Report): void {
    if (this.#twice.size === 0 || outcome !== OUTCOME.done) return;
    for (let i = 0; i < spans.size; i++) {
      const first = spans.first[i] as number;
      for (let range = first; range < first + (spans.count[i] as number); range++) {
        const twice = this.#twice.get(keyOf(spans.task, range));
        if (twice) this.#settle(twice, session.pilot, spans.lease[i] as LeaseId);
      }
    }
  }

  #settle(twice: Twice, pilot: PilotNumber, lease: LeaseId): void {
    const { ledger } = this.#parts;
    const { task, range, holders } = twice;
    const at = ledger.rangeAt(task, range);
    if (at.state !== STATE.done || at.lease !== lease) return;
    this.#twice.delete(keyOf(task, range));
    const loser = holders.find((holder) => holder.lease !== lease);
    if (loser === undefined || loser.pilot === pilot) return;
    this.stopped++;
    const span = singleSpan(task, range, 1, at.attempts, Math.max(1, at.grants), loser.lease);
    this.#conversations.recall(loser.pilot, [span], true);
  }

  #candidates(owner: string, nowMs: number): Candidate[] {
    const { granter, shaper } = this.#parts;
    const found: Candidate[] = [];
    for (const session of this.#conversations.sessions.values()) {
      const { pilot } = session;
      const nodeType = session.nodeTypes[0] ?? "";
      const slow = new Map<number, number>();
      for (const { task: id, lease, range, atMs } of session.account.log.running()) {
        const task = granter.open.get(id);
        if (task === undefined || (owner !== "" && task.owner !== owner)) continue;
        let slowness = slow.get(id);
        if (slowness === undefined) {
          slowness = shaper.slowness(pilot, id, nodeType);
          slow.set(id, slowness);
        }
        if (slowness < SLOW_FROM) break;
        if (!this.#mayCopy(id, range)) continue;
        found.push({
          pilot,
          range,
          ageSeconds: (nowMs - atMs) / 1000,
          predictedSeconds: shaper.predict(id, nodeType, range),
          cv: shaper.costs.cv(id, nodeType),
          slowness,
          task,
          holder: { pilot, lease },
        });
      }
    }
    return found;
  }

  #mayCopy(task: TaskId, range: number): boolean {
    if (this.#twice.has(keyOf(task, range))) return false;
    return this.#parts.ledger.rangeAt(task, range).attempts < STARTS_PER_RANGE_MAX;
  }

  /** Pilots with free slots on nodes that are not slow at these tasks and have not just failed. */
  #free(owner: string, tasks: ReadonlySet<number>): Session[] {
    const { shaper } = this.#parts;
    return [...this.#conversations.sessions.values()].filter((session) => {
      if (session.draining || session.want <= 0 || session.freeSlots <= 0) return false;
      if (session.rights.owner !== owner || session.failureStreak > 0) return false;
      const type = session.nodeTypes[0] ?? "";
      for (const task of tasks) {
        if (shaper.slowness(session.pilot, task, type) >= SLOW_FROM) return false;
      }
      return true;
    });
  }

  #takes(session: Session, chosen: Candidate, nowMs: number): boolean {
    if (session.want <= 0 || session.freeSlots <= 0) return false;
    if (session.pilot === chosen.holder.pilot) return false;
    const cores = coresMax(session);
    if (cores > 0 && chosen.task.coresPerSlot > cores) return false;
    return secondsLeftOf(session, nowMs) > chosen.predictedSeconds;
  }

  #copy(session: Session, { task, range, holder }: Candidate): void {
    const body = this.#parts.granter.grantCopy(session, task, range);
    const lease = body?.spans[0]?.lease[0];
    if (body === null || lease === undefined) return;
    this.made++;
    this.#remember(task.task as TaskId, range, holder, { pilot: session.pilot, lease });
    this.#conversations.send(session.connection, { type: "grant", sequence: 0, ...body });
  }

  #remember(task: TaskId, range: number, first: Holder, copy: Holder): void {
    this.#twice.set(keyOf(task, range), { task, range, holders: [first, copy] });
  }

  /** Forgets ranges of which one of the two leases has ended. */
  #tidy(): void {
    const { ledger } = this.#parts;
    for (const [key, { holders }] of this.#twice) {
      if (holders.some(({ lease }) => ledger.lease(lease) === undefined)) this.#twice.delete(key);
    }
  }
}
