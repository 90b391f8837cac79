/**
 * From a want to a grant: the shaper says how many ranges of which task, the ledger leases them in
 * index order (which finishes files early), and the answer carries what the pilot doesn't know yet:
 * the task, the files it touches, and byte bounds where a payload can use them.
 */
import {
  assert,
  type Clock,
  leaseNumber,
  RANGES_PER_LEASE_MAX,
  type TaskId,
} from "../base/index.ts";
import { countRuleFor } from "../formats/index.ts";
import { type Ledger, STATE } from "../ledger/index.ts";
import type { GrantPlan, PilotSight, Shaper } from "../shape/index.ts";
import type { FileRow } from "../store/index.ts";
import { hintOf, payloadSeed } from "../task/index.ts";
import {
  type FileInfo,
  type GrantBody,
  type OffsetColumn,
  type SpanBlock,
  SpanBlockBuilder,
  type TaskInfo,
} from "../wire/index.ts";
import type { TaskEntry } from "./book.ts";
import { chanceOf } from "./ledger-reads.ts";
import { type OpenTask, OpenTasks, type Reach } from "./open-tasks.ts";
import { coresMax, type Session, secondsLeftOf } from "./session.ts";

/** Reads byte bounds of events; the engine reads them from index files, the simulator has none. */
export interface InputSource {
  /** [begin, end) pairs for `events` events from `firstEvent` on. */
  bounds(file: FileRow, firstEvent: number, events: number): Float64Array;
  /** "" if the file is as it was scanned, else what changed. May answer from a recent look. */
  changed(file: FileRow): string;
}

/** From a completion at the pilot to the start of its replacement: exchange, grant, spawn. */
export const ROUND_TRIP_SECONDS = 0.02;
/** A busy engine answers later; pilots measure it, and ask for as much more. */
const BELIEVED_TRIP_SECONDS = 0.5;
const EMPTY: GrantBody = { spans: [], tasks: [], files: [], offsets: [] };
/** Spans of one grant: the frame limit holds whatever the offsets add. */
const SPANS_PER_GRANT_MAX = 8_192;
const RANGES_WITH_OFFSETS_PER_GRANT_MAX = 16_384;
/** Runs of ranges at their last chance that one grant passes over in search of others. */
const SKIPS_PER_GRANT_MAX = 1_024;
/** Of the frame's 4 MiB; the rest is for spans and offsets. */
const FILE_BYTES_PER_GRANT_MAX = 2 * 1024 ** 2;
/** Ranges of more events than this are bounded by two small reads instead of one long one. */
const EVENTS_READ_WHOLE_MAX = 64;

