/**
 * What the engine remembers of its queues, in the store's meta rows, so that a restart goes on with
 * the same jobs: one row with the names, one row a queue. A submission is written down before it is
 * made ("submitting", with the job's name), so that a crash in between finds its job by that name.
 */
import type { EngineClient } from "../broker/index.ts";
import { type QueueSettings, settingsOf } from "./settings.ts";

export type AllocationPhase = "submitting" | "pending" | "running" | "ended";

export interface AllocationRecord {
  /** Ours; part of the job's and the folder's name. Pilots carry it as their allocation. */
  readonly id: string;
  /** The site's id; "" while it is being submitted. */
  jobId: string;
  phase: AllocationPhase;
  /** The site's last word, and why. */
  state: string;
  reason: string;
  readonly nodes: readonly string[];
  /** Slots that its key is for; absent in records of earlier versions: any number. */
  readonly cores?: number;
  readonly seconds: number;
  /** Why this shape, in words. */
  readonly why: string;
  readonly submittedSeconds: number;
  startSeconds: number;
  endSeconds: number;
  exitCode: number;
  /** From its begin to its first pilot's word; -1: none came yet. */
  startupSeconds: number;
  /** We asked for its end: the reason. */
  cancelled: string;
}

export interface QueueRecord {
  readonly version: 1;
  readonly name: string;
  readonly settings: QueueSettings;
  paused: boolean;
  /** S as learned; -1: nothing yet. */
  startupSeconds: number;
  /** Allocations in a row that ended badly without a pilot's word. */
  badStreak: number;
  /** No submission before this time. */
  heldUntilSeconds: number;
  /** The last trouble, for people; "" if there is none. */
  problem: string;
  /** Live ones and the last that ended, oldest first. */
  allocations: AllocationRecord[];
}

const NAMES_KEY = "queues";
const rowKey = (name: string) => `queue ${name}`;
/** Ended allocations that stay to be shown. */
const ENDED_KEPT = 20;

export function newQueue(name: string, settings: QueueSettings): QueueRecord {
  return {
    version: 1,
    name,
    settings,
    paused: false,
    startupSeconds: -1,
    badStreak: 0,
    heldUntilSeconds: 0,
    problem: "",
    allocations: [],
  };
}

export class QueueRecords {
  readonly #client: EngineClient;
  readonly #saved = new Map<string, string>();

  constructor(client: EngineClient) {
    this.#client = client;
  }

  async load(): Promise<QueueRecord[]> {
    const { value } = await this.#client.ask("getMeta", { key: NAMES_KEY });
    const names = value === null ? [] : (JSON.parse(value) as string[]);
    const records: QueueRecord[] = [];
    for (const name of names) {
      const row = await this.#client.ask("getMeta", { key: rowKey(name) });
      if (row.value === null) continue;
      const record = JSON.parse(row.value) as QueueRecord;
      records.push({ ...record, settings: settingsOf(record.settings) });
      this.#saved.set(name, row.value);
    }
    return records;
  }

  async saveNames(names: readonly string[]): Promise<void> {
    await this.#client.ask("putMeta", { key: NAMES_KEY, value: JSON.stringify(names) });
  }

  /** Durable when it resolves; nothing is written where nothing changed. */
  async save(record: QueueRecord): Promise<void> {
    dropOldest(record);
    const value = JSON.stringify(record);
    if (this.#saved.get(record.name) === value) return;
    await this.#client.ask("putMeta", { key: rowKey(record.name), value });
    this.#saved.set(record.name, value);
  }

  async remove(name: string): Promise<void> {
    this.#saved.delete(name);
    await this.#client.ask("putMeta", { key: rowKey(name), value: null });
  }
}

/** Those of the last minute stay in any case: the rate of submissions is counted by them. */
function dropOldest(record: QueueRecord): void {
  const { allocations } = record;
  const recentSeconds = (allocations.at(-1)?.submittedSeconds ?? 0) - 60;
  const mayGo = (one: AllocationRecord) =>
    one.phase === "ended" && one.submittedSeconds <= recentSeconds;
  let drop = allocations.filter((one) => one.phase === "ended").length - ENDED_KEPT;
  if (drop <= 0) return;
  record.allocations = allocations.filter((one) => !mayGo(one) || drop-- <= 0);
}
