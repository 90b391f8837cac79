/**
 * From a want to a grant: the shaper says how many ranges of which task, the ledger leases them in
 * index order (which finishes files early) or in that of their weights (orders.ts), and the answer
 * carries what the pilot doesn't know yet (describe.ts).
 */
import {
  assert,
  type Clock,
  leaseNumber,
  RANGES_PER_LEASE_MAX,
  type TaskId,
} from "../base/index.ts";
import type { Ledger } from "../ledger/index.ts";
import type { GrantPlan, PilotSight, Shaper } from "../shape/index.ts";
import type { FileRow } from "../store/index.ts";
import { hintOf } from "../task/index.ts";
import { type GrantBody, SpanBlockBuilder } from "../wire/index.ts";
import type { TaskEntry } from "./book.ts";
import { type DescribedGrant, Describer, emptyGrant, type InputSource } from "./describe.ts";
import { chanceOf } from "./ledger-reads.ts";
import { type OpenTask, OpenTasks, type Reach } from "./open-tasks.ts";
import { Orders } from "./orders.ts";
import { coresMax, type Session, secondsLeftOf } from "./session.ts";

/** From a completion at the pilot to the start of its replacement: exchange, grant, spawn. */
export const ROUND_TRIP_SECONDS = 0.02;
/** A busy engine answers later; pilots measure it, and ask for as much more. */
const BELIEVED_TRIP_SECONDS = 0.5;
const EMPTY: GrantBody = { spans: [], tasks: [], files: [], offsets: [] };
/** Spans of one grant: the frame limit holds whatever the offsets add. */
const SPANS_PER_GRANT_MAX = 8_192;
const RANGES_WITH_OFFSETS_PER_GRANT_MAX = 16_384;
/**
 * Runs of ranges at their last chance that one grant passes over in search of others, and ranges
 * that orders propose in vain before they are asked for no more.
 */
const SKIPS_PER_GRANT_MAX = 1_024;

export class Granter {
  readonly open: OpenTasks;
  /** Of tasks with weights. */
  readonly orders: Orders;
  /** True while the store's disk is nearly full: what is leased may still be reported. */
  paused = false;
  readonly #ledger: Ledger;
  readonly #shaper: Shaper;
  readonly #inputs: InputSource;
  readonly #describer: Describer;
  readonly #clock: Clock;
  readonly #onChangedFile: (entry: TaskEntry, file: FileRow, what: string) => void;
  /** Tasks that had fewer ranges for the pilot than were planned: the others are looked at again. */
  readonly #spent: number[] = [];
  /** The last plan's orders proposed what could not be had: they may have others for the pilot. */
  #plansAgain = false;
  /** What was leased last had fewer ranges for the pilot than were planned. */
  #ranOut = false;

  constructor(parts: {
    ledger: Ledger;
    shaper: Shaper;
    inputs: InputSource;
    clock: Clock;
    onChangedFile: (entry: TaskEntry, file: FileRow, what: string) => void;
    /** Cost weight of each range, null where the task has none. */
    weightsOf: (task: number) => Float32Array | null;
  }) {
    this.#ledger = parts.ledger;
    this.#shaper = parts.shaper;
    this.#inputs = parts.inputs;
    this.#clock = parts.clock;
    this.#onChangedFile = parts.onChangedFile;
    this.#describer = new Describer(parts.inputs);
    this.open = new OpenTasks((owner) => parts.shaper.shares.level(owner));
    this.orders = new Orders({ ...parts, open: this.open });
  }

  /** Puts a task that is new, or open again, among those that are dispatched. */
  admit(entry: TaskEntry): void {
    this.#shaper.join(entry.row.spec.owner, this.open.activeOwners());
    this.resume(entry);
  }

