/**
 * The core: one loop that drains messages, applies them to the ledger, commits the group and
 * answers. It is the only writer. Everything that is not deterministic (clock, store, network,
 * inputs) comes in through `CoreWorld` (parts.ts), so the simulator runs this very class.
 *
 *   receive, ask  ->  ledger + books  ->  committer  ->  verdicts, answers, events
 *                         |  grants leave at once and ride in the next group
 *
 * The host calls `opened`, `receive`, `closed` and `ask` for what a batch brings, then `endOfBatch`;
 * and `tick` ten times a second. Nothing here waits.
 */
import { DISK_FREE_BYTES_MIN, HEARTBEAT_MS, LEASE_TERM_MS, type TaskId } from "../base/index.ts";
import { Ledger } from "../ledger/index.ts";
import { COPY_SHARE_MAX, type SavedShaper, Shaper } from "../shape/index.ts";
import type { FileRow, Recovered } from "../store/index.ts";
import { OUTCOME, packValue, type SpanBlock, unpackValue } from "../wire/index.ts";
import { Accounts } from "./accounts.ts";
import { Book, type TaskEntry } from "./book.ts";
import { CommandTable, type Reply } from "./command-table.ts";
import type { CommandMap, CommandName } from "./commands.ts";
import { Committer, TRICKLE } from "./committer.ts";
import { Conversations } from "./conversations.ts";
import { Copies } from "./copies.ts";
import { Granter } from "./granter.ts";
import { Lifecycle } from "./lifecycle.ts";
import type { CoreOptions, CoreParts, CoreWorld } from "./parts.ts";
import { type RecoverySummary, recover } from "./recovery.ts";
import { RevokedKeys } from "./revoked-keys.ts";
import { Tail } from "./tail.ts";
import { pilotView, taskView } from "./views.ts";
import { readWeights } from "./weights.ts";

export const CORE_DEFAULTS: CoreOptions = {
  leaseTermMs: LEASE_TERM_MS,
  heartbeatMs: HEARTBEAT_MS,
  disconnectGraceMs: 3_000,
  copyShareMax: COPY_SHARE_MAX,
  freeBytesMin: DISK_FREE_BYTES_MIN,
  trickle: TRICKLE,
  ledger: {},
};

const SHAPER_KEY = "shaper";
const SAVE_SHAPER_MS = 10_000;
const ACCOUNTS_KEY = "accounts";
const SAVE_ACCOUNTS_MS = 30_000;
const EVENT_MS = 100;
const SPACE_MS = 1_000;

export class Core {
  readonly recovery: RecoverySummary;
  readonly #parts: CoreParts;
  readonly #conversations: Conversations;
  readonly #lifecycle: Lifecycle;
  readonly #commands: CommandTable;
  readonly #copies: Copies;
  readonly #tail: Tail;
  #eventsMs = 0;
  #wasBlocked = false;
  #spaceMs = 0;
  #savedShaperMs = 0;
  #savedAccountsMs = 0;
  #reportedSinceSave = 0;

