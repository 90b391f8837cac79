/**
 * 1 000 stuck peers on the pilots' port (connected and silent, or reading nothing of what they ask
 * for) and slow loris on both ports (a frame, a request, byte by byte). Others go on: their p99
 * stays below twice that without them, the engine's memory grows by less than 128 MB, and every
 * slow connection is ended by a limit.
 */
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { encodeFrame } from "../../../src/wire/index.ts";
import { Load } from "../load.ts";
import { jumbo, type Part, type PartResult, sleep, workFolder } from "../part.ts";
import { countTaskFile } from "../small-task.ts";

const MEASURED_MS = 4_000;
const RSS_MB_MAX = 128;
const LORIS = 50;
/** What is slow must be gone by then: the longest limit of a first frame or request, and slack. */
const ENDED_MS = 75_000;

export const part: Part = {
  what: "stuck peers and slow loris on both ports",
  count: 1_000,
  async run({ count }): Promise<PartResult> {
    const dir = workFolder();
    const store = join(dir, "store");
    const flags = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    const engine = jumbo(["serve", "--store", store, ...flags], {}, 600_000);
    await engine.saying(/access/);
    const access = join(store, "access.json");
    const known = JSON.parse(readFileSync(access, "utf8")) as {
      pilots: string[];
      http: string;
      pilotKey: string;
    };
    const tcp = known.pilots.find((address) => address.startsWith("tcp://")) as string;
    const pilotPort = Number(new URL(tcp).port);
    const httpPort = Number(new URL(known.http).port);
    const submit = await jumbo(["submit", countTaskFile(dir), "--access", access]).end;
    if (submit.code !== 0) throw new Error(`submit: ${submit.stderr}`);
    const dial = () => connect(pilotPort, "127.0.0.1");
    const load = new Load({ pilots: 4, want: 4, credential: known.pilotKey, connect: dial });
    load.start();
    await sleep(1_500);
    const alone = await p99Over(load, MEASURED_MS);
    const rssBefore = rssMb(engine.process.pid as number);
    const stuck = stuckPeers(count, dial, known.pilotKey);
    const slow = [
      ...drip(LORIS, dial, Buffer.concat([Buffer.from([0, 0, 4, 0]), Buffer.alloc(900)])),
      ...drip(
        LORIS,
        () => connect(httpPort, "127.0.0.1"),
        Buffer.from(`GET /api/v1/tasks HTTP/1.1\r\nX: ${"y".repeat(900)}`),
      ),
    ];
    await sleep(1_000);
    const beside = await p99Over(load, MEASURED_MS);
    const rssAfter = rssMb(engine.process.pid as number);
    const began = performance.now();
    while (slow.some((socket) => !socket.closed) && performance.now() - began < ENDED_MS) {
      await sleep(200);
    }
    const left = slow.filter((socket) => !socket.closed).length;
    const violations = [...load.violations];
    if (engine.ended) violations.push(`the engine ended: ${engine.stderr.slice(-400)}`);
    if (beside > 2 * alone)
      violations.push(`p99 ${beside.toFixed(2)} ms, alone ${alone.toFixed(2)}`);
    if (rssAfter - rssBefore > RSS_MB_MAX)
      violations.push(`memory grew by ${rssAfter - rssBefore} MB`);
    if (left > 0) violations.push(`${left} slow connections are open after ${ENDED_MS / 1000} s`);
    for (const socket of [...stuck, ...slow]) socket.destroy();
    load.stop();
    engine.kill("SIGTERM");
    await engine.end;
    return {
      counts: {
        stuck: count,
        "slow loris": slow.length,
        "ms p99 alone": alone.toFixed(2),
        "ms p99 beside them": beside.toFixed(2),
        "MB more": rssAfter - rssBefore,
      },
      violations,
    };
  },
};

/** Half say nothing at all; half say hello, beat, and never read. */
function stuckPeers(count: number, dial: () => Socket, credential: string): Socket[] {
  return Array.from({ length: count }, (_, i) => {
    const socket = dial();
    socket.on("error", () => {});
    if (i % 2 === 0) return socket;
    socket.on("connect", () => {
      socket.pause();
      const hello = {
        type: "hello",
        version: 1,
        role: "pilot",
        generation: 1,
        credential,
      } as const;
      const rest = { software: "stuck", queue: "", allocation: "", nodes: [], held: [] };
      const end = { secondsLeft: -1, want: 0, freeSlots: 0 };
      socket.write(encodeFrame({ ...hello, pilotId: `stuck-${i}`, ...rest, ...end }));
      const beat = encodeFrame({ type: "heartbeat", freeSlots: 0, secondsLeft: -1 });
      const timer = setInterval(() => socket.write(beat), 500);
      socket.on("close", () => clearInterval(timer));
    });
    return socket;
  });
}

/** Sends one byte of `bytes` every 100 ms on each of so many connections. */
function drip(count: number, dial: () => Socket, bytes: Buffer): Socket[] {
  return Array.from({ length: count }, () => {
    const socket = dial();
    let at = 0;
    const timer = setInterval(() => {
      if (at < bytes.length && socket.writable) socket.write(bytes.subarray(at, ++at));
    }, 100);
    socket.on("error", () => {});
    socket.on("close", () => clearInterval(timer));
    // Whatever comes must be read, or the end would never be seen.
    socket.resume();
    return socket;
  });
}

async function p99Over(load: Load, ms: number): Promise<number> {
  load.roundTripsMs.length = 0;
  await sleep(ms);
  const sorted = [...load.roundTripsMs].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.99)] ?? Number.POSITIVE_INFINITY;
}

export function rssMb(pid: number): number {
  const line = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Math.round(Number(line?.[1] ?? 0) / 1024);
}
