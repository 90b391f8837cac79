/**
 * Bytes of single msgpack values, right or wrong, for the malformed vectors: written out by hand,
 * so that they don't depend on the encoder under test.
 */
export type Bytes = readonly number[];

export const u8 = (value: number): Bytes => [0xcc, value];
export const u16 = (value: number): Bytes => [0xcd, value >>> 8, value & 255];
export const u32 = (value: number): Bytes => [0xce, ...be32(value)];
export const f64 = (value: number): Bytes => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return [0xcb, ...bytes];
};
export const str = (text: string): Bytes => {
  const bytes = [...Buffer.from(text)];
  return bytes.length < 32 ? [0xa0 + bytes.length, ...bytes] : [0xd9, bytes.length, ...bytes];
};
export const bin = (bytes: Bytes): Bytes => [0xc4, bytes.length, ...bytes];
export const array = (...items: Bytes[]): Bytes => [0x90 + items.length, ...items.flat()];
export const f32le = (...values: number[]): Bytes => [
  ...new Uint8Array(Float32Array.from(values).buffer),
];
export const f64le = (...values: number[]): Bytes => [
  ...new Uint8Array(Float64Array.from(values).buffer),
];
export const u32le = (...values: number[]): Bytes => [
  ...new Uint8Array(Uint32Array.from(values).buffer),
];
export const u16le = (...values: number[]): Bytes => [
  ...new Uint8Array(Uint16Array.from(values).buffer),
];
export const be32 = (value: number): Bytes => [
  value >>> 24,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];
export const repeat = (count: number, value: number): number[] => Array(count).fill(value);
