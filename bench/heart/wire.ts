/** Figures of the wire, of HTTP with JSON in its place, and of the Arrow export. */
import { join } from "node:path";
import { leaseIdOf, type TaskId } from "../../src/base/index.ts";
import {
  decodeBriefly,
  encodeFrame,
  FRAME_PREFIX_BYTES,
  OUTCOME,
  SpanBlockBuilder,
} from "../../src/wire/index.ts";
import { firstTouchSeconds, storeAtRest } from "./books.ts";
import { type EngineProcess, serve, submitStandardTasks } from "./engine.ts";
import { type Figures, median } from "./figures.ts";
import { load } from "./load.ts";
import {
  cpuSecondsOf,
  end,
  freshDir,
  LOAD_CORE,
  type Place,
  ROOT,
  residentBytesOf,
  run,
  SERVER_CORE,
  start,
} from "./machine.ts";

export interface WireOptions {
  readonly quick: boolean;
  readonly log: (line: string) => void;
}

const BATCH = 256;

function exchangeFrame(): Uint8Array {
  const builder = new SpanBlockBuilder(12 as TaskId);
  for (let i = 0; i < BATCH; i++) {
    builder.add(1_000_000 + 3 * i, 1, 1, 1, leaseIdOf(41, 9_000_000 + i));
  }
  const cost = { wallSum: 2, wallSquares: 5, wallMax: 1.5, cpuSum: 1.75 };
  const reports = builder.build().map((spans) => {
    return { outcome: OUTCOME.done, spans, bundle: 3, reason: "", cost, node: 0 };
  });
  const message = { sequence: 77, reports, want: BATCH, freeSlots: 4, secondsLeft: 3000 };
  return encodeFrame({ type: "exchange", ...message });
}

export async function wire(_place: Place, figures: Figures, options: WireOptions): Promise<void> {
  const frame = exchangeFrame();
  figures.add("wire: exchange in columns of 256", frame.length / BATCH, "B/range", {
    atMost: 17.5,
  });
  const builder = new SpanBlockBuilder(12 as TaskId);
  builder.add(1_000_000, BATCH, 1, 1, leaseIdOf(41, 9_000_000));
  const grant = { sequence: 77, tasks: [], files: [], offsets: [] };
  const whole = encodeFrame({ type: "grant", ...grant, spans: builder.build() }).length;
  const empty = encodeFrame({ type: "grant", ...grant, spans: [] }).length;
  figures.add("wire: a contiguous grant's span", whole - empty, "B", { atMost: 20 });
  const payload = frame.subarray(FRAME_PREFIX_BYTES);
  const samples: number[] = [];
  let sum = 0;
  for (let round = 0; round < (options.quick ? 40 : 200); round++) {
    const began = performance.now();
    for (let i = 0; i < 500; i++) sum += readAll(payload);
    samples.push(((performance.now() - began) * 1e6) / 500 / BATCH);
  }
  if (!(sum > 0)) throw new Error("nothing was read");
  figures.add("wire: decode + read", median(samples), "ns/range", { atMost: 10 });
}

function readAll(payload: Uint8Array): number {
  const message = decodeBriefly(payload, "pilot");
  if (message.type !== "exchange") throw new Error("no exchange");
  let sum = 0;
  for (const { spans } of message.reports) {
    const { first, count, attempt, grant, lease } = spans;
    for (let i = 0; i < spans.size; i++) {
      sum += (first[i] as number) + (count[i] as number) + (attempt[i] as number);
      sum += (grant[i] as number) + (lease[i] as number);
    }
  }
  return sum;
}

// -- fastify and JSON ----------------------------------------------------------------------------

