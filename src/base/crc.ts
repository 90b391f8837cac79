/** CRC-32 (IEEE 802.3, reflected 0xEDB88320), as in zip; node's zlib has it in native code. */
import { crc32 as zlibCrc32 } from "node:zlib";

/** Continues `seed` (0 to start) over `bytes`; result u32. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}
