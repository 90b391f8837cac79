/** The "task/1" document that run, wait and show print, and its form for people. */
import { EXIT, formatBytes, formatCount, formatSeconds } from "../base/index.ts";
import type { TaskView } from "../broker/index.ts";
import { paint, table } from "./output.ts";

export function taskDocument(view: TaskView): Record<string, unknown> {
  return {
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

export function taskText(view: TaskView): string {
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
    lines.push(
      `  rate     ${formatCount(Math.round(view.rangesPerSecond))} ranges/s, ${formatSeconds(view.etaSeconds)} left`,
    );
  }
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