  /** The same for a task of the engine's life before: its owner stands where it stood. */
  resume(entry: TaskEntry): void {
    const { spec, id } = entry.row;
    const command = spec.payload.command;
    const hint = hintOf(spec);
    this.#shaper.setHints(id, hint.meanSeconds, hint.cv);
    const hasHints = this.orders.begin(id);
    const readsBytes = command.some((word) => /\{(slice|offset|bytes)\}/.test(word));
    const counts = this.#ledger.openCounts(id as TaskId);
    this.open.add({
      entry,
      task: id,
      owner: spec.owner,
      priority: spec.priority,
      get ready() {
        return counts.ready;
      },
      get leased() {
        return counts.leased;
      },
      coresPerSlot: spec.payload.cores,
      hasHints,
      needsOffsets: readsBytes || (spec.payload.mode === "stream" && command[0] !== ":null"),
    });
  }

  dismiss(task: number): void {
    this.open.delete(task);
  }

  /** All open tasks that have ready ranges this pilot can run, with live counts, as they are asked for. */
  *sightsFor(session: Session): Generator<OpenTask, void> {
    const { owner, cores } = reachOf(session);
    for (const task of this.open.values()) {
      if (task.ready === 0 || (owner !== "" && task.owner !== owner)) continue;
      if (cores === 0 || task.coresPerSlot <= cores) yield task;
    }
  }

  sightOf(session: Session, nowMs = this.#clock.monotonicMs()): PilotSight {
    const held = this.#ledger.heldBy(session.pilot);
    return {
      pilot: session.pilot,
      nodeType: session.nodeTypes[0] ?? "",
      owner: session.rights.owner,
      slots: session.slots,
      freeSlots: session.freeSlots,
      held,
      running: Math.min(held, Math.max(0, session.slots - session.freeSlots)),
      want: session.want,
      secondsLeft: secondsLeftOf(session, nowMs),
      roundTripSeconds: ROUND_TRIP_SECONDS,
      believedTripSeconds: BELIEVED_TRIP_SECONDS,
      draining: session.draining,
      failureStreak: session.failureStreak,
    };
  }

  /** True while the pilot has a range that one more lost pilot would end. */
  hasLastChance(session: Session): boolean {
    const lease = session.lastChance === null ? undefined : this.#ledger.lease(session.lastChance);
    return lease !== undefined && lease.open > 0;
  }

