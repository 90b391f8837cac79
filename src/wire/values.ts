/**
 * Plain values for the store's cold rows: null, booleans, numbers, bigints of 64 bits, strings,
 * Uint8Arrays, arrays and plain objects, as ordinary msgpack without records. Not for the pilot
 * port: messages have their own strict codec.
 */
import { Packr, Unpackr } from "msgpackr";
import { assert, JumboError, messageOf } from "../base/index.ts";
import { guardValue } from "./guard.ts";

const VALUE_NESTING_MAX = 32;
const plain = { useRecords: false, mapsAsObjects: true, encodeUndefinedAsNil: true } as const;
const packr = new Packr(plain);
const unpackr = new Unpackr(plain);

/** msgpack of a plain value; undefined becomes null. The result has a buffer of its own. */
export function packValue(value: unknown): Uint8Array {
  assertPlain(value, 0);
  return Uint8Array.from(packr.pack(value));
}

/** The value again; bins are copies. Throws JumboError "protocol" for what packValue can't make. */
export function unpackValue(bytes: Uint8Array): unknown {
  guardValue(bytes, VALUE_NESTING_MAX);
  try {
    return unpackr.unpack(bytes);
  } catch (error) {
    throw new JumboError(
      "protocol",
      `bad msgpack value: ${messageOf(error)} (keys of maps must be strings) use packValue`,
      { cause: error },
    );
  }
}

/** Typed arrays, dates, maps and sets would become ext types that unpackValue refuses. */
function assertPlain(value: unknown, depth: number): void {
  assert(depth <= VALUE_NESTING_MAX, "a value to pack is nested too deep, or holds itself");
  if (typeof value !== "object" || value === null) {
    assert(typeof value !== "function" && typeof value !== "symbol", "a value to pack is no data");
    return;
  }
  if (value instanceof Uint8Array) return;
  if (Array.isArray(value)) {
    for (const item of value) assertPlain(item, depth + 1);
    return;
  }
  const prototype = Object.getPrototypeOf(value);
  assert(
    prototype === Object.prototype || prototype === null,
    "a value to pack is no plain object",
  );
  for (const key in value) assertPlain((value as Record<string, unknown>)[key], depth + 1);
}