  constructor(world: CoreWorld, recovered: Recovered, chosen: Partial<CoreOptions> = {}) {
    const options = { ...CORE_DEFAULTS, ...chosen };
    const book = new Book();
    const ledger = new Ledger({ ...options.ledger, epoch: recovered.epoch });
    const committer = new Committer({
      ledger,
      book,
      store: world.store,
      clock: world.clock,
      trickle: options.trickle,
      lastSequence: recovered.lastSequence,
      failStop: (message) => world.failStop(message),
    });
    this.recovery = recover(recovered, book, ledger, (sequence, bytes) =>
      committer.inherit(sequence, bytes),
    );
    const shaper = restoreShaper(book, options.copyShareMax);
    const granter = new Granter({
      ledger,
      shaper,
      inputs: world.inputs,
      clock: world.clock,
      onChangedFile: (entry, file, what) => this.#fileChanged(entry, file, what),
      weightsOf: (task) => readWeights(book, task),
    });
    const accounts = new Accounts({ ledger, shaper, book, clock: world.clock });
    const savedAccounts = book.meta(ACCOUNTS_KEY);
    if (savedAccounts) accounts.load(JSON.parse(unpackValue(savedAccounts) as string));
    this.#parts = {
      world,
      options,
      engineId: recovered.engineId,
      book,
      ledger,
      shaper,
      granter,
      accounts,
      committer,
      pilotKeys: new Set(),
      revokedKeys: new RevokedKeys(book),
    };
    this.#conversations = new Conversations(this.#parts);
    this.#conversations.onSession = (session, joined) => {
      if (!joined) {
        shaper.forgetPilot(session.pilot);
        accounts.close(session);
        this.#tail.forget(session.pilot);
      }
      world.emit({ type: "pilot", joined, view: pilotView(this.#parts, session) });
    };
    this.#lifecycle = new Lifecycle(this.#parts);
    this.#copies = new Copies(this.#parts, this.#conversations);
    this.#conversations.onReport = (session, report) => {
      this.#copies.reported(session, report);
      if (report.outcome !== OUTCOME.done) this.#giveBack(report.spans);
    };
    this.#conversations.onFreed = (leases) => {
      for (const { task, first, count } of leases) granter.orders.giveBack(task, first, count);
    };
    this.#tail = new Tail(this.#parts, this.#conversations, this.#copies);
    this.#commands = new CommandTable(
      this.#parts,
      this.#lifecycle,
      this.#conversations,
      this.#copies,
    );
    this.#resume();
  }

  /** The ledger's own check of every invariant; for the simulator, tests and verify. */
  check(): void {
    this.#parts.ledger.check();
  }

  opened(connection: number, peer: string): void {
    this.#conversations.opened(connection, peer);
  }

  closed(connection: number): void {
    this.#conversations.closed(connection);
  }

  /** A payload: `bytes`, or [begin, end) of them. */
  receive(connection: number, bytes: Uint8Array, begin = 0, end = bytes.length): void {
    this.#conversations.receive(connection, bytes, begin, end);
  }

  ask<Name extends CommandName>(
    name: Name,
    ask: CommandMap[Name]["ask"],
    reply: Reply<Name>,
  ): void {
    this.#commands.run(name, ask, reply);
  }

  /** After each batch: what changed is settled, parked wants are fed, the next group starts. */
  endOfBatch(): void {
    const { effects } = this.#conversations;
    for (const change of effects.changed) this.#reportedChange(change);
    effects.changed.length = 0;
    if (effects.readyArrived) {
      this.#parts.granter.open.lookAgain();
      this.#parts.granter.orders.catchUp(effects.tasks);
      this.#lifecycle.settle(effects.tasks);
      this.#conversations.feedParked();
    }
    if (effects.tasks.size > 0) {
      this.#lifecycle.settle(effects.tasks);
      effects.tasks.clear();
    }
    this.#parts.committer.pump();
  }

  tick(): void {
    const nowMs = this.#parts.world.clock.monotonicMs();
    // Whatever made ranges ready without a word is found now.
    this.#parts.granter.open.lookAgain();
    this.#conversations.tick();
    this.#commands.tick(nowMs);
    this.#lifecycle.sample(nowMs);
    this.#watchSpace(nowMs);
    this.#watchBlocked();
    this.#saveShaper(nowMs);
    this.#tail.tick(nowMs);
    this.endOfBatch();
    this.#parts.committer.tick();
    this.#emitEvents(nowMs);
  }

  /** True when everything that was applied is on disk. */
  get idle(): boolean {
    return this.#parts.committer.idle;
  }

  /** What was learned and measured goes into the next group: the engine is about to stop. */
  save(): void {
    const { book, shaper, accounts } = this.#parts;
    book.putMeta(SHAPER_KEY, packValue(JSON.stringify(shaper.save())));
    book.putMeta(ACCOUNTS_KEY, packValue(JSON.stringify(accounts.save())));
  }

  /** No more commits: the host closes the store next. */
  stop(): void {
    this.#parts.committer.stop();
  }

  /** After recovery: open tasks are dispatched again, leases get a full new term. */
  #resume(): void {
    const { book, ledger, granter, options, world } = this.#parts;
    for (const [task, entry] of book.tasks) {
      if (this.#lifecycle.hasEnded(entry)) continue;
      granter.resume(entry);
      this.#conversations.effects.tasks.add(task);
    }
    ledger.grantFullTerm(world.clock.monotonicMs() + options.leaseTermMs);
  }

  #emitEvents(nowMs: number): void {
    if (nowMs - this.#eventsMs < EVENT_MS) return;
    this.#eventsMs = nowMs;
    for (const task of this.#lifecycle.takeTouched()) {
      const entry = this.#parts.book.tasks.get(task);
      if (!entry) continue;
      this.#parts.world.emit({
        type: "task",
        view: taskView(this.#parts, this.#lifecycle, entry),
      });
    }
  }

  /** A pilot says that an input is not what was scanned: every open range of the file fails. */
  #reportedChange(change: { task: number; range: number; what: string }): void {
    const entry = this.#parts.book.tasks.get(change.task);
    if (!entry) return;
    const file = entry.files[entry.table.fileOfRange(change.range)];
    if (file) this.#fileChanged(entry, file, change.what);
  }

  #fileChanged(entry: TaskEntry, file: FileRow, what: string): void {
    const { book, ledger } = this.#parts;
    const reason = book.reasonId(entry, `input changed: ${what}`);
    ledger.failReady(entry.row.id as TaskId, file.firstRange, file.ranges, reason);
    this.#conversations.effects.tasks.add(entry.row.id);
  }

  #watchSpace(nowMs: number): void {
    if (nowMs - this.#spaceMs < SPACE_MS) return;
    this.#spaceMs = nowMs;
    const { freeBytes } = this.#parts.world.store.space();
    const enough = freeBytes >= this.#parts.options.freeBytesMin;
    this.#parts.granter.paused = !enough;
    // Once a second also those are asked again whom only time held back (quarantine, fitting).
    this.#conversations.effects.readyArrived = true;
    this.#parts.granter.orders.reorder();
  }

  /** While the disk was full nothing was granted: who waits since then is asked at once. */
  #watchBlocked(): void {
    const { blocked } = this.#parts.committer;
    if (this.#wasBlocked && !blocked) this.#conversations.effects.readyArrived = true;
    this.#wasBlocked = blocked;
  }

  #giveBack(spans: SpanBlock): void {
    const { orders } = this.#parts.granter;
    for (let i = 0; i < spans.size; i++) {
      orders.giveBack(spans.task, spans.first[i] as number, spans.count[i] as number);
    }
  }

  /** What was learned of costs survives a restart; a few kilobytes every ten seconds of work. */
  #saveShaper(nowMs: number): void {
    if (nowMs - this.#savedShaperMs < SAVE_SHAPER_MS) return;
    this.#savedShaperMs = nowMs;
    const { exchanges } = this.#conversations.counters;
    if (exchanges === this.#reportedSinceSave) return;
    this.#reportedSinceSave = exchanges;
    const { book, shaper, accounts } = this.#parts;
    book.putMeta(SHAPER_KEY, packValue(JSON.stringify(shaper.save())));
    if (nowMs - this.#savedAccountsMs < SAVE_ACCOUNTS_MS) return;
    this.#savedAccountsMs = nowMs;
    book.putMeta(ACCOUNTS_KEY, packValue(JSON.stringify(accounts.save())));
  }
}

function restoreShaper(book: Book, copyShareMax: number): Shaper {
  const saved = book.meta(SHAPER_KEY);
  if (!saved) return new Shaper({ copyShareMax });
  const state = JSON.parse(unpackValue(saved) as string) as SavedShaper;
  return Shaper.restore(state, { copyShareMax });
}
