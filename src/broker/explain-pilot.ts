/** Why a pilot (a node) has the work that it has, or none, in the shaper's own terms. */
import { formatSeconds, JumboError } from "../base/index.ts";
import { SLOW_FROM } from "../shape/index.ts";
import type { PilotExplanation } from "./commands.ts";
import type { Conversations } from "./conversations.ts";
import type { Copies } from "./copies.ts";
import type { CoreParts } from "./parts.ts";
import { type Session, secondsLeftOf } from "./session.ts";

const TASKS_TOLD_MAX = 20;

export function explainPilot(
  parts: CoreParts,
  conversations: Conversations,
  copies: Copies,
  name: string,
): PilotExplanation {
  const session = find(conversations, name);
  if (session === null) {
    throw new JumboError(
      "not_found",
      `no pilot "${name}" is connected (none has that number, id or node) \`jumbo pilot list\` shows them`,
      { subject: "pilot" },
    );
  }
  return { pilot: session.pilotId, lines: linesOf(parts, copies, session) };
}

function find(conversations: Conversations, name: string): Session | null {
  const sessions = [...conversations.sessions.values()];
  return (
    sessions.find((one) => one.pilotId === name) ??
    sessions.find((one) => String(one.pilot) === name) ??
    sessions.find((one) => one.nodes.some((node) => node.name === name)) ??
    null
  );
}

function linesOf(parts: CoreParts, copies: Copies, session: Session): string[] {
  const { ledger, granter, shaper, world, committer } = parts;
  const nowMs = world.clock.monotonicMs();
  const sight = granter.sightOf(session);
  const queued = Math.max(0, sight.held - sight.running);
  const left = secondsLeftOf(session, nowMs);
  const lines = [
    `pilot ${session.pilotId} (number ${session.pilot}): ${session.slots} slots on ` +
      `${session.nodes.length} node(s), ${session.freeSlots} free; it holds ${sight.held} ranges, ` +
      `${sight.running} running and ${queued} queued`,
    Number.isFinite(left) ? `its walltime ends in ${formatSeconds(left)}` : "it has no walltime",
  ];
  if (session.draining) lines.push("it is draining: it finishes what runs and takes nothing new");
  if (committer.blocked || granter.paused)
    lines.push("nothing is leased: the store's disk is full");
  if (granter.hasLastChance(session)) {
    lines.push(
      "it has a range that one more lost pilot would end: it gets no other such meanwhile",
    );
  }
  lines.push(...paceLines(parts, session));
  const twice = ledger.leasesOf(session.pilot).filter((lease) => lease.speculative).length;
  if (twice > 0) lines.push(`${twice} of its ranges are second copies of what slow nodes run`);
  if (granter.open.size === 0) lines.push("no task is open");
  const sights = [...granter.sightsFor(session)];
  for (const task of sights.slice(0, TASKS_TOLD_MAX)) {
    lines.push(`task ${task.task} "${task.entry.row.spec.name}": ${shaper.why(sight, task)}`);
  }
  if (granter.open.size > 0 && sights.length === 0) {
    lines.push(
      `none of ${granter.open.size} open task(s) has a ready range that it could run` +
        (copies.open > 0 ? `; ${copies.open} range(s) run twice already` : ""),
    );
  }
  const reason = shaper.handBack(sight, sights);
  if (reason !== null) lines.push(`it will be told to hand its node back: ${reason}`);
  return lines;
}

function paceLines(parts: CoreParts, session: Session): string[] {
  const { granter, shaper } = parts;
  const nodeType = session.nodeTypes[0] ?? "";
  const lines: string[] = [];
  for (const task of [...granter.open.keys()].slice(0, TASKS_TOLD_MAX)) {
    const slowness = shaper.slowness(session.pilot, task, nodeType);
    if (slowness < SLOW_FROM) continue;
    lines.push(
      `it takes ${slowness.toFixed(1)} times as long as predicted for task ${task}: what it runs ` +
        "last may be copied elsewhere, and it gets no copies",
    );
  }
  if (session.failureStreak > 0) {
    lines.push(`its last ${session.failureStreak} range(s) ended badly in a row`);
  }
  const startup = shaper.costs.startupSeconds(nodeType);
  const flush = shaper.costs.flushSeconds(nodeType);
  lines.push(
    `of its kind (${nodeType}) is known: ${startup.toFixed(1)} s from the first grant to the first ` +
      `range under way, ${flush.toFixed(3)} s from a report to its durable verdict`,
  );
  return lines;
}
