/**
 * A map from whole numbers to values, for entries that come and go thousands of times a second. A
 * JavaScript Map makes a new table every few hundred of them, and each old table points to the next
 * one: once one has become old to the collector, all later tables and whatever they held live until
 * the next collection of the whole heap. Here one table stays (open addressing, no tombstones).
 */
const EMPTY = -1;
const CAPACITY_MIN = 16;
/** A table up to this size stays when entries go: they come again with the next batch. */
const CAPACITY_KEPT_MAX = 4096;

export class NumberMap<Value> {
  #keys = new Float64Array(CAPACITY_MIN).fill(EMPTY);
  #values: (Value | undefined)[] = new Array<Value | undefined>(CAPACITY_MIN).fill(undefined);
  #mask = CAPACITY_MIN - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** `key`: a whole number, not negative. */
  get(key: number): Value | undefined {
    const keys = this.#keys;
    for (let at = this.#home(key); ; at = (at + 1) & this.#mask) {
      const found = keys[at];
      if (found === key) return this.#values[at];
      if (found === EMPTY) return undefined;
    }
  }

  set(key: number, value: Value): void {
    if (2 * this.#size > this.#mask) this.#resize(2 * (this.#mask + 1));
    const keys = this.#keys;
    let at = this.#home(key);
    while (keys[at] !== EMPTY && keys[at] !== key) at = (at + 1) & this.#mask;
    if (keys[at] === EMPTY) this.#size++;
    keys[at] = key;
    this.#values[at] = value;
  }

  /** False if there was none. */
  delete(key: number): boolean {
    const keys = this.#keys;
    let hole = this.#home(key);
    while (keys[hole] !== key) {
      if (keys[hole] === EMPTY) return false;
      hole = (hole + 1) & this.#mask;
    }
    this.#close(hole);
    this.#size--;
    const capacity = this.#mask + 1;
    if (capacity > CAPACITY_KEPT_MAX && 8 * this.#size < capacity) this.#resize(capacity / 2);
    return true;
  }

  clear(): void {
    if (this.#mask >= CAPACITY_KEPT_MAX) {
      this.#allocate(CAPACITY_MIN);
      return;
    }
    this.#keys.fill(EMPTY);
    this.#values.fill(undefined);
    this.#size = 0;
  }

  forEach(visit: (value: Value, key: number) => void): void {
    for (let at = 0; at <= this.#mask; at++) {
      if (this.#keys[at] !== EMPTY) visit(this.#values[at] as Value, this.#keys[at] as number);
    }
  }

  #home(key: number): number {
    const mixed = Math.imul(key | 0, 0x9e37_79b1);
    return (mixed ^ (mixed >>> 15)) & this.#mask;
  }

  /** What comes behind moves up, unless it would then stand before its own place. */
  #close(hole: number): void {
    const [keys, values, mask] = [this.#keys, this.#values, this.#mask];
    for (let at = (hole + 1) & mask; keys[at] !== EMPTY; at = (at + 1) & mask) {
      const home = this.#home(keys[at] as number);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      keys[hole] = keys[at] as number;
      values[hole] = values[at];
      hole = at;
    }
    keys[hole] = EMPTY;
    values[hole] = undefined;
  }

  #resize(capacity: number): void {
    const [keys, values] = [this.#keys, this.#values];
    this.#allocate(capacity);
    for (let at = 0; at < keys.length; at++) {
      if (keys[at] !== EMPTY) this.set(keys[at] as number, values[at] as Value);
    }
  }

  #allocate(capacity: number): void {
    this.#keys = new Float64Array(capacity).fill(EMPTY);
    this.#values = new Array<Value | undefined>(capacity).fill(undefined);
    this.#mask = capacity - 1;
    this.#size = 0;
  }
}
