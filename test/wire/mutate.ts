import type { SeededRandom } from "../../src/base/index.ts";

/** First bytes of every msgpack family, right and wrong ones. */
const HEADS = [
  0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xc4, 0xc5, 0xc6, 0xc7, 0xca, 0xcb, 0xcc,
  0xcd, 0xce, 0xcf, 0xd0, 0xd3, 0xd4, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff,
];

/** Flips, overwrites, cuts, doubles or inserts at up to four places. */
export function mutate(payload: Uint8Array, random: SeededRandom): Uint8Array {
  const bytes = [...payload];
  for (let edits = 1 + random.below(4); edits > 0; edits--) {
    const at = random.below(bytes.length + 1);
    const kind = random.below(6);
    if (kind === 0) bytes[at % bytes.length]! ^= 1 << random.below(8);
    else if (kind === 1) bytes[at % bytes.length] = random.below(256);
    else if (kind === 2) bytes.splice(at, 1 + random.below(4));
    else if (kind === 3) bytes.splice(at, 0, random.below(256));
    else if (kind === 4) bytes.splice(at, 0, ...bytes.slice(at, at + random.below(16)));
    else bytes[at % bytes.length] = HEADS[random.below(HEADS.length)]!;
    if (bytes.length === 0) bytes.push(0x90);
  }
  return Uint8Array.from(bytes);
}
