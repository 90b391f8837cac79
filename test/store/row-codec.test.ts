import { describe, expect, test } from "vitest";
import {
  type BundleRow,
  decodeBundleRow,
  decodeFileRow,
  decodePilotRow,
  decodeReasonRow,
  decodeTaskRow,
  encodeBundleRow,
  encodeFileRow,
  encodePilotRow,
  encodeReasonRow,
  encodeTaskRow,
} from "../../src/store/index.ts";
import { packValue } from "../../src/wire/index.ts";
import { exampleFileRow, exampleTaskRow } from "./rows-example.ts";

/** Buffers and typed arrays of equal bytes count as equal. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, inner) =>
      inner instanceof Uint8Array ? { bytes: [...inner] } : inner,
    ),
  );
}

describe("cold rows", () => {
  test("come back as they were", () => {
    const task = exampleTaskRow({ id: 0xffff_ffff, ranges: Number.MAX_SAFE_INTEGER });
    expect(decodeTaskRow(encodeTaskRow(task))).toEqual(task);
    const file = exampleFileRow(exampleTaskRow(), 1);
    expect(plain(decodeFileRow(encodeFileRow(file)))).toEqual(plain({ ...file }));
    const bundle: BundleRow = {
      id: 9,
      uri: "file:/ü",
      pilot: 3,
      state: "lost",
      tasks: [1, 2 ** 31],
    };
    expect(decodeBundleRow(encodeBundleRow(bundle))).toEqual(bundle);
    const pilot = { number: 7, pilotId: "node-1/3", generation: 2 };
    expect(decodePilotRow(encodePilotRow(pilot))).toEqual(pilot);
    const reason = { task: 4, id: 5, text: "exit code 3: no such tree" };
    expect(decodeReasonRow(encodeReasonRow(reason))).toEqual(reason);
  });

  test("of another version or shape are refused by name", () => {
    expect(() => decodePilotRow(packValue([2, 7, "p", 1]))).toThrow(/pilot row.*its version is 2/);
    expect(() => decodePilotRow(packValue([1, 7, "p"]))).toThrow(/it has 2 fields/);
    expect(() => decodePilotRow(packValue({ version: 1 }))).toThrow(/it is no array/);
    expect(() => decodePilotRow(packValue([1, "7", "p", 1]))).toThrow(/a number is missing/);
    const task = exampleTaskRow({ phase: "lost" as "done" });
    expect(() => decodeTaskRow(encodeTaskRow(task))).toThrow(/its phase is "lost"/);
  });
});
