/** Figures of the books: group commits, bytes at rest, creation, recovery, a task of 10^9 ranges. */
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { join } from "node:path";
import { decodePayload, encodeFrame, FrameSplitter } from "../../src/wire/index.ts";
import { type EngineProcess, type Engines, serve } from "./engine.ts";
import { type Figures, median } from "./figures.ts";
import { freshDir, type Place, pinned, ROOT, residentBytesOf, SERVER_CORE } from "./machine.ts";

export interface BooksOptions {
  readonly quick: boolean;
  readonly log: (line: string) => void;
}

/** A script of parts/ on the servers' core; what it told, however it ended. */
export function part(
  place: Place,
  name: string,
  words: readonly (string | number)[],
  nodeFlags: readonly string[] = [],
): Promise<Record<string, number>> {
  const script = join(ROOT, "bench", "heart", "parts", `${name}.ts`);
  const command = [process.execPath, ...nodeFlags, script, ...words.map(String)];
  const [program, ...rest] = pinned(SERVER_CORE, command) as [string, ...string[]];
  const child = spawn(program, rest, {
    stdio: ["ignore", "pipe", "inherit"],
    env: place.environment,
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const line = output.trim().split("\n").at(-1) ?? "";
      if (line.startsWith("{")) resolve(JSON.parse(line) as Record<string, number>);
      else reject(new Error(`parts/${name}.ts ended with ${code ?? signal} and told nothing`));
    });
  });
}

export async function groupCommits(
  place: Place,
  figures: Figures,
  options: BooksOptions,
): Promise<void> {
  const dir = freshDir(place, "commit");
  const told = await part(place, "group-commit", [dir, options.quick ? 100 : 2_000]);
  const value = (key: string) => told[key] as number;
  figures.add("group commit of 64 mixed operations: / flush", value("ratio64"), "x", { atMost: 3 });
  figures.add("group commit of 64 mixed operations: pages", value("pages64"), "pages", {
    atMost: 8,
  });
  const name = "disk bytes a single-range operation, groups of";
  figures.add(`${name} 64`, value("bytes64"), "B", { atMost: 350 });
  figures.add(`${name} 512`, value("bytes512"), "B", { atMost: 60 });
}

/** By folder. */
const rested = new Map<string, number>();

/**
 * A store whose task 1 of so many ranges is at rest, with that many operations behind the
 * checkpoint: its folder, and the size of its file. Made once a run.
 */
export async function storeAtRest(
  place: Place,
  ranges: number,
  operations: number,
): Promise<{ dir: string; bytes: number }> {
  const name = `rest-${ranges}-${operations}`;
  const known = rested.get(join(place.dir, name));
  if (known !== undefined) return { dir: join(place.dir, name), bytes: known };
  const dir = freshDir(place, name);
  const told = await part(place, "at-rest", [dir, ranges, operations]);
  const bytes = told["bytes"] as number;
  rested.set(dir, bytes);
  return { dir, bytes };
}

/** At rest, in RAM, and back after SIGKILL: one store of 10^8 ranges serves all three. */
export async function atRest(place: Place, figures: Figures, options: BooksOptions): Promise<void> {
  const { ranges, operations } = options.quick
    ? { ranges: 1e7, operations: 1e5 }
    : { ranges: 1e8, operations: 1e6 };
  const size = options.quick ? "10^7" : "10^8";
  options.log(`${size} ranges are brought to rest`);
  const { dir, bytes } = await storeAtRest(place, ranges, operations);
  figures.add(`at rest, ${size} ranges: disk`, bytes / ranges, "B/range", { atMost: 0.6 });
  const what = `SIGKILL at ${size} ranges, ${operations} operations`;
  await recovery(place, figures, options, { dir, ranges, what });
  const told = await part(place, "memory", [dir, 1, options.quick ? 5e6 : 2e7], ["--expose-gc"]);
  figures.add(`at rest, ${size} ranges: RAM`, told["restPerRange"] as number, "B/range", {
    atMost: 10,
  });
  figures.add("10^8 untouched ranges: RAM", told["untouched"] as number, "B");
  const finished = told["finishedPerRange"] as number;
  figures.add("finished ranges: RAM", finished, "B/range", { atMost: 1 });
}

