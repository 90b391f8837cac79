/**
 * The simulator's clock: a 4-ary heap of (time, code) in typed arrays. Codes are small integers
 * that the world gives meaning to; equal times leave in the order in which they were added, so
 * that the same seed always gives the same history.
 */
export class EventQueue {
  #times = new Float64Array(1024);
  #orders = new Float64Array(1024);
  #codes = new Float64Array(1024);
  #size = 0;
  #added = 0;
  /** Time of the event that `pop` returned last. */
  nowSeconds = 0;

  get size(): number {
    return this.#size;
  }

  add(seconds: number, code: number): void {
    if (this.#size === this.#times.length) this.#grow();
    const order = this.#added++;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 2;
      // A new event has the highest order: it stays behind an equal time.
      if (this.#times[parent]! <= seconds) break;
      this.#times[at] = this.#times[parent]!;
      this.#orders[at] = this.#orders[parent]!;
      this.#codes[at] = this.#codes[parent]!;
      at = parent;
    }
    this.#times[at] = seconds;
    this.#orders[at] = order;
    this.#codes[at] = code;
  }

  /** Code of the next event, or -1 when there is none. */
  pop(): number {
    if (this.#size === 0) return -1;
    const code = this.#codes[0]!;
    this.nowSeconds = this.#times[0]!;
    const last = --this.#size;
    if (last > 0) this.#sink(this.#times[last]!, this.#orders[last]!, this.#codes[last]!);
    return code;
  }

  #sink(time: number, order: number, code: number): void {
    const times = this.#times;
    const orders = this.#orders;
    const size = this.#size;
    let at = 0;
    for (;;) {
      let best = 4 * at + 1;
      if (best >= size) break;
      const end = Math.min(best + 4, size);
      for (let child = best + 1; child < end; child++) {
        const earlier = times[child]! < times[best]!;
        if (earlier || (times[child] === times[best] && orders[child]! < orders[best]!)) {
          best = child;
        }
      }
      if (times[best]! > time || (times[best] === time && orders[best]! > order)) break;
      times[at] = times[best]!;
      orders[at] = orders[best]!;
      this.#codes[at] = this.#codes[best]!;
      at = best;
    }
    times[at] = time;
    orders[at] = order;
    this.#codes[at] = code;
  }

  #grow(): void {
    const wider = (old: Float64Array<ArrayBuffer>) => {
      const fresh = new Float64Array(old.length * 2);
      fresh.set(old);
      return fresh;
    };
    this.#times = wider(this.#times);
    this.#orders = wider(this.#orders);
    this.#codes = wider(this.#codes);
  }
}
