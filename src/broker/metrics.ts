/** The core's numbers for /metrics: counters since the start of this epoch, and gauges. */
import type { TaskId } from "../base/index.ts";
import type { EngineMetrics } from "./commands.ts";
import type { Conversations } from "./conversations.ts";
import type { Copies } from "./copies.ts";
import type { CoreParts } from "./parts.ts";

export function metricsOf(
  parts: CoreParts,
  conversations: Conversations,
  copies: Copies,
): EngineMetrics {
  const { committer, ledger, book } = parts;
  const { counters } = committer;
  const metrics: EngineMetrics = {
    jumbo_epoch: ledger.epoch,
    jumbo_tasks: book.tasks.size,
    jumbo_sessions: conversations.sessions.size,
    jumbo_connections: conversations.connections,
    jumbo_leases_open: ledger.openLeases,
    jumbo_exchanges_total: conversations.counters.exchanges,
    jumbo_ranges_granted_total: conversations.counters.rangesGranted,
    jumbo_ranges_reported_total: conversations.counters.rangesReported,
    jumbo_leases_expired_total: conversations.counters.expired,
    jumbo_copies_made_total: copies.made,
    jumbo_copies_stopped_total: copies.stopped,
    jumbo_copies_open: copies.open,
    jumbo_faults_total: conversations.counters.faults,
    jumbo_commit_groups_total: counters.groups,
    jumbo_commit_seconds_sum: counters.commitMsSum / 1000,
    jumbo_commit_seconds_max: counters.commitMsMax / 1000,
    jumbo_journal_bytes_total: counters.journalBytes,
    jumbo_journal_bytes_behind: committer.journalBytesBehind,
    jumbo_pages_written_total: counters.pages,
    jumbo_resident_bytes: process.memoryUsage.rss(),
  };
  const sums = { ready: 0, leased: 0, done: 0, merged: 0, failed: 0, cancelled: 0 };
  for (const task of book.tasks.keys()) {
    const counts = ledger.counts(task as TaskId);
    for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += counts[key];
  }
  for (const [state, count] of Object.entries(sums)) metrics[`jumbo_ranges_${state}`] = count;
  return metrics;
}
