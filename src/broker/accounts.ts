/**
 * Where the core-seconds of each pilot went, told by the engine's own clock and the pilots' reports
 * (shape/core-seconds.ts has the arithmetic). An account outlives connections: a pilot that is cut
 * off keeps its cores, so the time it was away counts. Accounts are saved with what the shaper has
 * learned, and go on after a restart; at most ACCOUNTS_MAX are kept, ended ones go first.
 *
 * Also learned here: a queue's S, from the first grant to the first range under way.
 */
import type { Clock } from "../base/index.ts";
import { type Lease, type Ledger, STATE } from "../ledger/index.ts";
import {
  CoreSeconds,
  type MeasuredSplit,
  type SavedCoreSeconds,
  type Shaper,
  sumSplits,
} from "../shape/index.ts";
import { type Hello, OUTCOME, type Report, type SpanBlock } from "../wire/index.ts";
import type { Book } from "./book.ts";
import type { AllocationView } from "./commands.ts";
import type { Session } from "./session.ts";
import { StartedLog } from "./started-log.ts";

const ACCOUNTS_MAX = 4_000;
/** A pilot that was away longer than this did not hold its cores all the while. */
const AWAY_SECONDS_MAX = 3_600;
/** Rows of one answer; the sum is over all. */
const ALLOCATIONS_SHOWN_MAX = 100;

export interface Account {
  readonly pilotId: string;
  readonly generation: number;
  readonly queue: string;
  readonly allocation: string;
  readonly seconds: CoreSeconds;
  readonly log: StartedLog;
  /** Useful core-seconds by task. */
  readonly tasks: Map<number, number>;
  slots: number;
  busy: number;
  isConnected: boolean;
  /** Wall clock of its first hello; -Infinity once what was before is counted. */
  openedWallMs: number;
  /** Wall clock of the last look, for the time in which nobody looked. */
  lastWallMs: number;
  /** Monotonic time at which its connection ended. */
  leftMs: number;
  grantedMs: number;
  hasStarted: boolean;
}

export type SavedAccount = readonly [
  pilotId: string,
  generation: number,
  queue: string,
  allocation: string,
  lastWallMs: number,
  seconds: SavedCoreSeconds,
  tasks: readonly (readonly [number, number])[],
];

type Who = Pick<Account, "pilotId" | "generation">;

const nameOf = ({ pilotId, generation }: Who): string => `${pilotId}/${generation}`;

interface AccountParts {
  readonly ledger: Ledger;
  readonly shaper: Shaper;
  readonly book: Book;
  readonly clock: Clock;
}

export class Accounts {
  readonly #parts: AccountParts;
  readonly #rows = new Map<string, Account>();
  readonly #byPilot = new Map<number, Account>();
  /** Wall clock at which allocations began, where somebody knows it: `queue/allocation`. */
  readonly #begun = new Map<string, number>();
  /** Rows whose pilot is not connected. */
  #ended = 0;

  constructor(parts: AccountParts) {
    this.#parts = parts;
  }

  /** The pilot of that number says hello. */
  open(pilot: number, hello: Hello): Account {
    const { clock } = this.#parts;
    const { pilotId, generation, queue, allocation } = hello;
    const slots = hello.nodes.reduce((sum, node) => sum + node.slots, 0);
    const key = nameOf(hello);
    const nowMs = clock.monotonicMs();
    let row = this.#rows.get(key);
    const before = this.#byPilot.get(pilot);
    // A newer generation takes over while the older one's connection still seems to be there.
    if (before !== undefined && before !== row) this.#end(before);
    if (row === undefined) {
      row = this.#fresh({ pilotId, generation, queue, allocation }, new CoreSeconds());
      this.#rows.set(key, row);
      row.seconds.begin(slots, nowMs);
      row.openedWallMs = clock.wallMs();
      this.#addBefore(row);
    } else if (!row.isConnected) {
      this.#ended--;
      const away = Math.max(0, clock.wallMs() - row.lastWallMs) / 1000;
      row.seconds.resume(slots, nowMs, Math.min(away, AWAY_SECONDS_MAX));
    }
    row.slots = slots;
    row.isConnected = true;
    row.lastWallMs = clock.wallMs();
    this.#byPilot.set(pilot, row);
    this.#bound();
    return row;
  }

  /** A connection is gone, perhaps with its pilot. */
  close(session: Session): void {
    this.#end(session.account);
  }

