/**
 * Who may hold one range, as far as frames and time tell: the outside checker's belief. A value,
 * never changed, so that a crash is undone by putting the older one back.
 *
 * Holders stand in order of their leases: the first one is in the engine's page, the next is the
 * copy, and goes on in the first one's place when that ends. A holder is `sure` while nothing that
 * was heard, and no deadline that has passed, can have ended its lease. One that is not sure may be
 * open still (its word may count) or not (its word may be refused).
 *
 * What makes a holder unsure, or not one at all:
 *   its own word, a hello that doesn't list it, a bye     it is none any more, or late
 *   its pilot's silence up to the deadline                unsure: the engine looks every 100 ms
 *   the other one's done                                  unsure: one of them counts
 *   the other one's bad end, if it may be the last        unsure: the range may have failed for good
 *   a later grant                                         the range was free or ran under one other
 *
 * `losses` and `failures` are bounds: so many were charged at most since they were last set back.
 */
export interface Holder {
  readonly lease: number;
  readonly pilot: string;
  readonly atMs: number;
  /** Its pilot's `started` was heard; `surely` if that was while it was sure. */
  readonly started: boolean;
  readonly surely: boolean;
  readonly sure: boolean;
  /** Its pilot was silent past a deadline; that is charged once. */
  readonly lapsed: boolean;
  /** Not open any more, but its done may count while nobody else has the range. */
  readonly late: boolean;
}

export interface Standing {
  readonly holders: readonly Holder[];
  readonly losses: number;
  readonly failures: number;
}

export interface Terms {
  readonly attempts: number;
  readonly losses: number;
}

/** How a holder ends by its pilot's word. `lost` is also a start that nobody answers for. */
export type End = "done" | "failed" | "fatal" | "lost" | "returned";

export const NOBODY: Standing = { holders: [], losses: 0, failures: 0 };

export function holderOf({ holders }: Standing, lease: number): Holder | undefined {
  for (const holder of holders) if (holder.lease === lease) return holder;
  return undefined;
}

/** True if another holder may be in the page, and this one but its copy. */
export function mayBeCopy({ holders }: Standing, lease: number): boolean {
  return holders.some((other) => other.lease < lease && !other.late);
}

function isSpent({ losses, failures }: Standing, terms: Terms): boolean {
  return losses >= terms.losses || failures >= terms.attempts;
}

/** None but perhaps `lease` is sure. */
function doubted(standing: Standing, lease: number): Standing {
  const doubt = (holder: Holder) => (holder.lease === lease ? holder : { ...holder, sure: false });
  return { ...standing, holders: standing.holders.map(doubt) };
}

/** A bad end of this lease: charged unless another one is surely in the page. */
function charged(standing: Standing, lease: number, end: End, terms: Terms): Standing {
  if (standing.holders.some((other) => other.sure && other.lease < lease)) return standing;
  const losses = standing.losses + (end === "lost" ? 1 : 0);
  const failures = standing.failures + (end === "failed" ? 1 : 0);
  const after = { ...standing, losses, failures };
  return end === "fatal" || isSpent(after, terms) ? doubted(after, lease) : after;
}

/** Looks at deadlines: nobody has to be heard for a lease to expire. */
export function settled(
  standing: Standing,
  hasLapsed: (holder: Holder) => boolean,
  terms: Terms,
): Standing {
  let now = standing;
  for (const holder of standing.holders) {
    if (holder.lapsed || !hasLapsed(holder)) continue;
    if (holder.started) now = charged(now, holder.lease, "lost", terms);
    const lapse = (one: Holder) =>
      one.lease === holder.lease ? { ...one, lapsed: true, sure: false } : one;
    now = { ...now, holders: now.holders.map(lapse) };
  }
  return now;
}

export function started(standing: Standing, lease: number): Standing {
  const known = holderOf(standing, lease);
  if (!known || known.started) return standing;
  const start = (one: Holder) =>
    one === known ? { ...one, started: true, surely: one.sure } : one;
  return { ...standing, holders: standing.holders.map(start) };
}

export function ended(standing: Standing, lease: number, end: End, terms: Terms): Standing {
  const known = holderOf(standing, lease);
  if (!known) return standing;
  let now = standing;
  if (end === "done") now = doubted(now, lease);
  else if (end !== "returned") now = charged(now, lease, end, terms);
  return { ...now, holders: now.holders.filter((one) => one.lease !== lease) };
}

/**
 * A hello left it out. If it had expired before, its lease is still the last one of a free range;
 * otherwise it ends now.
 */
export function unlisted(standing: Standing, lease: number, terms: Terms): Standing {
  const known = holderOf(standing, lease);
  const isFree = !standing.holders.some((other) => other.sure);
  if (!known?.lapsed || !isFree) {
    return ended(standing, lease, known?.started ? "lost" : "returned", terms);
  }
  if (known.late) return standing;
  const leave = (one: Holder) => (one === known ? { ...one, late: true } : one);
  return { ...standing, holders: standing.holders.map(leave) };
}

/** What was charged at most of a range that is not failed, or was retried if it was. */
export function unfailed(standing: Standing, terms: Terms): Standing {
  const losses = Math.min(standing.losses, terms.losses - 1);
  const failures = Math.min(standing.failures, terms.attempts - 1);
  const same = losses === standing.losses && failures === standing.failures;
  return same ? standing : { ...standing, losses, failures };
}

/**
 * A grant was seen, of a settled standing. `isPast` names holders that had expired before anything
 * could be granted. Throws if somebody surely has the range and it does not run.
 */
export function granted(
  standing: Standing,
  holder: Holder,
  isPast: (holder: Holder) => boolean,
  terms: Terms,
): Standing {
  const left = standing.holders.filter((one) => !one.late && !isPast(one));
  const sure = left.filter((one) => one.sure);
  if (sure.length > 1) throw new Error("I3: two pilots had it already");
  const mayRun = (one: Holder) => one.started && one.pilot !== holder.pilot;
  const before = sure[0];
  if (before && !mayRun(before)) throw new Error(`I7: ${before.pilot} had it`);
  // Two at most: one that surely has it leaves no place for those who may.
  const others = before ? [before] : left.filter(mayRun);
  return unfailed({ ...standing, holders: [...others, holder] }, terms);
}
