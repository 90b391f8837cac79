/**
 * What the broker shows the shaper of a pilot and of a task at one moment, and what it gets back.
 */
/** What the broker knows of a pilot at this moment. */
export interface PilotSight {
  readonly pilot: number;
  readonly nodeType: string;
  /** Whose tasks it may run; none or "": all. */
  readonly owner?: string;
  readonly slots: number;
  readonly freeSlots: number;
  /** Granted and unfinished ranges, the running ones included. */
  readonly held: number;
  readonly running: number;
  /** The most it takes beyond `held`. */
  readonly want: number;
  /** Until its walltime ends; Infinity if unknown. */
  readonly secondsLeft: number;
  /** From a completion at the pilot to the start of its replacement, were nothing queued there. */
  readonly roundTripSeconds: number;
  /**
   * The pilot's want already counts the round trips it measures; up to so long ones it is believed.
   * None: no longer than `roundTripSeconds`.
   */
  readonly believedTripSeconds?: number;
  readonly draining: boolean;
  /** Failures in a row, 0 after each success. */
  readonly failureStreak: number;
}

export interface TaskSight {
  readonly task: number;
  readonly owner: string;
  readonly priority: number;
  readonly ready: number;
  readonly leased: number;
  readonly coresPerSlot: number;
  /** True once setWeights was called for the task. */
  readonly hasHints: boolean;
}

export interface GrantPlan {
  readonly task: number;
  readonly ranges: number;
  /** Tasks with weights: exactly these ranges, in this order; skip those that aren't ready. */
  readonly picks: readonly number[] | null;
  /** A probe of a suspect pilot: give it a range that was never started, if there is one. */
  readonly untried: boolean;
}

export interface ShaperOptions {
  /** Prefetch at all; false for comparisons. */
  readonly prefetch?: boolean;
  /** Most that copies may cost, as a share of the work done; 0.02 unless told. */
  readonly copyShareMax?: number;
}
