/**
 * Why a task or a range is where it is, in sentences: what holds it, what it waits for, how its
 * earlier attempts ended, and whether its ranges fit the file they are cut from.
 */
import {
  formatBytes,
  formatSeconds,
  JumboError,
  leaseEpoch,
  leaseNumber,
  type PilotNumber,
  type RangeIndex,
  type TaskId,
} from "../base/index.ts";
import { type RangeRun, STATE } from "../ledger/index.ts";
import type { FileRow } from "../store/index.ts";
import type { TaskEntry } from "./book.ts";
import type { Conversations } from "./conversations.ts";
import type { Copies } from "./copies.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { CoreParts } from "./parts.ts";
import { coresMax } from "./session.ts";
import { taskView } from "./views.ts";

export function explain(
  parts: CoreParts,
  lifecycle: Lifecycle,
  conversations: Conversations,
  copies: Copies,
  task: number,
  range: number | null,
): string[] {
  const entry = parts.book.task(task);
  if (range === null) return explainTask(parts, lifecycle, conversations, entry);
  if (!Number.isSafeInteger(range) || range < 0 || range >= entry.row.ranges) {
    throw new JumboError(
      "not_found",
      `task ${task} has no range ${range} (it has ${entry.row.ranges}, numbered from 0)`,
      { subject: "range" },
    );
  }
  return explainRange(parts, conversations, copies, entry, range as RangeIndex);
}

function explainTask(
  parts: CoreParts,
  lifecycle: Lifecycle,
  conversations: Conversations,
  entry: TaskEntry,
): string[] {
  const view = taskView(parts, lifecycle, entry);
  const { ranges } = view;
  const lines = [
    `task ${view.id} "${view.name}" is ${view.state}: ${ranges.ready} ready, ${ranges.leased} leased, ` +
      `${ranges.done} done, ${ranges.failed} failed, ${ranges.cancelled} cancelled of ${ranges.total} ranges`,
  ];
  if (view.problem !== "") lines.push(`problem: ${view.problem}`);
  if (view.state === "merging") lines.push("every range is final; its outputs are being merged");
  if (view.state === "open" && ranges.ready > 0) {
    lines.push(...whyReadyWaits(parts, conversations, entry));
  }
  for (const failure of view.failures) {
    lines.push(`${failure.ranges} failed, first range ${failure.example}: ${failure.reason}`);
  }
  const retried = entry.reasonTexts
    .slice(1)
    .filter((text) => !view.failures.some((f) => f.reason === text));
  for (const text of retried.slice(0, 20)) lines.push(`seen and tried again: ${text}`);
  lines.push(...clusterRemarks(entry));
  for (const file of entry.files.slice(0, 20)) {
    for (const note of file.notes) lines.push(`${file.source}: ${note}`);
  }
  return lines;
}

function whyReadyWaits(parts: CoreParts, conversations: Conversations, entry: TaskEntry): string[] {
  const sessions = [...conversations.sessions.values()];
  if (parts.committer.blocked) return ["nothing is leased: the store's disk is full"];
  if (parts.granter.paused) {
    const least = formatBytes(parts.options.freeBytesMin);
    return [`nothing is leased: the store's disk has less than ${least} free`];
  }
  if (sessions.length === 0) {
    return ["no pilot is connected: start one with `jumbo pilot start`"];
  }
  const { cores } = entry.row.spec.payload;
  if (sessions.every((session) => coresMax(session) > 0 && coresMax(session) < cores)) {
    return [`it needs ${cores} cores a slot and no connected pilot's node has that many`];
  }
  const lines: string[] = [];
  for (const session of sessions.slice(0, 20)) {
    if (session.draining) lines.push(`pilot ${session.pilotId} is draining`);
    else if (session.want <= 0)
      lines.push(`pilot ${session.pilotId} wants nothing: its slots are busy`);
    else {
      const sight = [...parts.granter.sightsFor(session)].find((task) => task.entry === entry);
      const why = sight
        ? parts.shaper.why(parts.granter.sightOf(session), sight)
        : "nothing is ready";
      lines.push(`pilot ${session.pilotId}: ${why}`);
    }
  }
  return lines;
}

