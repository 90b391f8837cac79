/**
 * What the rest of the house may ask of the core: one request, one answer, over the worker's port
 * or directly. Answers to requests that change something come after the group commit is on disk.
 */
import type { MeasuredSplit } from "../shape/index.ts";
import type { OutputFile, TaskPhaseName } from "../store/index.ts";
import type { TaskFile, TaskSpec } from "../task/index.ts";

export interface Counts {
  total: number;
  ready: number;
  leased: number;
  done: number;
  merged: number;
  failed: number;
  cancelled: number;
}

export interface FailureSummary {
  reason: string;
  ranges: number;
  /** Lowest range index with this reason. */
  example: number;
}

/** One task as people see it; `jumbo show --output json` prints it with schema "task/1". */
export interface TaskView {
  id: number;
  name: string;
  owner: string;
  state: TaskPhaseName;
  /** `done` includes what is merged, as in the task/1 document; so does it in `ranges`. */
  events: Counts;
  ranges: Counts;
  attempts: number;
  files: readonly OutputFile[];
  manifest: string;
  failures: readonly FailureSummary[];
  seconds: number;
  priority: number;
  createdWallMs: number;
  problem: string;
  /** Ranges a second over the last minute, and seconds left at that rate; -1 unknown. */
  rangesPerSecond: number;
  etaSeconds: number;
  spec: TaskSpec;
}

export interface PilotView {
  number: number;
  pilotId: string;
  queue: string;
  allocation: string;
  software: string;
  nodes: readonly { name: string; cores: number; slots: number }[];
  slots: number;
  freeSlots: number;
  held: number;
  running: number;
  secondsLeft: number;
  connectedSeconds: number;
  done: number;
  draining: boolean;
}

/** When a task will be done, as far as is known; seconds from now, -1 where nothing can be said. */
export interface ForecastView {
  seconds: number;
  /** The work alone, and a pessimistic end of the last range. */
  low: number;
  high: number;
  /** What it is made from; `rate`: ranges too short to be predicted one by one. */
  known: "measured" | "hint" | "rate" | "nothing";
  ranges: number;
  slots: number;
  /** Of a range; -1 unknown. */
  meanSeconds: number;
  cv: number;
  /** Of the mean, one standard deviation. */
  relativeError: number;
}

/** Core-seconds of an allocation, or of a pilot without one; shape/core-seconds.ts says of what. */
export interface AllocationView {
  queue: string;
  allocation: string;
  pilots: readonly string[];
  /** Pilots of it that are connected. */
  connected: number;
  slots: number;
  split: MeasuredSplit;
  /** Useful core-seconds of the task asked for; the split is of all tasks. */
  taskCoreSeconds: number;
}

export interface StandingView {
  task: number;
  forecast: ForecastView;
  /** Sum over all allocations that worked for the task. */
  split: MeasuredSplit;
  /** Those with most core-seconds first; `allocationsLeft` more are only in the sum. */
  allocations: AllocationView[];
  allocationsLeft: number;
}

export interface PilotExplanation {
  pilot: string;
  lines: string[];
}

/** Columns of equal length, one entry a run of alike ranges, in order. */
export interface RangeColumns {
  task: number;
  first: Float64Array;
  count: Float64Array;
  /** STATE of the ledger plus merged = 5, cancelled = 6. */
  state: Uint8Array;
  attempts: Uint8Array;
  failures: Uint8Array;
  losses: Uint8Array;
  lease: Float64Array;
  bundle: Uint32Array;
  reason: Uint32Array;
  /** Where to go on, or -1 at the end. */
  next: number;
}

export interface FileTableRow extends TaskFile {
  firstRange: number;
  ranges: number;
}

export interface Explanation {
  task: number;
  /** Lines for people: why it waits, what it waits for, in the shaper's own terms. */
  lines: string[];
}

export interface EngineMetrics {
  [name: string]: number;
}

