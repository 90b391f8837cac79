/** Figures of many sessions: 10 000 idle ones beside busy ones, and the trace of 440 000 slots. */
import { type Engines, submitStandardTasks } from "./engine.ts";
import type { Figures } from "./figures.ts";
import { load } from "./load.ts";
import { cpuSecondsOf, type Place, residentBytesOf, sleep } from "./machine.ts";

export interface SessionsOptions {
  readonly quick: boolean;
  readonly log: (line: string) => void;
}

const IDLE = 10_000;

export async function idleSessions(
  place: Place,
  figures: Figures,
  engines: Engines,
  options: SessionsOptions,
): Promise<void> {
  await engines.use("idle", {}, async (engine) => {
    await submitStandardTasks(engine);
    const busy = {
      contender: "jumbo" as const,
      connect: engine.connect,
      key: engine.key,
      ...{ clients: 64, batch: 1, seconds: options.quick ? 0.6 : 6 },
    };
    const alone = await load(place, { ...busy, warmSeconds: options.quick ? 0.5 : 1.5 });
    const before = residentBytesOf(engine.pid);
    const running = load(place, { ...busy, warmSeconds: options.quick ? 2 : 3, idle: IDLE });
    await sleep((options.quick ? 2.2 : 7) * 1000);
    const after = residentBytesOf(engine.pid);
    const crowded = await running;
    figures.add("64 busy pilots alone: p99", alone.p99Ms, "ms");
    figures.add("64 busy + 10 000 idle sessions: p99 / alone", crowded.p99Ms / alone.p99Ms, "x", {
      atMost: 2,
    });
    figures.add("an idle session: RSS", (after - before) / IDLE / 1000, "kB", { atMost: 20 });
  });
}

const SLOTS = 440_000;
const SLOTS_PER_PILOT = 128;

/** Not pinned: engine and pilots share both cores, as the figure says. */
export async function trace(
  place: Place,
  figures: Figures,
  engines: Engines,
  options: SessionsOptions,
): Promise<void> {
  await engines.use("trace", { core: null }, async (engine) => {
    await submitStandardTasks(engine);
    const clients = Math.ceil(SLOTS / SLOTS_PER_PILOT);
    const cpuBefore = cpuSecondsOf(engine.pid);
    const began = performance.now();
    const result = await load(place, {
      contender: "trace",
      connect: engine.connect,
      key: engine.key,
      ...{ clients, batch: 1, slots: SLOTS_PER_PILOT, eventMs: 1000, core: null },
      warmSeconds: options.quick ? 2.5 : 8,
      seconds: options.quick ? 2 : 20,
    });
    const wall = (performance.now() - began) / 1000;
    const name = "440 000 slots at 1 s an event";
    figures.add(`${name}: ranges / due`, result.rangesPerSecond / SLOTS, "x", { atLeast: 0.97 });
    figures.add(`${name}: p50`, result.p50Ms, "ms");
    figures.add(`${name}: p50, second half / first`, result.p50MsSecond / result.p50MsFirst, "x", {
      atMost: 1.25,
    });
    figures.add(`${name}: engine CPU`, (cpuSecondsOf(engine.pid) - cpuBefore) / wall, "cores");
  });
}
