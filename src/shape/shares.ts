/**
 * Owners' shares of the cores: deficit round robin, kept as one number per owner, the core-seconds
 * served divided by the owner's weight. The owner that was served least comes next, so that shares
 * stay within one lease of their weights. Charged at the grant with the predicted cost and put
 * right when the true cost is reported.
 *
 * An owner that comes (back) joins at the level of the least served active owner: time away earns
 * no credit, and nobody starves behind a newcomer.
 */
export class Shares {
  readonly #served = new Map<string, number>();
  readonly #weights = new Map<string, number>();

  setWeight(owner: string, weight: number): void {
    if (weight > 0 && Number.isFinite(weight)) this.#weights.set(owner, weight);
  }

  weight(owner: string): number {
    return this.#weights.get(owner) ?? 1;
  }

  /** Core-seconds served per unit of weight, on the shares' own scale. */
  level(owner: string): number {
    return this.#served.get(owner) ?? 0;
  }

  /** Adds served core-seconds; negative to take back an over-estimate. */
  charge(owner: string, coreSeconds: number): void {
    if (!Number.isFinite(coreSeconds)) return;
    const level = this.level(owner) + coreSeconds / this.weight(owner);
    this.#served.set(owner, Math.max(0, level));
  }

  /** Makes `owner` active: lifted to `floor`, the level of the least served active owner. */
  join(owner: string, floor: number): void {
    if (this.level(owner) < floor) this.#served.set(owner, floor);
  }

  save(): { served: [string, number][]; weights: [string, number][] } {
    return { served: [...this.#served], weights: [...this.#weights] };
  }

  static restore(saved: ReturnType<Shares["save"]>): Shares {
    const shares = new Shares();
    for (const [owner, level] of saved.served) {
      if (Number.isFinite(level) && level >= 0) shares.#served.set(owner, level);
    }
    for (const [owner, weight] of saved.weights) shares.setWeight(owner, weight);
    return shares;
  }
}
