/** CRC-32 (IEEE 802.3, reflected 0xEDB88320), as in zip; node's zlib has it in native code. */
import { crc32 as zlibCrc32 } from "node:zlib";

/** Up to here a table is faster than the way to native code. */
const SHORT_BYTES = 16;
const POLYNOMIAL = 0xedb8_8320;

const table = new Uint32Array(256).map((_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? POLYNOMIAL ^ (value >>> 1) : value >>> 1;
  return value;
});

/** Continues `seed` (0 to start) over `bytes`; result u32. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  if (bytes.length > SHORT_BYTES) return zlibCrc32(bytes, seed);
  let value = ~seed;
  for (let i = 0; i < bytes.length; i++) {
    value = (table[(value ^ (bytes[i] as number)) & 0xff] as number) ^ (value >>> 8);
  }
  return ~value >>> 0;
}
