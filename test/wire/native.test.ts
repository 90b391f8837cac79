/**
 * The two implementations of the protocol against each other: what TypeScript encodes, C++ decodes
 * and encodes again to the same bytes, and TypeScript reads back; what one refuses, the other does.
 * `JUMBO_WIRE_MESSAGES=100000 npx vitest run test/wire/native.test.ts` is the long form.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { FRAME_BYTES_MAX, SeededRandom } from "../../src/base/index.ts";
import { decodePayload, encodeFrame, type Message } from "../../src/wire/index.ts";
import { toJson } from "../vectors/json.ts";
import { engineMessage, pilotMessage } from "./arbitraries.ts";
import { mutate } from "./mutate.ts";

type Side = "pilot" | "engine";

const NATIVE = fileURLToPath(new URL("../../native", import.meta.url));
const BUILD = `${NATIVE}/build/wire-echo`;
const MESSAGES = Number(process.env["JUMBO_WIRE_MESSAGES"] ?? 5_000);
const SEED = Number(process.env["JUMBO_SEED"] ?? 1);
/** Messages of one run of the echo. */
const BATCH = 5_000;
const MESSAGE_OF: Record<Side, fc.Arbitrary<Message>> = {
  pilot: pilotMessage,
  engine: engineMessage,
};
const SIDES: readonly Side[] = ["pilot", "engine"];

function has(program: string): boolean {
  return spawnSync(program, ["--version"]).status === 0;
}

const missing = ["cmake", "c++"].filter((program) => !has(program));
if (missing.length > 0) {
  console.warn(
    `SKIPPED: TypeScript and C++ codecs are not compared (${missing.join(", ")} not found) ` +
      "install them: apt-get install cmake g++",
  );
}

function run(program: string, args: string[], input?: Uint8Array): Buffer {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    input: input ?? "",
    maxBuffer: 1 << 30,
  });
  if (error) throw error;
  expect(status, `${program} ${args.join(" ")}: ${stdout.subarray(-2000)}${stderr}`).toBe(0);
  return stdout;
}

/** What C++ answers to each payload: the payload it would send, or null where it refuses. */
function echo(side: Side, payloads: readonly Uint8Array[]): (Buffer | null)[] {
  const input = payloads.flatMap((payload) => {
    const prefix = Buffer.alloc(4);
    prefix.writeUInt32BE(payload.length);
    return [prefix, payload];
  });
  const output = run(`${BUILD}/wire/test/wire-echo`, [side], Buffer.concat(input));
  const answers: (Buffer | null)[] = [];
  for (let at = 0; at < output.length; ) {
    const size = output.readUInt32BE(at);
    answers.push(size === 0 ? null : output.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  expect(answers.length).toBe(payloads.length);
  return answers;
}

function accepts(side: Side, payload: Uint8Array): boolean {
  try {
    decodePayload(payload, side);
    return true;
  } catch {
    return false;
  }
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe.skipIf(missing.length > 0)("TypeScript and C++", () => {
  beforeAll(() => {
    run("cmake", ["-S", NATIVE, "-B", BUILD, "-DCMAKE_BUILD_TYPE=Release"]);
    run("cmake", ["--build", BUILD, "--target", "wire-echo"]);
  }, 300_000);

  it("agree on all vectors, well-formed and malformed", () => {
    for (const [file, prefixBytes] of [
      ["messages.json", 4],
      ["malformed.json", 0],
    ] as const) {
      const url = new URL(`../vectors/${file}`, import.meta.url);
      const { vectors } = JSON.parse(readFileSync(url, "utf8")) as {
        vectors: { name: string; from: Side; hex: string }[];
      };
      for (const side of SIDES) {
        // An empty payload can't be framed: the splitters refuse it already.
        const rows = vectors.filter(({ from, hex }) => from === side && hex !== "");
        const answers = echo(
          side,
          rows.map(({ hex }) => Buffer.from(hex, "hex").subarray(prefixBytes)),
        );
        for (const [i, { name, hex }] of rows.entries()) {
          const due = prefixBytes === 4 ? hex.slice(8) : "refused";
          const answer = answers[i] ?? null;
          expect(answer === null ? "refused" : hexOf(answer), name).toBe(due);
        }
      }
    }
  });

  it(`agree on ${MESSAGES} random messages, there and back`, () => {
    for (let done = 0; done < MESSAGES; done += BATCH) {
      for (const side of SIDES) {
        const numRuns = Math.ceil(Math.min(BATCH, MESSAGES - done) / 2);
        const messages = fc.sample(MESSAGE_OF[side], { numRuns, seed: SEED + done });
        const payloads = messages.map((message) => encodeFrame(message).subarray(4));
        const answers = echo(side, payloads);
        for (const [i, answer] of answers.entries()) {
          if (answer === null || Buffer.compare(answer, payloads[i]!) !== 0) {
            expect(answer && hexOf(answer)).toBe(hexOf(payloads[i]!));
          }
          if (i % 10 === 0) {
            expect(toJson(decodePayload(answer!, side))).toEqual(toJson(messages[i]));
          }
        }
      }
    }
  }, 600_000);

  it("refuse the same mutated frames", () => {
    const random = new SeededRandom(SEED);
    for (let done = 0; done < MESSAGES; done += BATCH) {
      for (const side of SIDES) {
        const seeds = fc
          .sample(MESSAGE_OF[side], { numRuns: 200, seed: SEED + done })
          .map((message) => encodeFrame(message).subarray(4));
        const payloads = Array.from({ length: Math.min(BATCH, MESSAGES - done) }, () => {
          return mutate(seeds[random.below(seeds.length)]!, random);
        }).filter((payload) => payload.length <= FRAME_BYTES_MAX);
        for (const [i, answer] of echo(side, payloads).entries()) {
          const payload = payloads[i]!;
          if ((answer !== null) !== accepts(side, payload)) {
            expect.fail(`they disagree on ${hexOf(payload)} from the ${side}`);
          }
          if (answer !== null && Buffer.compare(answer, payload) !== 0) {
            expect(hexOf(answer)).toBe(hexOf(payload));
          }
        }
      }
    }
  }, 600_000);
});