  /** Leases what the shaper allots to this pilot now; its want shrinks by what it gets. */
  grant(session: Session, nowMs: number): GrantBody {
    if (session.want <= 0 || session.draining || this.paused) return EMPTY;
    const reach = reachOf(session);
    this.open.begin();
    let body: DescribedGrant | null = null;
    let tasks = this.open.next(session.want, reach);
    while (tasks.length > 0) {
      const pilot = this.sightOf(session, nowMs);
      const plans = this.#shaper.plan(pilot, tasks, nowMs);
      this.#spent.length = 0;
      this.#plansAgain = false;
      if (plans.length > 0) {
        body ??= emptyGrant();
        this.#leaseAll(session, plans, body);
      }
      if (session.want <= 0) break;
      if (this.#spent.length > 0 || this.#plansAgain) {
        tasks = tasks.filter(({ task }) => !this.#spent.includes(task));
        if (tasks.length > 0) continue;
      } else if (!this.#shaper.nothingFitted) break;
      tasks = this.open.next(session.want, reach);
    }
    if (this.orders.misses > 0) this.orders.endGrant();
    return body ?? EMPTY;
  }

  #leaseAll(session: Session, plans: readonly GrantPlan[], body: DescribedGrant): void {
    for (const plan of plans) {
      const open = this.open.get(plan.task);
      assert(open, "the shaper planned task %, which is not open", plan.task);
      const most = Math.min(plan.ranges, session.want);
      const missesBefore = this.orders.misses;
      let leased = this.#lease(session, open, most, plan, body);
      // Nothing untried is left: what is left must not wait for a pilot that may never come.
      if (leased === 0 && plan.untried) {
        leased = this.#lease(session, open, most, { ...plan, untried: false }, body);
      }
      if (this.#ranOut) {
        // Others of its order may go to this pilot.
        const { misses } = this.orders;
        const others = misses > missesBefore && misses <= SKIPS_PER_GRANT_MAX;
        if (others) this.#plansAgain = true;
        else this.#spent.push(open.task);
      }
      if (plan.picks) this.orders.leased(open.task, plan.picks, leased);
      if (leased < plan.ranges) {
        this.#shaper.notLeased(open, session.nodeTypes[0] ?? "", plan.ranges - leased);
      }
      this.open.served(open);
      session.want -= leased;
    }
  }

  #lease(
    session: Session,
    open: OpenTask,
    wanted: number,
    { picks, untried }: GrantPlan,
    body: DescribedGrant,
  ): number {
    const task = open.task as TaskId;
    const builder = new SpanBlockBuilder(task);
    const limit = open.needsOffsets ? Math.min(wanted, RANGES_WITH_OFFSETS_PER_GRANT_MAX) : wanted;
    let granted = 0;
    let spans = 0;
    let picked = 0;
    let skips = 0;
    let lowest = 0;
    let isFull = false;
    while (granted < limit && spans < SPANS_PER_GRANT_MAX) {
      if (picks && picked >= picks.length) break;
      const from = picks ? (picks[picked++] as number) : lowest;
      const most = picks ? 1 : Math.min(limit - granted, RANGES_PER_LEASE_MAX);
      const run = this.#ledger.nextReady(task, from, most);
      if (picks && run?.first !== from) {
        this.orders.misses++;
        continue;
      }
      if (!run) break;
      if (untried && run.attempts > 0) {
        // A probe of a suspect node must not spend another range's last attempt.
        if (++skips > SKIPS_PER_GRANT_MAX) break;
        lowest = run.first + run.count;
        continue;
      }
      const changed = this.#changedInput(open.entry, run.first);
      if (changed) continue;
      const chance = chanceOf(this.#ledger, task, run, open.entry.row.spec.losses);
      if (chance.last && this.hasLastChance(session)) {
        if (picks) this.orders.setAside(task, from);
        if (++skips > SKIPS_PER_GRANT_MAX) break;
        lowest = run.first + chance.count;
        continue;
      }
      const alone = chance.last ? 1 : chance.count;
      const count = this.#describer.describable(session, open, run.first, alone, body);
      isFull = count === 0;
      if (isFull) break;
      const lease = this.#ledger.grant(task, run.first, count, session.pilot);
      assert(leaseNumber(lease.id) > 0, "a lease has no number");
      if (chance.last) session.lastChance = lease.id;
      builder.add(run.first, count, run.attempts + 1, run.grants + 1, lease.id);
      this.#describer.files(session, open, run.first, count, body);
      granted += count;
      spans++;
    }
    this.#ranOut = granted < limit && spans < SPANS_PER_GRANT_MAX && !isFull;
    if (granted === 0) return 0;
    const blocks = builder.build();
    if (body.spans.length === 0) body.spans = blocks;
    else body.spans.push(...blocks);
    this.#describer.task(session, open, body);
    return granted;
  }

  /** Leases a second copy of a running range to the pilot; null if its input has changed. */
  grantCopy(session: Session, open: OpenTask, range: number): GrantBody | null {
    const task = open.task as TaskId;
    if (this.#changedInput(open.entry, range)) return null;
    const body = emptyGrant();
    const run = this.#ledger.rangeAt(task, range);
    const lease = this.#ledger.grantCopy(task, range, 1, session.pilot);
    const builder = new SpanBlockBuilder(task);
    builder.add(range, 1, run.attempts + 1, run.grants + 1, lease.id);
    this.#describer.files(session, open, range, 1, body);
    body.spans = builder.build();
    this.#describer.task(session, open, body);
    session.want--;
    session.freeSlots--;
    return body;
  }

  /** True if the range's file is not what was scanned; its open ranges are failed then. */
  #changedInput(entry: TaskEntry, range: number): boolean {
    if (entry.row.spec.input.count !== null) return false;
    const file = entry.files[entry.table.fileOfRange(range)] as FileRow;
    const what = this.#inputs.changed(file);
    if (what === "") return false;
    this.#onChangedFile(entry, file, what);
    return true;
  }
}

/** Whose tasks the pilot may have, and which of them it could run. */
function reachOf(session: Session): Reach {
  return { owner: session.rights.owner, cores: coresMax(session) };
}
