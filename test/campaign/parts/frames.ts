/**
 * Malformed frames: mutations of every vector and values out of a msgpack grammar, against the
 * decoder (each is decoded or refused as a protocol error, in under 100 ms) and, a part of them,
 * against a live gateway, beside which an honest load must go on.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { JumboError, SeededRandom } from "../../../src/base/index.ts";
import { decodePayload } from "../../../src/wire/index.ts";
import { mutate } from "../../wire/mutate.ts";
import { Load } from "../load.ts";
import {
  Child,
  type Part,
  type PartResult,
  program,
  REPOSITORY,
  sleep,
  workFolder,
} from "../part.ts";

const SLOW_MS = 100;
/** One in so many goes to the live gateway too. */
const LIVE_EVERY = 500;
const PREFIX_BYTES = 4;

export const part: Part = {
  what: "malformed frames by mutation and grammar, against the decoder and a live gateway",
  count: 1_000_000,
  async run({ seed, count }): Promise<PartResult> {
    const random = new SeededRandom(seed);
    const path = join(REPOSITORY, "test/vectors/messages.json");
    const { vectors } = JSON.parse(readFileSync(path, "utf8")) as {
      vectors: { from: "pilot" | "engine"; hex: string }[];
    };
    const good = vectors.map(({ hex }) => Buffer.from(hex, "hex").subarray(PREFIX_BYTES));
    const hello = good.find((_, i) => vectors[i]?.hex.slice(8, 12) === "9e01");
    if (!hello) throw new Error("the vectors hold a hello");
    const violations: string[] = [];
    const live: Uint8Array[] = [];
    const counts = { frames: 0, decoded: 0, refused: 0, "ms slowest": 0 };
    for (let i = 0; i < count; i++) {
      const at = random.below(good.length);
      const byGrammar = i % 3 === 2;
      const payload = byGrammar ? invented(random) : mutate(good[at] as Uint8Array, random);
      const from = byGrammar ? "pilot" : (vectors[at]?.from ?? "pilot");
      let tookMs = decode(payload, from, counts, violations);
      // A pause of the machine is no slow frame: what was slow is tried again, and its best counts.
      for (let again = 0; again < 3 && tookMs > SLOW_MS / 4; again++) {
        tookMs = Math.min(tookMs, decode(payload, from, null, violations));
      }
      counts["ms slowest"] = Math.max(counts["ms slowest"], Math.ceil(tookMs));
      counts.frames++;
      if (i % LIVE_EVERY === 0 && from === "pilot") live.push(payload);
    }
    if (counts["ms slowest"] > SLOW_MS) violations.push(`a frame took over ${SLOW_MS} ms`);
    const honest = await againstGateway(live, violations);
    return { counts: { ...counts, "sent to a gateway": live.length, ...honest }, violations };
  },
};

/** Milliseconds that it takes to decode or refuse a payload. */
function decode(
  payload: Uint8Array,
  from: "pilot" | "engine",
  counts: { decoded: number; refused: number } | null,
  violations: string[],
): number {
  const began = performance.now();
  try {
    decodePayload(payload, from);
    if (counts) counts.decoded++;
  } catch (error) {
    if (counts) counts.refused++;
    const isOurs = error instanceof JumboError && ["protocol", "version"].includes(error.code);
    if (!isOurs) violations.push(`${Buffer.from(payload).toString("hex")}: ${error}`);
  }
  return performance.now() - began;
}

/** Any msgpack value, most often an array that begins like a message. */
function invented(random: SeededRandom): Uint8Array {
  const bytes: number[] = [];
  const items = random.below(16);
  bytes.push(0x90 + items, random.below(24));
  for (let i = 1; i < items; i++) value(bytes, random, 0);
  return Uint8Array.from(bytes);
}

function value(into: number[], random: SeededRandom, depth: number): void {
  const some = (count: number) => {
    for (let i = 0; i < count; i++) into.push(random.below(256));
  };
  const kind = random.below(depth > 6 ? 8 : 12);
  if (kind === 0) into.push(random.below(128));
  else if (kind === 1) {
    into.push(0xce);
    some(4);
  } else if (kind === 2) {
    into.push(0xcb);
    some(8);
  } else if (kind === 3) {
    const length = random.below(32);
    into.push(0xa0 + length);
    some(length);
  } else if (kind === 4) {
    const length = random.below(64);
    into.push(0xc4, length);
    some(length);
  } else if (kind === 5) into.push(0xc0 + random.below(4));
  else if (kind === 6) {
    into.push(0xd4 + random.below(5), 0x72);
    some(1 + random.below(16));
  } else if (kind === 7) {
    into.push([0xc6, 0xdb, 0xdd, 0xdf][random.below(4)] as number);
    some(4);
  } else if (kind < 11) {
    const items = random.below(8);
    into.push(0x90 + items);
    for (let i = 0; i < items; i++) value(into, random, depth + 1);
  } else {
    const items = random.below(4);
    into.push(0x80 + items);
    for (let i = 0; i < 2 * items; i++) value(into, random, depth + 1);
  }
}

async function againstGateway(frames: readonly Uint8Array[], violations: string[]) {
  const dir = workFolder("memory");
  const socket = join(dir, "s");
  const engine = new Child([program("engine"), dir, `unix:${socket}`], {}, 600_000);
  await engine.saying(/^up /m);
  const load = new Load({ pilots: 2, want: 4, connect: () => connect(socket) });
  load.start();
  for (const payload of frames) {
    await new Promise<void>((done) => {
      const bad = connect(socket);
      const prefix = Buffer.alloc(PREFIX_BYTES);
      prefix.writeUInt32BE(payload.length);
      bad.on("error", () => {});
      bad.on("close", () => done());
      bad.on("data", () => bad.destroy());
      bad.write(Buffer.concat([prefix, payload]));
      setTimeout(() => bad.destroy(), 20);
    });
    if (engine.ended) break;
  }
  const before = load.acknowledged.size;
  await sleep(500);
  if (engine.ended) violations.push(`the engine ended: ${engine.stdout}${engine.stderr}`);
  else if (load.acknowledged.size === before) violations.push("the honest load stands still");
  violations.push(...load.violations);
  load.stop();
  engine.kill("SIGTERM");
  await engine.end;
  return { "honest acknowledgements beside them": load.acknowledged.size };
}
