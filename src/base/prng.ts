/**
 * Random numbers: sfc32 for everything that needs a seeded stream (simulator, jitter, tests), and
 * splitmix64 for the per-event seeds of payloads.
 *
 * Per-event seeds: S = first 8 bytes, big-endian, of sha256("taskSeed:fileIndex"); event i of that
 * file uses output i of splitmix64 started at S (Steele, Lea, Flood: "Fast splittable pseudorandom
 * number generators", OOPSLA 2014). Output i is computable without the ones before it, so results
 * never depend on where ranges were cut.
 */
import type { Random } from "./effects.ts";

const MASK64 = 0xffff_ffff_ffff_ffffn;
const GOLDEN = 0x9e37_79b9_7f4a_7c15n;

/** Output `index` (0-based) of splitmix64 started at `seed`; both and the result are u64. */
export function splitmix64At(seed: bigint, index: number | bigint): bigint {
  let z = (seed + (BigInt(index) + 1n) * GOLDEN) & MASK64;
  z = ((z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & MASK64;
  z = ((z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn) & MASK64;
  return z ^ (z >> 31n);
}

/** sfc32 (Doty-Humphrey, PractRand): small, fast, seedable; not for secrets. */
export class SeededRandom implements Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    const mixed = splitmix64At(BigInt(Math.trunc(seed)) & MASK64, 0);
    this.#a = Number(mixed & 0xffff_ffffn) | 0;
    this.#b = Number(mixed >> 32n) | 0;
    this.#c = Number(splitmix64At(mixed, 1) & 0xffff_ffffn) | 0;
    for (let i = 0; i < 12; i++) this.nextU32();
  }

  nextU32(): number {
    const t = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return t >>> 0;
  }

  nextUnit(): number {
    return (this.nextU32() * 0x20_0000 + (this.nextU32() >>> 11)) / 2 ** 53;
  }

  /** Uniform integer in 0 .. below-1. */
  below(below: number): number {
    return Math.floor(this.nextUnit() * below);
  }

  chance(probability: number): boolean {
    return this.nextUnit() < probability;
  }
}
