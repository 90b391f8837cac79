import { readFileSync } from "node:fs";
import { unpack } from "msgpackr";
import { describe, expect, it } from "vitest";
import { decodePayload, encodeFrame, MESSAGE } from "../../src/wire/index.ts";
import { fromJson, toJson } from "../vectors/json.ts";
import { vectorFiles } from "../vectors/make.ts";

interface Vector {
  readonly name: string;
  readonly from: "pilot" | "engine";
  readonly code: string;
  readonly message: unknown;
  readonly hex: string;
}

const textOf = (name: string): string =>
  readFileSync(new URL(`../vectors/${name}`, import.meta.url), "utf8");
const vectorsOf = (name: string): Vector[] => JSON.parse(textOf(name)).vectors;
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));

describe("test/vectors", () => {
  it("are what `node test/vectors/make.ts` writes", () => {
    for (const [name, text] of vectorFiles()) {
      expect(textOf(name) === text, `${name} is out of date, or the protocol changed`).toBe(true);
    }
  });

  it("have every message type from every side that sends it, and unique names", () => {
    const vectors = vectorsOf("messages.json");
    const types = new Set(vectors.map(({ message }) => (message as { type: string }).type));
    expect([...types].sort()).toEqual(Object.keys(MESSAGE).sort());
    for (const file of ["messages.json", "malformed.json"]) {
      const names = vectorsOf(file).map((vector) => vector.name);
      expect(new Set(names).size).toBe(names.length);
    }
  });

  it("encode and decode byte for byte", () => {
    for (const { name, from, message, hex } of vectorsOf("messages.json")) {
      const frame = bytesOf(hex);
      expect(Buffer.from(encodeFrame(fromJson(message))).toString("hex") === hex, name).toBe(true);
      expect(frame.length - 4, name).toBe(new DataView(frame.buffer).getUint32(0));
      expect(toJson(decodePayload(frame.subarray(4), from)), name).toEqual(message);
    }
  });

  it("are plain msgpack: an ordinary unpacker reads them, type first", () => {
    for (const { name, message, hex } of vectorsOf("messages.json")) {
      const items = unpack(bytesOf(hex).subarray(4)) as unknown[];
      const { type } = message as { type: keyof typeof MESSAGE };
      expect(items[0], name).toBe(MESSAGE[type]);
    }
  });

  it("are refused with their code where they are malformed", () => {
    for (const { name, from, code, hex } of vectorsOf("malformed.json")) {
      let found = "accepted";
      try {
        decodePayload(bytesOf(hex), from);
      } catch (error) {
        found = (error as { code?: string }).code ?? String(error);
      }
      expect(found, name).toBe(code);
    }
  });
});