export class Granter {
  readonly open: OpenTasks;
  /** True while the store's disk is nearly full: what is leased may still be reported. */
  paused = false;
  readonly #ledger: Ledger;
  readonly #shaper: Shaper;
  readonly #inputs: InputSource;
  readonly #clock: Clock;
  readonly #onChangedFile: (entry: TaskEntry, file: FileRow, what: string) => void;
  readonly #weightsOf: (task: number) => Float32Array | null;
  /** Tasks that had fewer ranges for the pilot than were planned: the others are looked at again. */
  readonly #spent: number[] = [];
  /**
   * Ranges by task that an order proposed first and this pilot can't have now, since they would be
   * its second at their last chance: out of their orders until its grant is made.
   */
  readonly #aside = new Map<number, Set<number>>();
  /** Ranges that orders proposed for this grant and that could not be had. */
  #misses = 0;
  /** Since the last plan there were some: their tasks may have others for the pilot. */
  #plansAgain = false;

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
    this.#weightsOf = parts.weightsOf;
    this.open = new OpenTasks((owner) => parts.shaper.shares.level(owner));
  }

  /** Puts a task that is new, or open again, among those that are dispatched. */
  admit(entry: TaskEntry): void {
    this.#shaper.join(entry.row.spec.owner, this.open.activeOwners());
    this.resume(entry);
  }

  /** The same for a task of the engine's life before: its owner stands where it stood. */
  resume(entry: TaskEntry): void {
    const { spec, id } = entry.row;
    const weights = this.#weightsOf(id);
    const command = spec.payload.command;
    const hint = hintOf(spec);
    this.#shaper.setHints(id, hint.meanSeconds, hint.cv);
    if (weights !== null) this.#shaper.setWeights(id, weights, this.#isReady(id));
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
      hasHints: weights !== null,
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
    let body: MutableBody | null = null;
    let tasks = this.open.next(session.want, reach);
    while (tasks.length > 0) {
      const pilot = this.sightOf(session, nowMs);
      const plans = this.#shaper.plan(pilot, tasks, nowMs);
      this.#spent.length = 0;
      if (plans.length > 0) {
        body ??= { spans: [], tasks: [], files: [], offsets: [], fileBytes: 0 };
        this.#leaseAll(session, plans, body);
      }
      if (session.want <= 0) break;
      if (this.#spent.length > 0 || this.#plansAgain) {
        this.#plansAgain = false;
        tasks = tasks.filter(({ task }) => !this.#spent.includes(task));
        if (tasks.length > 0) continue;
      } else if (!this.#shaper.nothingFitted) break;
      tasks = this.open.next(session.want, reach);
    }
    if (this.#misses > 0) this.#giveBackAside();
    return body ?? EMPTY;
  }

  #leaseAll(session: Session, plans: readonly GrantPlan[], body: MutableBody): void {
    for (const plan of plans) {
      const open = this.open.get(plan.task);
      assert(open, "the shaper planned task %, which is not open", plan.task);
      const most = Math.min(plan.ranges, session.want);
      let leased = this.#lease(session, open, most, plan, body);
      // Nothing untried is left: what is left must not wait for a pilot that may never come.
      if (leased === 0 && plan.untried) {
        leased = this.#lease(session, open, most, { ...plan, untried: false }, body);
      }
      if (plan.picks) this.#giveBackPicks(open.task as TaskId, plan.picks, leased);
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
    body: MutableBody,
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
    const missesBefore = this.#misses;
    while (granted < limit && spans < SPANS_PER_GRANT_MAX) {
      if (picks && picked >= picks.length) break;
      const from = picks ? (picks[picked++] as number) : lowest;
      const most = picks ? 1 : Math.min(limit - granted, RANGES_PER_LEASE_MAX);
      const run = this.#ledger.nextReady(task, from, most);
      if (picks && run?.first !== from) {
        this.#misses++;
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
        if (picks) this.#setAside(task, from);
        if (++skips > SKIPS_PER_GRANT_MAX) break;
        lowest = run.first + chance.count;
        continue;
      }
      const alone = chance.last ? 1 : chance.count;
      const count = this.#describable(session, open, run.first, alone, body);
      isFull = count === 0;
      if (isFull) break;
      const lease = this.#ledger.grant(task, run.first, count, session.pilot);
      assert(leaseNumber(lease.id) > 0, "a lease has no number");
      if (chance.last) session.lastChance = lease.id;
      builder.add(run.first, count, run.attempts + 1, run.grants + 1, lease.id);
      this.#describeFiles(session, open, run.first, count, body);
      granted += count;
      spans++;
    }
    if (granted < limit && spans < SPANS_PER_GRANT_MAX && !isFull) {
      // Others of its order may go to this pilot.
      const others = this.#misses > missesBefore && this.#misses <= SKIPS_PER_GRANT_MAX;
      if (others) this.#plansAgain = true;
      else this.#spent.push(task);
    }
    if (granted === 0) return 0;
    const blocks = builder.build();
    if (body.spans.length === 0) body.spans = blocks;
    else body.spans.push(...blocks);
    this.#describeTask(session, open, body);
    return granted;
  }

  /** Leases a second copy of a running range to the pilot; null if its input has changed. */
  grantCopy(session: Session, open: OpenTask, range: number): GrantBody | null {
    const task = open.task as TaskId;
    if (this.#changedInput(open.entry, range)) return null;
    const body: MutableBody = { spans: [], tasks: [], files: [], offsets: [], fileBytes: 0 };
    const run = this.#ledger.rangeAt(task, range);
    const lease = this.#ledger.grantCopy(task, range, 1, session.pilot);
    const builder = new SpanBlockBuilder(task);
    builder.add(range, 1, run.attempts + 1, run.grants + 1, lease.id);
    this.#describeFiles(session, open, range, 1, body);
    body.spans = builder.build();
    this.#describeTask(session, open, body);
    session.want--;
    session.freeSlots--;
    return body;
  }

  #describeTask(session: Session, open: OpenTask, body: MutableBody): void {
    if (session.knownTasks.has(open.task)) return;
    session.knownTasks.add(open.task);
    body.tasks.push(taskInfoOf(open.entry));
  }

  // -- tasks with weights: the shaper's order proposes, the ledger disposes -----------------------

  /** Ranges of a task with weights are ready again. */
  giveBack(task: number, first: number, count: number): void {
    if (this.#shaper.inOrder(task) < 0) return;
    for (let range = first; range < first + count; range++) {
      const run = this.#ledger.nextReady(task as TaskId, range, 1);
      if (run?.first === range) this.#shaper.giveBack(task, range, 1);
    }
  }

  /**
   * Whatever else made ranges of these tasks ready (a reopened or lost bundle, a held lease that
   * its pilot no longer lists, a done without an output): orders that have fewer get them too.
   */
  catchUp(tasks: Iterable<number>): void {
    for (const task of tasks) {
      const inOrder = this.#shaper.inOrder(task);
      if (inOrder >= 0 && inOrder < (this.open.get(task)?.ready ?? 0)) this.#giveBackReady(task);
    }
  }

  #giveBackReady(task: number): void {
    let run = this.#ledger.nextReady(task as TaskId, 0, RANGES_PER_LEASE_MAX);
    while (run) {
      this.#shaper.giveBack(task, run.first, run.count);
      const from = run.first + run.count;
      run = this.#ledger.nextReady(task as TaskId, from, RANGES_PER_LEASE_MAX);
    }
  }

  /** Puts orders right that have lost step with the ledger (reopened, retried, extended ranges). */
  reorder(): void {
    for (const { task, ready } of this.open.values()) {
      const inOrder = this.#shaper.inOrder(task);
      if (inOrder < 0 || inOrder === ready) continue;
      const weights = this.#weightsOf(task);
      if (weights !== null) this.#shaper.setWeights(task, weights, this.#isReady(task));
    }
  }

  #giveBackPicks(task: TaskId, picks: readonly number[], granted: number): void {
    if (granted === picks.length) return;
    const aside = this.#aside.get(task);
    for (const range of picks) if (!aside?.has(range)) this.giveBack(task, range, 1);
  }

  #setAside(task: TaskId, range: number): void {
    const ranges = this.#aside.get(task) ?? new Set();
    this.#aside.set(task, ranges);
    ranges.add(range);
    this.#misses++;
  }

  #giveBackAside(): void {
    for (const [task, ranges] of this.#aside) {
      for (const range of ranges) this.giveBack(task, range, 1);
    }
    this.#aside.clear();
    this.#misses = 0;
  }

  #isReady(task: number): (range: number) => boolean {
    let first = 0;
    let end = 0;
    let isReady = false;
    return (range) => {
      if (range < first || range >= end) {
        const [run] = this.#ledger.runs(task as TaskId, range, 1);
        first = range;
        end = run ? run.first + run.count : range + 1;
        isReady = run?.state === STATE.ready;
      }
      return isReady;
    };
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

  /**
   * How many of `count` ranges from `first` on fit the frame with the descriptions of their files:
   * a task of a million one-range files must not become one frame. 0 only if the frame holds some.
   */
  #describable(
    session: Session,
    open: OpenTask,
    first: number,
    count: number,
    body: MutableBody,
  ): number {
    const { table, files } = open.entry;
    const known = session.knownFiles.get(open.task);
    const end = first + count;
    for (let file = table.fileOfRange(first), at = first; at < end; file++) {
      const row = files[file] as FileRow;
      if (!known?.has(file)) {
        const bytes = descriptionBytes(row);
        const isFull = body.fileBytes > 0 && body.fileBytes + bytes > FILE_BYTES_PER_GRANT_MAX;
        if (isFull) return at - first;
        body.fileBytes += bytes;
      }
      at = row.firstRange + row.ranges;
    }
    return count;
  }

  #describeFiles(
    session: Session,
    open: OpenTask,
    first: number,
    count: number,
    body: MutableBody,
  ): void {
    const { table, files } = open.entry;
    let known = session.knownFiles.get(open.task);
    if (!known) {
      known = new Set();
      session.knownFiles.set(open.task, known);
    }
    const last = first + count - 1;
    const lastFile = table.fileOfRange(last);
    for (let file = table.fileOfRange(first); file <= lastFile; file++) {
      const row = files[file] as FileRow;
      if (row.ranges === 0) continue;
      if (!known.has(file)) {
        known.add(file);
        body.files.push(fileInfoOf(open.entry, row));
      }
      if (open.needsOffsets && row.indexPath !== "") {
        const from = Math.max(first, row.firstRange);
        const to = Math.min(last, row.firstRange + row.ranges - 1);
        body.offsets.push(this.#offsetsOf(open, row, from, to - from + 1));
      }
    }
  }

  #offsetsOf(open: OpenTask, row: FileRow, first: number, count: number): OffsetColumn {
    const per = open.entry.row.spec.eventsPerRange;
    const firstEvent = (first - row.firstRange) * per;
    const events = Math.min(count * per, row.events - firstEvent);
    const offsets = new Float64Array(count * 2);
    if (per > EVENTS_READ_WHOLE_MAX) {
      for (let i = 0; i < count; i++) {
        const lastEvent = Math.min((i + 1) * per, events) - 1;
        offsets[2 * i] = this.#inputs.bounds(row, firstEvent + i * per, 1)[0] as number;
        offsets[2 * i + 1] = this.#inputs.bounds(row, firstEvent + lastEvent, 1)[1] as number;
      }
      return { task: open.task as TaskId, first, offsets };
    }
    const bounds = this.#inputs.bounds(row, firstEvent, events);
    assert(bounds.length === events * 2, `index of ${row.path} is short`);
    for (let i = 0; i < count; i++) {
      const lastEvent = Math.min((i + 1) * per, events) - 1;
      offsets[2 * i] = bounds[2 * i * per] as number;
      offsets[2 * i + 1] = bounds[2 * lastEvent + 1] as number;
    }
    return { task: open.task as TaskId, first, offsets };
  }
}