export interface CommandMap {
  submit: {
    /** `weights`: cost of each range, where the task file tells them (scan room). */
    ask: { spec: TaskSpec; files: TaskFile[]; weights?: Float32Array | null };
    answer: { task: number; existed: boolean };
  };
  /** `weights`: of the ranges that are added. `again`: also files that are the task's last ones. */
  extend: {
    ask: { task: number; files: TaskFile[]; again: boolean; weights?: Float32Array | null };
    answer: { ranges: number };
  };
  cancel: { ask: { task: number }; answer: { state: TaskPhaseName } };
  retry: { ask: { task: number }; answer: { ranges: number } };
  list: { ask: Record<string, never>; answer: TaskView[] };
  show: { ask: { task: number }; answer: TaskView };
  /** Forecast, and where the core-seconds of the task's allocations went; computed when asked. */
  standing: { ask: { task: number }; answer: StandingView };
  /** Id of a name, or of a decimal id given as text. */
  find: { ask: { name: string }; answer: { task: number } };
  explain: { ask: { task: number; range: number | null }; answer: Explanation };
  /** Why a pilot has what it has: by its number, its id, or the name of one of its nodes. */
  explainPilot: { ask: { pilot: string }; answer: PilotExplanation };
  ranges: { ask: { task: number; from: number; runsMax: number }; answer: RangeColumns };
  files: { ask: { task: number }; answer: FileTableRow[] };
  reasons: { ask: { task: number }; answer: { id: number; text: string }[] };
  bundles: {
    ask: { ids: number[] };
    answer: { id: number; uri: string; state: string; pilot: number; pilotId: string }[];
  };
  pilots: { ask: Record<string, never>; answer: PilotView[] };
  metrics: { ask: Record<string, never>; answer: EngineMetrics };
  /** Answers once the task is done, failed or cancelled; `timed out` after timeoutMs (0: never). */
  wait: { ask: { task: number; timeoutMs: number }; answer: TaskView };
  /** When an allocation began, from whoever asked for it: its pilots' start-up counts from there. */
  allocationBegan: {
    ask: { queue: string; allocation: string; wallMs: number };
    answer: Record<string, never>;
  };
  /** Orders a pilot to drain. */
  drainPilot: { ask: { pilot: number; reason: string }; answer: Record<string, never> };
  /** An allocation is over: so are its pilots, as below. */
  allocationEnded: { ask: { queue: string; allocation: string }; answer: Record<string, never> };
  /**
   * The processes of all pilots whose id begins so are known to have ended: their leases end at
   * once, or with what still lies in their connection.
   */
  pilotsEnded: { ask: { prefix: string }; answer: Record<string, never> };

  // -- the merge room's side ---------------------------------------------------------------------
  /** Tasks whose every range is final and whose merge is not done. */
  mergeable: { ask: Record<string, never>; answer: { task: number }[] };
  /** An output file is renamed and durable: ranges below `mergedBelow` are merged. */
  merged: {
    ask: { task: number; output: OutputFile; mergedBelow: number };
    answer: Record<string, never>;
  };
  /** The manifest is durable and verified: the task ends as done or failed. */
  finish: { ask: { task: number; manifest: string; problem: string }; answer: TaskView };
  /** The merge can't be done whatever is run again (unequal init blocks ...): ends as failed. */
  mergeFailed: { ask: { task: number; problem: string }; answer: TaskView };
  /** A bundle is proven gone or corrupt: its accepted ranges of the task are done again. */
  reopenBundle: { ask: { task: number; bundle: number; why: string }; answer: { ranges: number } };
  /** One range's output is proven corrupt or unfit. `charge`: it counts as a bad end. */
  reopenRange: {
    ask: { task: number; range: number; why: string; charge: boolean };
    answer: { ranges: number };
  };
  /** Bundles all of whose tasks are finished: the merge room deletes their files, then says so. */
  disposable: { ask: { task: number }; answer: { id: number; uri: string }[] };
  bundleDeleted: { ask: { ids: number[] }; answer: Record<string, never> };

  // -- credentials -------------------------------------------------------------------------------
  getMeta: { ask: { key: string }; answer: { value: string | null } };
  putMeta: { ask: { key: string; value: string | null }; answer: Record<string, never> };
  /** Pilots whose hello carries another credential are refused. */
  setPilotKeys: { ask: { keys: string[] }; answer: Record<string, never> };
  /** The allocation's key of that identity counts no more; `sessions`: that ended by it. */
  revokePilotKey: { ask: { identity: string }; answer: { sessions: number } };
}

export type CommandName = keyof CommandMap;

/** What happens in the core and others may want to follow; sent at most every 100 ms per task. */
export type EngineEvent =
  | { readonly type: "task"; readonly view: TaskView }
  | { readonly type: "mergeable"; readonly task: number }
  | { readonly type: "pilot"; readonly joined: boolean; readonly view: PilotView }
  | { readonly type: "failstop"; readonly message: string };

/** The one handle by which http, merge and cli reach the core, in a worker or inline. */
export interface EngineClient {
  ask<Name extends CommandName>(
    name: Name,
    ask: CommandMap[Name]["ask"],
  ): Promise<CommandMap[Name]["answer"]>;
  onEvent(listener: (event: EngineEvent) => void): () => void;
}