  #end(row: Account): void {
    if (!row.isConnected) return;
    this.#ended++;
    const { clock } = this.#parts;
    row.leftMs = clock.monotonicMs();
    row.seconds.end(row.leftMs);
    row.lastWallMs = clock.wallMs();
    row.isConnected = false;
  }

  /** Did the pilot come from that allocation? */
  isOf(pilot: Who, queue: string, allocation: string): boolean {
    const row = this.#rows.get(nameOf(pilot));
    return row !== undefined && row.queue === queue && row.allocation === allocation;
  }

  /** Somebody knows when an allocation began: what its pilots missed of it is their start-up. */
  allocationBegan(queue: string, allocation: string, wallMs: number): void {
    this.#begun.set(`${queue}/${allocation}`, wallMs);
    if (this.#begun.size > ACCOUNTS_MAX) {
      const [oldest] = this.#begun.keys();
      this.#begun.delete(oldest as string);
    }
    for (const row of this.#rows.values()) this.#addBefore(row);
  }

  /** At a word of the pilot about its slots; `starves`: it asked and nothing is ready. */
  look(session: Session, starves: boolean, nowMs: number): void {
    const row = session.account;
    if (!row.seconds.isStarting && session.slots === row.slots) return;
    row.slots = session.slots;
    row.busy = Math.max(0, session.slots - session.freeSlots);
    row.seconds.see(session.slots, row.busy, starves, nowMs);
  }

  granted(session: Session, nowMs: number): void {
    if (session.account.grantedMs < 0) session.account.grantedMs = nowMs;
  }

  /** Ranges are under way; `isNew`: the ledger did not know it yet. */
  started(
    session: Session,
    isNew: boolean,
    task: number,
    lease: number,
    first: number,
    count: number,
    nowMs: number,
  ): void {
    const row = session.account;
    // What is said again after a reconnect is only news to an engine that was restarted.
    if (!isNew && row.log.find(lease, first) >= 0) return;
    row.log.add(task, lease, first, count, nowMs);
    if (!row.hasStarted) this.#firstStart(session, nowMs);
    if (!row.seconds.isStarting) return;
    row.busy += count;
    row.seconds.see(row.slots, row.busy, false, nowMs);
  }

  /** What a report of `total` ranges, of which `accepted` count, says of core-seconds. */
  reported(
    session: Session,
    report: Report,
    accepted: number,
    total: number,
    cores: number,
    nowMs: number,
  ): void {
    const row = session.account;
    const { spans, cost } = report;
    const wall = cost.wallSum > 0 ? cost.wallSum * cores : 0;
    if (report.outcome === OUTCOME.done && accepted > 0) {
      if (!row.hasStarted) this.#firstStart(session, nowMs);
      const useful = (wall * accepted) / total;
      row.seconds.addUseful(useful);
      row.tasks.set(spans.task, (row.tasks.get(spans.task) ?? 0) + useful);
      if (accepted < total) row.seconds.addEdge(wall - useful);
      return;
    }
    const isIn = insideOf(spans);
    let cut = 0;
    for (const { atMs } of row.log.take((_task, lease, range) => isIn(lease, range))) {
      cut += ((nowMs - atMs) / 1000) * cores;
    }
    row.seconds.addEdge(wall > 0 ? wall : cut);
  }

  /** Leases have ended without a word: what had started of them is lost. */
  freed(leases: readonly Lease[]): void {
    const ended = new Set<number>(leases.map(({ id }) => id));
    for (const pilot of new Set(leases.map((lease) => lease.pilot))) {
      const row = this.#byPilot.get(pilot);
      if (row === undefined) continue;
      const until = row.isConnected ? this.#parts.clock.monotonicMs() : row.leftMs;
      const { ledger } = this.#parts;
      const cut = row.log.take((task, lease, range) => {
        if (!ended.has(lease) || !ledger.hasTask(task)) return false;
        const at = ledger.rangeAt(task, range);
        return at.state !== STATE.done || at.lease !== lease;
      });
      for (const { task, atMs } of cut) {
        row.seconds.addEdge((Math.max(0, until - atMs) / 1000) * this.coresOf(task, row.slots));
      }
      if (!row.isConnected) this.#byPilot.delete(pilot);
    }
  }

  /** Cores that one range of the task takes of `slots`. */
  coresOf(task: number, slots: number): number {
    const cores = this.#parts.book.tasks.get(task)?.row.spec.payload.cores ?? 1;
    return Math.max(1, Math.min(cores, slots));
  }

  // -- views -------------------------------------------------------------------------------------

  /** Allocations that worked for a task (0: all), those with most core-seconds first. */
  views(task: number): { split: MeasuredSplit; allocations: AllocationView[]; left: number } {
    const groups = new Map<string, Account[]>();
    for (const row of this.#rows.values()) {
      if (task !== 0 && !row.tasks.has(task) && !this.#runs(row, task)) continue;
      const key = row.allocation === "" ? `/${row.pilotId}` : `${row.queue}/${row.allocation}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [row]);
      else group.push(row);
    }
    const views = [...groups.values()].map((group) => this.#view(group, task));
    views.sort((a, b) => b.split.total - a.split.total);
    const allocations = views.slice(0, ALLOCATIONS_SHOWN_MAX);
    const split = sumSplits(views.map((view) => view.split));
    return { split, allocations, left: views.length - allocations.length };
  }

  splitOf(row: Account): MeasuredSplit {
    const nowMs = this.#parts.clock.monotonicMs();
    let running = 0;
    if (row.isConnected) {
      for (const { task, atMs } of row.log.running()) {
        running += ((nowMs - atMs) / 1000) * this.coresOf(task, row.slots);
      }
    }
    return row.seconds.split(nowMs, running);
  }

  #view(group: readonly Account[], task: number): AllocationView {
    const first = group[0] as Account;
    return {
      queue: first.queue,
      allocation: first.allocation,
      pilots: group.map((row) => row.pilotId).slice(0, ALLOCATIONS_SHOWN_MAX),
      connected: group.filter((row) => row.isConnected).length,
      slots: group.reduce((sum, row) => sum + row.slots, 0),
      split: sumSplits(group.map((row) => this.splitOf(row))),
      taskCoreSeconds: group.reduce((sum, row) => sum + (row.tasks.get(task) ?? 0), 0),
    };
  }

  #runs(row: Account, task: number): boolean {
    return row.isConnected && row.log.running().some((started) => started.task === task);
  }

  // -- keeping -----------------------------------------------------------------------------------

  save(): SavedAccount[] {
    const { clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    return [...this.#rows.values()].map((row) => {
      if (row.isConnected) row.lastWallMs = clock.wallMs();
      const { pilotId, generation, queue, allocation, lastWallMs } = row;
      const tasks = [...row.tasks];
      return [pilotId, generation, queue, allocation, lastWallMs, row.seconds.save(nowMs), tasks];
    });
  }

  load(saved: readonly SavedAccount[]): void {
    for (const [pilotId, generation, queue, allocation, lastWallMs, seconds, tasks] of saved) {
      const who = { pilotId, generation, queue, allocation };
      const row = this.#fresh(who, CoreSeconds.restore(seconds));
      row.lastWallMs = lastWallMs;
      row.hasStarted = true;
      row.openedWallMs = Number.NEGATIVE_INFINITY;
      for (const [task, useful] of tasks) row.tasks.set(task, useful);
      this.#rows.set(nameOf(who), row);
    }
    this.#ended = this.#rows.size;
  }

  #fresh(who: Who & Pick<Account, "queue" | "allocation">, seconds: CoreSeconds): Account {
    return {
      ...who,
      seconds,
      log: new StartedLog(this.#parts.ledger),
      tasks: new Map(),
      slots: 0,
      busy: 0,
      isConnected: false,
      openedWallMs: 0,
      lastWallMs: 0,
      leftMs: 0,
      grantedMs: -1,
      hasStarted: false,
    };
  }

  #addBefore(row: Account): void {
    const begunMs = this.#begun.get(`${row.queue}/${row.allocation}`);
    if (row.allocation === "" || begunMs === undefined) return;
    row.seconds.addBefore((row.openedWallMs - begunMs) / 1000);
    row.openedWallMs = Number.NEGATIVE_INFINITY;
  }

  #firstStart(session: Session, nowMs: number): void {
    const row = session.account;
    row.hasStarted = true;
    if (row.grantedMs < 0) return;
    const seconds = (nowMs - row.grantedMs) / 1000;
    this.#parts.shaper.observeStart(session.nodeTypes[0] ?? "", seconds, nowMs);
  }

  #bound(): void {
    for (const [key, row] of this.#rows) {
      if (this.#rows.size <= ACCOUNTS_MAX || this.#ended === 0) return;
      if (row.isConnected) continue;
      this.#rows.delete(key);
      this.#ended--;
    }
  }
}

/** Whether a range lies in a block, under its lease. */
function insideOf(spans: SpanBlock): (lease: number, range: number) => boolean {
  const byLease = new Map<number, [first: number, end: number][]>();
  for (let i = 0; i < spans.size; i++) {
    const first = spans.first[i] as number;
    const lease = spans.lease[i] as number;
    const part: [number, number] = [first, first + (spans.count[i] as number)];
    const parts = byLease.get(lease);
    if (parts === undefined) byLease.set(lease, [part]);
    else parts.push(part);
  }
  return (lease, range) =>
    byLease.get(lease)?.some(([first, end]) => range >= first && range < end) ?? false;
}