/** Ranges much smaller than the file's own clusters read the same bytes again and again. */
function clusterRemarks(entry: TaskEntry): string[] {
  const per = entry.row.spec.eventsPerRange;
  const lines: string[] = [];
  for (const file of entry.files.slice(0, 20)) {
    if (file.clusters.length === 0 || file.events === 0) continue;
    const mean = file.events / file.clusters.length;
    if (per < mean) {
      lines.push(
        `${file.source}: ranges of ${per} events are smaller than its clusters of about ${Math.round(mean)} ` +
          "(a reader decompresses whole clusters) larger ranges read less twice",
      );
    }
  }
  return lines;
}

function explainRange(
  parts: CoreParts,
  conversations: Conversations,
  copies: Copies,
  entry: TaskEntry,
  range: RangeIndex,
): string[] {
  const at = parts.ledger.rangeAt(entry.row.id as TaskId, range);
  const place = entry.table.locate(range);
  const file = entry.files[place.file] as FileRow;
  const where = file.source === "" ? "the count" : file.source;
  const lines = [
    `range ${range}: ${place.count} event(s) of ${where}, from event ${place.start} (0-based)`,
    stateLine(parts, conversations, entry, at),
    `starts ${at.attempts}, bad ends ${at.failures} of ${entry.row.spec.attempts}, ` +
      `vanished pilots ${at.losses} of ${entry.row.spec.losses}, leased out ${at.grants} times`,
  ];
  lines.push(...runningLines(parts, conversations, entry, at, copies));
  if (at.reason !== 0) lines.push(`last reason: ${entry.reasonTexts[at.reason] ?? "unknown"}`);
  return lines;
}

/** How long it runs and should take, and who else runs it. */
function runningLines(
  parts: CoreParts,
  conversations: Conversations,
  entry: TaskEntry,
  at: RangeRun,
  copies: Copies,
): string[] {
  const { ledger, shaper } = parts;
  const task = entry.row.id as TaskId;
  const pilot = at.state === STATE.running ? ledger.lease(at.lease)?.pilot : undefined;
  const session = pilot === undefined ? undefined : conversations.sessions.get(pilot);
  const nodeType = session?.nodeTypes[0] ?? "";
  const lines: string[] = [];
  const predicted = shaper.predict(task, nodeType, at.first);
  if ((at.state === STATE.running || at.state === STATE.held) && predicted >= 0) {
    const { known, q90 } = shaper.costs.view(task, nodeType);
    lines.push(
      `predicted: ${predicted.toFixed(2)} s on its node` +
        (shaper.inOrder(task) >= 0 ? " (by its weight)" : ` (q90 ${q90.toFixed(2)} s, ${known})`),
    );
  }
  const copy = copies.copyOf(task, at.first);
  if (copy !== null) {
    const id = parts.book.pilots.get(copy)?.pilotId ?? "?";
    lines.push(`a second copy of it runs at pilot ${id}: the first report counts`);
  }
  return lines;
}

function stateLine(
  parts: CoreParts,
  conversations: Conversations,
  entry: TaskEntry,
  at: RangeRun,
): string {
  const lease = at.lease === 0 ? "none" : `${leaseEpoch(at.lease)}.${leaseNumber(at.lease)}`;
  switch (at.state) {
    case STATE.ready:
      return entry.row.phase === "cancelled"
        ? "cancelled"
        : `ready: ${whyReadyWaits(parts, conversations, entry)[0] ?? "next in line"}`;
    case STATE.held:
    case STATE.running: {
      const pilot = parts.ledger.lease(at.lease)?.pilot;
      const row = pilot === undefined ? undefined : parts.book.pilots.get(pilot);
      const here = conversations.sessions.has(pilot as PilotNumber) ? "connected" : "not connected";
      const what = at.state === STATE.held ? "held, not started" : "running";
      const log = conversations.sessions.get(pilot as PilotNumber)?.account.log;
      const atMs = log?.find(at.lease, at.first) ?? -1;
      const nowMs = parts.world.clock.monotonicMs();
      const since =
        at.state === STATE.running && atMs >= 0
          ? ` for ${formatSeconds((nowMs - atMs) / 1000)}`
          : "";
      return `${what} under lease ${lease} by pilot ${row?.pilotId ?? "?"} (${here})${since}`;
    }
    case STATE.done:
      return `done under lease ${lease}, output in ${parts.book.bundles.get(at.bundle)?.uri ?? "no bundle"}`;
    default:
      return "failed for good";
  }
}
