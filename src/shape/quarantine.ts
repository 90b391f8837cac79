/**
 * Black holes: a node on which every start fails takes ranges faster than healthy nodes and would
 * eat the attempts of a whole task. A pilot whose failures come in a row is cut down to one probe
 * at a time, with a pause that doubles, until a probe succeeds.
 *
 * A bad payload fails everywhere; then the fault is the task's, holding pilots back would only
 * delay the answer, and nobody is quarantined. So a streak counts against a pilot only while most
 * of the other pilots have none; a single pilot is never quarantined.
 */
const STREAK_MIN = 3;
const PAUSE_MS_FIRST = 15_000;
const PAUSE_MS_MAX = 600_000;

interface Suspect {
  streak: number;
  pauseMs: number;
  probeAtMs: number;
}

export class Quarantine {
  readonly #suspects = new Map<number, Suspect>();

  /** Ranges that `pilot` may hold unfinished at most: Infinity, or 1 for a probe, or 0. */
  allowance(
    pilot: number,
    streak: number,
    held: number,
    pilotsAlive: number,
    nowMs: number,
  ): number {
    if (streak === 0) {
      if (this.#suspects.size > 0) this.#suspects.delete(pilot);
      return Number.POSITIVE_INFINITY;
    }
    let suspect = this.#suspects.get(pilot);
    if (suspect === undefined) {
      suspect = { streak: 0, pauseMs: PAUSE_MS_FIRST, probeAtMs: nowMs + PAUSE_MS_FIRST };
      this.#suspects.set(pilot, suspect);
    } else if (streak > suspect.streak && nowMs >= suspect.probeAtMs) {
      suspect.pauseMs = Math.min(PAUSE_MS_MAX, suspect.pauseMs * 2);
      suspect.probeAtMs = nowMs + suspect.pauseMs;
    }
    suspect.streak = streak;
    if (streak < STREAK_MIN || !this.#isOutlier(pilotsAlive)) return Number.POSITIVE_INFINITY;
    return nowMs >= suspect.probeAtMs && held === 0 ? 1 : 0;
  }

  /** When the pilot gets its next probe; 0 if it is not under suspicion. */
  probeAtMs(pilot: number): number {
    return this.#suspects.get(pilot)?.probeAtMs ?? 0;
  }

  isSuspect(pilot: number, pilotsAlive: number): boolean {
    const suspect = this.#suspects.get(pilot);
    return suspect !== undefined && suspect.streak >= STREAK_MIN && this.#isOutlier(pilotsAlive);
  }

  forget(pilot: number): void {
    this.#suspects.delete(pilot);
  }

  #isOutlier(pilotsAlive: number): boolean {
    return this.#suspects.size * 2 <= pilotsAlive && pilotsAlive > 1;
  }
}
