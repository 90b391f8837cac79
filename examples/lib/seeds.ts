/**
 * Random numbers that don't depend on how a task was cut into ranges. The engine gives a 64-bit
 * seed S a file ({seed}, or `seed` of a stream range); event i of the file owns output i of
 * splitmix64 started at S (Steele, Lea, Flood, OOPSLA 2014), computable without the ones before it.
 * That output starts the event's own splitmix64 stream.
 */
const MASK = 0xffff_ffff_ffff_ffffn;
const STEP = 0x9e37_79b9_7f4a_7c15n;

/** Output `index` (0-based) of splitmix64 started at `seed`; u64. */
export function splitmix64(seed: bigint, index: number): bigint {
  let z = (seed + (BigInt(index) + 1n) * STEP) & MASK;
  z = ((z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn) & MASK;
  return z ^ (z >> 31n);
}

/** Uniform numbers in [0, 1) with 53 bits, for one event of one file. */
export function eventRandom(fileSeed: string, event: number): () => number {
  const seed = splitmix64(BigInt(fileSeed), event);
  let drawn = 0;
  return () => Number(splitmix64(seed, drawn++) >> 11n) / 2 ** 53;
}
