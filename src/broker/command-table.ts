/**
 * One function a command (commands.ts): it reads or changes the books and answers, at once for a
 * view, after the group commit for a change. An operating error becomes the answer's error.
 */
import {
  type BundleId,
  JumboError,
  type PilotNumber,
  type RangeIndex,
  type TaskId,
} from "../base/index.ts";
import { STATE } from "../ledger/index.ts";
import { ledgerStanding, ledgerTerms, type TaskRow } from "../store/index.ts";
import { contentHash } from "../task/index.ts";
import { packValue, SpanBlockBuilder, unpackValue } from "../wire/index.ts";
import type { TaskEntry } from "./book.ts";
import type { CommandMap, CommandName, TaskView } from "./commands.ts";
import type { Conversations } from "./conversations.ts";
import type { Copies } from "./copies.ts";
import { explain } from "./explain.ts";
import { explainPilot } from "./explain-pilot.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { metricsOf } from "./metrics.ts";
import type { CoreParts } from "./parts.ts";
import { standingView } from "./standing.ts";
import { pilotView, rangeColumns, taskView } from "./views.ts";
import { dropWeights, readWeights, writeWeights } from "./weights.ts";

/** Answers a command: exactly one of the two is called, once. */
export interface Reply<Name extends CommandName> {
  ok(answer: CommandMap[Name]["answer"]): void;
  fail(error: JumboError): void;
}

type Handler<Name extends CommandName> = (ask: CommandMap[Name]["ask"], reply: Reply<Name>) => void;
type HandlerTable = { [Name in CommandName]: Handler<Name> };

const RUNS_PER_ANSWER_MAX = 100_000;

interface WaitDeadline {
  readonly deadlineMs: number;
  readonly task: number;
  readonly stop: () => void;
  readonly reply: Reply<"wait">;
}

export class CommandTable {
  readonly #parts: CoreParts;
  readonly #lifecycle: Lifecycle;
  readonly #conversations: Conversations;
  readonly #copies: Copies;
  readonly #handlers: HandlerTable;