interface MutableBody extends GrantBody {
  spans: SpanBlock[];
  readonly tasks: TaskInfo[];
  readonly files: FileInfo[];
  readonly offsets: OffsetColumn[];
  /** Estimate of what `files` takes in the frame. */
  fileBytes: number;
}

/** At most what one FileInfo takes: text in UTF-8, literal pieces, numbers. */
function descriptionBytes(row: FileRow): number {
  let bytes = 256 + 3 * (row.path.length + row.tree.length);
  for (const piece of [...row.header, ...row.footer]) {
    bytes += piece instanceof Uint8Array ? piece.length + 8 : 24;
  }
  return bytes;
}

function taskInfoOf(entry: TaskEntry): TaskInfo {
  const { spec, id } = entry.row;
  const { payload, output } = spec;
  return {
    task: id as TaskId,
    name: spec.name,
    taskDir: spec.taskDir,
    eventsPerRange: spec.eventsPerRange,
    command: payload.command,
    mode: payload.mode,
    channel: payload.channel,
    cores: payload.cores,
    gpus: 0,
    nodes: 1,
    environment: Object.entries(payload.environment).flat(),
    passEnvironment: payload.passEnvironment,
    timeoutSeconds: payload.timeoutSeconds,
    outputName: output.name,
    allowEmpty: output.allowEmpty,
    recordsPerEvent: output.recordsPerEvent ?? -1,
    countRule: countRuleFor(output.merge),
  };
}

function fileInfoOf(entry: TaskEntry, row: FileRow): FileInfo {
  const isCount = entry.row.spec.input.count !== null;
  return {
    task: entry.row.id as TaskId,
    file: row.file,
    firstRange: row.firstRange,
    ranges: row.ranges,
    events: row.events,
    path: row.path,
    tree: row.tree,
    format: isCount ? "count" : row.format,
    sizeBytes: isCount ? -1 : row.sizeBytes,
    mtimeMs: isCount ? -1 : row.mtimeMs,
    seed: payloadSeed(entry.row.spec.seed, row.file).toString(),
    header: row.header,
    footer: row.footer,
  };
}

/** Whose tasks the pilot may have, and which of them it could run. */
function reachOf(session: Session): Reach {
  return { owner: session.rights.owner, cores: coresMax(session) };
}
