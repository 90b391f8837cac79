/**
 * The small interfaces through which the world enters the pure middle. The simulator passes its
 * own, so the production ledger, shape and broker run unchanged under a fake clock and network.
 */

export interface Clock {
  /** Monotonic milliseconds: leases, deadlines and rates live on this clock only. */
  monotonicMs(): number;
  /** Wall clock in milliseconds since 1970: for display and walltime ends only. */
  wallMs(): number;
}

export interface Random {
  /** Next uniform integer, 0 .. 2^32-1. */
  nextU32(): number;
  /** Next uniform number in [0, 1) with 53 bits. */
  nextUnit(): number;
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
};
