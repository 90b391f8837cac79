/**
 * One random history: the real ledger and the model take the same operations, commits and crashes.
 * The disk is what the store promises: pages and journal records of a group go together, the cut
 * takes the records below, cold facts (extended, cancelled, merged, lost bundles) ride in it.
 */
import { expect } from "vitest";
import {
  type BundleId,
  type LeaseId,
  type PilotNumber,
  type ReasonId,
  SeededRandom,
  type TaskId,
} from "../../src/base/index.ts";
import { Ledger, type RangeRun, type TaskTerms } from "../../src/ledger/index.ts";
import { Model, type ModelKind, type ModelRange, STATE_NAMES } from "./model.ts";
import { verdictsTold } from "./setup.ts";

const PAGE = 4096;
const KINDS: readonly ModelKind[] = ["started", "done", "failed", "fatal", "lost", "returned"];
const WEIGHTED: readonly ModelKind[] = [
  ...KINDS,
  ...["started", "started", "started", "done", "done", "failed", "lost"],
] as ModelKind[];

export class History {
  readonly random: SeededRandom;
  readonly #openBytesMax: number;
  readonly #settleGroups: number;
  ledger: Ledger;
  model: Model;
  #durable: Model;
  #epoch = 1;
  #sequence = 0;
  readonly #pages = new Map<string, { task: number; page: number; value: Uint8Array }>();
  #journal: { sequence: number; bytes: Uint8Array }[] = [];
  /** Every lease ever handed out, also those lost in a crash. */
  readonly #leases: number[] = [];
  crashes = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.#openBytesMax = this.random.chance(0.5) ? 300 : 1e6;
    this.#settleGroups = this.random.below(3);
    this.model = new Model(this.#epoch);
    this.ledger = this.#newLedger();
    for (const [id, ranges] of [
      [1, PAGE + 40],
      [2, 30],
    ] as const) {
      const task = { ranges, attemptsMax: 3, lossesMax: 2 };
      this.model.tasks.set(id, { ...task, phase: "open", mergedBelow: 0, touched: new Map() });
      this.ledger.addTask(this.#terms(id), { cancelled: false, finished: false, mergedBelow: 0 });
    }
    this.#durable = this.model.clone();
    for (let pilot = 1; pilot <= 3; pilot++) this.ledger.renew(pilot as PilotNumber, 100);
  }

  #newLedger(): Ledger {
    return new Ledger({
      epoch: this.#epoch,
      openBytesMax: this.#openBytesMax,
      settleGroups: this.#settleGroups,
    });
  }

