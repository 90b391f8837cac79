/**
 * Baselines of the literature as they hand out work, size-blind all of them. Each answers: how
 * many ranges does this node get now, and how long does its answer take beyond the network.
 *
 *   yoda      128 a request, refilled under 100 waiting ones, answered within 60 s
 *   raythena  a node's cores' worth when it has run empty, 2 s
 *   gss       ceil(R/P) per node (Polychronopoulos and Kuck 1987)
 *   fac2      batches of P chunks of ceil(R/2P) (Hummel, Schonberg, Flynn 1992)
 *   af        adaptive factoring from measured mean and variance (Banicescu 2002)
 *   ss        one range for each free slot
 */
export type PolicyName = "jumbo" | "yoda" | "raythena" | "gss" | "fac2" | "af" | "ss";
export const POLICIES: readonly PolicyName[] = [
  "jumbo",
  "yoda",
  "raythena",
  "gss",
  "fac2",
  "af",
  "ss",
];

export interface Ask {
  readonly node: number;
  readonly slots: number;
  readonly freeSlots: number;
  /** Granted and not started. */
  readonly waiting: number;
  readonly ready: number;
  /** Requesters: nodes alive. */
  readonly nodes: number;
  readonly meanSeconds: number;
  readonly cv: number;
}

export class Baseline {
  readonly name: PolicyName;
  /** Chunks of the present batch still to hand out, and their size (fac2). */
  #chunks = 0;
  #size = 0;

  constructor(name: PolicyName) {
    this.name = name;
  }

  /** Seconds an answer takes beyond the network; `unit` is uniform in [0, 1). */
  delaySeconds(unit: number): number {
    if (this.name === "yoda") return 60 * unit;
    return this.name === "raythena" ? 2 : 0;
  }

  count(ask: Ask): number {
    if (ask.ready <= 0) return 0;
    if (this.name === "yoda") return ask.waiting < 100 ? 128 : 0;
    if (this.name === "ss") return Math.max(0, ask.freeSlots - ask.waiting);
    if (ask.waiting > 0 || ask.freeSlots <= 0) return 0;
    if (this.name === "raythena") return ask.slots;
    if (this.name === "gss") return Math.ceil(ask.ready / ask.nodes);
    if (this.name === "fac2") return this.#factored(ask);
    return adaptive(ask);
  }

  #factored(ask: Ask): number {
    if (this.#chunks === 0) {
      this.#chunks = ask.nodes;
      this.#size = Math.ceil(ask.ready / (2 * ask.nodes));
    }
    this.#chunks--;
    return this.#size;
  }
}

/** (D + 2TR - sqrt(D^2 + 4DTR)) / 2mu with equal requesters; a node is `slots` times faster. */
function adaptive(ask: Ask): number {
  if (ask.meanSeconds <= 0) return ask.slots;
  const mean = ask.meanSeconds / ask.slots;
  const variance = (ask.meanSeconds * ask.cv) ** 2 / ask.slots ** 2;
  const d = (ask.nodes * variance) / mean;
  const t = mean / ask.nodes;
  const tr = t * ask.ready;
  const size = (d + 2 * tr - Math.sqrt(d * d + 4 * d * tr)) / (2 * mean);
  return Math.max(1, Math.ceil(size));
}