export async function againstJson(
  place: Place,
  figures: Figures,
  options: WireOptions,
): Promise<void> {
  // One of its own in a short look too: the peer is as cold then.
  const engine = await serve(place, freshDir(place, "ours"));
  const jsonDir = freshDir(place, "json");
  const script = join(ROOT, "bench", "heart", "parts", "json-peer.ts");
  const peer = start([process.execPath, script, jsonDir], {
    core: SERVER_CORE,
    env: place.environment,
  });
  try {
    const port = await new Promise<number>((resolve) => {
      peer.stdout?.once("data", (chunk: Buffer) => resolve(Number(chunk.toString())));
    });
    await submitStandardTasks(engine);
    const pid = Number(peer.pid);
    for (const { batch, goal } of [
      { batch: 16, goal: 0.6 },
      { batch: 256, goal: 0.3 },
    ]) {
      const ratios: number[] = [];
      const seconds = options.quick ? 0.6 : 1.5;
      // The first round warms both up; in a short look that of the small batch must do.
      const first = options.quick && batch === 256 ? 1 : 0;
      // By turns and often: a second of one costs up to half as much again as the next one.
      for (let round = first; round < (options.quick ? 2 : 10); round++) {
        const before = round % 2 === 0 ? await jsonCpu(pid, port, batch, seconds) : null;
        const own = await ownCpu(place, engine, batch, seconds);
        const json = before ?? (await jsonCpu(pid, port, batch, seconds));
        if (round > 0) ratios.push(own / json);
      }
      const name = `CPU an exchange of ${batch} scattered ranges / fastify + JSON`;
      figures.add(name, median(ratios), "x", { atMost: goal });
    }
  } finally {
    await end(peer);
    await engine.stop();
  }
}

async function jsonCpu(pid: number, port: number, batch: number, seconds: number): Promise<number> {
  const script = join(ROOT, "bench", "heart", "parts", "json-load.ts");
  const before = cpuSecondsOf(pid);
  const words = [port, 64, batch, seconds, 1].map(String);
  const output = await run([process.execPath, script, ...words], { core: LOAD_CORE });
  const { exchanges } = JSON.parse(output) as { exchanges: number };
  return (cpuSecondsOf(pid) - before) / exchanges;
}

async function ownCpu(
  place: Place,
  engine: EngineProcess,
  batch: number,
  seconds: number,
): Promise<number> {
  const before = cpuSecondsOf(engine.pid);
  const result = await load(place, {
    contender: "jumbo",
    connect: engine.connect,
    key: engine.key,
    ...{ clients: 64, batch, scatter: true, warmSeconds: 0, seconds },
  });
  return (cpuSecondsOf(engine.pid) - before) / (result.rangesTotal / batch);
}

// -- Arrow ---------------------------------------------------------------------------------------

const WARM_EXPORTS = 12;

export async function arrowExport(
  place: Place,
  figures: Figures,
  options: WireOptions,
): Promise<void> {
  const ranges = 1e7;
  options.log("10^7 ranges are brought to rest");
  // Short looks share the store with the section of what is at rest.
  const { dir } = await storeAtRest(place, ranges, options.quick ? 1e5 : 0);
  const engine = await serve(place, dir);
  try {
    // Both threads' heaps have their size after some; a further export must not grow on it.
    const warm = options.quick ? WARM_EXPORTS / 3 : WARM_EXPORTS;
    for (let i = 0; i < warm; i++) await exported(engine);
    const before = residentBytesOf(engine.pid);
    const seconds: number[] = [];
    let most = before;
    let bytes = 0;
    for (let i = 0; i < 3; i++) {
      const began = performance.now();
      bytes = await exported(engine, () => {
        most = Math.max(most, residentBytesOf(engine.pid));
      });
      seconds.push((performance.now() - began) / 1000);
    }
    figures.add("Arrow export of 10^7 ranges, 45 % done in 16s", bytes / 1e6, "MB");
    const floor = firstTouchSeconds(10 * ranges);
    const name = "Arrow export of 10^7 ranges / memcpy of 10 B/range";
    figures.add(name, median(seconds) / floor, "x", { atMost: 12 });
    figures.add("Arrow export: growth over three more", (most - before) / 1e6, "MB", {
      atMost: 32,
    });
  } finally {
    await engine.stop();
  }
}

async function exported(engine: EngineProcess, look: () => void = () => {}): Promise<number> {
  const response = await fetch(`${engine.access.http}/api/v1/tasks/1/ranges`, {
    headers: { authorization: `Bearer ${engine.access.token}` },
  });
  if (!response.ok || !response.body) throw new Error(`export: ${response.status}`);
  let bytes = 0;
  let chunks = 0;
  for await (const chunk of response.body) {
    bytes += (chunk as Uint8Array).length;
    if (chunks++ % 32 === 0) look();
  }
  return bytes;
}
