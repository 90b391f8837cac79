/**
 * Taking back what a pilot holds and has not started: at a task's end, when slots starve elsewhere,
 * and from pilots that drain or whose walltime will end before the range's turn comes.
 *
 * At the end only what would wait longer than a round trip is worth the message: a queue of q
 * ranges behind c slots moves every mu/c seconds.
 */
export interface HolderSight {
  readonly pilot: number;
  readonly slots: number;
  readonly freeSlots: number;
  /** Held and not started. */
  readonly unstarted: number;
  readonly meanSeconds: number;
  readonly roundTripSeconds: number;
  readonly secondsLeft: number;
  readonly draining: boolean;
}

export interface RecallOrder {
  readonly pilot: number;
  readonly ranges: number;
  readonly reason: string;
}

/** @param hungry free slots at other pilots that nothing ready can fill */
export function recallOrders(holders: readonly HolderSight[], hungry: number): RecallOrder[] {
  const orders: RecallOrder[] = [];
  const spare: { holder: HolderSight; ranges: number; waitSeconds: number }[] = [];
  for (const holder of holders) {
    const queued = holder.unstarted - (holder.draining ? 0 : holder.freeSlots);
    if (queued <= 0) continue;
    const turnSeconds = holder.meanSeconds > 0 ? holder.meanSeconds / holder.slots : 0;
    const waitSeconds = queued * turnSeconds;
    if (holder.draining) {
      orders.push({ pilot: holder.pilot, ranges: queued, reason: "the pilot drains" });
    } else if (waitSeconds > holder.secondsLeft) {
      const inTime = turnSeconds > 0 ? Math.floor(holder.secondsLeft / turnSeconds) : queued;
      const late = Math.max(0, queued - Math.max(0, inTime));
      if (late > 0) orders.push({ pilot: holder.pilot, ranges: late, reason: "its wall is near" });
    } else if (waitSeconds > 2 * holder.roundTripSeconds) {
      const soon = Math.ceil((2 * holder.roundTripSeconds) / turnSeconds);
      spare.push({ holder, ranges: queued - Math.min(queued, soon), waitSeconds });
    }
  }
  let wanted = hungry;
  spare.sort((a, b) => b.waitSeconds - a.waitSeconds);
  for (const { holder, ranges } of spare) {
    if (wanted <= 0) break;
    const taken = Math.min(ranges, wanted);
    if (taken <= 0) continue;
    orders.push({ pilot: holder.pilot, ranges: taken, reason: "slots are free elsewhere" });
    wanted -= taken;
  }
  return orders;
}
