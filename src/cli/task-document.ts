/** The "task/1" document that run, wait and show print, and its form for people. */
import { EXIT, formatBytes, formatCount, formatSeconds } from "../base/index.ts";
import type { ForecastView, StandingView, TaskView } from "../broker/index.ts";
import type { MeasuredSplit } from "../shape/index.ts";
import { paint, table } from "./output.ts";

const ALLOCATIONS_TOLD_MAX = 20;

/** A task and how it stands, as `GET /tasks/:task` answers. */
export type ShownTask = TaskView & Partial<Omit<StandingView, "task">>;

export function taskDocument(view: ShownTask): Record<string, unknown> {
  const { forecast, split, allocations, allocationsLeft } = view;
  return {
    ...(split === undefined ? {} : { forecast, split, allocations, allocationsLeft }),
    schema: "task/1",
    id: view.id,
    name: view.name,
    state: view.state,
    events: view.events,
    ranges: view.ranges,
    attempts: view.attempts,
    files: view.files.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 })),
    manifest: view.manifest,
    failures: view.failures,
    seconds: view.seconds,
    owner: view.owner,
    priority: view.priority,
    problem: view.problem,
  };
}

/** 0 if every range is done, or some failed and allowPartial is set; else 1. */
export function exitCodeOf(view: TaskView): number {
  if (view.state === "done") return EXIT.ok;
  if (view.state === "failed" && view.problem === "" && view.spec.allowPartial) return EXIT.ok;
  return EXIT.workFailed;
}

/** `in 1 h 2 min (50 min to 1 h 20 min; ...)`, or why nothing can be said. */
function forecastText(forecast: ForecastView): string {
  const { seconds, low, high, known, slots, meanSeconds, relativeError } = forecast;
  if (known === "nothing")
    return "unknown: no range has ended yet, and cost.meanSeconds is not set";
  if (seconds < 0) return "unknown: no connected pilot can take its ranges";
  const from =
    known === "rate"
      ? "by the rate of the last minute"
      : `${slots} slots, ${meanSeconds.toPrecision(3)} s a range ` +
        (known === "hint" ? "by the task file" : `+- ${(100 * relativeError).toFixed(0)} %`);
  return `in ${formatSeconds(seconds)} (${formatSeconds(low)} to ${formatSeconds(high)}; ${from})`;
}

/** Core-seconds by part, in per cent of all. */
function splitText(split: MeasuredSplit): string {
  const share = (part: number) => `${((100 * part) / Math.max(split.total, 1e-9)).toFixed(1)} %`;
  const running = split.running > 0 ? ` (${share(split.running)} still runs)` : "";
  return (
    `${formatCount(Math.round(split.total))} core-s: ${share(split.useful)} useful, ` +
    `${share(split.startup)} start-up, ${share(split.edge)} edge${running}, ${share(split.idle)} idle`
  );
}

function standingLines(view: ShownTask): string[] {
  const lines: string[] = [];
  const { forecast, split, allocations = [], allocationsLeft = 0 } = view;
  if (forecast && view.state === "open") lines.push(`  done     ${forecastText(forecast)}`);
  if (!split || allocations.length === 0) return lines;
  lines.push(`  cores    ${splitText(split)}`);
  for (const one of allocations.slice(0, ALLOCATIONS_TOLD_MAX)) {
    const name = one.allocation === "" ? one.pilots[0] : `${one.queue}/${one.allocation}`;
    const here = one.connected > 0 ? `${one.slots} slots` : "ended";
    lines.push(`    ${name} (${here}): ${splitText(one.split)}`);
  }
  const more = allocations.length + allocationsLeft - ALLOCATIONS_TOLD_MAX;
  if (more > 0) lines.push(`    and ${more} more`);
  return lines;
}

export function taskText(view: ShownTask): string {
  const { events, ranges } = view;
  const colour = view.state === "done" ? "green" : view.state === "failed" ? "red" : "cyan";
  const lines = [
    `task ${view.id}  ${view.name}  ${paint(colour, view.state, process.stdout)}`,
    `  events   ${formatCount(events.done)} of ${formatCount(events.total)} done` +
      (events.failed > 0 ? `, ${formatCount(events.failed)} failed` : "") +
      (events.cancelled > 0 ? `, ${formatCount(events.cancelled)} cancelled` : ""),
    `  ranges   ${formatCount(ranges.total)}: ${ranges.ready} ready, ${ranges.leased} leased, ` +
      `${ranges.done} done (${ranges.merged} merged), ${ranges.failed} failed, ${ranges.cancelled} cancelled`,
    `  starts   ${formatCount(view.attempts)}`,
    `  time     ${formatSeconds(view.seconds)}`,
  ];
  if (view.state === "open" && view.etaSeconds >= 0) {
    // How long it takes is the forecast's word (the line "done" below).
    lines.push(`  rate     ${formatCount(Math.round(view.rangesPerSecond))} ranges/s`);
  }
  lines.push(...standingLines(view));
  if (view.problem !== "") lines.push(`  problem  ${view.problem}`);
  for (const failure of view.failures) {
    lines.push(
      `  failed   ${formatCount(failure.ranges)} (first: range ${failure.example}): ${failure.reason}`,
    );
  }
  for (const file of view.files) lines.push(`  result   ${file.path}  ${formatBytes(file.bytes)}`);
  if (view.manifest !== "") lines.push(`  manifest ${view.manifest}`);
  return lines.join("\n");
}

export function taskListText(views: readonly TaskView[]): string {
  if (views.length === 0) return "no tasks";
  const rows = views.map((view) => {
    return [
      String(view.id),
      view.name,
      view.state,
      `${formatCount(view.events.done)}/${formatCount(view.events.total)}`,
      formatCount(view.events.failed),
      view.owner || "-",
      formatSeconds(view.seconds),
    ];
  });
  return table(["id", "name", "state", "events", "failed", "owner", "time"], rows);
}
