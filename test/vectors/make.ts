/**
 * Writes messages.json and malformed.json beside this file: `node test/vectors/make.ts`. The files
 * are committed and checked by test/wire/vectors.test.ts, and any other implementation of the
 * protocol can check itself against them. A change of an existing vector is a change of the
 * protocol and needs a new version.
 */
import { writeFileSync } from "node:fs";
import { decodePayload, encodeFrame, FRAME_PREFIX_BYTES } from "../../src/wire/index.ts";
import { toJson } from "./json.ts";
import { MALFORMED_VECTORS } from "./malformed.ts";
import { MESSAGE_VECTORS } from "./messages.ts";

const hex = (bytes: Uint8Array | readonly number[]): string => Buffer.from(bytes).toString("hex");

/** One line a vector, so that a change shows as one line of a diff. */
function render(schema: string, rows: readonly object[]): string {
  const lines = rows.map((row) => `    ${JSON.stringify(row)}`).join(",\n");
  return `{\n  "schema": "${schema}",\n  "vectors": [\n${lines}\n  ]\n}\n`;
}

/** The text of both files, by name. `hex` of a message is the whole frame, prefix included. */
export function vectorFiles(): Map<string, string> {
  const messages = MESSAGE_VECTORS.map(({ name, from, message }) => {
    const frame = encodeFrame(message);
    const decoded = decodePayload(frame.subarray(FRAME_PREFIX_BYTES), from);
    return { name, from, message: toJson(decoded), hex: hex(frame) };
  });
  const malformed = MALFORMED_VECTORS.map(({ name, from, code, bytes }) => {
    return { name, from, code, hex: hex(bytes) };
  });
  return new Map([
    ["messages.json", render("jumbo/wire-messages/1", messages)],
    ["malformed.json", render("jumbo/wire-malformed/1", malformed)],
  ]);
}

if (import.meta.main) {
  for (const [name, text] of vectorFiles()) {
    writeFileSync(new URL(name, import.meta.url), text);
  }
}