async function recovery(
  place: Place,
  figures: Figures,
  options: BooksOptions,
  { dir, ranges, what }: { dir: string; ranges: number; what: string },
): Promise<void> {
  const seconds: number[] = [];
  const opened: number[] = [];
  for (let i = 0; i < (options.quick ? 1 : 3); i++) {
    const began = performance.now();
    // On all cores, as people start it: the books open in one thread while the other loads HTTP.
    const engine = await serve(place, dir, { core: null });
    opened.push((performance.now() - began) / 1000);
    await firstGrant(engine);
    seconds.push((performance.now() - began) / 1000);
    // Killed again at once: the next start finds the same work behind the checkpoint.
    await engine.stop("SIGKILL");
  }
  const floor = firstTouchSeconds(10 * ranges);
  figures.add(`${what} -> serving`, median(opened), "s");
  figures.add(`${what} -> first grant`, median(seconds), "s", {
    atMost: 1,
  });
  const name = "the same / first-touch memcpy of 10 B/range";
  // The goal is of 10^8 ranges: fewer cost a start all the same, and nearly no copying.
  figures.add(name, median(seconds) / floor, "x", options.quick ? null : { atMost: 2 });
}

/** Seconds to copy so many bytes into memory that nobody has touched yet. */
export function firstTouchSeconds(bytes: number): number {
  const chunk = Buffer.alloc(Math.min(bytes, 64 * 1024 * 1024), 1);
  const times = [0, 0, 0].map(() => {
    const began = performance.now();
    const target = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += chunk.length) {
      target.set(chunk.subarray(0, Math.min(chunk.length, bytes - at)), at);
    }
    return (performance.now() - began) / 1000;
  });
  return median(times);
}

/** A pilot says hello; resolves with its first grant. */
function firstGrant(engine: EngineProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const [, host = "", port] = engine.connect.match(/^tcp:(.*):(\d+)$/) ?? [];
    const socket = port
      ? connect({ host, port: Number(port) })
      : connect({ path: engine.connect.replace(/^unix:/, "") });
    const splitter = new FrameSplitter(4 * 1024 * 1024);
    socket.on("error", reject);
    socket.on("data", (chunk: Buffer) => {
      for (const payload of splitter.push(chunk)) {
        const message = decodePayload(payload, "engine");
        const spans = message.type === "welcome" ? message.grant.spans.length : 0;
        if (spans > 0) {
          socket.destroy();
          resolve();
        }
      }
    });
    const nodes = [{ name: "n", cores: 4, gpus: 0, memoryMiB: 1024, slots: 4 }];
    socket.write(
      encodeFrame({
        type: "hello",
        version: 1,
        role: "pilot",
        pilotId: `first-${process.pid}-${performance.now()}`,
        generation: 1,
        credential: engine.key,
        software: "bench",
        queue: "bench",
        allocation: "bench",
        nodes,
        secondsLeft: -1,
        held: [],
        want: 4,
        freeSlots: 4,
      }),
    );
  });
}

/** Submissions of 10^8 ranges against durable submissions of one range, by turns. */
export async function creation(
  engines: Engines,
  figures: Figures,
  options: BooksOptions,
): Promise<void> {
  await engines.use("create", {}, async (engine) => {
    const made: number[] = [];
    const times = new Map<number, number[]>([
      [1, []],
      [1e8, []],
    ]);
    for (let i = 0; i < (options.quick ? 12 : 40); i++) {
      for (const [ranges, list] of times) {
        const began = performance.now();
        made.push(await engine.submit(`task-${ranges}-${i}`, ranges, 0));
        if (i >= 2) list.push(performance.now() - began);
      }
    }
    const metrics = await engine.metrics();
    const commits = metrics.get("jumbo_commit_groups_total") ?? Number.NaN;
    const commitMs = ((metrics.get("jumbo_commit_seconds_sum") ?? Number.NaN) / commits) * 1000;
    const large = median(times.get(1e8) as number[]);
    figures.add("create 10^8 ranges durably, over HTTP", large, "ms");
    figures.add("the same beyond two group commits", large - 2 * commitMs, "ms", { atMost: 5 });
    figures.add("create 10^8 ranges / create one", large / median(times.get(1) as number[]), "x");
    for (const task of made) await engine.cancel(task);
  });
}

export async function giant(place: Place, figures: Figures, options: BooksOptions): Promise<void> {
  const processed = options.quick ? 1e5 : 1e7;
  const dir = freshDir(place, "giant");
  options.log(`${processed} of 10^9 ranges are processed in scattered order`);
  const made = await part(place, "giant", [dir, 1e9, processed]);
  const engine = await serve(place, dir);
  try {
    await firstGrant(engine);
    const metrics = await engine.metrics();
    const done = metrics.get("jumbo_ranges_done") ?? 0;
    if (done !== made["done"])
      throw new Error(`${made["done"]} ranges were done, ${done} are back`);
    const most = Math.max(made["mostBytes"] as number, residentBytesOf(engine.pid));
    const name = `task of 10^9 ranges, ${processed} processed, killed, recovered: RSS`;
    figures.add(name, most / 1e9, "GB", { atMost: 1 });
  } finally {
    await engine.stop();
  }
}