  #terms(id: number): TaskTerms {
    const { ranges, attemptsMax, lossesMax } = this.model.tasks.get(id)!;
    return { id: id as TaskId, ranges, attemptsMax, lossesMax };
  }

  step(): void {
    const dice = this.random.below(100);
    if (dice < 28) this.#grant();
    else if (dice < 36) this.#copy();
    else if (dice < 66) this.#report();
    else if (dice < 74) this.#reportBlock();
    else if (dice < 77) this.#expire();
    else if (dice < 80) this.#reconcile();
    else if (dice < 87) this.#wayBack();
    else if (dice < 89) this.#extend();
    else if (dice < 90) this.#merge();
    else if (dice < 91 && this.random.chance(0.1)) this.#cancel();
    else if (dice < 98) this.commit();
    else this.crash();
  }

  #task(): number {
    return this.random.chance(0.7) ? 1 : 2;
  }

  /** A span where the action is: the task's beginning, and around the border of its pages. */
  #span(task: number): [first: number, count: number] {
    const around = task === 1 && this.random.chance(0.8) ? PAGE - 25 : 0;
    const first = around + this.random.below(30);
    return [first, 1 + this.random.below(this.random.chance(0.5) ? 3 : 20)];
  }

  #grant(): void {
    const task = this.#task();
    const { ranges, phase } = this.model.tasks.get(task)!;
    const from = this.random.chance(0.3) ? 0 : this.#span(task)[0];
    const countMax = 1 + this.random.below(16);
    const found = this.ledger.nextReady(task as TaskId, from, countMax);
    let first = from;
    while (first < ranges && this.model.peek(task, first).state !== "ready") first++;
    if (phase !== "open" || first >= ranges) {
      expect(found).toBeNull();
      return;
    }
    const { attempts, grants } = this.model.peek(task, first);
    let end = first;
    for (; end < Math.min(ranges, first + countMax); end++) {
      const next = this.model.peek(task, end);
      if (next.state !== "ready" || next.attempts !== attempts || next.grants !== grants) break;
    }
    expect(found).toEqual({ first, count: end - first, attempts, grants });
    const pilot = (1 + this.random.below(3)) as PilotNumber;
    const lease = this.ledger.grant(task as TaskId, first, end - first, pilot);
    this.#leases.push(lease.id);
    this.model.grant(lease);
  }

  #copy(): void {
    const task = this.#task();
    const [from] = this.#span(task);
    const { phase, ranges } = this.model.tasks.get(task)!;
    const fits = (i: number) => {
      const range = this.model.peek(task, i);
      return i < ranges && range.state === "running" && range.copy === null;
    };
    let first = from;
    while (first < from + 10 && !fits(first)) first++;
    let end = first;
    while (end < first + 4 && fits(end)) end++;
    if (phase !== "open" || end === first) return;
    const pilot = (1 + this.random.below(3)) as PilotNumber;
    const lease = this.ledger.grantCopy(task as TaskId, first, end - first, pilot);
    this.#leases.push(lease.id);
    this.model.grant(lease);
  }

  #report(): void {
    const kind = WEIGHTED[this.random.below(WEIGHTED.length)]!;
    const extra = this.random.below(5);
    let task = this.#task();
    let [first, count] = this.#span(task);
    let lease = this.#leases[this.random.below(this.#leases.length)] ?? 5;
    let pilot = 1 + this.random.below(3);
    const open = [...this.model.leases];
    if (open.length > 0 && this.random.chance(0.8)) {
      const [id, its] = open[this.random.below(open.length)]!;
      [lease, task, pilot] = [id, its.task, its.pilot];
      first = its.first + this.random.below(its.count);
      count = 1 + this.random.below(its.count + (this.random.chance(0.1) ? 5 : 0));
      if (this.random.chance(0.9)) count = Math.min(count, its.first + its.count - first);
    } else if (this.random.chance(0.1)) {
      lease += this.random.below(3) * 2 ** 32 + this.random.below(4);
    }
    const sink = verdictsTold();
    const who = [pilot as PilotNumber, lease as LeaseId, task as TaskId, first, count] as const;
    if (kind === "started") this.ledger.started(...who, sink);
    else if (kind === "returned") this.ledger.returned(...who, sink);
    else if (kind === "done") this.ledger.done(...who, extra as BundleId, sink);
    else if (kind === "lost") this.ledger.lost(...who, extra as ReasonId, sink);
    else this.ledger.failed(...who, extra as ReasonId, kind === "fatal", sink);
    expect(sink.told).toEqual(this.model.report(kind, pilot, lease, task, first, count, extra));
  }

  /**
   * A block of `done`: mostly single ranges of a pilot's leases in any order, as they ended; also
   * longer spans, some twice, some of leases that are gone, another's or named for other ranges.
   */
  #reportBlock(): void {
    const pilot = 1 + this.random.below(3);
    const task = this.#task();
    const extra = this.random.below(5);
    const own = [...this.model.leases].filter(([, l]) => l.task === task && l.pilot === pilot);
    const spans = Array.from({ length: 1 + this.random.below(14) }, () => {
      const [id, its] = own[this.random.below(own.length)] ?? [5, { first: 0, count: 1 }];
      const first = its.first + this.random.below(its.count);
      const count = this.random.chance(0.8) ? 1 : 1 + this.random.below(its.count);
      const reachesOut = this.random.chance(0.02);
      const end = its.first + its.count;
      const isStray = this.random.chance(0.02);
      const lease = isStray ? (this.#leases[this.random.below(this.#leases.length)] ?? 5) : id;
      return { lease, first, count: reachesOut ? count : Math.min(count, end - first) };
    });
    const block = {
      size: spans.length,
      lease: spans.map((span) => span.lease),
      first: spans.map((span) => span.first),
      count: spans.map((span) => span.count),
    };
    const sink = verdictsTold();
    this.ledger.doneSpans(pilot as PilotNumber, task as TaskId, block, extra as BundleId, sink);
    const due = spans.flatMap(({ lease, first, count }) =>
      this.model.report("done", pilot, lease, task, first, count, extra),
    );
    expect(sink.told).toEqual(due);
  }

  #expire(): void {
    const pilot = 1 + this.random.below(3);
    if (this.random.chance(0.5)) {
      this.ledger.expirePilot(pilot as PilotNumber, () => 7 as ReasonId);
    } else {
      this.ledger.renew(pilot as PilotNumber, 50);
      const due = this.ledger.expireDue(50, () => 7 as ReasonId);
      expect(due.length).toBe(
        [...this.model.leases.values()].some((l) => l.pilot === pilot) ? 1 : 0,
      );
    }
    this.ledger.renew(pilot as PilotNumber, 100);
    this.model.expirePilot(pilot, 7);
  }

  #reconcile(): void {
    const pilot = 1 + this.random.below(3);
    const held: { lease: LeaseId; task: TaskId; first: number; count: number }[] = [];
    for (const [id, lease] of this.model.leases) {
      if (lease.pilot !== pilot || this.random.chance(0.3)) continue;
      const first = lease.first + this.random.below(lease.count);
      const count = 1 + this.random.below(lease.first + lease.count - first);
      held.push({ lease: id as LeaseId, task: lease.task as TaskId, first, count });
    }
    for (let extra = this.random.below(3); extra > 0 && this.#leases.length > 0; extra--) {
      const task = this.#task();
      const [first, count] = this.#span(task);
      const lease = this.#leases[this.random.below(this.#leases.length)] as LeaseId;
      held.push({ lease, task: task as TaskId, first, count });
    }
    const refused: string[] = [];
    for (const [index, { lease, task, first, count }] of held.entries()) {
      for (let i = first; i < first + count; i++) {
        if (!this.model.mayKeep(pilot, lease, task, i)) refused.push(`${index}:${i}`);
      }
    }
    const answer = this.ledger.reconcile(pilot as PilotNumber, held, () => 6 as ReasonId);
    const told = answer.refused.flatMap(({ index, first, count }) =>
      Array.from({ length: count }, (_, i) => `${index}:${first + i}`),
    );
    expect(told).toEqual(refused);
    for (const [id, lease] of this.model.leasesById()) {
      if (lease.pilot !== pilot) continue;
      for (let i = lease.first; i < lease.first + lease.count; i++) {
        const listed = held.some((h) => h.lease === id && i >= h.first && i < h.first + h.count);
        if (!listed) this.model.endOpen(id, i, 1, ["returned", "lost"], 6);
      }
    }
    this.model.sweep();
  }

  #wayBack(): void {
    const task = this.#task();
    const [first, count] = this.#span(task);
    const id = task as TaskId;
    const dice = this.random.below(10);
    if (dice < 6) {
      const charge = this.random.chance(0.5);
      for (let i = first; i < first + count; i++) {
        if (i >= this.model.tasks.get(task)!.ranges) break;
        const reopened = this.ledger.reopenRange(id, i, charge, 4 as ReasonId);
        expect(reopened).toBe(this.model.reopen(task, i, charge, 4));
      }
    } else if (dice < 7 && this.random.chance(0.3)) {
      const bundle = 1 + this.random.below(4);
      const reopened = this.ledger.reopenBundle(id, bundle as BundleId);
      expect(reopened).toBe(this.model.reopenBundle(task, bundle));
    } else if (dice < 8) {
      const failed = this.ledger.failReady(id, first, count, 3 as ReasonId);
      expect(failed).toBe(this.model.failReady(task, first, count, 3));
    } else {
      expect(this.ledger.retry(id)).toBe(this.model.retry(task));
    }
  }

  #extend(): void {
    const task = this.#task();
    const more = 1 + this.random.below(20);
    this.ledger.extendTask(task as TaskId, more);
    this.model.tasks.get(task)!.ranges += more;
  }

  #merge(): void {
    const task = this.model.tasks.get(2)!;
    let below = task.mergedBelow;
    const isFinal = (i: number) => ["done", "failed"].includes(this.model.peek(2, i).state);
    while (below < task.ranges && isFinal(below) && this.random.chance(0.8)) below++;
    this.ledger.setMergedBelow(2 as TaskId, below);
    task.mergedBelow = below;
  }

  #cancel(): void {
    const task = this.#task();
    const dropped = this.ledger.cancelTask(task as TaskId).map((lease) => lease.id as number);
    const leases = [...this.model.leases].filter(([, lease]) => lease.task === task);
    expect(dropped.sort()).toEqual(leases.map(([id]) => id).sort());
    this.model.cancel(task);
  }

  commit(): void {
    const sequence = this.#sequence + 1;
    const pagesMax = this.random.below(4);
    const { pages, cutBelow } = this.ledger.checkpoint(sequence, pagesMax, this.random.below(6));
    const { pending } = this.ledger;
    const bytes = this.ledger.takeJournal();
    expect(bytes.length > 0).toBe(pending);
    expect(pages.length).toBeLessThanOrEqual(pagesMax);
    if (pending) this.#journal.push({ sequence: (this.#sequence = sequence), bytes });
    expect(cutBelow).toBeLessThanOrEqual(this.#sequence);
    for (const page of pages) this.#pages.set(`${page.task}/${page.page}`, page);
    this.#journal = this.#journal.filter((record) => record.sequence >= cutBelow);
    this.#durable = this.model.clone();
  }

  crash(): void {
    this.crashes++;
    this.#epoch++;
    this.model = this.#durable.clone();
    this.model.reborn(this.#epoch);
    this.ledger = this.#newLedger();
    for (const [id, { phase, mergedBelow }] of this.model.tasks) {
      const cancelled = phase === "cancelled";
      this.ledger.addTask(this.#terms(id), { cancelled, finished: false, mergedBelow });
    }
    for (const bundle of this.model.lostBundles) this.ledger.loseBundle(bundle as BundleId);
    for (const { task, page, value } of this.#pages.values()) {
      this.ledger.loadPage(task as TaskId, page, value);
    }
    for (const { sequence, bytes } of this.#journal) this.ledger.replay(sequence, bytes);
    const summary = this.ledger.endRecovery();
    this.ledger.grantFullTerm(100);
    for (let pilot = 1; pilot <= 3; pilot++) this.ledger.renew(pilot as PilotNumber, 100);
    expect(summary.leases).toBe(this.model.leases.size);
    this.compare();
  }

  compare(): void {
    this.ledger.check();
    for (const [id, task] of this.model.tasks) {
      expect(this.ledger.counts(id as TaskId)).toEqual(this.model.counts(id));
      let at = 0;
      for (const run of this.ledger.runs(id as TaskId, 0, 1e6)) {
        if (run.first !== at) expect(run.first).toBe(at);
        at += run.count;
        // Only untouched ranges come in runs so long; the model has no objects for them.
        if (run.count > 100 && run.grants === 0) continue;
        for (let i = run.first; i < at; i++) {
          const wanted = this.model.peek(id, i);
          if (!agrees(run, wanted)) expect({ ...run, first: i }).toEqual(wanted);
        }
      }
      expect(at).toBe(task.ranges);
    }
    const real = [...this.ledger.leases()].map((l) => [l.id, l.pilot, l.open, l.speculative]);
    const wanted = [...this.model.leases].map(([id, lease]) => {
      return [id, lease.pilot, this.model.openOf(id), lease.speculative];
    });
    const byId = (a: unknown[], b: unknown[]) => Number(a[0]) - Number(b[0]);
    expect(real.sort(byId)).toEqual(wanted.sort(byId));
  }
}

function agrees(run: RangeRun, wanted: ModelRange): boolean {
  return (
    STATE_NAMES[run.state] === wanted.state &&
    run.attempts === wanted.attempts &&
    run.failures === wanted.failures &&
    run.losses === wanted.losses &&
    run.grants === wanted.grants &&
    run.lease === wanted.lease &&
    run.bundle + run.reason === wanted.mark
  );
}
