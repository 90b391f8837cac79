/**
 * The JSON form of messages in the vector files. Plain JSON, with two conventions:
 *
 *   {"$bin": "00ff"}       bytes, in lower-case hex                 (literal slice pieces)
 *   {"$f64": [0, 16]}      a column of float64                      (offsets)
 *
 * Columns of a span block are JSON arrays of numbers; a lease is its whole identity
 * epoch * 2^32 + number, a safe integer. Costs are the exact values of their f32.
 */
import type { Message } from "../../src/wire/index.ts";

/** Span columns as plain arrays, bins and offset columns as tagged objects; key order is kept. */
export function toJson(value: unknown): unknown {
  if (value instanceof Uint8Array && !isColumn(value)) {
    return { $bin: Buffer.from(value).toString("hex") };
  }
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object" || value === null) return value;
  const result: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    if (item instanceof Float64Array && key === "offsets") result[key] = { $f64: [...item] };
    else if (ArrayBuffer.isView(item) && COLUMNS.has(key)) {
      result[key] = [...(item as unknown as Iterable<number>)];
    } else result[key] = toJson(item);
  }
  return result;
}

const COLUMNS = new Set(["first", "count", "attempt", "grant", "lease"]);

function isColumn(value: Uint8Array): boolean {
  return value.constructor !== Uint8Array && !Buffer.isBuffer(value);
}

/** The message of a vector's JSON form. */
export function fromJson(value: unknown): Message {
  return revive(value) as Message;
}

function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (typeof value !== "object" || value === null) return value;
  const tagged = value as { $bin?: string; $f64?: number[] };
  if (tagged.$bin !== undefined) return new Uint8Array(Buffer.from(tagged.$bin, "hex"));
  if (tagged.$f64 !== undefined) return Float64Array.from(tagged.$f64);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(item)]));
}
