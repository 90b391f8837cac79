/**
 * Bugs that the simulator must find. Each is a small change of the production text, made while a
 * module is loaded (plant.ts) and nowhere else: `from` must stand in the file exactly once, so that
 * a bug which no longer fits is noticed. Without the simulator's flag none of this is ever read.
 */
export interface PlantedBug {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const committer = "src/broker/committer.ts";
const conversations = "src/broker/conversations.ts";
const commands = "src/broker/command-table.ts";
const ledger = "src/ledger/ledger.ts";
const reports = "src/ledger/reports.ts";
const transitions = "src/ledger/transitions.ts";
const recovery = "src/ledger/recovery.ts";
const openTasks = "src/broker/open-tasks.ts";
const granter = "src/broker/granter.ts";

export const PLANTED: readonly PlantedBug[] = [
  {
    name: "acknowledged before the flush",
    file: committer,
    from: "    this.#waiting.push(acknowledge);\n",
    to: "    acknowledge();\n",
  },
  {
    name: "wall clock used for leases",
    file: conversations,
    from: "return this.#parts.world.clock.monotonicMs();",
    to: "return this.#parts.world.clock.wallMs();",
  },
  {
    name: "no fence: any lease's done is taken while the range is free",
    file: reports,
    from: "  return grants === 0 ? VERDICT.unknown : VERDICT.stale;",
    to:
      "  if (state === STATE.ready && kind === DECISION.done) return VERDICT.accepted;\n" +
      "  return grants === 0 ? VERDICT.unknown : VERDICT.stale;",
  },
  {
    name: "a late done is accepted after a newer grant",
    file: reports,
    from: "  return grants === 0 ? VERDICT.unknown : VERDICT.stale;",
    to:
      "  if (state < STATE.done && kind === DECISION.done) return VERDICT.accepted;\n" +
      "  return grants === 0 ? VERDICT.unknown : VERDICT.stale;",
  },
  {
    name: "the first accepted done is overwritten",
    file: reports,
    from: "  return grants === 0 ? VERDICT.unknown : VERDICT.stale;",
    to:
      "  if (state === STATE.done && kind === DECISION.done) return VERDICT.accepted;\n" +
      "  return grants === 0 ? VERDICT.unknown : VERDICT.stale;",
  },
  {
    name: "a duplicate is counted twice",
    file: reports,
    from: "    if (state === STATE.done) return VERDICT.duplicate;\n",
    to: "    if (state === STATE.done && kind !== DECISION.done) return VERDICT.duplicate;\n",
  },
  {
    name: "a done into a reopened bundle is accepted",
    file: reports,
    from: "const bundleLost = kind === DECISION.done && extra !== 0 && books.lostBundles.has(extra);",
    to: "const bundleLost = kind === DECISION.done && extra < 0;",
  },
  {
    name: "the attempt is not raised at a start",
    file: transitions,
    from: "  cell.word += ATTEMPT;\n",
    to: "",
  },
  {
    name: "a held range is charged when its lease expires",
    file: transitions,
    from: "  if (running) {\n    cell.word += LOSS;",
    to: "  if (running || state === STATE.held) {\n    cell.word += LOSS;",
  },
  {
    name: "losses are not counted",
    file: transitions,
    from: "  if (kind === DECISION.lost) cell.word += LOSS;",
    to: "  if (kind === DECISION.lost) cell.word += 0;",
  },
  {
    name: "failures are not counted",
    file: transitions,
    from: "  else if (charges) cell.word += FAILURE;\n",
    to: "",
  },
  {
    name: "a fatal end is only a failure",
    file: transitions,
    from: "  endLease(task, kind === DECISION.fatal, 0, 0);",
    to: "  endLease(task, false, 0, 0);",
  },
  {
    name: "retry sets the attempts back",
    file: transitions,
    from: "  cell.word = attemptsOf(cell.word) * ATTEMPT + STATE.ready;",
    to: "  cell.word = STATE.ready;",
  },
  {
    name: "a retry is not written down",
    file: "src/ledger/reopen.ts",
    from: "  books.record(DECISION.retried, task.id, task.mergedBelow, 0, 0, 0);\n",
    to: "",
  },
  {
    name: "leases expire too early",
    file: conversations,
    from: "    this.#parts.ledger.renew(session.pilot, nowMs + this.#parts.options.leaseTermMs);",
    to: "    this.#parts.ledger.renew(session.pilot, nowMs + this.#parts.options.leaseTermMs / 8);",
  },
  {
    name: "no full term after a recovery",
    file: "src/broker/core.ts",
    from: "ledger.grantFullTerm(world.clock.monotonicMs() + options.leaseTermMs);",
    to: "ledger.grantFullTerm(world.clock.monotonicMs());",
  },
  {
    name: "a closed connection ends its leases at once",
    file: conversations,
    from: "this.#nowMs() + Math.min(grace, options.leaseTermMs));",
    to: "this.#nowMs() + 0 * Math.min(grace, options.leaseTermMs));",
  },
  {
    name: "leases that a pilot no longer lists stay open",
    file: ledger,
    from: "      if (at < end) endOpen(this.#books, lease, at, end, DECISION.returned, DECISION.lost, why);\n",
    to: "",
  },
  {
    name: "a copy does not go on when the first lease ends",
    file: reports,
    from: "  if (task.copies.size > 0) promoteCopies(books, task, first, first + count);\n",
    to: "",
  },
  {
    name: "a lease is lost in recovery",
    file: recovery,
    from: "      if (open > 0 || isCopy(seen[at + 6]!)) this.#putOpen(seen, at, open, copies);",
    to: "      if (open > 0 && seen[at]! % 5 !== 0) this.#putOpen(seen, at, open, copies);",
  },
  {
    name: "the journal is cut too early",
    file: ledger,
    from: "      books.pages.oldestDirty(last),\n      books.leases.oldestPosition(last),",
    to: "      books.leases.oldestPosition(last),\n      last,",
  },
  {
    name: "the journal is cut behind open leases",
    file: ledger,
    from: "      books.leases.oldestPosition(last),\n",
    to: "",
  },
  {
    name: "a lease carried forward is not written",
    file: ledger,
    from: "    books.record(kind, task, first, count, id, pilot);\n    books.leases.carried(",
    to: "    books.leases.carried(",
  },
  {
    name: "a lease carried whole is trusted, whatever its ranges did since",
    file: recovery,
    from: "    if (page === undefined || page.trueAt > sequence || page.dirtySince !== 0) return false;",
    to: "    if (page === undefined) return false;",
  },
  {
    name: "a page's true-at is ignored",
    file: transitions,
    from: "    if (page.trueAt < books.replaying) {",
    to: "    if (page.trueAt >= 0) {",
  },
  {
    name: "a page claims to be truer than it is",
    file: ledger,
    from: "const trueAt = books.journal.pending ? sequence : books.taken;",
    to: "const trueAt = sequence + 1;",
  },
  {
    name: "verdicts come in another order than the ranges",
    file: "src/broker/reports.ts",
    from: "    } else runs.push(count, verdict);",
    to: "    } else runs.unshift(count, verdict);",
  },
  {
    name: "the epoch is not raised: lease numbers go on where the store's end",
    file: "src/ledger/books.ts",
    from: "    this.bornAt = leaseIdOf(epoch, 0);",
    to: "    this.bornAt = leaseIdOf(1, 0);",
  },
  {
    name: "extend forgets the new files",
    file: "src/broker/book.ts",
    from: "    for (const file of added) this.#putFile(file);\n",
    to: "",
  },
  {
    name: "an extend that is repeated adds its files twice",
    file: commands,
    from: "        if (!again && book.endsWith(entry, files)) {",
    to: "        if (!again && files.length === 0) {",
  },
  {
    name: "extend tells the ledger nothing",
    file: commands,
    from: "        ledger.extendTask(task as TaskId, entry.row.ranges - before);\n",
    to: "        void before;\n",
  },
  {
    name: "a cancel is not durable",
    file: commands,
    from: '    book.changeTask(entry, { phase: "cancelled", finishedWallMs: world.clock.wallMs() });',
    to: '    entry.row = { ...entry.row, phase: "cancelled" };\n    void book;\n    void world;',
  },
  {
    name: "a group that found the disk full is dropped, and acknowledged",
    file: committer,
    from: "          this.#retryGroup = { group, waiting };\n",
    to: "          for (const acknowledge of waiting) acknowledge();\n",
  },
  {
    name: "a merged output survives the loss of its bundle",
    file: commands,
    from: "    this.#parts.ledger.resumeTask(entry.row.id as TaskId, 0);\n",
    to: "",
  },
  {
    name: "only a task's first file is described",
    file: "src/broker/describe.ts",
    from: "      if (!known.has(file)) {",
    to: "      if (known.size === 0) {",
  },
  {
    name: "a done in a row of spans counts whatever its lease",
    file: "src/ledger/usual.ts",
    from: "  return fits && holds(cells, record, lease);",
    to: "  return fits;",
  },
  {
    name: "a block's ranges that were refused are answered as accepted",
    file: "src/ledger/gather.ts",
    from: "  if (applied < ranges) {",
    to: "  if (applied < ranges && extra < 0) {",
  },
  {
    name: "a range said twice in a block is accepted twice",
    file: "src/ledger/gather.ts",
    from: "  for (let i = begin; i < end; i++) if (isNamed(i)) return false;\n",
    to: "",
  },
  {
    name: "a task once found without ready ranges is never looked at again",
    file: openTasks,
    from: "    for (const group of this.#groups) group.from = 0;",
    to: "    for (const group of this.#groups) group.from += 0;",
  },
  {
    name: "what was done into a lost bundle is ready again and nobody is told",
    file: "src/broker/reports.ts",
    from: '?.state === "lost") effects.readyArrived = true;',
    to: '?.state === "lost") effects.readyArrived ||= false;',
  },
  {
    name: "who waited for a full disk waits on once it has room",
    file: "src/broker/core.ts",
    from: "if (this.#wasBlocked && !blocked)",
    to: "if (this.#wasBlocked && blocked)",
  },
  {
    name: "a lease that ends tells nobody",
    file: conversations,
    from: "    this.counters.expired += leases.length;\n    this.effects.readyArrived = true;\n",
    to: "    this.counters.expired += leases.length;\n",
  },
  {
    name: "an order is not told of what a lost bundle made ready",
    file: "src/broker/orders.ts",
    from: "if (inOrder >= 0 && inOrder < ready) this.giveBack(task, 0, Number.POSITIVE_INFINITY);",
    to: "void inOrder;",
  },
  {
    name: "an order whose first ranges can't be had is not asked for others",
    file: granter,
    from: "if (others) this.#plansAgain = true;\n        else this.#spent.push(open.task);",
    to: "void others;\n        this.#spent.push(open.task);",
  },
  {
    name: "nothing is taken back at a tail",
    file: "src/broker/tail.ts",
    from: "      this.#recall(owner, hungry, nowMs);\n",
    to: "      void hungry;\n",
  },
  {
    name: "a pilot with an owner's key is given others' ranges",
    file: granter,
    from: "{ owner: session.rights.owner, cores: coresMax(session) }",
    to: '{ owner: "", cores: coresMax(session) }',
  },
  {
    name: "seconds to the wall are taken for milliseconds",
    file: "src/broker/session.ts",
    from: "session.wallEndsMs = secondsLeft < 0 ? Number.POSITIVE_INFINITY : nowMs + secondsLeft * 1000;",
    to: "session.wallEndsMs = secondsLeft < 0 ? Number.POSITIVE_INFINITY : nowMs + secondsLeft;",
  },
];
