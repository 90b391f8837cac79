/**
 * Columns of Arrow record batches that both streams of rows have: numbers that may pass 2^32, which
 * go through pairs of u32 and never through bigints, and texts.
 */
import { type Data, makeData, Utf8 } from "apache-arrow";

/** What is below 0 (an absent number) becomes 0. `halves`: room for twice `length`. */
export function packU64(
  numbers: ArrayLike<number>,
  length: number,
  halves: Uint32Array = new Uint32Array(2 * length),
): BigUint64Array {
  for (let row = 0; row < length; row++) {
    const value = Math.max(0, numbers[row] as number);
    halves[2 * row] = value % 0x1_0000_0000;
    halves[2 * row + 1] = Math.floor(value / 0x1_0000_0000);
  }
  return new BigUint64Array(halves.buffer, halves.byteOffset, length);
}

export function unpackU64(
  values: BigUint64Array,
  target: { [row: number]: number },
  length: number,
): void {
  const halves = new Uint32Array(values.buffer, values.byteOffset, 2 * length);
  for (let row = 0; row < length; row++) {
    target[row] = (halves[2 * row] as number) + (halves[2 * row + 1] as number) * 0x1_0000_0000;
  }
}

/** A row for which `textOf` has nothing is null. */
export function textColumn(
  textOf: (row: number) => string | null | undefined,
  length: number,
): Data<Utf8> {
  const valueOffsets = new Int32Array(length + 1);
  const nullBitmap = new Uint8Array((length + 7) >>> 3);
  let nullCount = 0;
  let bytes = 0;
  for (let row = 0; row < length; row++) {
    const text = textOf(row);
    if (text == null) nullCount++;
    else {
      nullBitmap[row >>> 3]! |= 1 << (row & 7);
      bytes += Buffer.byteLength(text);
    }
    valueOffsets[row + 1] = bytes;
  }
  const data = Buffer.alloc(bytes);
  for (let row = 0; row < length && nullCount < length; row++) {
    const text = textOf(row);
    if (text != null) data.write(text, valueOffsets[row] as number);
  }
  return makeData({ type: new Utf8(), length, nullCount, nullBitmap, valueOffsets, data });
}
