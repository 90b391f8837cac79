/**
 * Walks msgpack bytes without unpacking them, for what a general unpacker will read afterwards:
 * the store's cold rows (values.ts). Refuses ext types and the never-used byte (a general unpacker
 * may honour record definitions among them and compile code from them), too deep nesting, lengths
 * beyond the bytes that are left, and bytes after the value.
 *
 * Messages of the protocol don't come this way: their decoder (reader.ts, codec.ts) checks every
 * position while it decodes, so guard and decoder are one pass there.
 */
import { JumboError } from "../base/index.ts";

/** Throws JumboError "protocol" unless `bytes` is one plain msgpack value. */
export function guardValue(bytes: Uint8Array, depthMax: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // left[d]: values still due at depth d. A loop over a bounded stack, no recursion.
  const left = new Float64Array(depthMax + 1);
  let depth = 0;
  left[0] = 1;
  let at = 0;
  while (true) {
    while (left[depth] === 0) {
      if (depth === 0) {
        if (at !== bytes.length) throw refused(at, "is followed by more bytes");
        return;
      }
      depth--;
    }
    left[depth]!--;
    if (at >= bytes.length) throw refused(at, "is cut short");
    const head = bytes[at]!;
    const { next, items } = step(view, head, at);
    if (next + items > bytes.length) throw refused(at, "is cut short");
    at = next;
    if (items > 0) {
      if (depth === depthMax) throw refused(at, `is nested more than ${depthMax} deep`);
      left[++depth] = items;
    }
  }
}

/** Where the next value begins, and how many values this one holds. */
function step(view: DataView, head: number, at: number): { next: number; items: number } {
  const body = at + 1;
  if (head < 0x80 || head >= 0xe0) return { next: body, items: 0 };
  if (head < 0x90) return { next: body, items: 2 * (head & 15) };
  if (head < 0xa0) return { next: body, items: head & 15 };
  if (head < 0xc0) return { next: body + (head & 31), items: 0 };
  const room = view.byteLength - body;
  const width = SIZE_WIDTHS[head - 0xc0]!;
  if (width < 0) throw refused(at, "is of an ext type, or of none at all");
  if (room < width) throw refused(at, "is cut short");
  if (head <= 0xc3 || (head >= 0xca && head <= 0xd3)) return { next: body + width, items: 0 };
  const size =
    width === 1 ? view.getUint8(body) : width === 2 ? view.getUint16(body) : view.getUint32(body);
  const next = body + width;
  if (head >= 0xde) return { next, items: 2 * size };
  if (head >= 0xdc) return { next, items: size };
  return { next: next + size, items: 0 };
}

/** Bytes after the head, by head - 0xc0: of the number itself, or of the size. -1: refused. */
const SIZE_WIDTHS = [
  0, -1, 0, 0, 1, 2, 4, -1, -1, -1, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, -1, -1, -1, -1, -1, 1, 2, 4, 2, 4,
  2, 4,
];

function refused(at: number, why: string): JumboError {
  return new JumboError(
    "protocol",
    `bad msgpack value: what is at byte ${at} ${why} (only nil, booleans, numbers, strings, ` +
      "bins, arrays and maps are read here) write it with packValue",
  );
}