  constructor(
    parts: CoreParts,
    lifecycle: Lifecycle,
    conversations: Conversations,
    copies: Copies,
  ) {
    this.#parts = parts;
    this.#lifecycle = lifecycle;
    this.#conversations = conversations;
    this.#copies = copies;
    this.#handlers = {
      ...this.#taskCommands(),
      ...this.#viewCommands(),
      ...this.#mergeCommands(),
      ...this.#bundleCommands(),
      ...this.#pilotCommands(),
      ...this.#credentialCommands(),
    };
  }

  run<Name extends CommandName>(
    name: Name,
    ask: CommandMap[Name]["ask"],
    reply: Reply<Name>,
  ): void {
    const handler = this.#handlers[name] as Handler<Name> | undefined;
    if (!handler) {
      reply.fail(new JumboError("usage", `no command ${String(name)} (the core does not know it)`));
      return;
    }
    try {
      handler(ask, reply);
    } catch (error) {
      if (!(error instanceof JumboError)) throw error;
      reply.fail(error);
    }
  }

  #view(entry: TaskEntry): TaskView {
    return taskView(this.#parts, this.#lifecycle, entry);
  }

  /** Answers once everything applied until now is on disk. */
  #afterCommit(answer: () => void): void {
    this.#parts.committer.afterCommit(answer);
  }

  #taskCommands(): Pick<HandlerTable, "submit" | "extend" | "cancel" | "retry" | "wait"> {
    const { book, ledger, granter, world } = this.#parts;
    return {
      submit: ({ spec, files, weights }, reply) => {
        const known = book.find(spec.name);
        if (known && known.row.spec.name === spec.name) {
          if (known.row.contentHash !== contentHash(spec, files)) {
            throw new JumboError(
              "conflict",
              `task name "${spec.name}" is taken by other content (task ${known.row.id} was submitted with another payload, settings or inputs) choose another name`,
              { subject: "name" },
            );
          }
          this.#afterCommit(() => reply.ok({ task: known.row.id, existed: true }));
          return;
        }
        const entry = book.addTask(spec, files, world.clock.wallMs());
        ledger.addTask(ledgerTerms(entry.row), ledgerStanding(entry.row));
        if (weights) writeWeights(book, entry, weights);
        granter.admit(entry);
        this.#changed(entry.row.id);
        this.#afterCommit(() => reply.ok({ task: entry.row.id, existed: false }));
      },
      extend: ({ task, files, again, weights }, reply) => {
        const entry = book.task(task);
        this.#mustBeOpen(entry, "extended");
        if (entry.row.spec.input.count !== null) {
          throw new JumboError(
            "conflict",
            `task ${task} has a count as input (it has no files to add to) submit another task`,
          );
        }
        if (entry.row.outputs.length > 0) {
          throw new JumboError(
            "conflict",
            `task ${task} is being merged (its output files are fixed by now) submit another task`,
          );
        }
        if (!again && book.endsWith(entry, files)) {
          throw new JumboError(
            "conflict",
            `"files" are the last of task ${task} already (sent once more, as after a lost answer, their events would be processed twice) leave them, or say "again": true (--again)`,
            { subject: "files" },
          );
        }
        const before = entry.row.ranges;
        book.extendTask(entry, files);
        ledger.extendTask(task as TaskId, entry.row.ranges - before);
        if (weights) {
          writeWeights(book, entry, joined(readWeights(book, task), weights));
          granter.orders.reorder();
        }
        this.#changed(task);
        this.#afterCommit(() => reply.ok({ ranges: entry.row.ranges }));
      },
      cancel: ({ task }, reply) => {
        const entry = book.task(task);
        if (entry.row.phase === "cancelled") {
          this.#afterCommit(() => reply.ok({ state: "cancelled" }));
          return;
        }
        this.#mustBeOpen(entry, "cancelled");
        this.#cancel(entry);
        this.#afterCommit(() => {
          this.#lifecycle.ended(task);
          reply.ok({ state: "cancelled" });
        });
      },
      retry: ({ task }, reply) => {
        const entry = book.task(task);
        if (entry.row.phase === "cancelled") {
          throw new JumboError(
            "conflict",
            `task ${task} is cancelled (cancelled work is not taken up again) submit it under another name`,
          );
        }
        const ranges = this.#retry(entry);
        this.#afterCommit(() => reply.ok({ ranges }));
      },
      wait: ({ task, timeoutMs }, reply) => {
        const entry = book.task(task);
        if (this.#lifecycle.hasEnded(entry)) {
          this.#afterCommit(() => reply.ok(this.#view(entry)));
          return;
        }
        const deadlineMs = timeoutMs > 0 ? world.clock.monotonicMs() + timeoutMs : 0;
        const stop = this.#lifecycle.whenEnded(task, () => reply.ok(this.#view(entry)));
        if (deadlineMs > 0) this.#deadlines.push({ deadlineMs, task, stop, reply });
      },
    };
  }

  readonly #deadlines: WaitDeadline[] = [];

  /** Ends waits whose time is over. */
  tick(nowMs: number): void {
    for (let i = this.#deadlines.length - 1; i >= 0; i--) {
      const wait = this.#deadlines[i] as WaitDeadline;
      const entry = this.#parts.book.tasks.get(wait.task);
      const ended = entry ? this.#lifecycle.hasEnded(entry) : true;
      if (!ended && nowMs < wait.deadlineMs) continue;
      this.#deadlines.splice(i, 1);
      if (ended) continue;
      wait.stop();
      wait.reply.fail(
        new JumboError(
          "timed_out",
          `task ${wait.task} has not ended (the stated time has passed) wait longer, or see \`jumbo explain ${wait.task}\``,
        ),
      );
    }
  }

  #mustBeOpen(entry: TaskEntry, done: string): void {
    if (!this.#lifecycle.hasEnded(entry)) return;
    const { id, phase } = entry.row;
    throw new JumboError("conflict", `task ${id} can't be ${done} (it has ended as ${phase})`);
  }

  #changed(task: number): void {
    this.#conversations.effects.readyArrived = true;
    this.#conversations.effects.tasks.add(task);
  }

  #cancel(entry: TaskEntry): void {
    const { book, ledger, granter, world } = this.#parts;
    const task = entry.row.id;
    const leases = ledger.cancelTask(task as TaskId);
    granter.dismiss(task);
    dropWeights(book, task);
    book.changeTask(entry, { phase: "cancelled", finishedWallMs: world.clock.wallMs() });
    this.#conversations.effects.tasks.add(task);
    const byPilot = new Map<PilotNumber, SpanBlockBuilder>();
    for (const lease of leases) {
      const builder = byPilot.get(lease.pilot) ?? new SpanBlockBuilder(lease.task);
      byPilot.set(lease.pilot, builder);
      builder.add(lease.first, lease.count, 1, 1, lease.id);
    }
    for (const [pilot, builder] of byPilot)
      this.#conversations.recall(pilot, builder.build(), true);
  }

  #retry(entry: TaskEntry): number {
    const { book, ledger, granter } = this.#parts;
    const task = entry.row.id as TaskId;
    const failed = ledger.counts(task).failed;
    if (failed === 0 && entry.row.problem === "") return 0;
    // A finished task is taken up again: what was merged is merged anew with what comes back.
    book.changeTask(entry, {
      phase: "open",
      mergedBelow: 0,
      outputs: [],
      manifest: "",
      finishedWallMs: 0,
      problem: "",
    });
    ledger.resumeTask(task, 0);
    const ranges = ledger.retry(task);
    granter.admit(entry);
    this.#changed(task);
    return ranges;
  }

  #viewCommands(): Pick<
    HandlerTable,
    | "list"
    | "show"
    | "standing"
    | "find"
    | "explain"
    | "explainPilot"
    | "ranges"
    | "files"
    | "reasons"
    | "bundles"
    | "pilots"
    | "metrics"
    | "mergeable"
  > {
    const { book } = this.#parts;
    const sessions = () => this.#conversations.sessions.values();
    return {
      list: (_ask, reply) => reply.ok([...book.tasks.values()].map((entry) => this.#view(entry))),
      show: ({ task }, reply) => reply.ok(this.#view(book.task(task))),
      standing: ({ task }, reply) => {
        const rate = this.#lifecycle.rate(task);
        reply.ok(standingView(this.#parts, this.#conversations, book.task(task), rate));
      },
      find: ({ name }, reply) => {
        const entry = book.find(name);
        if (!entry)
          throw new JumboError(
            "not_found",
            `no task "${name}" (the store has none of that name or number) \`jumbo list\` shows them`,
          );
        reply.ok({ task: entry.row.id });
      },
      explain: ({ task, range }, reply) => {
        const lines = explain(
          this.#parts,
          this.#lifecycle,
          this.#conversations,
          this.#copies,
          task,
          range,
        );
        reply.ok({ task, lines });
      },
      explainPilot: ({ pilot }, reply) =>
        reply.ok(explainPilot(this.#parts, this.#conversations, this.#copies, pilot)),
      ranges: ({ task, from, runsMax }, reply) => {
        const most = Math.min(runsMax, RUNS_PER_ANSWER_MAX);
        reply.ok(rangeColumns(this.#parts, book.task(task), from, most));
      },
      files: ({ task }, reply) => reply.ok(book.task(task).files.map((file) => ({ ...file }))),
      reasons: ({ task }, reply) => {
        const texts = book.task(task).reasonTexts;
        reply.ok(texts.map((text, id) => ({ id, text })).slice(1));
      },
      bundles: ({ ids }, reply) => {
        const rows = ids.map((id) => book.bundles.get(id)).filter((row) => row !== undefined);
        reply.ok(
          rows.map(({ id, uri, state, pilot }) => ({
            id,
            uri,
            state,
            pilot,
            pilotId: book.pilots.get(pilot)?.pilotId ?? "",
          })),
        );
      },
      pilots: (_ask, reply) =>
        reply.ok([...sessions()].map((session) => pilotView(this.#parts, session))),
      metrics: (_ask, reply) => reply.ok(metricsOf(this.#parts, this.#conversations, this.#copies)),
      mergeable: (_ask, reply) =>
        this.#afterCommit(() => reply.ok(this.#lifecycle.mergeable().map((task) => ({ task })))),
    };
  }

  #mergeCommands(): Pick<
    HandlerTable,
    "merged" | "finish" | "mergeFailed" | "reopenBundle" | "reopenRange"
  > {
    const { book, ledger } = this.#parts;
    return {
      merged: ({ task, output, mergedBelow }, reply) => {
        const entry = book.task(task);
        this.#mustBeOpen(entry, "merged");
        book.changeTask(entry, { outputs: [...entry.row.outputs, output], mergedBelow });
        ledger.setMergedBelow(task as TaskId, mergedBelow as RangeIndex);
        this.#afterCommit(() => reply.ok({}));
      },
      finish: ({ task, manifest, problem }, reply) => {
        const entry = book.task(task);
        this.#mustBeOpen(entry, "finished");
        if (!this.#lifecycle.isFinal(entry)) {
          throw new JumboError(
            "conflict",
            `task ${task} has ranges to do again (an output was lost during the merge)`,
          );
        }
        const failed = ledger.counts(task as TaskId).failed;
        this.#end(entry, { phase: failed > 0 ? "failed" : "done", manifest, problem }, reply);
      },
      mergeFailed: ({ task, problem }, reply) => {
        const entry = book.task(task);
        this.#mustBeOpen(entry, "merged");
        this.#end(entry, { phase: "failed", problem }, reply);
      },
      reopenBundle: ({ task, bundle, why }, reply) => {
        const entry = book.task(task);
        this.#mustBeOpen(entry, "reopened");
        this.#takeBackMerged(entry);
        ledger.loseBundle(bundle as BundleId);
        book.changeBundle(bundle, { state: "lost" });
        book.reasonId(entry, why);
        const ranges = ledger.reopenBundle(task as TaskId, bundle as BundleId);
        this.#changed(task);
        this.#afterCommit(() => reply.ok({ ranges }));
      },
      reopenRange: ({ task, range, why, charge }, reply) => {
        const entry = book.task(task);
        this.#mustBeOpen(entry, "reopened");
        const reason = book.reasonId(entry, why);
        const at = ledger.rangeAt(task as TaskId, range as RangeIndex);
        const reopens = at.state === STATE.done;
        if (reopens) {
          this.#takeBackMerged(entry);
          ledger.reopenRange(task as TaskId, range as RangeIndex, charge, reason);
        }
        this.#changed(task);
        this.#afterCommit(() => reply.ok({ ranges: reopens ? 1 : 0 }));
      },
    };
  }

  #end<Name extends "finish" | "mergeFailed">(
    entry: TaskEntry,
    change: Partial<TaskRow>,
    reply: Reply<Name>,
  ): void {
    const { book, ledger, granter, world } = this.#parts;
    const task = entry.row.id;
    book.changeTask(entry, { ...change, finishedWallMs: world.clock.wallMs() });
    ledger.finishTask(task as TaskId);
    granter.dismiss(task);
    // A failed one may be taken up again.
    if (change.phase === "done") dropWeights(book, task);
    this.#parts.shaper.forgetTask(task);
    this.#afterCommit(() => {
      this.#lifecycle.ended(task);
      reply.ok(this.#view(entry) as CommandMap[Name]["answer"]);
    });
  }

  /** Merged files may hold what is reopened next, and are then written anew: none counts. */
  #takeBackMerged(entry: TaskEntry): void {
    if (entry.row.mergedBelow === 0) return;
    this.#parts.book.changeTask(entry, { mergedBelow: 0, outputs: [] });
    this.#parts.ledger.resumeTask(entry.row.id as TaskId, 0);
  }

  #bundleCommands(): Pick<HandlerTable, "disposable" | "bundleDeleted"> {
    const { book } = this.#parts;
    return {
      disposable: (_ask, reply) => {
        const rows = [...book.bundles.values()].filter((row) => {
          if (row.state !== "open" || row.tasks.length === 0) return false;
          if (this.#conversations.sessions.has(row.pilot as PilotNumber)) return false;
          // A failed task keeps its outputs: after a retry they are merged again.
          return row.tasks.every((task) => {
            const phase = book.tasks.get(task)?.row.phase;
            return phase === undefined || phase === "done" || phase === "cancelled";
          });
        });
        reply.ok(rows.map(({ id, uri }) => ({ id, uri })));
      },
      bundleDeleted: ({ ids }, reply) => {
        for (const id of ids) book.changeBundle(id, { state: "deleted" });
        this.#afterCommit(() => reply.ok({}));
      },
    };
  }

  #pilotCommands(): Pick<
    HandlerTable,
    "allocationBegan" | "allocationEnded" | "drainPilot" | "pilotsEnded"
  > {
    const { accounts } = this.#parts;
    return {
      allocationBegan: ({ queue, allocation, wallMs }, reply) => {
        accounts.allocationBegan(queue, allocation, wallMs);
        reply.ok({});
      },
      allocationEnded: ({ queue, allocation }, reply) => {
        this.#conversations.ended((pilot) => accounts.isOf(pilot, queue, allocation));
        this.#afterCommit(() => reply.ok({}));
      },
      drainPilot: ({ pilot, reason }, reply) => {
        const session = this.#conversations.sessions.get(pilot as PilotNumber);
        if (!session) throw new JumboError("not_found", `no pilot ${pilot} is connected`);
        this.#conversations.drain(session, reason);
        reply.ok({});
      },
      pilotsEnded: ({ prefix }, reply) => {
        this.#conversations.ended(({ pilotId }) => pilotId.startsWith(prefix));
        this.#afterCommit(() => reply.ok({}));
      },
    };
  }

  #credentialCommands(): Pick<
    HandlerTable,
    "getMeta" | "putMeta" | "setPilotKeys" | "revokePilotKey"
  > {
    const { book, pilotKeys, revokedKeys, world } = this.#parts;
    return {
      getMeta: ({ key }, reply) => {
        const bytes = book.meta(key);
        reply.ok({ value: bytes ? (unpackValue(bytes) as string) : null });
      },
      putMeta: ({ key, value }, reply) => {
        book.putMeta(key, value === null ? null : packValue(value));
        this.#afterCommit(() => reply.ok({}));
      },
      setPilotKeys: ({ keys }, reply) => {
        pilotKeys.clear();
        for (const key of keys) pilotKeys.add(key);
        reply.ok({});
      },
      revokePilotKey: ({ identity }, reply) => {
        revokedKeys.add(identity, world.clock.wallMs());
        const sessions = this.#conversations.revoke(identity);
        this.#afterCommit(() => reply.ok({ sessions }));
      },
    };
  }
}

function joined(one: Float32Array | null, more: Float32Array): Float32Array {
  const all = new Float32Array((one?.length ?? 0) + more.length);
  if (one) all.set(one);
  all.set(more, one?.length ?? 0);
  return all;
}
